// What is marked on the map: the query and its hits, beside it.

import { asParams } from "./codes.js";
import { element, picture, refill } from "./elements.js";
import { count } from "./words.js";

const SIDE = 96;

/** The panel; `show(asked, answer)` fills it, `invite()` says how to ask. */
export function createMarked({ api, info, link, say }) {
  const node = element("div", { class: "asking" });

  function invite() {
    refill(node, element("h2", {}, "Query"), element("p", { class: "note" }, "Click a point to ask about its image."));
  }

  function show(asked, { query, hits, distance }) {
    const tile = (id, name) => element(
      "a", { href: link("map", { id, distance }), title: name }, picture(api.picture(id, SIDE, info.state), name));
    refill(node,
      element("h2", {}, "Query ", ring("signal")),
      asked.id === undefined ? placeless() : own(tile, asked.id, query.label),
      element("h3", {}, `Its hits by ${distance} `, ring("")),
      element("div", { class: "minis" }, hits.map((hit) =>
        tile(hit.id, `Rank ${hit.rank}: ${hit.label ?? "image"} number ${count(hit.id)}`))),
      element("p", { class: "ways" },
        element("a", { href: link("search", { ...asParams(asked), distance }) }, "See them in Search")));
    say(`The query and its ${hits.length} hits are marked on the map`);
  }

  return { node, show, invite };
}

function own(tile, id, label) {
  const number = element("small", {}, `number ${count(id)}`);
  const words = element("p", {}, label ?? "", element("br"), number);
  return element("div", { class: "own" }, tile(id, `The query, number ${count(id)}`), words);
}

function placeless() {
  return element("p", { class: "note" }, "Your picture has no place on the map, but its hits have.");
}

function ring(kind) {
  return element("span", { class: `ring ${kind}`, "aria-hidden": "true" });
}
