// The lines over the clock: consumer lag, request rate and latency, with a mark where the model swapped.

import { CLOCK } from "./axis.js";
import { byId, clock, compact, count, ms, rate } from "./draw.js";
import { Lanes } from "./lanes.js";
import { Lines } from "./lines.js";
import { SIGN } from "./methods.js";

const KEPT = 4000; // moments remembered; the older half of more of them is thinned out
const STAGES = [
  ["window", "--tone-0", "records of events not yet joined"],
  ["train", "--theta", "closed periods without Θ"],
  ["generate", "--star", "closed periods without the gate’s word"],
  ["serve", "--swap", "1 where the gate’s word is not followed yet"],
  ["histories", "--tone-1", "records of histories not yet taken"],
];
const WHOLE_PERIODS = new Set(["train", "generate", "serve"]);

const lag = new Lanes(byId("lag"), "Consumer lag of each stage by time", CLOCK, { lane: 46 });
const requests = new Lines(byId("requests"), "Requests a second", CLOCK, { zero: true, least: 1 });
const latency = new Lines(byId("latency"), "Latency", CLOCK, { zero: true, least: 1 });

export function overTime({ moments, swaps }) {
  if (!moments.length) return;
  const last = moments.at(-1).at, since = last - 60_000 * Number(document.querySelector("[name=range]:checked").value);
  const seen = moments.filter((one) => one.at >= since);
  const x = seen.map((one) => one.at);
  const marks = swaps.filter((one) => one.at >= x[0]).map((one) => ({
    at: one.at,
    colour: `--${one.kind}`,
    told: `swapped to ${SIGN[one.kind]} ${one.version} at ${clock.format(one.at)}`,
  }));
  const line = (name, colour, pick, format, more = {}) => ({ name, colour, format, values: seen.map(pick), ...more });
  const stages = STAGES.map(([name, colour, told]) =>
    line(name, colour, (one) => one.lag[name], count, { told, brief: compact, least: 1, ...(WHOLE_PERIODS.has(name) && { path: "steps" }) }));
  lag.show(x, stages, marks);
  requests.show(x, [line("requests/s", "--swap", (one) => one.requests_per_second, rate, { fill: 0.12 })], marks);
  const time = (value) => `${ms(value)} ms`;
  latency.show(x, [line("p50", "--tone-2", (one) => one.p50_ms, time), line("p99", "--tone-1", (one) => one.p99_ms, time)], marks);
}

// The state with the newest moment and swap of a pulse at the ends of those before.
export function grown(state, { now, taken }) {
  const moments = now && now.at > (state.moments.at(-1)?.at ?? 0) ? thinned([...state.moments, now]) : state.moments;
  const swaps = taken && taken.at > (state.swaps.at(-1)?.at ?? 0) ? [...state.swaps, taken] : state.swaps;
  return { moments, swaps: swaps.filter((one) => one.at >= (moments[0]?.at ?? 0)) };
}

// Of two old moments the slower one stays: a peak is what somebody looks for.
function thinned(moments) {
  if (moments.length <= KEPT) return moments;
  const half = KEPT >> 1, old = [];
  for (let place = 0; place < half; place += 2) {
    const [one, next] = moments.slice(place, place + 2);
    old.push((one.p99_ms ?? -1) > (next.p99_ms ?? -1) ? one : next);
  }
  return [...old, ...moments.slice(half)];
}

export function onRange(changed) {
  byId("range").addEventListener("change", changed);
}
