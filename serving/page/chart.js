// A line chart of every method by period: read by pointer or arrow keys, its figures told beside it.

import { el, niceStep, svg } from "./draw.js";

const HEIGHT = { wide: 230, narrow: 200 };
const MARGIN = { top: 8, right: 14, bottom: 26, left: 46 };
const TONES = 3, DASHES = 5; // looks of shadows: 15 before one is like another
const together = new Intl.ListFormat("en-GB");

// What is scored, in the order in which it got a score: Θ, Θ*, then the shadows. `score` is null where it has none.
export function methods(rows) {
  const shadows = [...new Set(rows.flatMap((row) => Object.keys(row.shadows)))];
  return [
    { name: "Θ", look: "theta", score: (row) => row.theta },
    { name: "Θ*", look: "star", score: (row) => row.star },
    ...shadows.map((name, place) => ({
      name,
      look: `shadow tone-${place % TONES} dash-${place % DASHES}`,
      score: (row) => row.shadows[name] ?? null,
    })),
  ];
}

// "Θ, Θ* and iu"
export const named = (methods) => together.format(methods.map((one) => one.name));

// How a method's line looks, to stand before its name.
export function sample(look) {
  if (!look.startsWith("shadow")) return el("i", { class: `m-${look}`, "aria-hidden": "true" });
  const drawing = svg("svg", { class: "sample", viewBox: "0 0 24 8", "aria-hidden": "true" });
  drawing.append(svg("path", { class: `l-${look}`, d: "M1 4H23" }));
  return drawing;
}

export class Chart {
  constructor(host, name, figure, digits) {
    Object.assign(this, { host, name, figure, digits, rows: [], methods: [], at: null });
    this.read = el("div", { class: "read" });
    this.plot = el("div", { class: "plot", tabindex: "0", role: "group" });
    this.told = el("div", { class: "skip", "aria-live": "polite" });
    this.plot.addEventListener("pointermove", (event) => this.point(event));
    this.plot.addEventListener("pointerleave", () => this.show(null));
    this.plot.addEventListener("blur", () => this.show(null));
    this.plot.addEventListener("keydown", (event) => this.key(event));
    new ResizeObserver(() => this.draw()).observe(host);
  }

  update(rows) {
    this.methods = methods(rows);
    const scored = rows.filter((row) => this.methods.some((one) => this.value(row, one) !== null));
    if (!scored.length) return;
    this.rows = scored;
    this.title = `${this.name} of ${named(this.methods)} by period`;
    this.plot.setAttribute("aria-label", `${this.title}; the arrow keys read single periods`);
    if (this.plot.parentNode !== this.host) this.host.replaceChildren(this.read, this.plot, this.told);
    this.draw();
  }

  value(row, method) {
    return method.score(row)?.[this.figure] ?? null;
  }

  draw() {
    const width = this.host.clientWidth;
    if (!this.rows.length || !width) return;
    const height = width < 420 ? HEIGHT.narrow : HEIGHT.wide;
    const right = width - MARGIN.right, bottom = height - MARGIN.bottom;
    const values = this.rows.flatMap((row) => this.methods.map((one) => this.value(row, one))).filter((one) => one !== null);
    let low = Math.min(...values), high = Math.max(...values);
    const pad = Math.max((high - low) * 0.08, 10 ** -this.digits);
    [low, high] = [low - pad, high + pad];
    const first = this.rows[0].period, last = this.rows.at(-1).period;
    this.x = (period) => (last === first ? (MARGIN.left + right) / 2 : MARGIN.left + ((period - first) / (last - first)) * (right - MARGIN.left));
    this.y = (value) => bottom - ((value - low) / (high - low)) * (bottom - MARGIN.top);

    const drawing = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img" });
    drawing.append(svg("title", {}, this.title), svg("desc", {}, this.summary()));
    const step = niceStep(high - low, 6);
    const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
    for (let tick = Math.ceil(low / step) * step; tick <= high; tick += step) {
      const y = Math.round(this.y(tick)) + 0.5;
      drawing.append(svg("line", { class: "grid", x1: MARGIN.left, x2: right, y1: y, y2: y }));
      drawing.append(svg("text", { x: MARGIN.left - 10, y: y + 4, "text-anchor": "end" }, tick.toFixed(digits)));
    }
    drawing.append(svg("line", { class: "base", x1: MARGIN.left, x2: right, y1: bottom + 0.5, y2: bottom + 0.5 }));
    const every = Math.max(1, niceStep(Math.max(last - first, 1), Math.max(2, Math.floor(width / 80))));
    for (let period = Math.ceil(first / every) * every; period <= last; period += every) {
      drawing.append(svg("text", { x: this.x(period), y: height - 7, "text-anchor": "middle" }, String(period)));
    }
    for (const method of [...this.methods].reverse()) {
      drawing.append(svg("path", { class: `l-${method.look}`, d: this.line(method) })); // Θ and Θ* lie on top
    }
    this.marks = svg("g");
    drawing.append(this.marks);
    this.plot.replaceChildren(drawing);
    this.bounds = { bottom };
    this.show(this.at);
  }

  // A line per run of periods that have a value; a single one is a dot.
  line(method) {
    let path = "", joined = false;
    for (const row of this.rows) {
      const value = this.value(row, method);
      if (value !== null) {
        const place = `${this.x(row.period).toFixed(1)} ${this.y(value).toFixed(1)}`;
        path += joined ? `L${place}` : `M${place}h0`;
      }
      joined = value !== null;
    }
    return path;
  }

  summary() {
    return this.methods.map((method) => {
      const values = this.rows.map((row) => this.value(row, method)).filter((one) => one !== null);
      if (!values.length) return `${method.name} has no value yet.`;
      const [least, most] = [Math.min(...values), Math.max(...values)].map((one) => one.toFixed(this.digits));
      return `${method.name}: ${values.length} periods, between ${least} and ${most}, last ${values.at(-1).toFixed(this.digits)}.`;
    }).join(" ");
  }

  show(row) {
    this.at = row && this.rows.find((one) => one.period === row.period) ? row : null;
    const shown = this.at ?? this.rows.at(-1);
    if (!shown) return;
    const parts = [el("span", {}, `Period ${shown.period}`)];
    const marks = [];
    if (this.at) {
      const x = Math.round(this.x(shown.period)) + 0.5;
      marks.push(svg("line", { class: "cross", x1: x, x2: x, y1: MARGIN.top, y2: this.bounds.bottom }));
    }
    for (const method of this.methods) {
      const { name, look } = method, value = this.value(shown, method);
      const figure = el("b", {}, value === null ? "–" : value.toFixed(this.digits));
      parts.push(el("span", { class: `r-${look}` }, sample(look), `${name} `, figure));
      if (value !== null) marks.push(mark(look, this.x(shown.period), this.y(value)));
    }
    this.read.replaceChildren(...parts);
    this.marks.replaceChildren(...marks.reverse());
  }

  point(event) {
    const x = event.clientX - this.plot.getBoundingClientRect().left;
    const far = (row) => Math.abs(this.x(row.period) - x);
    this.show(this.rows.reduce((best, row) => (far(row) < far(best) ? row : best)));
  }

  key(event) {
    const last = this.rows.length - 1;
    const at = this.at ? this.rows.findIndex((row) => row.period === this.at.period) : last;
    const next = { ArrowLeft: this.at ? at - 1 : last, ArrowRight: at + 1, Home: 0, End: last }[event.key];
    if (event.key === "Escape") this.show(null);
    if (next === undefined) return;
    event.preventDefault();
    this.show(this.rows[Math.min(Math.max(next, 0), last)]);
    this.told.textContent = [...this.read.children].map((one) => one.textContent).join(", ");
  }
}

function mark(look, x, y) {
  if (look === "star") return svg("path", { class: "d-star", d: `M${x} ${y - 5.5}l5.5 5.5l-5.5 5.5l-5.5 -5.5z` });
  return svg("circle", { class: `d-${look}`, cx: x, cy: y, r: look === "theta" ? 4.5 : 3 });
}
