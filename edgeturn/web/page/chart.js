// A line chart of the last ten minutes: SVG, one or two lines, with the newest values as text beside it.

import { h } from "./elements.js";

const SECONDS = 600;
const WIDTH = 600, HEIGHT = 100;

/** Return a figure. series: [name, key, second?]; format: number -> text; least: the smallest height of the scale. */
export function chart(title, series, points, now, format, least) {
  const values = points.flatMap((point) => series.map(([, key]) => point[key] ?? 0));
  const most = Math.max(least, ...values);
  const newest = points.at(-1) ?? {};
  const said = series.map(([name, key]) => `${name} ${newest[key] === undefined || newest[key] === null ? "–" : format(newest[key])}`);
  return h("figure", { class: "card" },
    h("figcaption", {}, h("strong", {}, title),
      series.map(([, , second], at) => h("span", { class: `small key${second ? " second" : ""}` }, said[at]))),
    h("div", { class: "plot" },
      h("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-label": `${title}, last 10 minutes; now: ${said.join(", ")}; at most ${format(Math.max(0, ...values))}` },
        [0.25, 50, 99.75].map((y) => h("line", { x1: 0, x2: WIDTH, y1: y, y2: y })),
        series.map(([, key, second]) => h("path", { class: second ? "second" : null, d: path(points, key, now, most) }))),
      h("span", { class: "most", "aria-hidden": "true" }, format(most))),
    h("div", { class: "ends", "aria-hidden": "true" }, h("span", {}, "10 minutes ago"), h("span", {}, "now")));
}

/** Return a path with a gap wherever nothing was measured. */
function path(points, key, now, most) {
  let pen = "M", drawn = "";
  for (const point of points) {
    const value = point[key];
    if (value === undefined || value === null) { pen = "M"; continue; }
    const x = WIDTH - ((now - point.at) / SECONDS) * WIDTH;
    if (x < 0) continue;
    drawn += `${pen}${x.toFixed(1)} ${(HEIGHT - 2 - (value / most) * (HEIGHT - 4)).toFixed(1)}`;
    pen = "L";
  }
  return drawn;
}
