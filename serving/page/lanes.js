// A chart of lanes, one under the other: each line from zero on a scale of its own, its figure told beside it.

import { Chart, FOOT, HEAD, format } from "./chart.js";
import { el } from "./draw.js";
import { colour } from "./theme.js";

const INTO = 18; // pixels that the plot reaches into the names, so that a label at its beginning has room
const USED = 0.74; // of a lane's height; the rest keeps it apart from the one above

export class Lanes extends Chart {
  // lane: its height in pixels.
  constructor(host, name, axis, { lane }) {
    super(host, name, axis);
    this.lane = lane;
    this.names = el("ul", { class: "lane-names" });
    this.names.style.setProperty("--lane", `${lane}px`);
    this.names.style.setProperty("--head", `${HEAD}px`);
  }

  mount() {
    this.plot.style.marginLeft = `${-INTO}px`;
    const both = el("div", { class: "lanes" }, this.names, this.plot);
    this.host.replaceChildren(this.read, both, this.told, this.summary);
  }

  height() {
    return HEAD + this.lane * this.series.length + FOOT;
  }

  options() {
    const lanes = this.series.map((one, place) => [`lane${place}`, { range: () => this.range(place) }]);
    return {
      scales: { x: this.across(), ...Object.fromEntries(lanes) },
      series: [{}, ...this.series.map((one, place) => this.line({ fill: 0.16, ...one }, `lane${place}`))],
      axes: [this.foot()],
      padding: [HEAD, 8, 0, INTO],
      hooks: {
        drawClear: [(drawn) => this.floors(drawn)],
        setCursor: [(drawn) => this.tell(drawn.cursor.idx)],
        draw: [(drawn) => this.mark(drawn)],
      },
    };
  }

  peak(place) {
    return this.series[place].values.reduce((most, one) => Math.max(most, one ?? 0), 0);
  }

  // The whole height as this lane's scale has it: its zero lies where the lane ends.
  range(place) {
    const lanes = this.series.length;
    const whole = (Math.max(this.peak(place), this.series[place].least) * lanes) / USED;
    const below = (whole * (lanes - 1 - place)) / lanes;
    return [-below, whole - below];
  }

  floors(drawn) {
    const { ctx, bbox } = drawn;
    ctx.save();
    ctx.fillStyle = colour("--line");
    const thick = Math.max(1, Math.round(devicePixelRatio));
    for (let place = 1; place < this.series.length; place++) {
      ctx.fillRect(bbox.left, Math.round(bbox.top + (bbox.height * place) / this.series.length), bbox.width, thick);
    }
    ctx.restore();
  }

  dot(place) {
    const node = el("div", { class: "dot d-line" });
    node.style.setProperty("--c", `var(${this.series[place - 1].colour})`);
    return node;
  }

  dotSize() {
    return 7;
  }

  tell(index) {
    const shown = this.shown(index);
    const happened = index === null ? [] : this.happened(shown);
    this.read.replaceChildren(el("span", {}, this.axis.told(this.x[shown])), ...happened.map((told) => el("span", { class: "r-mark" }, told)));
    this.names.replaceChildren(...this.series.map((one, place) => this.named(one, place, shown)));
  }

  named(one, place, shown) {
    const peak = el("small", {}, `peak ${(one.brief ?? one.format)(this.peak(place))}`);
    const dot = el("i", { "aria-hidden": "true" });
    dot.style.background = `var(${one.colour})`;
    return el("li", { title: one.told }, el("span", {}, dot, one.name), el("span", {}, el("b", {}, format(one, shown)), " ", peak));
  }

  spoken() {
    const shown = this.at === null ? this.x.length - 1 : this.x.indexOf(this.at);
    return [super.spoken(), ...this.series.map((one) => `${one.name} ${format(one, shown)}`)].join(", ");
  }
}
