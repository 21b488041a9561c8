// A line chart of Θ and Θ* by period: read by pointer or arrow keys, its figures told beside it.

import { el, niceStep, svg } from "./draw.js";

const HEIGHT = { wide: 230, narrow: 200 };
const MARGIN = { top: 8, right: 14, bottom: 26, left: 46 };
const SERIES = [["theta", "Θ"], ["star", "Θ*"]];

export class Chart {
  constructor(host, name, figure, digits) {
    Object.assign(this, { host, name, figure, digits, rows: [], at: null });
    this.read = el("div", { class: "read" });
    this.plot = el("div", { class: "plot", tabindex: "0", role: "group" });
    this.plot.setAttribute("aria-label", `${name} by period; the arrow keys read single periods`);
    this.told = el("div", { class: "skip", "aria-live": "polite" });
    this.plot.addEventListener("pointermove", (event) => this.point(event));
    this.plot.addEventListener("pointerleave", () => this.show(null));
    this.plot.addEventListener("blur", () => this.show(null));
    this.plot.addEventListener("keydown", (event) => this.key(event));
    new ResizeObserver(() => this.draw()).observe(host);
  }

  update(rows) {
    const scored = rows.filter((row) => SERIES.some(([kind]) => this.value(row, kind) !== null));
    if (!scored.length) return;
    this.rows = scored;
    if (this.plot.parentNode !== this.host) this.host.replaceChildren(this.read, this.plot, this.told);
    this.draw();
  }

  value(row, kind) {
    return row[kind]?.[this.figure] ?? null;
  }

  draw() {
    const width = this.host.clientWidth;
    if (!this.rows.length || !width) return;
    const height = width < 420 ? HEIGHT.narrow : HEIGHT.wide;
    const right = width - MARGIN.right, bottom = height - MARGIN.bottom;
    const values = this.rows.flatMap((row) => SERIES.map(([kind]) => this.value(row, kind))).filter((one) => one !== null);
    let low = Math.min(...values), high = Math.max(...values);
    const pad = Math.max((high - low) * 0.08, 10 ** -this.digits);
    [low, high] = [low - pad, high + pad];
    const first = this.rows[0].period, last = this.rows.at(-1).period;
    this.x = (period) => (last === first ? (MARGIN.left + right) / 2 : MARGIN.left + ((period - first) / (last - first)) * (right - MARGIN.left));
    this.y = (value) => bottom - ((value - low) / (high - low)) * (bottom - MARGIN.top);

    const drawing = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img" });
    drawing.append(svg("title", {}, `${this.name} of Θ and Θ* by period`), svg("desc", {}, this.summary()));
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
    for (const [kind] of SERIES) {
      drawing.append(svg("path", { class: `l-${kind}`, d: this.line(kind) }));
    }
    this.marks = svg("g");
    drawing.append(this.marks);
    this.plot.replaceChildren(drawing);
    this.bounds = { bottom };
    this.show(this.at);
  }

  // A line per run of periods that have a value; a single one is a dot.
  line(kind) {
    let path = "", joined = false;
    for (const row of this.rows) {
      const value = this.value(row, kind);
      if (value !== null) {
        const place = `${this.x(row.period).toFixed(1)} ${this.y(value).toFixed(1)}`;
        path += joined ? `L${place}` : `M${place}h0`;
      }
      joined = value !== null;
    }
    return path;
  }

  summary() {
    return SERIES.map(([kind, sign]) => {
      const had = this.rows.filter((row) => this.value(row, kind) !== null);
      if (!had.length) return `${sign} has no value yet.`;
      const values = had.map((row) => this.value(row, kind));
      const [least, most] = [Math.min(...values), Math.max(...values)].map((one) => one.toFixed(this.digits));
      return `${sign}: ${had.length} periods, between ${least} and ${most}, last ${values.at(-1).toFixed(this.digits)}.`;
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
    for (const [kind, sign] of SERIES) {
      const value = this.value(shown, kind);
      parts.push(el("span", { class: `r-${kind}` }, `${sign} `, el("b", {}, value === null ? "–" : value.toFixed(this.digits))));
      if (value === null) continue;
      const x = this.x(shown.period), y = this.y(value);
      marks.push(
        kind === "theta"
          ? svg("circle", { class: "d-theta", cx: x, cy: y, r: 4.5 })
          : svg("path", { class: "d-star", d: `M${x} ${y - 5.5}l5.5 5.5l-5.5 5.5l-5.5 -5.5z` }),
      );
    }
    this.read.replaceChildren(...parts);
    this.marks.replaceChildren(...marks);
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
    this.told.textContent = this.read.textContent;
  }
}
