// What every chart has, whatever it draws: its size, its colours, and figures read by pointer or arrow keys.

import { el } from "./draw.js";
import { sample } from "./methods.js";
import { colour, font, onScheme } from "./theme.js";

// Without the library (it is fetched at set-up) the page still tells all that it can tell without charts.
const uPlot = await import("/uplot.js").then((library) => library.default, () => null);

const MISSING = "The chart library is not there: run `make install`, then start serving again.";
const LEAP = 10; // places that PageUp and PageDown go
export const HEAD = 12, FOOT = 26; // pixels of the marks along the top, and of the labels along the bottom
const CROWDED = 14; // pixels between marks below which they are small and their lines faint

export class Chart {
  // `name` begins what is told of the chart: "AUC of Θ and Θ* by period".
  constructor(host, name, axis) {
    Object.assign(this, { host, name, axis, x: [], series: [], marks: [], drawn: null, at: null });
    this.read = el("div", { class: "read" });
    this.plot = el("div", { class: "plot", tabindex: "0", role: "group", "aria-describedby": `${host.id}-summary` });
    this.told = el("div", { class: "skip", "aria-live": "polite" });
    this.summary = el("p", { id: `${host.id}-summary`, hidden: "" });
    this.plot.addEventListener("pointermove", (event) => this.point(event));
    this.plot.addEventListener("blur", () => this.place(null));
    this.plot.addEventListener("keydown", (event) => this.key(event));
    new ResizeObserver(() => this.fit()).observe(this.plot);
    onScheme(() => this.drawn?.redraw(false));
  }

  // x: numbers, rising. series: {name, colour, format, values, …}, the most important first; null where there is
  // no value. marks: {at, colour, told} along x, none before its beginning.
  show(x, series, marks = []) {
    if (!uPlot) {
      this.host.replaceChildren(el("p", { class: "empty" }, MISSING));
      return;
    }
    Object.assign(this, { x, series, marks });
    if (this.plot.parentNode === null) this.mount();
    this.plot.setAttribute("aria-label", `${this.title()}; the arrow keys read single ${this.axis.places}`);
    this.summary.textContent = this.described();
    const looks = series.map((one) => `${one.name} ${one.colour} ${!!one.band}`).join();
    if (!this.drawn || looks !== this.looks) this.build(looks);
    else this.drawn.batch(() => this.drawn.setData(this.data()));
    if (this.at !== null) this.place(this.x.includes(this.at) ? this.at : null);
    this.tell(this.drawn?.cursor.idx ?? null);
  }

  mount() {
    this.host.replaceChildren(this.read, this.plot, this.told, this.summary);
  }

  title() {
    return this.name;
  }

  data() {
    return [this.x, ...this.series.map((one) => one.values)];
  }

  build(looks) {
    this.drawn?.destroy();
    this.drawn = null;
    const width = this.plot.clientWidth;
    if (!width) return; // not laid out yet: `fit` comes back
    this.looks = looks;
    const options = {
      width,
      height: this.height(width),
      ms: 1,
      legend: { show: false },
      cursor: {
        y: false,
        drag: { setScale: false, x: false, y: false },
        sync: { key: this.axis.places },
        points: { show: (_, place) => this.dot(place), size: (_, place) => this.dotSize(place), width: 0, stroke: "", fill: "" },
      },
      hooks: {
        setCursor: [(drawn) => this.tell(drawn.cursor.idx)],
        draw: [(drawn) => this.mark(drawn)],
      },
      padding: [HEAD, 8, 0, 0],
      ...this.options(),
    };
    this.drawn = new uPlot(options, this.data(), this.plot);
  }

  // The axis along the bottom, as uPlot takes it.
  foot() {
    return {
      size: FOOT,
      gap: 8,
      space: this.axis.room,
      incrs: this.axis.steps,
      font: font(12),
      stroke: () => colour("--soft"),
      grid: { show: false },
      border: { show: true, width: 1, stroke: () => colour("--axis") },
      ticks: { show: false },
      values: (_, at, __, ___, step) => at.map((one) => this.axis.label(one, step)),
    };
  }

  across() {
    const range = () => this.axis.range(this.x[0], this.x.at(-1), this.series.some((one) => one.path === "bars"));
    return { time: this.axis.time, range };
  }

  // A line as uPlot takes it: straight between two values, open where one is missing; a single one is a dot.
  line(one, scale) {
    const path = { steps: () => uPlot.paths.stepped({ align: -1 }), bars: () => uPlot.paths.bars({ size: [0.62, 26] }) }[one.path];
    return {
      scale,
      width: one.path === "bars" ? 0 : one.width ?? 1.6,
      stroke: () => colour(one.colour),
      dash: one.dash?.map((length) => length * devicePixelRatio),
      cap: "round",
      ...(path && { paths: path() }),
      ...(one.fill && { fill: () => colour(one.colour, one.fill), fillTo: () => 0 }),
      points: {
        show: false,
        filter: (drawn, place) => (one.path ? null : alone(drawn.data[place])),
        size: (one.width ?? 1.6) + 2,
        width: 0,
        fill: () => colour(one.colour),
      },
    };
  }

  fit() {
    const width = this.plot.clientWidth;
    if (!width || !this.x.length) return;
    if (!this.drawn) this.show(this.x, this.series, this.marks);
    else if (width !== this.drawn.width) this.drawn.setSize({ width, height: this.height(width) });
  }

  mark(drawn) {
    const { ctx, bbox } = drawn, ratio = devicePixelRatio;
    const seen = this.marks.filter((one) => one.at <= this.x.at(-1)); // the newest may be ahead of the lines
    const apart = seen.length > 1 ? (drawn.valToPos(seen.at(-1).at, "x") - drawn.valToPos(seen[0].at, "x")) / (seen.length - 1) : Infinity;
    const crowded = apart < CROWDED;
    ctx.save();
    ctx.lineWidth = Math.max(1, Math.round(ratio));
    for (const one of seen) {
      const x = Math.round(drawn.valToPos(one.at, "x", true)) + 0.5, top = bbox.top - 2 * ratio;
      const arrow = (crowded ? 2 : 4) * ratio;
      ctx.fillStyle = colour(one.colour);
      ctx.beginPath();
      ctx.moveTo(x - arrow, top - 7 * ratio);
      ctx.lineTo(x + arrow, top - 7 * ratio);
      ctx.lineTo(x, top);
      ctx.fill();
      ctx.strokeStyle = colour(one.colour, crowded ? 0.16 : 0.45);
      ctx.beginPath();
      ctx.moveTo(x, top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
    }
    ctx.restore();
  }

  // What happened at a place, after the place before it.
  happened(index) {
    const since = this.x[index - 1] ?? -Infinity;
    return this.marks.filter((one) => one.at > since && one.at <= this.x[index]).map((one) => one.told);
  }

  // The place that is told: the last where none is pointed at, or where it has gone since.
  shown(index) {
    const last = this.x.length - 1;
    return Math.min(index ?? last, last);
  }

  // The figures there.
  tell(index) {
    const shown = this.shown(index);
    const parts = [el("span", {}, this.axis.told(this.x[shown]))];
    for (const one of this.series) {
      parts.push(el("span", { class: `r-${one.kind ?? "line"}` }, sample(one), `${one.name} `, el("b", {}, format(one, shown))));
    }
    if (index !== null) parts.push(...this.happened(shown).map((told) => el("span", { class: "r-mark" }, told)));
    this.read.replaceChildren(...parts);
  }

  // Reads the place x; null reads none.
  place(x) {
    this.at = x;
    const left = x === null ? -10 : this.drawn?.valToPos(x, "x");
    this.drawn?.setCursor({ left, top: x === null ? -10 : 0 }, true, true);
  }

  // The library takes a mouse by itself, a finger that moves it does not.
  point(event) {
    this.at = null;
    if (event.pointerType === "mouse" || !this.drawn) return;
    const { left, width } = this.drawn.over.getBoundingClientRect();
    this.drawn.setCursor({ left: Math.min(Math.max(event.clientX - left, 0), width), top: 0 }, true, true);
  }

  key(event) {
    const last = this.x.length - 1, at = this.at === null ? null : this.x.indexOf(this.at);
    const step = { ArrowLeft: -1, ArrowRight: 1, PageUp: -LEAP, PageDown: LEAP }[event.key];
    const next = event.key === "Home" ? 0 : event.key === "End" || (step && at === null) ? last : step && at + step;
    if (event.key === "Escape") this.place(null);
    if (next === undefined) return;
    event.preventDefault();
    this.place(this.x[Math.min(Math.max(next, 0), last)]);
    this.told.textContent = this.spoken();
  }

  spoken() {
    return [...this.read.children].map((one) => one.textContent).join(", ");
  }

  described() {
    const told = this.series.map((one) => {
      const values = one.values.filter((value) => value !== null);
      if (!values.length) return `${one.name} has no value yet.`;
      const [least, most, last] = [Math.min(...values), Math.max(...values), values.at(-1)].map(one.format);
      return `${one.name}: ${values.length} ${this.axis.places}, between ${least} and ${most}, last ${last}.`;
    });
    if (this.marks.length) told.push(`Marks: ${this.marks.length}, the last: ${this.marks.at(-1).told}.`);
    return told.join(" ");
  }
}

// A figure as it is read, a dash where there is none.
export const format = (one, index) => (one.values[index] === null ? "–" : one.format(one.values[index]));

// Places of values that have no neighbour, null where there are none.
function alone(values) {
  const found = [...values.keys()].filter((place) => values[place] !== null && (values[place - 1] ?? null) === null && (values[place + 1] ?? null) === null);
  return found.length ? found : null;
}
