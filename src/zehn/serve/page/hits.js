// The hits: a grid that moves its pictures to their new places when the order changes.

import { element, mayMove, picture, refill, repaint } from "./elements.js";
import { count, percent, shortPath, value } from "./words.js";

const SIDE = 256;
const MOVING = { duration: 520, easing: "cubic-bezier(0.22, 0.8, 0.24, 1)" };
const APPEARING = { duration: 260, easing: "ease-out" };

/**
 * A grid of hits. `show(hits, {label, href, why, original})` fills it: the label that counts as matching, where a hit
 * leads, what asks why, and the id of a distorted query's clean original. `still` moves nothing; `brief` leaves out the
 * path and the reason.
 */
export function createHits(context, { still = false, brief = false, name = "Hits" } = {}) {
  const node = element("ol", { class: brief ? "hits brief" : "hits", "aria-label": name });
  const cards = new Map();

  function show(hits, options) {
    const before = still || !mayMove() ? null : places(cards);
    const kept = new Set(hits.map((hit) => hit.id));
    for (const id of [...cards.keys()]) if (!kept.has(id)) cards.delete(id);
    for (const hit of hits) {
      if (!cards.has(hit.id)) cards.set(hit.id, createCard(brief));
      write(cards.get(hit.id), hit, context, options);
    }
    node.style.setProperty("--most", columns(hits.length));
    arrange(node, hits.map((hit) => cards.get(hit.id).node));
    if (before) move(before, hits, cards);
  }

  return { node, show, place: (id) => cards.get(id)?.image.getBoundingClientRect() ?? null };
}

/** How many stand side by side where there is room. */
function columns(n) {
  return n <= 10 ? 5 : 6;
}

/** Put nodes in order, touching only what is not in its place, so that what has the focus keeps it. */
function arrange(list, nodes) {
  const wanted = new Set(nodes);
  for (const child of [...list.children]) if (!wanted.has(child)) child.remove();
  nodes.forEach((node, index) => {
    if (list.children[index] !== node) list.insertBefore(node, list.children[index] ?? null);
  });
}

function createCard(brief) {
  const image = picture("", "");
  const rank = element("span", { class: "rank" });
  const distance = element("span", { class: "distance" });
  const percentile = element("span", { class: "percentile" });
  const label = element("span", { class: "label" });
  const path = element("span", { class: "path" });
  const why = element("a", { class: "why-link" }, "Why?");
  const numbers = element("span", { class: "hit-numbers" }, rank, distance, percentile);
  const anchor = element("a", { class: "hit-link" }, image, numbers, label, brief ? null : path);
  const node = element("li", { class: "hit" }, anchor, brief ? null : why);
  return { node, anchor, image, rank, distance, percentile, label, path, why };
}

function write(card, hit, { api, info }, { label, href, why, original }) {
  const matches = label !== null && label !== undefined && hit.label === label;
  const isOriginal = hit.id === original;
  repaint(card.image, api.picture(hit.id, SIDE, info.state), `${hit.label ?? "Image"} number ${count(hit.id)}`);
  card.rank.textContent = hit.rank;
  card.distance.textContent = value(hit.distance);
  card.percentile.textContent = percent(hit.percentile);
  card.path.textContent = shortPath(hit.path);
  card.path.title = hit.path;
  card.node.classList.toggle("matches", matches);
  card.node.classList.toggle("original", isOriginal);
  refill(card.label, isOriginal ? "the original" : hit.label, matches && tick());
  card.anchor.href = href(hit);
  card.anchor.title = `${hit.path}: ask about this image`;
  if (why) {
    card.why.href = why(hit);
    card.why.setAttribute("aria-label", `Why is number ${count(hit.id)} a hit?`);
  }
}

function tick() {
  return element("span", { class: "tick" }, element("span", { class: "unseen" }, ", as the query"));
}

function places(cards) {
  return new Map([...cards].map(([id, card]) => [id, card.node.getBoundingClientRect()]));
}

/** Let what was there glide to its new place, and what is new appear (FLIP: first, last, invert, play). */
function move(before, hits, cards) {
  for (const { id } of hits) {
    const { node } = cards.get(id);
    const old = before.get(id);
    if (!old) {
      node.animate([{ opacity: 0, transform: "scale(0.94)" }, { opacity: 1, transform: "none" }], APPEARING);
      continue;
    }
    const now = node.getBoundingClientRect();
    const [across, down] = [old.left - now.left, old.top - now.top];
    const from = { transform: `translate(${across}px, ${down}px)`, zIndex: 1 };
    if (across || down) node.animate([from, { transform: "none", zIndex: 1 }], MOVING);
  }
}

/** Let a picture fly from where it was clicked to where it now stands. */
export function fly(image, from) {
  if (!from || !mayMove()) return;
  const to = image.getBoundingClientRect();
  if (!to.width) return;
  const shift = `translate(${from.left - to.left}px, ${from.top - to.top}px) scale(${from.width / to.width})`;
  image.animate([{ transform: shift, transformOrigin: "0 0" }, { transform: "none", transformOrigin: "0 0" }], MOVING);
}

/** "6 of 10 are cat, as the query", or nothing where the query has no label. */
export function matching(hits, label) {
  if (label === null || label === undefined || hits.length === 0) return "";
  const n = hits.filter((hit) => hit.label === label).length;
  return `${n} of ${hits.length} are “${label}”, as the query`;
}
