// uPlot with our colours, UTC times and one cursor for all charts of a page.

import { makeSvg } from "./dom.js";

const FONT = "11px system-ui, sans-serif";
const cursorGroup = globalThis.uPlot?.sync("bot");

/** The colour that a custom property has now; a canvas cannot read `light-dark()`. */
export function colour(name) {
  const probe = makeSvg("svg", { class: "visually-hidden" });
  probe.style.color = `var(--${name})`;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

const axis = (extra) => ({ stroke: () => colour("dim"), font: FONT, grid: { stroke: () => colour("line"), width: 1 }, ticks: { show: false }, ...extra });

/** Ticks of the time axis, in UTC, as short as their distance allows. */
function timeTicks(_plot, ticks, _axis, _space, step_s) {
  const cut = step_s < 60 ? [11, 19] : step_s < 86400 ? [11, 16] : [5, 10];
  return ticks.map((at_s) => new Date(at_s * 1000).toISOString().slice(...cut));
}

/** Ticks of prices, with as many places as their distance needs. */
export function priceTicks(_plot, ticks) {
  const step = ticks.length > 1 ? ticks[1] - ticks[0] : 1;
  const places = Math.min(8, Math.max(0, Math.ceil(-Math.log10(step) - 1e-9)));
  return ticks.map((tick) => tick.toFixed(places));
}

/** A line; `fill` is the name of a colour that is laid under it thinly. */
export function line(label, name, { width = 1.25, stepped = false, fill = null } = {}) {
  return {
    label,
    stroke: () => colour(name),
    width,
    points: { show: false },
    spanGaps: false,
    paths: stepped ? uPlot.paths.stepped({ align: 1 }) : uPlot.paths.linear(),
    ...(fill ? { fill: () => colour(fill).replace("rgb(", "rgba(").replace(")", ", 0.18)") } : {}),
  };
}

/** Make a chart that fills its box; `hooks.draw` may draw over it, `onPoint(place)` hears where the cursor is. */
export function makeChart(box, { height, series, values, hooks = {}, onPoint, xRange }) {
  const options = {
    width: Math.max(200, box.clientWidth - 4),
    height,
    tzDate: (at_s) => uPlot.tzDate(new Date(at_s * 1000), "Etc/UTC"), // so that ticks stand at full hours of UTC
    legend: { show: false },
    cursor: { sync: { key: cursorGroup.key }, points: { size: 6 }, drag: { x: true, y: false } },
    scales: { x: { time: true, ...(xRange ? { range: xRange } : {}) } },
    series: [{}, ...series],
    axes: [axis({ size: 24, space: 70, values: timeTicks }), axis({ size: 74, space: height < 200 ? 20 : 28, values })],
    hooks: { setCursor: [(plot) => onPoint?.(plot.cursor.idx ?? null)], setSelect: [(plot) => plot.select.width > 0 && (plot.isZoomed = true)], ...hooks },
    padding: [8, 26, 0, 0],
  };
  const plot = new uPlot(options, [[], ...series.map(() => [])], box);
  plot.over.addEventListener("dblclick", () => (plot.isZoomed = false));
  new ResizeObserver(() => plot.setSize({ width: Math.max(200, box.clientWidth - 4), height })).observe(box);
  addEventListener("themechange", () => plot.data[0].length && plot.redraw(false));
  return plot;
}

/** Give a chart new values; what somebody has zoomed into stays in sight until a double click. */
export function setValues(plot, columns) {
  plot.setData(columns, !plot.isZoomed);
  if (plot.isZoomed) plot.redraw();
}
