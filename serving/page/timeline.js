// The last periods as bars: how long each was open, then its stages from the moment it closed.

import { el, niceStep, span, spanText } from "./draw.js";

const SHOWN = 12;

export function timeline(host, rows, now) {
  const last = rows.slice(-SHOWN).reverse();
  const open = Math.max(...last.map((row) => row.closed_at - row.opened_at), 1);
  const ends = last.map((row) => stages(row).at(-1)?.end ?? 0).filter((end) => end > 0);
  const longest = Math.max(...ends, 0.1) * 1.02;
  const step = niceStep(longest, host.clientWidth < 560 ? 3 : 6);
  const list = el("ol", { class: "tl" });
  list.append(axis(longest, step));
  if (rows.at(-1).reason !== "end") list.append(collecting(rows.at(-1), now));
  for (const row of last) list.append(bar(row, open, longest, step));
  host.replaceChildren(list);
}

// Stages of a period that are over, each from and to seconds after it closed.
function stages(row) {
  const moments = [["train", row.trained_at], ["generate", row.generated_at], ["swap", row.served_at]];
  const found = [];
  let begin = 0;
  for (const [name, moment] of moments) {
    if (moment === null) continue;
    const end = Math.max((moment - row.closed_at) / 1000, begin);
    found.push({ name, begin, end });
    begin = end;
  }
  return found;
}

const NAMES = { train: "Θ learnt", generate: "Θ* generated", swap: "served" };

function bar(row, open, longest, step) {
  const done = stages(row);
  const opened = (row.closed_at - row.opened_at) / 1000;
  const told = done.map((one) => `${NAMES[one.name]} after ${spanText(one.end)}`).join(", ");
  const item = el("li", { class: "tl-row" });
  item.title = `Period ${row.period}: open ${spanText(opened)}${told && `, ${told}`}`;
  const before = el("span", { class: "tl-open" }, spanText(opened));
  const length = el("i");
  length.style.width = `${(78 * opened * 1000) / open}px`;
  before.append(length);
  const track = el("span", { class: "tl-track" });
  track.style.setProperty("--step", `${(100 * step) / longest}%`);
  for (const one of done) {
    const piece = el("i", { class: `k-${one.name}` });
    piece.style.left = `${(100 * one.begin) / longest}%`;
    piece.style.width = `${(100 * (one.end - one.begin)) / longest}%`;
    track.append(piece);
  }
  const served = row.seconds.close_to_served;
  const total = served === null ? el("span", { class: "tl-total open" }, row.served ? "at start" : "–") : el("span", { class: "tl-total" }, spanText(served));
  item.append(el("span", {}, String(row.period)), before, track, total);
  item.append(el("span", { class: "skip" }, told));
  return item;
}

// The period that is open now: closed is only the one before it.
function collecting(last, now) {
  const since = Math.max((now - last.closed_at) / 1000, 0);
  const before = el("span", { class: "tl-open" }, spanText(since), el("i"));
  before.lastChild.style.width = "14px";
  const wait = el("span", { class: "tl-wait" }, "collecting events");
  const item = el("li", { class: "tl-row now" });
  item.append(el("span", {}, String(last.period + 1)), before, el("span", { class: "tl-track" }, wait), el("span"));
  item.children[2].style.backgroundImage = "none";
  return item;
}

function axis(longest, step) {
  const ticks = el("span", { class: "tl-ticks" });
  const digits = step < 1 ? Math.ceil(-Math.log10(step)) : 0;
  const [, unit] = span(Math.max(step, 0.1));
  const scale = { ms: 1000, s: 1, min: 1 / 60, h: 1 / 3600, d: 1 / 86400 }[unit];
  for (let at = 0; at <= longest * 0.97; at += step) {
    const tick = el("span", {}, at === 0 ? "closed" : `${(at * scale).toFixed(digits)} ${unit}`);
    tick.style.left = `${(100 * at) / longest}%`;
    ticks.append(tick);
  }
  return el("li", { class: "tl-row tl-axis", "aria-hidden": "true" }, el("span"), el("span", { class: "tl-open" }, "open for"), ticks, el("span", { class: "tl-total open" }, "served"));
}
