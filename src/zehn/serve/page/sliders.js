// Ten sliders: move a number of the code, see the picture change and the neighbours follow.

import { asParams, newest, question } from "./codes.js";
import { button, choice, element, picture, refill, repaint } from "./elements.js";
import { createHits } from "./hits.js";
import { settings } from "./search.js";
import { createSlider, N_FRAMES } from "./slider.js";
import { picker } from "./uploads.js";
import { count } from "./words.js";

const N_HITS = 10;
const MOST_FRAMES = 60; // the service decodes 64 codes at a time
const SETTLED = 180;
const HOW = "Each slider is one number of the code. Move one: the decoder paints the picture again, "
  + "and the nearest images follow.";

/** The view: begins with the query in the address, or with the collection's mean code. */
export function create(context) {
  return new Sliders(context);
}

class Sliders {
  constructor(context) {
    this.context = context;
    this.code = [...context.info.code_mean];
    this.beginning = this.code;
    this.distance = context.info.distances[0];
    this.params = {};
    this.settling = 0;
    this.known = ""; // what of the address was written here
    this.follow = newest((asked) => context.attempt(() => this.answer(asked)));
    this.unroll = newest((code) => context.attempt(() => this.paintFrames(code)));
    this.lay();
  }

  lay() {
    const { info } = this.context;
    this.title = element("h1", { tabindex: "-1" }, "Ten sliders");
    this.image = picture("", "What these numbers decode to", { class: "decoded" });
    this.hits = createHits(this.context, { still: true, brief: true, name: "Nearest images" });
    this.rows = info.code_mean.map((_, index) => createSlider(index, info, () => this.moved()));
    this.onward = element("a", { class: "onward" }, "Search with these numbers");
    const options = info.distances.map((name) => [name, name]);
    this.distances = choice("Distance", "distance", options, this.distance, (distance) => {
      this.distance = distance;
      this.moved();
    });
    this.node = element(
      "div", { class: "sliders" },
      element("div", { class: "head" }, this.title, element("p", { class: "lead" }, HOW)),
      element("div", { class: "bench" }, this.outcome(),
        element("section", { class: "rows", "aria-label": "Numbers of the code" }, this.rows.map((row) => row.node))),
      element("section", { class: "following" },
        element("div", { class: "row" }, element("h2", {}, "Nearest images"), this.onward, this.distances),
        this.hits.node));
  }

  outcome() {
    const caption = element("figcaption", {}, "decoded from the ten numbers");
    return element(
      "section", { class: "outcome", "aria-label": "Decoded picture" },
      element("figure", {}, this.image, caption),
      element("div", { class: "buttons" },
        button("Surprise me", () => this.context.attempt(() => this.surprise())),
        button("Back to start", () => this.set(this.beginning)),
        button("The average", () => this.set(this.context.info.code_mean)),
        picker("Choose a file")));
  }

  moved() {
    this.code = this.rows.map((row) => row.value());
    this.show();
  }

  set(code) {
    this.code = [...code];
    this.rows.forEach((row, index) => row.set(code[index]));
    this.show();
  }

  show() {
    this.follow({ code: this.code, distance: this.distance });
    clearTimeout(this.settling);
    this.settling = setTimeout(() => this.settle(), SETTLED);
  }

  async answer(asked) {
    const body = { ...asked, k: N_HITS, reconstruct: true };
    const found = await this.context.api.search(body, { quiet: true });
    repaint(this.image, found.query.reconstruction);
    const href = (hit) => this.context.link("search", { id: hit.id, distance: asked.distance });
    this.hits.show(found.hits, { label: null, href });
  }

  /** Once the hand rests: the pictures along every slider, and the address. */
  settle() {
    const params = { ...asParams({ code: this.code }), distance: this.distance };
    this.known = JSON.stringify([params.code, params.distance]);
    this.context.rename(params);
    this.onward.href = this.context.link("search", params);
    this.context.say("The picture and its nearest images have changed");
    this.unroll(this.code);
  }

  async paintFrames(code) {
    const codes = this.rows.flatMap((row, index) => row.stops().map((stop) => code.with(index, stop)));
    const pictures = [];
    for (let start = 0; start < codes.length; start += MOST_FRAMES) {
      pictures.push(...await this.context.api.decode(codes.slice(start, start + MOST_FRAMES), { quiet: true }));
    }
    this.rows.forEach((row, index) => row.paint(pictures.slice(index * N_FRAMES, (index + 1) * N_FRAMES)));
  }

  async surprise() {
    this.context.go({ id: await this.context.api.another(this.params.id), distance: this.distance });
  }

  async update(params) {
    if (JSON.stringify([params.code, params.distance]) === this.known) return;
    const { info, api } = this.context;
    this.params = params;
    this.distance = settings(params, info).distance;
    this.distances.choose(this.distance);
    const asked = question(params, info.n_components);
    const image = asked?.id === undefined ? null : await api.image(asked.id);
    this.beginning = asked?.code ?? image?.code ?? info.code_mean;
    const from = image && `, from ${image.label ?? "image"} number ${count(image.id)}`;
    refill(this.title, "Ten sliders", from && element("span", { class: "soft" }, from));
    this.set(this.beginning);
  }

  leave() {
    clearTimeout(this.settling);
  }
}
