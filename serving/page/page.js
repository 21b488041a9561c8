// The live page: takes the state and its changes from /events, and draws what they say.

import { Chart, methods, named, sample } from "./chart.js";
import { byId, count, el, span, spanText, svg } from "./draw.js";
import { timeline } from "./timeline.js";

const SIGN = { theta: "Θ", star: "Θ*" };
const LEVEL = { green: "All is well", amber: "Attention", red: "Not serving as it should" };
const LINK = { connecting: "Connecting", live: "Live", lost: "Reconnecting" };
const FATES = ["used", "pending", "late", "delayed", "duplicate", "dead"];
const UNUSED = FATES.slice(2); // those that make no sample
const RECENT = 10; // periods the table shows before it is asked for all
const LAST = 7; // periods over which methods are compared, at most
const PLAIN = "iu"; // the shadow that Θ* is held against; without it, Θ
const BEHIND = 2; // periods that the comparison may lie behind and still be called the last ones
const KEPT = 60; // rates of events the little line remembers
const AGAIN = 2000; // ms until a stream that was closed for good is asked for again

const charts = [new Chart(byId("auc"), "AUC", "auc", 4), new Chart(byId("loss"), "LogLoss", "logloss", 4)];
const rates = [];
let state = null;
let all = false;

function draw(periodsChanged) {
  hero();
  tiles();
  fates();
  if (!periodsChanged) return;
  bars();
  for (const chart of charts) chart.update(state.periods);
  sideBySide();
  table();
}

// The open period grows older, whether or not anything is sent.
function bars() {
  if (state?.periods.length) timeline(byId("timeline"), state.periods, Date.now());
}

function text(id, value) {
  const node = byId(id);
  if (node.textContent !== value) node.textContent = value;
}

function hero() {
  const { level, sentence } = state.health;
  byId("level").dataset.level = level;
  text("level", state.serving ? LEVEL[level] : "Not ready");
  text("sentence", sentence);
  const serving = state.serving;
  document.title = serving ? `${SIGN[serving.kind]} ${serving.version} · asmg-stream` : "asmg-stream";
}

function big(id, number, unit) {
  byId(id).replaceChildren(number, ...(unit ? [el("small", {}, unit)] : []));
}

function tiles() {
  const { serving, periods, events, requests } = state;
  if (serving) {
    big("served", SIGN[serving.kind], `version ${serving.version}`);
    text("served-more", `since ${new Date(serving.since).toLocaleTimeString("en-GB")}`);
  }
  const fresh = periods.map((row) => row.freshness_seconds).filter((one) => one !== null).slice(-20);
  if (fresh.length) {
    big("fresh", ...span(fresh.at(-1)));
    const middle = [...fresh].sort((a, b) => a - b)[fresh.length >> 1];
    text("fresh-more", `last event to served; median ${spanText(middle)}`);
  }
  big("rate", count(events.per_second), "/s");
  text("rate-more", `${count(events.total)} records in all`);
  rates.push(events.per_second);
  if (rates.length > KEPT) rates.shift();
  spark(byId("rate-spark"));
  if (requests.total) {
    big("p99", requests.p99_ms.toFixed(1), "ms p99");
    text("p99-more", `${requests.p50_ms.toFixed(1)} ms median, ${count(requests.total)} requests`);
  }
}

function spark(host) {
  const most = Math.max(...rates);
  if (rates.length < 3 || !most) return;
  const points = rates.map((rate, place) => `${((84 * place) / (rates.length - 1)).toFixed(1)} ${(28 - (26 * rate) / most).toFixed(1)}`);
  const line = `M${points.join("L")}`;
  const drawing = svg("svg", { viewBox: "0 0 84 30", preserveAspectRatio: "none", "aria-hidden": "true" });
  drawing.append(svg("path", { class: "fill", d: `${line}V30H0Z` }), svg("path", { d: line, "vector-effect": "non-scaling-stroke" }));
  host.replaceChildren(drawing);
}

function fates() {
  const { counts } = state;
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
  const last = state.periods.at(-1);
  if (last) text("unused", `Met while period ${last.period} was open: ${UNUSED.map((fate) => `${count(last.unused[fate])} ${fate}`).join(", ")}`);
}

// Means over the last periods in which everything was scored, as `asmg demo --json` has them under "compared".
function sideBySide() {
  const rows = state.periods, scored = methods(rows);
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
  const name = method.look ? [sample(method.look), el("span", {}, method.name)] : [el("span", {}, method.name)];
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

function table() {
  const rows = [...state.periods].reverse();
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
  row_.append(served ? el("td", {}, el("span", { class: `tag ${served.kind}` }, SIGN[served.kind])) : none());
  row_.append(time(row.seconds.close_to_served), time(row.freshness_seconds), el("td", { class: "why" }, row.gate ?? ""));
  return row_;
}

const none = (kind = "") => el("td", { class: `${kind} none` }, "–");
const number = (value, best) => (value === null ? none("n") : el("td", { class: best ? "n best" : "n" }, value.toFixed(4)));
const time = (seconds) => (seconds === null ? none("n") : el("td", { class: "n" }, spanText(seconds)));

function link(now) {
  const node = byId("link");
  if (node.dataset.link === now) return;
  node.dataset.link = now;
  node.querySelector("b").textContent = LINK[now];
}

function follow() {
  const source = new EventSource("/events");
  source.addEventListener("open", () => link("live"));
  source.addEventListener("state", (event) => {
    state = JSON.parse(event.data);
    draw(true);
  });
  source.addEventListener("pulse", (event) => {
    state = { ...JSON.parse(event.data), periods: state.periods };
    draw(false);
  });
  source.addEventListener("error", () => {
    link("lost");
    if (source.readyState === EventSource.CLOSED) setTimeout(follow, AGAIN);
  });
}

byId("all").addEventListener("click", () => {
  all = !all;
  table();
});
setInterval(bars, 1000);
follow();
