// The colours of page.css for canvases, which do not know them, and word of when they change.

const schemes = [matchMedia("(prefers-color-scheme: dark)"), matchMedia("(forced-colors: active)")];
const known = new Map();

// The colour of a custom property, as "--theta"; it is written with six digits there, so that `part` of it can be had.
export function colour(name, part = 1) {
  if (!known.has(name)) known.set(name, getComputedStyle(document.documentElement).getPropertyValue(name).trim());
  const solid = known.get(name);
  return part === 1 ? solid : solid + Math.round(255 * part).toString(16).padStart(2, "0");
}

export const font = (size) => `${size}px ${getComputedStyle(document.body).fontFamily}`;

export function onScheme(redraw) {
  for (const scheme of schemes) {
    scheme.addEventListener("change", () => {
      known.clear();
      redraw();
    });
  }
}
