// What was selected on the map: how many of which label, and the images.

import { tally } from "./atlas.js";
import { button, element, picture, refill } from "./elements.js";
import { count, counted, listed } from "./words.js";

const AT_ONCE = 60;
const N_NAMED = 3;
const SIDE = 128;

/** The panel; `show(indices)` fills it with points, the first of them first. */
export function createPicked({ api, info, link, say }, atlas, names) {
  const node = element("section", { class: "picked", "aria-label": "Selected images", hidden: true });
  const grid = element("ul", { class: "wall", "aria-label": "Images in the selection" });

  function show(indices) {
    const told = words(indices);
    const n = counted(indices.length, "image");
    const title = element("h2", { tabindex: "-1" }, indices.length ? `${n} selected` : "Nothing there");
    const more = button("More", () => hang(indices, more), { class: "button" });
    refill(grid);
    hang(indices, more);
    const clearing = button("Clear", clear, { class: "button small" });
    refill(node, element("div", { class: "row" }, title, element("p", { class: "note" }, told), clearing), grid, more);
    node.hidden = false;
    say(`${n} selected. ${told}`);
    title.focus({ preventScroll: true });
    node.scrollIntoView({ block: "nearest" });
  }

  function hang(indices, more) {
    const from = grid.children.length;
    for (const index of indices.slice(from, from + AT_ONCE)) {
      const [id, name] = [atlas.ids[index], names[atlas.labels[index]] ?? "image"];
      const told = `Ask about ${name} number ${count(id)}`;
      const image = picture(api.picture(id, SIDE, info.state), told);
      grid.append(element("li", {}, element("a", { href: link("search", { id }), title: told }, image)));
    }
    more.hidden = grid.children.length >= indices.length;
  }

  function words(indices) {
    if (indices.length === 0) return "No point lies in that box; draw a larger one.";
    if (names.length === 0) return "";
    const parts = tally(atlas, indices).map(([label, n]) => {
      return `${Math.round((100 * n) / indices.length)} % ${names[label] ?? "without a label"}`;
    });
    const n = parts.length - N_NAMED;
    return listed(n > 0 ? [...parts.slice(0, N_NAMED), counted(n, "other label")] : parts);
  }

  function clear() {
    node.hidden = true;
  }

  return { node, show };
}
