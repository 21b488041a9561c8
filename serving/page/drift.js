// How the events change from period to period: the popularity of items, and events that came too late or broken.

import { PERIODS } from "./axis.js";
import { byId, compact, count } from "./draw.js";
import { Lanes } from "./lanes.js";

const percent = (value) => `${(100 * value).toFixed(1)} %`;

const drift = new Lanes(byId("drift"), "Popularity drift by period", PERIODS, { lane: 72 });
const unused = new Lanes(byId("late"), "Late and dead events by period", PERIODS, { lane: 72 });

export function drifts(rows) {
  const told = rows.filter((row) => row.drift);
  if (told.length) {
    drift.show(told.map((row) => row.period), [
      { name: "distance", colour: "--tone-1", values: told.map((row) => row.drift.distance), least: 0.01, format: (value) => value.toFixed(3) },
      { name: "new items", colour: "--swap", values: told.map((row) => row.drift.new_items), least: 0.01, format: percent, brief: (value) => `${(100 * value).toFixed(0)} %` },
    ]);
  }
  if (!rows.length) return;
  const bars = (name, colour) => ({ name, colour, path: "bars", fill: 0.8, least: 1, format: count, brief: compact, values: rows.map((row) => row.unused[name]) });
  unused.show(rows.map((row) => row.period), [bars("late", "--star"), bars("dead", "--red")]);
}
