// The canary: the model that serves and its challenger, by the clicks on what each of them has shown.

import { byId, count, el, text } from "./draw.js";
import { SIGN, tag } from "./methods.js";
import { none, number } from "./table.js";

export function canary({ canary: one }) {
  byId("canary").hidden = one === null;
  if (one === null) return;
  const [champion, challenger] = one.arms;
  const percent = Number((100 * one.share).toPrecision(3));
  text("canary-more", `${SIGN[challenger.kind]} for ${percent} % of users, ${SIGN[champion.kind]} for the others: what was shown last, as clicks came back`);
  byId("arms").replaceChildren(...one.arms.map(row));
}

function row(arm) {
  const clicked = arm.click_through === null ? none("n") : el("td", { class: "n" }, `${(100 * arm.click_through).toFixed(2)} %`);
  return el("tr", {}, el("th", { scope: "row" }, tag(arm.kind)), el("td", { class: "n" }, count(arm.impressions)), clicked, number(arm.logloss));
}
