// A spark line: a path in an SVG, drawn by presentation attributes (the policy allows no style attribute).

import { makeSvg, setAttribute } from "./dom.js";

const WIDTH = 60;
const HEIGHT = 20;

/** Return an SVG with an empty line. */
export function makeSpark() {
  const line = makeSvg("path", { fill: "none", "stroke-width": 1.25, "vector-effect": "non-scaling-stroke", d: "" });
  const zero = makeSvg("path", { class: "spark-zero", "stroke-width": 1, d: "" });
  return makeSvg("svg", { class: "spark", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, width: WIDTH, height: HEIGHT, role: "img", "aria-label": "no equity yet" }, zero, line);
}

/** Draw values (a bot's equity, the newest last) into it. */
export function drawSpark(svg, values) {
  const points = (values ?? []).filter(Number.isFinite);
  const [zero, line] = svg.children;
  if (points.length < 2) {
    setAttribute(line, "d", "");
    setAttribute(zero, "d", "");
    return;
  }
  const low = Math.min(...points);
  const high = Math.max(...points);
  const span = high - low || 1;
  const y = (value) => (HEIGHT - 2 - ((value - low) / span) * (HEIGHT - 4)).toFixed(1);
  const step = WIDTH / (points.length - 1);
  setAttribute(line, "d", points.map((value, place) => `${place ? "L" : "M"}${(place * step).toFixed(1)} ${y(value)}`).join(""));
  setAttribute(zero, "d", low < 0 && high > 0 ? `M0 ${y(0)}H${WIDTH}` : "");
  const change = points.at(-1) - points[0];
  setAttribute(svg, "data-tone", change > 0 ? "good" : change < 0 ? "bad" : "dim");
  setAttribute(svg, "aria-label", `equity ${change > 0 ? "rose" : change < 0 ? "fell" : "is unchanged"} by ${Math.abs(change).toPrecision(3)}`);
}
