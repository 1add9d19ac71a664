// The map: all images as points, those with near codes near each other.

import { readPoints } from "./atlas.js";
import { Chart } from "./chart.js";
import { button, element, refill } from "./elements.js";
import { createTask } from "./tasks.js";
import { counted } from "./words.js";

const WHAT = "The ten numbers of every image, laid out in the plane.";
const HOW = "Near each other lie images with near codes; the axes mean nothing. Zoom in until the images appear.";

/** The view: the map is made on demand, then drawn from one answer of the service. */
export function create(context) {
  return new MapView(context);
}

class MapView {
  constructor(context) {
    this.context = context;
    this.node = element("div", { class: "map" });
    this.making = createMaking(context, (task) => this.open(task));
    this.chart = null;
    this.params = {};
    this.close();
  }

  async update(params) {
    this.params = params;
    if (this.chart) await this.chart.ask(params);
    else await this.making.look();
  }

  async open(task) {
    const { buffer, map } = await this.context.api.points();
    const n = buffer.byteLength / 14; // what each point takes; the state may be older than the points
    this.chart = new Chart(this.context, { ...readPoints(buffer, n), map }, task.labels);
    const old = task.is_current ? null : this.outdated();
    refill(this.node, heading(`, ${counted(n, "image")}`, HOW), old, this.chart.node);
    if (this.chart.begin()) await this.chart.ask(this.params);
  }

  close() {
    this.chart?.leave();
    this.chart = null;
    refill(this.node, heading("", WHAT), this.making.node);
  }

  outdated() {
    const anew = async () => {
      this.close();
      await this.context.api.map({ method: "POST" });
      await this.making.look();
    };
    const again = button("Make it anew", () => this.context.attempt(anew), { class: "button small" });
    return element("p", { class: "row note outdated" }, "The collection has changed since this map was made.", again);
  }

  leave() {
    this.making.leave();
    this.chart?.leave();
  }
}

function createMaking({ api, info, attempt }, done) {
  return createTask({
    get: async () => shown(await api.map({ quiet: true })),
    start: () => api.map({ method: "POST" }),
    idle: `UMAP lays ${counted(info.n_images, "image")} out in the plane, near codes near each other. `
      + "For many images that takes minutes; it is done once and kept.",
    button: "Make the map",
    running: "UMAP is laying out the map; you may look elsewhere meanwhile",
    attempt,
    done,
  });
}

/** An older map serves until a new one is wanted. */
function shown(task) {
  return task.has && task.state === "absent" ? { ...task, state: "done" } : task;
}

function heading(more, tells) {
  const title = element("h1", { tabindex: "-1" }, "Map", element("span", { class: "soft" }, more));
  return element("div", { class: "head" }, title, element("p", { class: "lead" }, tells));
}
