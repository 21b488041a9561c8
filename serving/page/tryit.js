// The "try it" box: one user's candidates ranked, scores of Θ and Θ* side by side with the user's history.

import { byId, count, el, ms } from "./draw.js";
import { SIGN, sample } from "./methods.js";

const PATIENCE = 10_000; // ms until an answer is given up
const SHOWN = 24; // items of the history that are shown
const COLUMNS = ["theta", "star"]; // where the moving average serves, it stands in the first

const form = byId("try");
let asked = 0;

form.addEventListener("submit", (event) => {
  event.preventDefault(); // the policy lets no form go anywhere by itself
  ask();
});
byId("try-items").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  form.requestSubmit();
});

async function ask() {
  const user = byId("try-user").value.trim();
  const candidates = byId("try-items").value.split(/[\s,;]+/).filter(Boolean);
  const missing = !user ? ["try-user", "Name a user."] : !candidates.length ? ["try-items", "Name at least one item to rank."] : null;
  if (missing) {
    byId(missing[0]).focus();
    return say(missing[1], true);
  }
  const turn = ++asked, began = performance.now();
  form.setAttribute("aria-busy", "true");
  const answer = await rank({ user_id: user, candidates, k: Number(byId("try-k").value) || 10, explain: true });
  if (turn !== asked) return; // another question has been asked since
  form.setAttribute("aria-busy", "false");
  if (answer.error) return say(answer.error, true);
  show(answer, user, performance.now() - began);
}

// The answer, or {error: one line}.
async function rank(body) {
  try {
    const headers = { "content-type": "application/json" };
    const response = await fetch("/rank", { method: "POST", headers, body: JSON.stringify(body), signal: AbortSignal.timeout(PATIENCE) });
    const answer = await response.json().catch(() => ({}));
    if (response.ok) return answer;
    return { error: answer.error ?? `The server answered with HTTP ${response.status}.` };
  } catch (error) {
    return { error: error.name === "TimeoutError" ? "No answer within 10 s." : "The server cannot be reached." };
  }
}

function say(line, failed = false) {
  const told = byId("try-told");
  told.textContent = line;
  told.classList.toggle("failed", failed);
  if (failed) byId("try-answer").hidden = true;
}

function show(answer, user, spent) {
  const { items, explained } = answer;
  const among = answer.unknown_items ? `; ${count(answer.unknown_items)} of the candidates never seen, scored from where training begins` : "";
  say(`${count(items.length)} best, by ${SIGN[answer.kind]} ${answer.model_version}, in ${ms(spent)} ms${among}`);
  byId("try-history-of").textContent = answer.unknown_user ? `History of ${user}, whom no period has seen` : `History of ${user}, newest first`;
  byId("try-history").replaceChildren(...history(answer.history));
  const kinds = answer.kind === "ema" ? ["ema", "star"] : COLUMNS;
  for (const [place, kind] of kinds.entries()) {
    const version = explained[kind];
    byId(`try-${COLUMNS[place]}`).replaceChildren(sample({ kind }), `${SIGN[kind]} ${version ?? "not there"}`, ...(kind === answer.kind ? [el("small", {}, "serves")] : []));
  }
  const most = Math.max(...items.flatMap((item) => kinds.map((kind) => item[kind] ?? 0)), 1e-9);
  byId("try-rows").replaceChildren(...items.map((item, place) => row(item, place, kinds, answer.kind, most)));
  byId("try-answer").hidden = false;
}

function history(items) {
  if (!items.length) return [el("li", { class: "none" }, "empty")];
  const shown = items.slice(0, SHOWN).map((item) => el("li", {}, item));
  return items.length > SHOWN ? [...shown, el("li", { class: "none" }, `and ${count(items.length - SHOWN)} more`)] : shown;
}

function row(item, place, kinds, serves, most) {
  const name = el("td", { class: "item" }, item.item_id, ...(item.known ? [] : [" ", el("small", {}, "never seen")]));
  return el("tr", {}, el("td", { class: "n soft" }, String(place + 1)), name, ...kinds.map((kind) => score(item[kind] ?? null, kind, kind === serves, most)));
}

function score(value, kind, serves, most) {
  if (value === null) return el("td", { class: "score none" }, "–");
  const bar = el("i", { class: `s-${kind}`, "aria-hidden": "true" });
  bar.style.width = `${(100 * value) / most}%`;
  return el("td", { class: serves ? "score best" : "score" }, el("span", {}, value.toFixed(4)), el("span", { class: "well" }, bar));
}
