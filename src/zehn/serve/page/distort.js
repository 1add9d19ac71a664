// Distort: noise and tilt on the query, and what the model before and after its robust training finds for it.

import { newest, question } from "./codes.js";
import { createDial } from "./dial.js";
import { button, choice, element, picture, repaint } from "./elements.js";
import { settings } from "./search.js";
import { createSide } from "./side.js";
import { createTask } from "./tasks.js";
import { picker, recall } from "./uploads.js";
import { brief, count } from "./words.js";

const N_HITS = 10;
const BEGINNING = { noise: 0.1, tilt: 0.3 };
const HOW = "A query is rarely the picture itself: it is grainy, or taken from the side. "
  + "Distort it and see who still finds its like.";
const GONE = "The picture of this query is gone: it was never kept, and a link carries its ten numbers only. "
  + "Bring it again, or take another image.";

/** The view: the query in the address, or an image by chance. */
export function create(context) {
  return new Distort(context);
}

class Distort {
  constructor(context) {
    this.context = context;
    this.params = {};
    this.asked = null;
    this.label = null;
    this.seed = 0;
    this.hasRobust = false;
    this.follow = newest((fields) => context.attempt(() => this.answer(fields), () => this.ask()));
    this.making = createMaking(context, () => this.compare());
    this.lay();
  }

  lay() {
    const { context } = this;
    const ask = () => this.ask();
    this.noise = createDial("Noise", "σ", { max: 0.5, step: 0.01 }, BEGINNING.noise, ask);
    this.tilt = createDial("Tilt", "strength", { max: 1, step: 0.05 }, BEGINNING.tilt, ask);
    this.clean = picture("", "The query as it is");
    this.changed = picture("", "The query, distorted");
    this.old = createSide(context, "main", "The model as it is", `${context.info.model}: trained on clean images`);
    this.robust = createSide(context, "robust", "The robust model", "trained on with noise and tilt");
    this.node = element(
      "div", { class: "distort" },
      element("div", { class: "head" },
        element("h1", { tabindex: "-1" }, "Distort the query"), element("p", { class: "lead" }, HOW)),
      this.desk(),
      element("div", { class: "sides" }, this.old.node, this.robust.node));
  }

  desk() {
    const { info, attempt, go } = this.context;
    const options = info.distances.map((name) => [name, name]);
    this.distances = choice("Distance", "distance", options, options[0][0], (distance) => {
      go({ ...this.params, distance });
    });
    const redraw = () => {
      this.seed += 1;
      this.ask();
    };
    const figure = (image, caption) => element("figure", {}, image, element("figcaption", {}, caption));
    return element(
      "section", { class: "desk", "aria-label": "Query" },
      element("div", { class: "two" }, figure(this.clean, "as it is"), figure(this.changed, "as it is asked")),
      element("div", { class: "dials" }, this.noise.node, this.tilt.node),
      element("div", { class: "dials" }, this.distances,
        element("div", { class: "buttons" },
          button("Another draw", redraw),
          button("Another image", () => attempt(() => this.surprise())),
          picker("Choose a file"))));
  }

  ask() {
    if (!this.asked) return;
    const source = this.asked.id === undefined ? { file: recall(this.params.code).file } : { id: this.asked.id };
    this.follow({
      ...source,
      noise: this.noise.value(),
      perspective: this.tilt.value(),
      seed: this.seed,
      robust: this.hasRobust,
      k: N_HITS,
      distance: settings(this.params, this.context.info).distance,
    });
  }

  async answer(fields) {
    const isHeld = this.noise.isHeld() || this.tilt.isHeld();
    const found = await this.context.api.distort(fields, { quiet: isHeld });
    repaint(this.clean, found.clean);
    repaint(this.changed, found.picture);
    const answers = [[this.old, found.answers.main], [this.robust, found.answers.robust]].filter(([, one]) => one);
    for (const [side, { hits }] of answers) side.show(hits, this.asked?.id, this.label);
    const told = answers.map(([side]) => side.told()).join(". ");
    this.context.say(`Asked with noise ${brief(fields.noise)} and tilt ${brief(fields.perspective)}. ${told}`);
  }

  compare() {
    this.hasRobust = true;
    this.ask();
  }

  async surprise() {
    this.context.go({ id: await this.context.api.another(this.params.id), distance: this.params.distance });
  }

  async update(params) {
    const { info, api } = this.context;
    this.params = params;
    this.distances.choose(settings(params, info).distance);
    this.asked = question(params, info.n_components) ?? await this.begin();
    if (this.asked.id === undefined && !recall(this.params.code)) return this.miss();
    this.label = this.asked.id === undefined ? null : (await api.image(this.asked.id)).label;
    this.robust.wait(info.has_versions ? this.making.node : element("p", { class: "note" }, noVersions(info)));
    this.ask();
    if (info.has_versions && !this.hasRobust) await this.making.look();
    return undefined;
  }

  /** An image by chance, where nothing is asked about. */
  async begin() {
    const id = await this.context.api.another();
    this.params = { ...this.params, id };
    this.context.rename(this.params);
    return { id };
  }

  miss() {
    this.asked = null;
    this.robust.clear();
    this.old.clear(element("p", { class: "note" }, GONE));
  }

  leave() {
    this.making.leave();
  }
}

function createMaking({ api, info, attempt }, done) {
  return createTask({
    get: () => api.robust({ quiet: true }),
    start: () => api.robust({ method: "POST" }),
    idle: "The robust model is here, but it has not encoded these images yet. "
      + `That takes a minute or so for ${count(info.n_images)} images, once.`,
    button: "Make the robust codes",
    running: "Encoding all images with the robust model",
    attempt,
    done,
  });
}

function noVersions(info) {
  return info.kind === "run"
    ? "This run has no robust model to compare with. Make one: zehn robust, followed by the run's folder."
    : "There is no robust version of this collection's model to compare with.";
}
