// Distances compared on the queries of a run: which is best, by how much, and how far their hits agree.

import { drawing, element } from "./elements.js";
import { share } from "./words.js";

const MAIN = "P@10";
const COLUMNS = ["P@1", MAIN, "P@100", "mAP@1000", "20-NN accuracy"];

/** The section; null where nothing was compared. */
export function createComparison({ distances: names, scores, overlap, recommendation }) {
  if (names.length === 0) return null;
  const order = [...names].sort((a, b) => mean(scores[b], MAIN) - mean(scores[a], MAIN));
  const advice = recommendation ? element("p", { class: "verdict" }, recommendation) : null;
  return element(
    "section", { "aria-labelledby": "distances" },
    element("h2", { id: "distances" }, "Distances compared"),
    element("div", { class: "halves" }, advice, intervals(order, scores)),
    table(order, scores),
    agreement(order, overlap));
}

const mean = (score, measure) => score?.[measure]?.mean ?? Number.NaN;
const three = (number) => (Number.isNaN(number) ? "–" : number.toFixed(3));
const heads = (words) => words.map((word) => (word ? element("th", { scope: "col" }, word) : element("td", {})));

function table(order, scores) {
  const columns = COLUMNS.filter((measure) => order.some((name) => scores[name][measure]));
  const rows = order.map((name) => element(
    "tr", {}, element("th", { scope: "row" }, name),
    columns.map((measure) => element("td", { class: "number" }, three(mean(scores[name], measure)))),
    element("td", { class: "number" }, milliseconds(scores[name].ms_per_query))));
  return scrolled("Scores of each distance", ["Distance", ...columns, "A query takes"], rows, "plain");
}

function milliseconds(number) {
  return number ? `${number.toFixed(2)} ms` : "–";
}

function scrolled(name, words, rows, kind) {
  const head = element("thead", {}, element("tr", {}, heads(words)));
  const content = element("table", { class: kind }, head, element("tbody", {}, rows));
  return element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": name }, content);
}

/** P@10 of each distance as a mark with its 95 % interval. */
function intervals(order, scores) {
  const known = order.map((name) => [name, scores[name][MAIN]]).filter(([, score]) => score);
  if (known.length === 0) return null;
  const low = Math.min(...known.map(([, score]) => score.low));
  const high = Math.max(...known.map(([, score]) => score.high));
  const x = (number) => 10 + (380 * (number - low)) / (high - low || 1);
  const caption = element("figcaption", {}, `${MAIN} with its 95 % interval`);
  const rows = known.map(([name, score]) => interval(name, score, x));
  return element("figure", { class: "intervals" }, caption, element("ul", {}, rows));
}

function interval(name, score, x) {
  const told = `${three(score.mean)} (${three(score.low)}–${three(score.high)})`;
  const line = (from, to, kind) => drawing("line", { x1: from, x2: to, y1: 10, y2: 10, class: kind });
  return element(
    "li", {}, element("span", {}, name),
    drawing("svg", { viewBox: "0 0 400 20", "aria-hidden": "true" },
      line(2, 398, "track"),
      line(x(score.low), x(score.high), "interval"),
      drawing("circle", { cx: x(score.mean), cy: 10, r: 5, class: "mean-mark" })),
    element("span", { class: "number" }, told));
}

function agreement(order, overlap) {
  if (!order.every((name) => overlap[name])) return null;
  const cell = (part) => element("td", { class: "number shade", style: { "--part": part } }, share(part));
  const rows = order.map((name) => element(
    "tr", {}, element("th", { scope: "row" }, name), order.map((other) => cell(overlap[name][other]))));
  return element(
    "details", { class: "agreement" }, element("summary", {}, "How far their ten hits agree"),
    scrolled("Agreement of the distances", ["", ...order], rows, "plain matrix"));
}
