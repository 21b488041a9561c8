// What all parts share: elements, numbers and times as people read them, steps of an axis.

const SVG = "http://www.w3.org/2000/svg";

export function el(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

export function svg(name, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, name), attributes, children);
}

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

export const byId = (id) => document.getElementById(id);

// Text that is the same is not written again, for it would be read out again.
export function text(id, value) {
  const node = byId(id);
  if (node.textContent !== value) node.textContent = value;
}

const whole = new Intl.NumberFormat("en");
const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
export const count = (value) => whole.format(Math.round(value));
export const compact = (value) => short.format(value);

// Few things a second are told with a digit more.
export const rate = (value) => (value > 0 && value < 9.95 ? value.toFixed(1) : count(value));
export const ms = (value) => (value < 99.95 ? value.toFixed(1) : count(value));

export const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });

// [number, unit] of a time in seconds, in the unit that fits.
export function span(seconds) {
  if (seconds < 0.0995) return [String(Math.round(seconds * 1000)), "ms"];
  if (seconds < 10) return [seconds.toFixed(1), "s"];
  if (seconds < 120) return [seconds.toFixed(0), "s"];
  if (seconds < 7200) return [(seconds / 60).toFixed(0), "min"];
  if (seconds < 172800) return [(seconds / 3600).toFixed(1), "h"];
  return [(seconds / 86400).toFixed(1), "d"];
}

export const spanText = (seconds) => span(seconds).join(" ");

// A step of 1, 2 or 5 times a power of ten that cuts `width` into at most `most` parts.
export function niceStep(width, most) {
  const rough = width / most;
  const power = 10 ** Math.floor(Math.log10(rough));
  return [1, 2, 5, 10].map((one) => one * power).find((one) => one >= rough * 0.999);
}
