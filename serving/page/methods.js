// What is scored, and how each looks: Θ, Θ*, the moving average where there is one, then the shadows.

import { el, svg } from "./draw.js";

const TONES = ["--tone-0", "--tone-1", "--tone-2"];
const DASHES = [[6, 4], [0.5, 3.2], [9, 4, 0.5, 4], [2.5, 4], [15, 4]]; // with the tones: 15 looks before one is like another
const together = new Intl.ListFormat("en-GB");

export const SIGN = { theta: "Θ", star: "Θ*", ema: "EMA" };

// In the order in which they got a score. `score` is null where a period has none.
export function methods(rows) {
  const shadows = [...new Set(rows.flatMap((row) => Object.keys(row.shadows)))];
  return [
    { name: "Θ", kind: "theta", colour: "--theta", width: 2, score: (row) => row.theta },
    { name: "Θ*", kind: "star", colour: "--star", width: 2, score: (row) => row.star },
    ...(rows.some((row) => row.ema) ? [{ name: SIGN.ema, kind: "shadow", colour: "--ema", width: 1.4, score: (row) => row.ema ?? null }] : []),
    ...shadows.map((name, place) => ({
      name,
      kind: "shadow",
      colour: TONES[place % TONES.length],
      dash: DASHES[place % DASHES.length],
      width: 1.4,
      score: (row) => row.shadows[name] ?? null,
    })),
  ];
}

// "Θ, Θ* and iu"
export const named = (all) => together.format(all.map((one) => one.name));

// How a line looks, to stand before its name: the mark of a kind that serves, else a piece of it.
export function sample(one) {
  if (one.kind in SIGN) return el("i", { class: `m-${one.kind}`, "aria-hidden": "true" });
  const piece = svg("path", { d: "M1 4H23", "stroke-width": one.width, "stroke-dasharray": one.dash?.join(" ") ?? "none" });
  piece.style.stroke = `var(${one.colour})`;
  const drawing = svg("svg", { class: "sample", viewBox: "0 0 24 8", "aria-hidden": "true" });
  drawing.append(piece);
  return drawing;
}

export const tag = (kind, version = "") => el("span", { class: `tag ${kind}` }, `${SIGN[kind]} ${version}`.trim());
