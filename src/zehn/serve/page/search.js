// Search by looking: the query in the top row, its hits below.

import { asParams, question } from "./codes.js";
import { button, choice, element, refill, selection } from "./elements.js";
import { createHits, fly, matching } from "./hits.js";
import { createQuery } from "./query.js";
import { picker, recall } from "./uploads.js";
import { createWall } from "./wall.js";
import { createWhy } from "./why.js";
import { count } from "./words.js";

const COUNTS = [10, 20, 50, 100];
const KEY = "Below each hit: its rank, its distance, and the share of all pairs of images that are farther apart.";

/** What is asked for, from the parameters of the address. */
export function settings(params, info) {
  const distance = info.distances.includes(params.distance) ? params.distance : info.distances[0];
  const k = Math.min(Math.max(Number.parseInt(params.k ?? "10", 10) || 10, 1), COUNTS.at(-1));
  return { distance, k };
}

/** The view: answers what the address asks. */
export function create(context) {
  return new Search(context);
}

class Search {
  constructor(context) {
    this.context = context;
    this.params = {};
    this.answered = "";
    this.abort = null;
    this.query = createQuery(context);
    this.hits = createHits(context);
    this.wall = createWall(context);
    this.why = createWhy(context, () => context.go(this.others()));
    this.controls = createControls(context, (changes) => context.go({ ...this.others(), ...changes }));
    this.summary = element("p", { class: "summary" });
    this.top = element("div", { class: "top" }, this.query.node, bring(() => this.surprise()));
    this.body = element("div", { class: "answer" }, this.controls.node, this.summary, this.hits.node);
    this.node = element("div", { class: "search" });
  }

  /** The parameters without the reasons for one hit. */
  others() {
    const { why: _, ...others } = this.params;
    return others;
  }

  async update(params) {
    this.params = params;
    this.abort?.abort();
    const { info } = this.context;
    const asked = question(params, info.n_components);
    if (!asked) return this.begin();
    const reconstruct = Boolean(params.code) && !recall(params.code);
    const body = { ...asked, ...settings(params, info), ...(reconstruct ? { reconstruct } : {}) };
    if (JSON.stringify(body) !== this.answered) await this.answer(asked, body);
    return this.why.update(params.why, { ...asParams(asked), distance: body.distance });
  }

  async begin() {
    this.answered = "";
    this.why.update(undefined);
    refill(this.node, beginning(this.context, () => this.surprise()), this.wall.node);
    await this.wall.show();
  }

  async answer(asked, body) {
    this.abort = new AbortController();
    const answer = await this.context.api.search(body, { signal: this.abort.signal });
    this.answered = JSON.stringify(body);
    const from = asked.id === undefined ? null : this.hits.place(asked.id);
    if (!this.body.isConnected) refill(this.node, this.top, this.body, this.why.node);
    this.query.show(asked, answer);
    this.controls.show(answer);
    this.showHits(asked, answer);
    fly(this.query.image, from);
    if (from) this.query.title.focus();
    this.tell(answer);
  }

  showHits(asked, { hits, query, distance, k }) {
    const { link } = this.context;
    this.hits.show(hits, {
      label: query.label,
      href: (hit) => link("search", { distance, k, id: hit.id }),
      why: (hit) => link("search", { ...asParams(asked), distance, k, why: hit.id }),
    });
  }

  tell({ hits, distance, query, recall: found, missing = [], n_images: nImages }) {
    const same = matching(hits, query.label);
    const reach = found < 1 ? `; such a search finds ${Math.round(100 * found)} % of the true hits` : "";
    refill(this.summary, same && element("strong", {}, same), element("span", { class: "key" }, KEY));
    const told = `${hits.length} hits among ${count(nImages)} images by ${distance} distance`;
    const gaps = missing.length ? `; not all could be searched: ${missing.join("; ")}` : "";
    this.context.say(`${told}${same && `; ${same}`}${reach}${gaps}`);
  }

  /** Go to an image at random, keeping distance and k. */
  async surprise() {
    const { api, attempt, go } = this.context;
    const { distance, k, id } = this.params;
    await attempt(async () => {
      go({ distance, k, id: await api.another(id) });
    }, () => this.surprise());
  }

  leave() {
    this.abort?.abort();
  }
}

function createControls({ info }, change) {
  const names = info.distances.map((name) => [name, name]);
  const distances = choice("Distance", "distance", names, names[0][0], (distance) => change({ distance }));
  const counts = COUNTS.map((n) => [String(n), String(n)]);
  const hits = selection("Hits", counts, "10", (k) => change({ k }));
  const node = element(
    "div", { class: "controls", role: "group", "aria-label": "How to search" }, distances, hits, createCopy());
  const show = ({ distance, k }) => {
    distances.choose(distance);
    const list = hits.querySelector("select");
    if (![...list.options].some((option) => option.value === String(k))) {
      list.append(element("option", { value: String(k) }, String(k)));
    }
    list.value = String(k);
  };
  return { node, show };
}

function createCopy() {
  const copy = button("Copy link", async () => {
    await navigator.clipboard.writeText(location.href);
    copy.textContent = "Copied";
    setTimeout(() => (copy.textContent = "Copy link"), 1500);
  });
  return copy;
}

function bring(surprise) {
  return element(
    "aside", { class: "bring", "aria-label": "Another query" },
    element("p", {}, "Drop or paste an image"),
    element("div", { class: "buttons" }, picker("Choose a file"), button("Surprise me", surprise)));
}

function beginning({ info }, surprise) {
  const n = count(info.n_images);
  return element(
    "section", { class: "beginning" },
    element("h1", { tabindex: "-1" }, "What looks like this?"),
    element("p", { class: "lead" },
      `Bring an image. Zehn makes ten numbers of it and finds the nearest of ${n} by them.`),
    element("div", { class: "door-mat" },
      element("p", { class: "big" }, "Drop an image here, or paste it"),
      element("div", { class: "buttons" },
        picker("Choose a file", { class: "button strong" }), button("Surprise me", surprise))));
}
