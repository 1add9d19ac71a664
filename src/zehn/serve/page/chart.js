// The map as it is drawn: points, the query and its hits, and what pointer and keys do.

import { Problem } from "./api.js";
import { boundsOf, inBox, placeOf, somePlaces } from "./atlas.js";
import { question } from "./codes.js";
import { byDistance, byLabel, palette, repeated, resolve } from "./colours.js";
import { button, choice, element, refill, restyle } from "./elements.js";
import { createLegend } from "./legend.js";
import { createMarked } from "./marked.js";
import { createPicked } from "./picked.js";
import { Plane } from "./plane.js";
import { createPoints } from "./points.js";
import { settings } from "./search.js";
import { createCloseUps, createTip } from "./tips.js";
import { count, counted } from "./words.js";

const REACH = 12; // pixels from the pointer to a point that it means
const MOST_REACH = 0.05; // of the map
const OPACITY = { few: 230, many: 170 };
const MANY = 5000;
const RINGS = { hits: 12, query: 18 }; // pixels wider than the points
const [LEAST_SIZE, FULL_SIZE, MOST_SIZE] = [2.4, 8, 12];
const COVERED = 0.12; // of the stage, by all points
const GROWN = 1.3; // pixels each time that the zoom doubles
const N_HITS = 10;

export class Chart {
  constructor(context, atlas, labelNames) {
    Object.assign(this, { context, atlas, labelNames });
    this.hidden = new Set();
    this.by = "label";
    this.params = {};
    this.asked = null;
    this.hits = [];
    this.distances = null;
    this.counts = (index) => !this.hidden.has(atlas.labels[index]);
    this.recolour = this.recolour.bind(this);
    this.lay();
  }

  lay() {
    const { context, atlas, labelNames } = this;
    const told = `Map of ${counted(atlas.n, "image")}. Arrow keys move it, plus and minus zoom, nought shows all.`;
    this.canvas = element("canvas", { "aria-hidden": "true" });
    this.frame = element(
      "div", { class: "stage-frame", tabindex: "0", role: "application", "aria-label": told }, this.canvas);
    this.marquee = element("div", { class: "marquee", hidden: true });
    this.tip = createTip(context, atlas, (index) => this.nameOf(index));
    this.closeUps = createCloseUps(context, atlas, this.counts);
    this.picked = createPicked(context, atlas, labelNames);
    this.marked = createMarked(context);
    this.legend = createLegend(labelNames, atlas, (changes) => {
      Object.assign(this, changes);
      context.attempt(this.recolour);
    });
    this.stage = element(
      "div", { class: "stage" }, this.frame, this.closeUps.node, this.marquee, this.tip.node, this.tools());
    const side = element(
      "aside", { class: "side-panel", "aria-label": "Colours and query" }, this.legend.node, this.marked.node);
    this.node = element("div", {}, element("div", { class: "bench" }, this.stage, side), this.picked.node);
  }

  tools() {
    const small = (word, act, name) => button(word, act, { class: "button small", "aria-label": name });
    const mode = choice("Dragging", "dragging", [["move", "moves"], ["select", "selects"]], "move", (chosen) => {
      this.plane.isSelecting = chosen === "select";
      this.frame.classList.toggle("selecting", chosen === "select");
    });
    return element(
      "div", { class: "stage-tools" }, mode,
      small("+", () => this.plane.zoomBy(1.6), "Zoom in"),
      small("−", () => this.plane.zoomBy(1 / 1.6), "Zoom out"),
      small("All", () => this.plane.showAll(), "Show all"),
      small("Take what is in view", () => this.take(this.plane.inSight())));
  }

  /** Begin to draw; false where the browser cannot. */
  begin() {
    this.points = createPoints(this.canvas);
    if (!this.points) {
      refill(this.stage, element("p", { class: "note", role: "alert" },
        "This browser has no WebGL, which the map is drawn with. Switch it on in the browser's settings, ",
        "or open the page in another one."));
      return false;
    }
    this.plane = new Plane(this.frame, boundsOf(this.atlas), {
      moved: () => this.draw(),
      hover: (x, y) => this.hover(x, y),
      leave: () => this.tip.hide(),
      pick: (x, y) => this.pick(x, y),
      boxing: (box) => this.outline(box),
      boxed: (box) => this.take(box),
    });
    this.canvas.addEventListener("zehn-restored", () => this.plane.moved());
    addEventListener("zehn-theme", this.recolour);
    return true;
  }

  leave() {
    removeEventListener("zehn-theme", this.recolour);
  }

  nameOf(index) {
    return `${this.labelNames[this.atlas.labels[index]] ?? "image"} number ${count(this.atlas.ids[index])}`;
  }

  draw() {
    const zoomed = Math.max(0, Math.log2(this.plane.zoomed()));
    const fits = Math.sqrt((COVERED * this.frame.clientWidth * this.frame.clientHeight) / this.atlas.n);
    const size = Math.min(Math.max(LEAST_SIZE, Math.min(fits, FULL_SIZE)) + GROWN * zoomed, MOST_SIZE);
    this.points.draw(this.plane.view, { points: size, hits: size + RINGS.hits, query: size + RINGS.query });
    this.closeUps.follow(this.plane);
  }

  async recolour() {
    this.points.put("points", this.atlas.places, await this.colours());
    this.mark("hits", this.hits.map((hit) => hit.id), "--ink");
    this.mark("query", this.asked?.id === undefined ? [] : [this.asked.id], "--signal");
    this.closeUps.forget();
    this.plane.moved();
  }

  async colours() {
    const { atlas, hidden } = this;
    const opacity = atlas.n > MANY ? OPACITY.many : OPACITY.few;
    if (this.by === "label" || !this.asked) return byLabel(atlas.labels, palette(), hidden, opacity);
    const { distance } = settings(this.params, this.context.info);
    this.distances ??= await this.context.api.distances({ ...this.asked, distance });
    if (this.distances.map !== atlas.map) { // their order is that of another map's points
      throw new Problem("The collection has changed", "This map is of what it was. Make it anew for such colours.");
    }
    return byDistance(new Float32Array(this.distances.buffer), atlas.labels, hidden, opacity / 2);
  }

  mark(name, ids, colour) {
    const indices = ids.map((id) => placeOf(this.atlas, id)).filter((index) => index >= 0);
    this.points.put(name, somePlaces(this.atlas, indices), repeated(resolve(colour), indices.length));
  }

  outline(box) {
    this.marquee.hidden = !box;
    const pixels = Object.entries(box ?? {}).map(([name, number]) => [name, `${number}px`]);
    restyle(this.marquee, Object.fromEntries(pixels));
  }

  take(box) {
    this.picked.show(inBox(this.atlas, box, this.counts));
  }

  /** The point that somebody means by a place on the screen; −1 where there is none. */
  under(x, y) {
    const at = this.plane.toUnits(x, y);
    const reach = Math.min(REACH / this.plane.view.zoom, MOST_REACH);
    return this.atlas.cells.nearest(at.x, at.y, reach, this.counts);
  }

  hover(x, y) {
    const index = this.under(x, y);
    this.frame.classList.toggle("pointing", index >= 0);
    if (index < 0) this.tip.hide();
    else this.tip.show(index, this.plane.toPixels(...somePlaces(this.atlas, [index])), this.stage);
  }

  pick(x, y) {
    const index = this.under(x, y);
    if (index >= 0) this.context.go({ id: this.atlas.ids[index], distance: this.params.distance });
  }

  /** Mark the query of the address and its hits. */
  async ask(params) {
    const { api, info } = this.context;
    Object.assign(this, { params, asked: question(params, info.n_components), distances: null, hits: [] });
    this.legend.allow(Boolean(this.asked));
    if (this.asked) {
      const answer = await api.search({ ...this.asked, k: N_HITS, distance: settings(params, info).distance });
      this.hits = answer.hits;
      this.marked.show(this.asked, answer);
    } else this.marked.invite();
    await this.recolour();
  }
}
