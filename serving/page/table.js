// Cells of tables, a dash where there is no value.

import { el, spanText } from "./draw.js";

export const none = (kind = "") => el("td", { class: `${kind} none` }, "–");
export const number = (value, best) => (value === null ? none("n") : el("td", { class: best ? "n best" : "n" }, value.toFixed(4)));
export const time = (seconds) => (seconds === null ? none("n") : el("td", { class: "n" }, spanText(seconds)));
