// All methods side by side over the last periods, and one sentence that says whether Θ* is ahead.

import { byId, el, text } from "./draw.js";
import { methods, named, sample } from "./methods.js";
import { none, number } from "./table.js";

const LAST = 7; // periods over which methods are compared, at most
const PLAIN = "iu"; // the shadow that Θ* is held against; without it, Θ
const BEHIND = 2; // periods that the comparison may lie behind and still be called the last ones

// Means over the last periods in which everything was scored, as `asmg demo --json` has them under "compared".
export function sideBySide(rows) {
  const scored = methods(rows);
  const whole = rows.filter((row) => scored.every((one) => one.score(row) !== null)).slice(-LAST);
  byId("beside").hidden = !whole.length;
  text("often", "");
  byId("verdict").className = whole.length ? "verdict" : "empty";
  if (!whole.length) {
    const any = rows.some((row) => scored.some((one) => one.score(row) !== null));
    text("verdict", any ? `No period yet in which all of ${named(scored)} were scored.` : "No model has been scored yet.");
    return;
  }
  const [theta, star] = scored;
  const chosen = { name: "The gate’s choice", score: (row) => choice(rows, row) };
  const compared = [chosen, ...scored].map((one) => ({ ...one, auc: mean(whole, one, "auc"), logloss: mean(whole, one, "logloss") }));
  const other = scored.find((one) => one.name === PLAIN) ?? theta;
  const of = (method) => compared.find((one) => one.name === method.name);
  const ending = whole.at(-1).period;
  const span = whole.length === 1 ? "period" : `${whole.length} periods`;
  const over = rows.at(-1).period - ending > BEHIND ? `the ${span} up to ${ending}` : `the last ${span}`;
  text("verdict", `Θ* is ${standing(of(star), of(other))} over ${over}`);
  text("often", often(whole, star, other));
  const range = whole.length === 1 ? `Period ${ending}` : `Means over periods ${whole[0].period} to ${ending}`;
  text("over", `${range}, the last in which all were scored; higher AUC and lower LogLoss are better`);
  byId("beside").querySelector("tbody").replaceChildren(...compared.map((one) => methodRow(one, compared, of(star))));
}

// The score of what the gate said should serve in a period; it says so once the period before has closed.
function choice(rows, row) {
  const word = rows.find((one) => one.period === row.period - 1)?.word;
  return word ? row[word.kind] : null;
}

// null where one value is missing.
function mean(rows, method, figure) {
  const values = rows.map((row) => method.score(row)?.[figure] ?? null);
  if (values.includes(null)) return null;
  return Number((values.reduce((sum, one) => sum + one, 0) / values.length).toFixed(5));
}

// How far one is above another: 0 where the digits shown are none, null where one of both is missing.
function above(one, other) {
  return one === null || other === null ? null : Number((one - other).toFixed(4));
}

// Whether one method is ahead of another, as "ahead of iu by +0.0290 AUC and by 0.0180 LogLoss".
function standing(one, other) {
  const auc = above(one.auc, other.auc), loss = above(other.logloss, one.logloss);
  const told = (by, figure, whom, sign) => {
    if (by === null) return `without a finite ${figure} to compare`;
    if (!by) return `level with ${whom} in ${figure}`;
    return by > 0 ? `ahead of ${whom} by ${sign}${by.toFixed(4)} ${figure}` : `behind ${whom} by ${(-by).toFixed(4)} ${figure}`;
  };
  const first = told(auc, "AUC", other.name, "+");
  if (auc && loss && auc > 0 === loss > 0) return `${first} and by ${Math.abs(loss).toFixed(4)} LogLoss`;
  return `${first} ${auc === loss ? "and" : "but"} ${told(loss, "LogLoss", auc === null ? other.name : "it", "")}`;
}

function often(rows, one, other) {
  const better = (figure, sign) => rows.filter((row) => {
    const mine = one.score(row)[figure], its = other.score(row)[figure];
    return mine !== null && its !== null && sign * (mine - its) > 0;
  }).length;
  if (rows.length === 1) return "";
  return `Of these ${rows.length} periods ${one.name} had the better AUC in ${better("auc", 1)}, the better LogLoss in ${better("logloss", -1)}.`;
}

function methodRow(method, compared, star) {
  const name = method.colour ? [sample(method), el("span", {}, method.name)] : [el("span", {}, method.name)];
  const row = el("tr", {}, el("th", { scope: "row" }, el("div", { class: "method" }, ...name)));
  for (const [figure, best] of [["auc", Math.max], ["logloss", Math.min]]) {
    const known = compared.map((one) => one[figure]).filter((one) => one !== null);
    const value = method[figure], apart = above(value, star[figure]);
    const first = value !== null && value.toFixed(4) === best(...known).toFixed(4);
    row.append(first ? el("td", { class: "n" }, el("b", { class: "first" }, value.toFixed(4), el("span", { class: "skip" }, " best"))) : number(value));
    row.append(method === star || apart === null ? none("n") : el("td", { class: "n apart" }, signed(apart)));
  }
  return row;
}

const signed = (value) => `${value > 0 ? "+" : value < 0 ? "−" : "±"}${Math.abs(value).toFixed(4)}`;
