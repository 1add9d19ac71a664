// The wall: images of the collection to begin with, at random or of one label. Each is a query at a click.

import { button, choice, element, picture, refill, selection } from "./elements.js";
import { count, counted } from "./words.js";

const N_SHOWN = 60;
const MOST_CHIPS = 12;
const SIDE = 160;

/** The wall of a collection; `show()` fills it the first time, and leaves it as it is afterwards. */
export function createWall(context) {
  const grid = element("ul", { class: "wall", "aria-label": "Images of the collection" });
  const more = button("Others", another);
  const heading = element("h2", {}, "Or begin with one of these");
  let label = "";
  let next = null;

  /** Hang images: at random, or the next ones of a label, after the id `after`. */
  async function hang(after = null) {
    if (label === "") {
      next = null;
      hung(await context.api.random(Math.min(N_SHOWN, context.info.n_images)));
      more.textContent = "Others";
      return;
    }
    const where = `label = '${label.replaceAll("'", "''")}'`;
    const page = await context.api.images({ limit: N_SHOWN, where, ...(after === null ? {} : { after }) });
    next = page.next;
    hung(page.images.map((image) => image.id));
    more.textContent = next === null ? "From the first again" : `More of ${label}`;
  }

  function another() {
    context.attempt(() => hang(next), another);
  }

  function hung(ids) {
    refill(grid, ids.map((id) => element("li", {}, tile(context, id, label))));
    context.say(`${counted(ids.length, "image")} of ${count(context.info.n_images)}${label && `, ${label}`}`);
  }

  const choose = (chosen) => {
    label = chosen;
    context.attempt(() => hang(), () => choose(chosen));
  };
  const row = element("div", { class: "row" }, heading, labels(context.info, choose), more);
  const node = element("section", { class: "start" }, row, grid);
  return { node, show: async () => grid.children.length === 0 && hang() };
}

function tile({ api, info, link }, id, label) {
  const name = `Ask about ${label || "image"} number ${count(id)}`;
  return element("a", { href: link("search", { id }), title: name }, picture(api.picture(id, SIDE, info.state), name));
}

function labels({ labels: counts }, choose) {
  const names = Object.keys(counts ?? {}).sort();
  if (names.length < 2) return null;
  const options = [["", "all"], ...names.map((name) => [name, name])];
  if (names.length > MOST_CHIPS) return selection("Label", options, "", choose);
  const chips = choice("Label", "label", options, "", choose);
  chips.classList.add("chips");
  return chips;
}
