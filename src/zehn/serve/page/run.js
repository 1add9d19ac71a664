// The run at hand: headline, training curves, comparison of distances, figures, and the report.

import { run } from "./api.js";
import { createComparison } from "./comparison.js";
import { createCurves } from "./curves.js";
import { element, refill } from "./elements.js";
import { duration } from "./words.js";

const N_TOP = 4;
const MEASURES = {
  loss: "Loss, smaller is better",
  channel_accuracy: "Channel accuracy, share of pixels",
  psnr: "PSNR in dB, larger is better",
};
const PARTS = { train: "Training", robust: "Training on, with distorted images" };
const SPLITS = {
  train: { train: ["train", "train"], validation: ["validation", "validation"], test: ["test", "test"] },
  robust: {
    train: ["train, some distorted", "train"],
    validation: ["validation, clean", "validation"],
    distorted: ["validation, distorted", "test"],
  },
};
const NO_REPORT = "The report of this run has not been written yet; zehn run finishes it.";

/** The view of a run; it is read once. */
export function create(context) {
  const api = run(context.name);
  const node = element("div", { class: "run" });

  async function update() {
    if (node.children.length > 0) return;
    const asked = [api.summary(), api.history(), api.comparison(), api.figures()];
    const [told, history, comparison, { figures }] = await Promise.all(asked);
    const parts = [headline(told, api), curves(history), createComparison(comparison), gallery(figures, api)];
    refill(node, ...parts, stages(told));
    context.say(`Run ${told.name}, ${told.dataset}`);
  }

  return { node, update };
}

function headline(told, api) {
  const rows = told.headline;
  const what = [told.dataset, told.preset && `preset ${told.preset}`, `seed ${told.seed}`, day(told.started)];
  const verdict = told.verdict
    ? element("p", { class: "verdict" }, told.verdict)
    : element("p", { class: "note" }, NO_REPORT);
  return element(
    "section", { class: "head", "aria-label": "Headline" },
    element("div", { class: "row" }, element("h1", { tabindex: "-1" }, told.name), report(told, api)),
    element("p", { class: "path" }, what.filter(Boolean).join(" · ")),
    tiles(rows.slice(0, N_TOP), "tiles"),
    element("div", { class: "halves" }, verdict, tiles(rows.slice(N_TOP), "tiles small")));
}

function report({ has_report: hasReport }, api) {
  if (!hasReport) return null;
  const address = { href: api.file("report.pdf"), target: "_blank", rel: "noopener" };
  return element("a", { class: "button strong", ...address }, "Open the report (PDF)");
}

function tiles(rows, kind) {
  return rows.length > 0 ? element("dl", { class: kind }, rows.map(tile)) : null;
}

/** A figure, what comes in brackets or after a comma below it. */
function tile({ name, value }) {
  const [main, ...rest] = value.split(/ (?=\()|, /);
  const small = rest.length > 0 ? element("small", {}, rest.join(" · ")) : null;
  const shown = element("dd", {}, element("strong", {}, main), small);
  return element("div", { class: "tile" }, element("dt", {}, name), shown);
}

function day(time) {
  const date = new Date(time);
  if (Number.isNaN(date.getTime())) return "";
  return date.toLocaleDateString("en", { day: "numeric", month: "long", year: "numeric" });
}

function curves({ parts }) {
  const content = parts.length > 0
    ? parts.map(training)
    : element("p", { class: "note" }, "This run trained nothing: its model was taken as it is.");
  const title = element("h2", { id: "curves" }, "Training curves");
  return element("section", { "aria-labelledby": "curves" }, title, content);
}

function training(part) {
  const best = part.best_epoch ?? null;
  const told = `The weights of epoch ${best} were kept, marked by a line.`;
  const charts = Object.entries(MEASURES).map(([measure, title]) => chart(part, measure, title));
  return element(
    "div", {},
    element("h3", { class: "part" }, PARTS[part.name] ?? part.name),
    best === null ? null : element("p", { class: "note" }, told),
    element("div", { class: "charts" }, charts));
}

function chart({ name, epochs, best_epoch: best }, measure, title) {
  const series = Object.entries(SPLITS[name] ?? SPLITS.train).map(([split, [word, look]]) => ({
    name: word,
    look,
    points: epochs.map((one) => [one.epoch, one[split]?.[measure]]).filter(([, value]) => Number.isFinite(value)),
  }));
  const known = series.filter((one) => one.points.length > 0);
  return known.length > 0 ? createCurves(title, known, best) : null;
}

function gallery(figures, api) {
  if (figures.length === 0) return null;
  const figure = ({ name, title }) => element(
    "a", { href: api.file(name), target: "_blank", rel: "noopener" },
    element("img", { src: api.file(name), alt: "", loading: "lazy", decoding: "async" }), element("span", {}, title));
  return element(
    "section", { "aria-labelledby": "figures" },
    element("h2", { id: "figures" }, "Figures"), element("div", { class: "gallery" }, figures.map(figure)));
}

function stages({ stages: kept, has_report: hasReport }) {
  const all = kept.map((stage) => (stage.name === "report" ? { ...stage, done: hasReport } : stage)); // not in the book
  if (!all.some((stage) => stage.done)) return null;
  return element(
    "section", { "aria-labelledby": "stages" },
    element("h2", { id: "stages" }, "Stages"), element("ol", { class: "stages" }, all.map(stage)));
}

function stage({ name, done, seconds }) {
  const took = seconds === null || seconds === undefined ? "done" : duration(seconds);
  const number = element("span", { class: "number" }, done ? took : "not yet");
  return element("li", { class: done ? "done" : "open" }, element("span", {}, name), number);
}
