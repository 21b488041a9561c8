// AUC and LogLoss of every method by period, each with the band it has lately moved in.

import { PERIODS } from "./axis.js";
import { byId } from "./draw.js";
import { Lines } from "./lines.js";
import { methods } from "./methods.js";

const OVER = 7; // periods that a band is over
const LEAST = 3; // and how many of them must have a value
const DIGITS = 4;

const charts = { auc: new Lines(byId("auc"), "AUC", PERIODS, { least: 10 ** -DIGITS }), logloss: new Lines(byId("loss"), "LogLoss", PERIODS, { least: 10 ** -DIGITS }) };

export function scores(rows) {
  const all = methods(rows);
  for (const [figure, chart] of Object.entries(charts)) {
    const value = (row, method) => method.score(row)?.[figure] ?? null;
    const scored = rows.filter((row) => all.some((one) => value(row, one) !== null));
    if (!scored.length) continue;
    const series = all.map((one) => {
      const values = scored.map((row) => value(row, one));
      return { ...one, values, band: band(values), format: (number) => number.toFixed(DIGITS) };
    });
    chart.show(scored.map((row) => row.period), series);
  }
}

// Mean of the last values ± their standard deviation, null where there is no value or too few before it.
function band(values) {
  const high = [], low = [];
  for (const [place, value] of values.entries()) {
    const last = values.slice(Math.max(place + 1 - OVER, 0), place + 1).filter((one) => one !== null);
    const mean = last.reduce((sum, one) => sum + one, 0) / last.length;
    const deviation = Math.sqrt(last.reduce((sum, one) => sum + (one - mean) ** 2, 0) / last.length);
    const drawn = value !== null && last.length >= LEAST;
    high.push(drawn ? mean + deviation : null);
    low.push(drawn ? mean - deviation : null);
  }
  return { high, low };
}
