// Why a hit is a hit: the ten numbers of both side by side, what they kept, and which brought them together or apart.

import { question } from "./codes.js";
import { button, drawing, element, picture, refill } from "./elements.js";
import { source } from "./query.js";
import { count, dimension, listed, share, value } from "./words.js";

const N_NAMED = 3;
const HEADS = ["", "Query", "", "Hit", "Share of the distance"];
const SIDE = 384;
const ROWS = "Each row runs from the collection's lowest 1 % to its highest; the small line is its mean.";
const TOGETHER = "Mahalanobis distance weighs the numbers together: a share below nought means that the difference "
  + "is what the other numbers make one expect.";

/** The panel; `update(hitId, params)` opens it for a hit of the query in the parameters, `close` is told of its end. */
export function createWhy({ api, info }, close) {
  const body = element("div", { class: "why-body" });
  const shut = button("×", () => node.close(), { class: "shut", "aria-label": "Close" });
  const node = element("dialog", { class: "why", "aria-labelledby": "why-title" }, shut, body);
  let shown = "";
  node.addEventListener("close", () => shown && close());
  node.addEventListener("click", (event) => event.target === node && node.close()); // beside the panel

  async function update(hitId, params) {
    const wanted = hitId === undefined ? "" : JSON.stringify([hitId, params]);
    if (wanted === shown) return;
    if (!wanted) {
      shown = "";
      node.close();
      return;
    }
    const asked = question(params, info.n_components);
    const id = Number.parseInt(hitId, 10);
    const [reasons, hit] = await Promise.all([
      api.explain({ ...asked, hit: id, distance: params.distance }), api.image(id),
    ]);
    shown = wanted;
    refill(body, ...content({ api, info }, asked, hit, reasons, params.distance));
    if (!node.open) node.showModal();
  }

  return { node, update };
}

function content(context, asked, hit, reasons, distance) {
  const { query_code: query, hit_code: found, contributions, query_reconstruction: kept } = reasons;
  const name = hit.label ? `this ${hit.label}` : `number ${count(hit.id)}`;
  const image = context.api.picture(hit.id, SIDE, context.info.state);
  return [
    element("h2", { id: "why-title", tabindex: "-1", autofocus: true }, `Why is ${name} a hit?`),
    element("p", { class: "lead" }, sentence(contributions, distance)),
    element("div", { class: "pairs" },
      side("Query", source(context, asked, { reconstruction: kept }), kept, "query"),
      side("Hit", image, reasons.hit_reconstruction, "hit")),
    table(query, found, contributions, context.info),
    element("p", { class: "note" }, note(distance)),
  ];
}

function side(word, image, reconstruction, kind) {
  const figure = (address, told) => element(
    "figure", {}, picture(address, `${word}: ${told}`), element("figcaption", {}, told));
  return element(
    "div", { class: `pair-of ${kind}` },
    element("h3", {}, element("span", { class: "mark" }), word),
    figure(image, "the picture"),
    figure(reconstruction, "what its ten numbers kept"));
}

function sentence(contributions, distance) {
  const total = contributions.reduce((sum, part) => sum + part, 0);
  if (total === 0) return `Their ten numbers are the same: by ${distance} distance nothing sets them apart.`;
  const order = contributions.map((part, index) => [part, index]).sort((a, b) => b[0] - a[0]);
  const apart = order.slice(0, N_NAMED);
  const together = order.slice(-N_NAMED).reverse();
  const sum = apart.reduce((all, [part]) => all + part, 0);
  const names = (some) => listed(some.map(([, index]) => dimension(index)));
  return `${names(apart)} set them apart: together ${share(sum)} of the ${distance} distance. `
    + `In ${names(together)} they are closest to each other.`;
}

function note(distance) {
  return distance === "mahalanobis" ? `${ROWS} ${TOGETHER}` : `${ROWS} Shares of the distance sum to 100 %.`;
}

function table(query, found, contributions, info) {
  const most = Math.max(...contributions.map(Math.abs)) || 1;
  const rows = query.map((number, index) => element(
    "tr", {},
    element("th", { scope: "row" }, dimension(index)),
    element("td", { class: "number" }, value(number)),
    element("td", { class: "plot" }, dumbbell(number, found[index], index, info)),
    element("td", { class: "number" }, value(found[index])),
    shareCell(contributions[index], most)));
  const head = HEADS.map((word) => (word ? element("th", { scope: "col" }, word) : element("td", {})));
  return element(
    "table", { class: "numbers-table" },
    element("caption", { class: "unseen" }, "The numbers of query and hit"),
    element("thead", {}, element("tr", {}, head)), element("tbody", {}, rows));
}

function shareCell(part, most) {
  return element("td", { class: "share" }, shareBar(part / most), element("span", {}, share(part)));
}

/** Query and hit as two marks on one line. */
function dumbbell(query, found, index, info) {
  const [low, high] = [Math.min(info.code_low[index], query, found), Math.max(info.code_high[index], query, found)];
  const part = (number) => (100 * (number - low)) / (high - low || 1);
  const mark = (kind, at, style = {}) => element("span", { class: kind, style: { "--at": `${at}%`, ...style } });
  const width = `${Math.abs(part(query) - part(found))}%`;
  return element(
    "div", { class: "dumbbell", "aria-hidden": "true" },
    mark("track", 50),
    mark("mean", part(info.code_mean[index])),
    mark("between", Math.min(part(query), part(found)), { "--width": width }),
    mark("of-hit", part(found)),
    mark("of-query", part(query)),
  );
}

function shareBar(part) {
  const width = Math.min(Math.abs(part), 1) * 100;
  return drawing(
    "svg", { viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" },
    drawing("rect", { x: 0, y: 0, width: 100, height: 10, rx: 2, class: "bed" }),
    drawing("rect", { x: 0, y: 0, width, height: 10, rx: 2, class: part < 0 ? "against" : "for" }),
  );
}
