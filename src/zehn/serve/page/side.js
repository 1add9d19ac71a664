// One of two models under distortion: its name, how well it does, and its hits.

import { element, refill } from "./elements.js";
import { createHits, matching } from "./hits.js";

/** The panel of a model; `show(hits, original, label)` fills it, `wait(content)` stands there until it does. */
export function createSide(context, version, title, tells) {
  const hits = createHits(context, { brief: true, name: `Hits of: ${title.toLowerCase()}` });
  const score = element("p", { class: "score" });
  const place = element("div", {}, hits.node);
  const heading = element("h2", {}, title, element("small", {}, tells));
  const row = element("div", { class: "row" }, heading, score);
  const node = element("section", { class: `side ${version}`, "aria-label": title }, row, place);

  function show(found, original, label) {
    if (!hits.node.isConnected) refill(place, hits.node);
    hits.show(found, { label, original, href: (hit) => context.link("search", { id: hit.id }) });
    const same = matching(found.filter((hit) => hit.id !== original), label);
    score.textContent = [same, foundAt(found, original)].filter(Boolean).join("; ");
  }

  function wait(content) {
    if (!hits.node.isConnected || hits.node.children.length === 0) refill(place, content);
  }

  function clear(content = null) {
    score.textContent = "";
    refill(place, content);
  }

  return { node, show, wait, clear, told: () => `${title}: ${score.textContent || "no labels to compare"}` };
}

function foundAt(found, original) {
  if (original === undefined) return "";
  const hit = found.find((one) => one.id === original);
  return hit ? `finds the original at rank ${hit.rank}` : `the original is not among the ${found.length} nearest`;
}
