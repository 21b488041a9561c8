// A chart of lines on one scale, some with a band around them.

import { Chart } from "./chart.js";
import { compact, el } from "./draw.js";
import { named } from "./methods.js";
import { colour, font } from "./theme.js";

const HEIGHT = { wide: 240, narrow: 204 };
const BAND = 0.11; // of the line's colour
const DOT = { theta: 9, star: 11 };

export class Lines extends Chart {
  // zero: whether the scale begins there. least: the smallest stretch of values that fills the chart.
  constructor(host, name, axis, { zero = false, least }) {
    super(host, name, axis);
    Object.assign(this, { zero, least });
  }

  title() {
    const whose = this.series.length > 1 ? ` of ${named(this.series)}` : "";
    return `${this.name}${whose} by ${this.axis.time ? "time" : "period"}`;
  }

  height(width) {
    return width < 420 ? HEIGHT.narrow : HEIGHT.wide;
  }

  // Bands lie under all lines, and the most important line on top.
  layers() {
    const lines = [...this.series].reverse();
    return { lines, banded: lines.filter((one) => one.band) };
  }

  data() {
    const { lines, banded } = this.layers();
    return [this.x, ...banded.flatMap((one) => [one.band.high, one.band.low]), ...lines.map((one) => one.values)];
  }

  // The line at a place of what uPlot was given.
  seriesAt(place) {
    const { lines, banded } = this.layers();
    return lines[place - 1 - 2 * banded.length];
  }

  options() {
    const { lines, banded } = this.layers();
    const edge = { width: 0, points: { show: false } };
    return {
      scales: { x: this.across(), y: { range: (_, low, high) => this.range(low, high) } },
      series: [{}, ...banded.flatMap(() => [edge, edge]), ...lines.map((one) => this.line(one, "y"))],
      bands: banded.map((one, place) => ({ series: [1 + 2 * place, 2 + 2 * place], fill: () => colour(one.colour, BAND) })),
      axes: [this.foot(), this.side()],
    };
  }

  side() {
    return {
      size: 46,
      gap: 8,
      space: 34,
      font: font(12),
      stroke: () => colour("--soft"),
      grid: { stroke: () => colour("--line"), width: 1 },
      ticks: { show: false },
      values: (_, at, __, ___, step) => at.map((one) => this.label(one, step)),
    };
  }

  label(value, step) {
    return value >= 1000 ? compact(value) : value.toFixed(Math.max(0, -Math.floor(Math.log10(step) + 1e-9)));
  }

  range(low, high) {
    if (low === null) return [0, this.least];
    const beside = Math.max((high - low) * 0.08, this.least / 2);
    return this.zero ? [0, Math.max(high * 1.08, this.least)] : [low - beside, high + beside];
  }

  dot(place) {
    const one = this.seriesAt(place);
    if (!one) return null; // the edge of a band
    const node = el("div", { class: `dot d-${one.kind ?? "line"}` });
    node.style.setProperty("--c", `var(${one.colour})`);
    return node;
  }

  dotSize(place) {
    return DOT[this.seriesAt(place)?.kind] ?? 7;
  }
}
