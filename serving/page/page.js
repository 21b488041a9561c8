// The live page: takes the state and its changes from /events, and draws what they say.

import { Chart } from "./chart.js";
import { byId, count, el, span, spanText, svg } from "./draw.js";
import { timeline } from "./timeline.js";

const SIGN = { theta: "Θ", star: "Θ*" };
const LEVEL = { green: "All is well", amber: "Attention", red: "Not serving as it should" };
const LINK = { connecting: "Connecting", live: "Live", lost: "Reconnecting" };
const FATES = ["used", "pending", "late", "delayed", "duplicate", "dead"];
const RECENT = 10; // periods the table shows before it is asked for all
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
}

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
  row_.append(el("td", { class: "n" }, count(row.samples)), el("td", {}, row.reason));
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
