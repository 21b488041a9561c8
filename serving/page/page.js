// The live page: takes the state and its changes from /events, and has every part drawn that they change.

import { sideBySide } from "./beside.js";
import { canary } from "./canary.js";
import { drifts } from "./drift.js";
import { byId } from "./draw.js";
import { fates } from "./fates.js";
import { hero, tiles } from "./now.js";
import { grown, onRange, overTime } from "./overtime.js";
import { periods } from "./periods.js";
import { processes } from "./processes.js";
import { scores } from "./scores.js";
import { timeline } from "./timeline.js";
import "./tryit.js";

const LINK = { connecting: "Connecting", live: "Live", lost: "Reconnecting" };
const AGAIN = 2000; // ms until a stream that was closed for good is asked for again

let state = null;

function drawNow() {
  hero(state);
  tiles(state);
  processes(state);
  canary(state);
  fates(state);
  overTime(state);
}

function drawPeriods() {
  bars();
  scores(state.periods);
  sideBySide(state.periods);
  drifts(state.periods);
  periods(state.periods);
}

// The open period grows older, whether or not anything is sent.
function bars() {
  if (state?.periods.length && !document.hidden) timeline(byId("timeline"), state.periods, Date.now());
}

// Nobody sees a page in the background; it is drawn when it comes to the front.
function seen(...parts) {
  if (state && !document.hidden) for (const part of parts) part();
}

// The rows with those that changed in their places, less those that are not listed any more.
function changed(rows, { changed: fresh, listed }) {
  const known = new Map([...rows, ...fresh].map((row) => [row.period, row]));
  return listed.map((period) => known.get(period)).filter(Boolean);
}

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
    seen(drawNow, drawPeriods);
  });
  source.addEventListener("periods", (event) => {
    state.periods = changed(state.periods, JSON.parse(event.data));
    seen(drawNow, drawPeriods);
  });
  source.addEventListener("pulse", (event) => {
    const pulse = JSON.parse(event.data);
    state = { ...pulse, periods: state.periods, ...grown(state, pulse) };
    seen(drawNow);
  });
  source.addEventListener("error", () => {
    link("lost");
    if (source.readyState === EventSource.CLOSED) setTimeout(follow, AGAIN);
  });
}

onRange(() => seen(drawNow));
document.addEventListener("visibilitychange", () => seen(drawNow, drawPeriods));
setInterval(bars, 1000);
follow();
