// Where every event went: one strip, one figure for each fate.

import { byId, count, el, text } from "./draw.js";

const FATES = ["used", "pending", "late", "delayed", "duplicate", "dead"];
const UNUSED = FATES.slice(2); // those that make no sample

export function fates({ counts, periods }) {
  const strip = el("div", { class: "strip", "aria-hidden": "true" });
  const list = el("dl", { class: "fates" });
  for (const fate of FATES) {
    const piece = el("i", { class: `f-${fate}` });
    piece.style.flexGrow = counts[fate];
    if (counts[fate]) strip.append(piece);
    const part = counts.produced ? ` (${((100 * counts[fate]) / counts.produced).toFixed(1)} %)` : "";
    list.append(el("div", {}, el("dt", {}, el("i", { class: `f-${fate}` }), fate), el("dd", { title: `${fate}${part}` }, count(counts[fate]))));
  }
  text("produced", `${count(counts.produced)} events up to the last closed period, each exactly one of six`);
  byId("fates").replaceChildren(strip, list);
  const last = periods.at(-1);
  if (last) text("unused", `Met while period ${last.period} was open: ${UNUSED.map((fate) => `${count(last.unused[fate])} ${fate}`).join(", ")}`);
}
