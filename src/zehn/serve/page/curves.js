// Curves by epoch as a drawing, with the numbers beneath the pointer and, for who does not see it, as a table.

import { drawing, element, refill } from "./elements.js";
import { brief } from "./words.js";

const [WIDTH, HEIGHT] = [520, 260];
const MARGIN = { left: 52, right: 14, top: 12, bottom: 34 };
const BELOW = HEIGHT - MARGIN.bottom + 17;
const N_TICKS = 5;
const FEW_POINTS = 20; // up to so many, a curve shows a marker at each

/** A chart of series `{name, look, points: [[epoch, value], …]}`; `best` marks the epoch that was kept. */
export function createCurves(title, series, best) {
  const all = series.flatMap((one) => one.points);
  const scales = scalesOf(all);
  const reading = element("p", { class: "reading number", "aria-hidden": "true" });
  const cursor = drawing("line", { y1: MARGIN.top, y2: HEIGHT - MARGIN.bottom, class: "cursor", visibility: "hidden" });
  const told = `${title} by epoch: ${series.map((one) => one.name).join(", ")}`;
  const chart = drawing(
    "svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": told },
    grid(scales, all), bestLine(scales, best), cursor, series.map((one) => curve(one, scales)));
  const read = (event) => point(event, chart, scales, series, cursor, reading);
  chart.addEventListener("pointermove", read);
  chart.addEventListener("pointerleave", () => {
    cursor.setAttribute("visibility", "hidden");
    refill(reading);
  });
  return element(
    "figure", { class: "curves" },
    element("figcaption", {}, element("h3", {}, title), legend(series)),
    chart, reading, numbers(title, series));
}

function scalesOf(points) {
  const epochs = points.map(([epoch]) => epoch);
  const values = points.map(([, number]) => number);
  const [first, last] = [Math.min(...epochs), Math.max(...epochs)];
  const ticks = ticksBetween(Math.min(...values), Math.max(...values));
  const [low, high] = [Math.min(ticks[0], ...values), Math.max(ticks.at(-1), ...values)];
  const across = WIDTH - MARGIN.left - MARGIN.right;
  const down = HEIGHT - MARGIN.top - MARGIN.bottom;
  return {
    x: (epoch) => MARGIN.left + (across * (epoch - first)) / (last - first || 1),
    y: (number) => MARGIN.top + (down * (high - number)) / (high - low || 1),
    ticks,
    first,
    last,
  };
}

/** Round numbers over a range, about five. */
function ticksBetween(low, high) {
  const rough = (high - low || Math.abs(high) || 1) / N_TICKS;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 2.5, 5, 10].find((factor) => factor * power >= rough) ?? 10);
  const beginning = Math.floor(low / step);
  const n = Math.ceil(high / step - beginning + 1e-9);
  return Array.from({ length: n + 1 }, (_, nth) => Number(((beginning + nth) * step).toPrecision(12)));
}

function grid({ x, y, ticks, first, last }, points) {
  const lines = ticks.map((tick) => [
    drawing("line", { x1: MARGIN.left, x2: WIDTH - MARGIN.right, y1: y(tick), y2: y(tick), class: "rule" }),
    drawing("text", { x: MARGIN.left - 8, y: y(tick) + 4, class: "scale", "text-anchor": "end" }, brief(tick)),
  ]);
  const epochs = [...new Set(points.map(([epoch]) => epoch))].sort((a, b) => a - b);
  const every = Math.ceil(epochs.length / 10);
  const below = epochs.filter((_, nth) => nth % every === 0).map((epoch) => centred(x(epoch), BELOW, String(epoch)));
  const word = centred(x((first + last) / 2), HEIGHT - 2, "epoch");
  return [lines, below, word].flat(2);
}

function centred(x, y, text) {
  return drawing("text", { x, y, class: "scale", "text-anchor": "middle" }, text);
}

function bestLine({ x }, best) {
  if (best === null || best === undefined) return [];
  const line = { x1: x(best), x2: x(best), y1: MARGIN.top, y2: HEIGHT - MARGIN.bottom, class: "best" };
  return [drawing("line", line, drawing("title", {}, `epoch ${best} was kept`))];
}

function curve({ look, points }, { x, y }) {
  const at = ([epoch, number]) => `${x(epoch).toFixed(1)} ${y(number).toFixed(1)}`;
  const path = `M${points.map(at).join("L")}`;
  const dots = points.length > FEW_POINTS ? [] : points.map(([epoch, number]) => mark(look, x(epoch), y(number)));
  return drawing("g", { class: `curve ${look}` }, drawing("path", { d: path }), dots);
}

/** A marker of its own for each look, so that none is told apart by colour alone. */
function mark(look, x, y) {
  if (look === "validation") return drawing("rect", { x: x - 3, y: y - 3, width: 6, height: 6 });
  if (look === "test") return drawing("path", { d: `M${x} ${y - 4}l4 7h-8z`, class: "solid" });
  return drawing("circle", { cx: x, cy: y, r: 3.2 });
}

function legend(series) {
  const sample = (look) => drawing(
    "svg", { viewBox: "0 0 28 10", width: 28, height: 10, "aria-hidden": "true" },
    drawing("g", { class: `curve ${look}` }, drawing("path", { d: "M1 5H27" }), mark(look, 14, 5)));
  return element("ul", { class: "legend" }, series.map(({ name, look }) => element("li", {}, sample(look), name)));
}

function point(event, chart, { x }, series, cursor, reading) {
  const box = chart.getBoundingClientRect();
  const at = ((event.clientX - box.left) * WIDTH) / box.width;
  const away = (epoch) => Math.abs(x(epoch) - at);
  const nearest = epochsOf(series).reduce((best, epoch) => (away(epoch) < away(best) ? epoch : best));
  cursor.setAttribute("x1", x(nearest));
  cursor.setAttribute("x2", x(nearest));
  cursor.setAttribute("visibility", "visible");
  const there = series.map(({ name, points }) => [name, new Map(points).get(nearest)]);
  const known = there.filter(([, number]) => number !== undefined).map(([name, number]) => `${name} ${brief(number)}`);
  reading.textContent = `epoch ${nearest}: ${known.join(" · ")}`;
}

function epochsOf(series) {
  return [...new Set(series.flatMap((one) => one.points.map(([epoch]) => epoch)))].sort((a, b) => a - b);
}

function numbers(title, series) {
  const of = series.map((one) => new Map(one.points));
  const cell = (number) => element("td", { class: "number" }, number === undefined ? "–" : brief(number));
  const rows = epochsOf(series).map((epoch) => element(
    "tr", {}, element("th", { scope: "row" }, String(epoch)), of.map((points) => cell(points.get(epoch)))));
  const heads = ["Epoch", ...series.map((one) => one.name)].map((word) => element("th", { scope: "col" }, word));
  const table = element(
    "table", { class: "plain" }, element("caption", { class: "unseen" }, title),
    element("thead", {}, element("tr", {}, heads)), element("tbody", {}, rows));
  const scroll = { class: "scroll", tabindex: "0", role: "region", "aria-label": `${title}, the numbers` };
  return element("details", {}, element("summary", {}, "The numbers"), element("div", scroll, table));
}
