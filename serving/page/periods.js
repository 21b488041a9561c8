// The table of periods, newest first: the last ones until all are asked for.

import { byId, count, el } from "./draw.js";
import { tag } from "./methods.js";
import { none, number, time } from "./table.js";

const RECENT = 10; // periods shown before all are asked for

let rows = [];
let all = false;

byId("all").addEventListener("click", () => {
  all = !all;
  table();
});

export function periods(known) {
  rows = [...known].reverse();
  table();
}

function table() {
  const button = byId("all");
  button.hidden = rows.length <= RECENT;
  button.textContent = all ? `Show the last ${RECENT}` : `Show all ${rows.length}`;
  button.setAttribute("aria-pressed", String(all));
  const shown = all ? rows : rows.slice(0, RECENT);
  if (shown.length) byId("rows").replaceChildren(...shown.map(tableRow));
}

function tableRow(row) {
  const row_ = el("tr", {}, el("th", { scope: "row" }, String(row.period)));
  row_.append(el("td", { class: "n" }, count(row.samples)), el("td", { class: "n" }, count(row.unused.late)), el("td", { class: "n" }, count(row.unused.delayed)), el("td", {}, row.reason));
  for (const [figure, better] of [["auc", 1], ["logloss", -1]]) {
    const theta = row.theta?.[figure] ?? null, star = row.star?.[figure] ?? null;
    const ahead = theta === null || star === null ? 0 : Math.sign(better * (star - theta));
    row_.append(number(theta, ahead < 0), number(star, ahead > 0));
  }
  const served = row.served ?? row.word;
  row_.append(served ? el("td", {}, tag(served.kind)) : none());
  row_.append(time(row.seconds.close_to_served), time(row.freshness_seconds), el("td", { class: "why" }, row.gate ?? ""));
  return row_;
}
