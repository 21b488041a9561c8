// The two axes that things are drawn along: periods, and the clock.

import { clock } from "./draw.js";

const whole = [1, 2, 5].flatMap((one) => [0, 1, 2, 3, 4, 5, 6].map((power) => one * 10 ** power)).sort((a, b) => a - b);
const second = 1000, minute = 60 * second, day = 1440 * minute;
const times = [second, minute].flatMap((unit) => [1, 2, 5, 10, 15, 30].map((one) => one * unit))
  .concat([1, 2, 3, 6, 12].map((hours) => 60 * hours * minute), [1, 2, 5, 10, 20, 50, 100].map((days) => days * day));
const dated = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });
const hour = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });

// `places`: what is met along it. `room`: pixels that a label needs. `told`: how the read-out names a place.
export const PERIODS = {
  places: "periods",
  time: false,
  room: 44,
  steps: whole,
  label: String,
  told: (period) => `Period ${period}`,
  range: (first, last, bars) => {
    const beside = bars || first === last ? 0.6 : 0;
    return [first - beside, last + beside];
  },
};

export const CLOCK = {
  places: "moments",
  time: true,
  room: (_, __, first, last, pixels) => ((60 * (last - first)) / pixels < minute ? 84 : 60), // seconds take more
  steps: times,
  label: (at, step) => (step >= day ? dated : step >= minute ? hour : clock).format(at),
  told: (at) => clock.format(at),
  range: (first, last) => [first === last ? first - 1000 : first, last],
};
