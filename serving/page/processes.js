// The processes that answer, and the model that each of them has.

import { byId, count, el, text } from "./draw.js";
import { tag } from "./methods.js";

export function processes({ processes: all, serving }) {
  if (!all.length) return;
  const same = all.filter((one) => serving && one.version === serving.version && one.kind === serving.kind).length;
  text("processes-more", all.length === same ? "Each has the model that serves" : `${same} of ${all.length} have the model that serves`);
  byId("processes").replaceChildren(...all.map((one) => row(one, serving)));
}

function row(one, serving) {
  const model = one.version === null ? [el("span", { class: "soft" }, "none yet")] : [tag(one.kind, one.version)];
  if (serving && one.version !== null && (one.version !== serving.version || one.kind !== serving.kind)) {
    model.push(" ", el("span", { class: "other" }, "not the one that serves"));
  }
  return el("tr", {}, el("th", { scope: "row" }, String(one.pid)), el("td", {}, ...model), el("td", { class: "n" }, count(one.requests)));
}
