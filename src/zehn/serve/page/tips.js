// Images over the map: of the point beneath the pointer, and of all points once few enough are in view.

import { element, picture, repaint, restyle } from "./elements.js";

const SIDE = 128;
const GAP = 14;
const MOST_CLOSE = 90;
const CLOSE_SIDE = 44;
const RESTED = 160;

/** The image of a point, beside it. */
export function createTip({ api, info }, { ids }, nameOf) {
  const image = picture("", "");
  const word = element("span", {});
  const node = element("div", { class: "tip", hidden: true }, image, word);

  function show(index, { x, y }, stage) {
    repaint(image, api.picture(ids[index], SIDE, info.state), "");
    word.textContent = nameOf(index);
    node.hidden = false;
    const left = x + GAP + node.offsetWidth > stage.clientWidth ? x - GAP - node.offsetWidth : x + GAP;
    const top = Math.max(4, Math.min(y - node.offsetHeight / 2, stage.clientHeight - node.offsetHeight - 4));
    restyle(node, { transform: `translate(${Math.round(left)}px, ${Math.round(top)}px)` });
  }

  return { node, show, hide: () => (node.hidden = true) };
}

/** The images of all points in view, once they are few and the map rests. */
export function createCloseUps({ api, info }, atlas, counts) {
  const node = element("div", { class: "close-ups", "aria-hidden": "true" });
  let shown = new Map();
  let resting = 0;

  function follow(plane) {
    place(plane);
    clearTimeout(resting);
    resting = setTimeout(() => look(plane), RESTED);
  }

  /** Which points to show: none while there are too many to tell apart. */
  function look(plane) {
    const found = [];
    const room = (node.clientWidth * node.clientHeight) / (CLOSE_SIDE * CLOSE_SIDE * 2.5);
    const most = Math.min(MOST_CLOSE, room);
    atlas.cells.within(plane.inSight(), (index) => counts(index) && found.length <= most && found.push(index));
    const wanted = found.length > most ? [] : found;
    const made = (index) => picture(api.picture(atlas.ids[index], SIDE, info.state), "");
    const next = new Map(wanted.map((index) => [index, shown.get(index) ?? made(index)]));
    for (const [index, image] of shown) if (!next.has(index)) image.remove();
    shown = next;
    place(plane);
    for (const image of shown.values()) if (!image.isConnected) node.append(image);
  }

  function place(plane) {
    for (const [index, image] of shown) {
      const { x, y } = plane.toPixels(atlas.places[2 * index], atlas.places[2 * index + 1]);
      const [left, top] = [x - CLOSE_SIDE / 2, y - CLOSE_SIDE / 2];
      restyle(image, { transform: `translate(${left.toFixed(1)}px, ${top.toFixed(1)}px)` });
    }
  }

  function forget() {
    shown = new Map();
    node.replaceChildren();
  }

  return { node, follow, forget };
}
