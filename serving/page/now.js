// What is so now: the sentence of health, and the tiles under it.

import { byId, clock, count, el, ms, rate, span, spanText, svg, text } from "./draw.js";
import { SIGN } from "./methods.js";

const LEVEL = { green: "All is well", amber: "Attention", red: "Not serving as it should" };
const KEPT = 60; // values that a tile's little line has

export function hero({ health, serving }) {
  byId("level").dataset.level = health.level;
  text("level", serving ? LEVEL[health.level] : "Not ready");
  text("sentence", health.sentence);
  document.title = serving ? `${SIGN[serving.kind]} ${serving.version} · asmg-stream` : "asmg-stream";
}

function big(id, number, unit) {
  byId(id).replaceChildren(number, ...(unit ? [el("small", {}, unit)] : []));
}

export function tiles({ serving, periods, events, requests, moments }) {
  if (serving) {
    big("served", SIGN[serving.kind], `version ${serving.version}`);
    text("served-more", `since ${clock.format(serving.since)}`);
  }
  const fresh = periods.map((row) => row.freshness_seconds).filter((one) => one !== null).slice(-KEPT);
  if (fresh.length) {
    big("fresh", ...span(fresh.at(-1)));
    const middle = [...fresh].sort((a, b) => a - b)[fresh.length >> 1];
    text("fresh-more", `last event to served; median ${spanText(middle)}`);
    spark("fresh-spark", fresh);
  }
  big("rate", rate(events.per_second), "/s");
  text("rate-more", `${count(events.total)} records in all`);
  spark("rate-spark", moments.slice(-KEPT).map((one) => one.events_per_second));
  ranking(requests);
  spark("p99-spark", moments.slice(-KEPT).map((one) => one.p99_ms ?? 0));
}

function ranking({ total, per_second, p50_ms, p99_ms, refused }) {
  if (!total && !refused) return;
  big("p99", p99_ms === null ? "–" : ms(p99_ms), "ms p99");
  const median = p50_ms === null ? [] : [`median ${ms(p50_ms)} ms`];
  const turned = refused ? [el("span", { class: "refused" }, `, ${count(refused)} refused (429)`)] : [];
  byId("p99-more").replaceChildren([`${rate(per_second)}/s`, ...median, `${count(total)} in all`].join(", "), ...turned);
}

function spark(id, values) {
  const most = Math.max(...values);
  if (values.length < 3 || !most) return;
  const points = values.map((value, place) => `${((84 * place) / (values.length - 1)).toFixed(1)} ${(28 - (26 * value) / most).toFixed(1)}`);
  const line = `M${points.join("L")}`;
  const drawing = svg("svg", { viewBox: "0 0 84 30", preserveAspectRatio: "none", "aria-hidden": "true" });
  drawing.append(svg("path", { class: "fill", d: `${line}V30H0Z` }), svg("path", { d: line, "vector-effect": "non-scaling-stroke" }));
  byId(id).replaceChildren(drawing);
}
