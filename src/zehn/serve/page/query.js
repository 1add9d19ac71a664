// The query in the top row: its picture, its ten numbers, and where else one can go with it.

import { asParams, toText } from "./codes.js";
import { drawing, element, picture, refill, repaint } from "./elements.js";
import { recall } from "./uploads.js";
import { count, dimension, fileName, value } from "./words.js";

const SIDE = 384;
const HALF = 46; // of a bar's room, up and down
const LENGTH = 60; // of a bar as long as what 1 % lie beyond: most are much shorter

/** The panel of a query; `show(asked, answer)` fills it. */
export function createQuery(context) {
  const image = picture("", "The query");
  const title = element("h1", { tabindex: "-1" });
  const place = element("p", { class: "path" });
  const numbers = element("div", { class: "numbers" });
  const ways = element("p", { class: "ways" });
  const node = element(
    "section", { class: "query", "aria-label": "Query" },
    element("figure", { class: "query-picture" }, image),
    element("div", { class: "query-words" }, title, place, numbers, ways),
  );
  const show = (asked, { query, distance, k }) => {
    repaint(image, source(context, asked, query), alternative(asked, query));
    title.textContent = name(asked, query);
    place.textContent = origin(asked, query);
    refill(numbers, bars(query.code, context.info));
    refill(ways, links(context, { ...asParams(asked), distance, k }));
  };
  return { node, image, title, show };
}

/** Where a query's picture comes from: the collection, this page's memory, or what its code kept. */
export function source({ api, info }, asked, query) {
  if (asked.id !== undefined) return api.picture(asked.id, SIDE, info.state);
  return recall(toText(asked.code))?.url ?? query.reconstruction ?? "";
}

function name(asked, query) {
  if (asked.id !== undefined) return query.label ?? (query.path ? fileName(query.path) : `Image ${count(asked.id)}`);
  return recall(toText(asked.code))?.file.name || "Ten numbers";
}

function origin(asked, query) {
  if (asked.id !== undefined) return [`number ${count(asked.id)}`, query.path].filter(Boolean).join(" · ");
  if (recall(toText(asked.code))) return "your picture; the service has kept nothing of it";
  return "what these numbers kept; the picture they came from is not part of a link";
}

function alternative(asked, query) {
  if (asked.id !== undefined) return `The query: ${query.label ?? "image"} number ${count(asked.id)}`;
  return recall(toText(asked.code)) ? "The query: your picture" : "The query: what its ten numbers kept";
}

function links({ link, info }, params) {
  const ways = [["sliders", "Move its numbers"], ["map", "Find it on the map"]];
  if (info.has_versions || info.kind === "run") ways.push(["distort", "Distort it"]);
  return ways.map(([view, word]) => element("a", { href: link(view, params) }, word));
}

/** Ten numbers as bars up and down from the collection's mean, each as long as it is unusual. */
function bars(code, info) {
  const told = [...code].map((number, index) => `${dimension(index)} ${value(number)}`).join(", ");
  return element(
    "ol", { class: "bars", "aria-label": `Its ${code.length} numbers: ${told}` },
    [...code].map((number, index) => element(
      "li", { "aria-hidden": "true", title: tells(number, index, info) },
      bar(deviation(number, index, info)),
      element("span", {}, value3(number)),
    )),
  );
}

function tells(number, index, info) {
  return `${dimension(index)} = ${value(number)}, on average ${value(info.code_mean[index])}`;
}

/** How far a number of a code lies from the mean, from −1 (lower than 99 %) to 1, and at most 1.1 beyond. */
export function deviation(number, index, { code_low: low, code_high: high, code_mean: mean }) {
  const reach = Math.max(high[index] - mean[index], mean[index] - low[index]) || 1;
  return Math.max(-1.1, Math.min(1.1, (number - mean[index]) / reach));
}

function bar(height) {
  const length = Math.max(Math.min(Math.abs(height) * LENGTH, HALF), 1);
  const [y, kind] = height > 0 ? [HALF - length, "above"] : [HALF, "below"];
  return drawing(
    "svg", { viewBox: `0 0 20 ${2 * HALF}`, preserveAspectRatio: "none" },
    drawing("rect", { x: 3, y, width: 14, height: length, rx: 2, class: kind }),
    drawing("line", { x1: 0, x2: 20, y1: HALF, y2: HALF }),
  );
}

/** To three figures: what fits below a bar. */
function value3(number) {
  return (Math.abs(number) < 0.005 ? "0" : Number(number.toPrecision(3)).toString()).replace("-", "−");
}
