// The map's colours: what they stand for, and which labels are shown.

import { choice, element, refill } from "./elements.js";
import { tally } from "./atlas.js";
import { count } from "./words.js";

const N_COLOURS = 10;
const N_NAMED = 20;

/** `change` is told `{by}` ("label" or "distance") and `{hidden}` (a set of labels). */
export function createLegend(names, atlas, change) {
  const hidden = new Set();
  const counts = new Map(tally(atlas, atlas.labels.keys()));
  const options = [["label", "class"], ["distance", "distance to the query"]];
  const by = choice("Colour by", "colour", options, "label", (chosen) => {
    list.hidden = chosen !== "label";
    ramp.hidden = chosen !== "distance";
    change({ by: chosen });
  });
  const list = element("div", { class: "labels" });
  const ramp = createRamp();
  const labels = [...counts.keys()].sort((a, b) => (a < 0) - (b < 0) || a - b);
  draw();

  function draw() {
    const nMore = labels.length - N_NAMED;
    const rest = nMore > 0 ? element("p", { class: "note" }, `and ${nMore} more`) : null;
    const all = element("button", { type: "button", class: "all", on: { click: showAll } }, "Show all");
    refill(list, labels.slice(0, N_NAMED).map(one), rest, hidden.size > 0 && all);
  }

  function one(label) {
    return element(
      "button", { type: "button", "aria-pressed": String(!hidden.has(label)), on: { click: () => toggle(label) } },
      swatch(label),
      element("span", {}, names[label] ?? "no label"),
      element("span", { class: "number" }, count(counts.get(label))));
  }

  function toggle(label) {
    const isAlone = labels.length - hidden.size === 1 && !hidden.has(label);
    if (isAlone) hidden.clear();
    else if (hidden.has(label)) hidden.delete(label);
    else if (hidden.size > 0) hidden.add(label);
    else for (const other of labels) if (other !== label) hidden.add(other); // the first click shows it alone
    const at = labels.indexOf(label);
    draw();
    list.children[at]?.focus();
    change({ hidden });
  }

  function showAll() {
    hidden.clear();
    draw();
    list.firstChild?.focus();
    change({ hidden });
  }

  function allow(hasQuery) {
    const distance = by.querySelector("input[value=distance]");
    distance.disabled = !hasQuery;
    distance.parentElement.title = hasQuery ? "" : "Click a point first: the distance to it";
    if (hasQuery || !distance.checked) return;
    by.choose("label");
    list.hidden = false;
    ramp.hidden = true;
    change({ by: "label" });
  }

  const node = element("section", { class: "legend-panel", "aria-label": "Colours" }, by, list, ramp);
  return { node, allow };
}

function createRamp() {
  const bar = element("span", { class: "ramp-bar", "aria-hidden": "true" });
  return element("div", { class: "ramp", hidden: true }, bar, element("span", {}, "near"), element("span", {}, "far"));
}

function swatch(label) {
  const name = label < 0 ? "none" : label % N_COLOURS;
  return element("span", { class: `swatch class-${name}`, "aria-hidden": "true" });
}
