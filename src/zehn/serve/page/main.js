// The frame around the views: which one is shown, of which collection, and what is said when something goes wrong.

import { Problem, collection, collections, openSession } from "./api.js";
import { button, element, refill, selection } from "./elements.js";
import { go, link, read, rename } from "./route.js";
import { ask, watch } from "./uploads.js";
import { counted } from "./words.js";

const VIEWS = {
  search: ["Search", () => import("./search.js")],
  sliders: ["Sliders", () => import("./sliders.js")],
  map: ["Map", () => import("./map.js")],
  distort: ["Distort", () => import("./distort.js")],
  run: ["Run", () => import("./run.js")],
};
const DISTANCES = ["euclidean", "cosine", "manhattan", "chebyshev", "mahalanobis", "correlation"];
const CARRIED = ["id", "code", "distance", "k"];

const at = (id) => document.getElementById(id);
let served = [];
let shown = { name: null, view: null, page: null };
let nArrivals = 0;

/** Show what the address says. */
async function arrive() {
  nArrivals += 1;
  const nth = nArrivals;
  await attempt(async () => {
    const route = settled(read());
    if (!route) return;
    frame(route);
    if (route.name !== shown.name || route.view !== shown.view) {
      const views = await VIEWS[route.view][1]();
      if (nth === nArrivals) raise(route, views);
    }
    if (nth === nArrivals) await shown.page.update(route.params);
  });
}

/** Where the address leads among what is served; null where that is no view of a collection. */
function settled({ name, view, params }) {
  if (served.length === 0) {
    showEmpty();
    return null;
  }
  const info = served.find((one) => one.name === name);
  if (name && !info) {
    const names = served.map((one) => one.name).join(", ");
    throw new Problem(`There is nothing here by the name “${name}”`, `There are: ${names}.`, 404);
  }
  const chosen = info ?? served[0];
  const known = Object.hasOwn(VIEWS, view) && (view !== "run" || chosen.kind === "run") ? view : "search";
  if (!info || known !== view) rename(link(chosen.name, known, params));
  return { name: chosen.name, info: chosen, view: known, params };
}

function raise(route, views) {
  const isFirst = shown.name === null;
  shown.page?.leave?.();
  shown = { name: route.name, view: route.view, page: views.create(contextOf(route)) };
  refill(at("view"), shown.page.node);
  if (isFirst) return;
  scrollTo({ top: 0 });
  shown.page.node.querySelector("h1")?.focus({ preventScroll: true });
}

function contextOf({ name, info, view }) {
  return {
    info,
    name,
    api: collection(name),
    attempt,
    say: (text) => (at("status").textContent = text),
    link: (other, params) => link(name, other, params),
    go: (params, other = view) => go(link(name, other, params)),
    rename: (params) => {
      rename(link(name, view, params));
      frame({ name, info, view, params }); // the other views take the new parameters along
    },
  };
}

/** Do something; what goes wrong is said above the view, with a way to try again. */
async function attempt(work, again = arrive) {
  try {
    refill(at("trouble"));
    await work();
  } catch (error) {
    if (error.name === "AbortError") return;
    if (error.status === 401) askForToken();
    else showTrouble(asProblem(error), again);
  }
}

function asProblem(error) {
  if (error instanceof Problem) return error;
  console.error(error);
  return new Problem("The page did not manage that", `${error.message}. Reload it; should that not help, tell us.`);
}

function showTrouble(problem, again) {
  const retry = button("Try again", again, { class: "button small" });
  const words = element("div", {}, element("strong", {}, problem.title), element("p", {}, problem.message));
  refill(at("trouble"), element("div", { class: "trouble", role: "alert" }, words, retry));
}

function askForToken() {
  const input = element("input", { type: "password", autocomplete: "current-password", required: true, id: "token" });
  const submit = async (event) => {
    event.preventDefault();
    await attempt(async () => {
      await openSession(input.value);
      await start();
    });
  };
  const form = element(
    "form", { class: "door", on: { submit } },
    element("h1", { tabindex: "-1" }, "This service asks for its token"),
    element("p", {}, "It was given to ", element("code", {}, "zehn serve"), " when it was started. ",
      "The page keeps it in a cookie that is good for looking only."),
    element("label", { for: "token" }, "Token"), input,
    element("button", { class: "button strong" }, "Open"),
  );
  refill(at("view"), form);
  shown = { name: null, view: null, page: null };
  input.focus();
}

function showEmpty() {
  const command = (text, tells) => element("li", {}, element("code", {}, text), element("span", {}, tells));
  const node = element(
    "section", { class: "empty" },
    element("h1", { tabindex: "-1" }, "Nothing to search yet"),
    element("p", { class: "lead" },
      "Zehn shows a collection of your images, or a run of its pipeline. Make one, then come back to this page."),
    element("div", { class: "pair" },
      element("div", { class: "card" }, element("h2", {}, "Your own images"), element("ol", { class: "commands" },
        command("zehn index create photos", "an empty collection, with the model that ships"),
        command("zehn index add photos ~/Pictures", "all images below that folder, encoded"),
        command("zehn serve photos", "this page, with them"))),
      element("div", { class: "card" }, element("h2", {}, "A run on CIFAR-10"), element("ol", { class: "commands" },
        command("zehn run --model cifar10", "checks, querying and the report; nothing is trained"),
        command("zehn serve", "this page, with the newest run")))),
    element("p", { class: "lead" }, button("Look again", start, { class: "button strong" })),
  );
  refill(at("view"), node);
  refill(at("views"));
  document.title = "Zehn";
}

function frame({ name, info, view, params }) {
  const kept = Object.fromEntries(CARRIED.filter((key) => key in params).map((key) => [key, params[key]]));
  const views = Object.keys(VIEWS).filter((one) => one !== "run" || info.kind === "run");
  refill(at("views"), views.map((one) => element("a", {
    href: link(name, one, one === "run" ? {} : kept),
    "aria-current": one === view ? "page" : null,
  }, VIEWS[one][0])));
  refill(at("picker"), picker(name, view));
  const numbers = `${info.n_components} numbers each`;
  refill(at("foot"),
    element("span", {}, `${counted(info.n_images, "image")}, ${numbers}, by the model ${info.model}`),
    element("span", {}, element("a", { href: "/api/v1/openapi.json" }, "The service as OpenAPI")));
  document.title = `${VIEWS[view][0]} · ${name} · Zehn`;
}

function picker(name, view) {
  if (served.length === 1) return element("span", { class: "only" }, name);
  const options = served.map((one) => [one.name, one.kind === "run" ? `${one.name} (run)` : one.name]);
  const list = selection("Collection", options, name, (chosen) => go(link(chosen, view)));
  list.firstChild.classList.add("unseen");
  return list;
}

/** Say that the service is asked, once that takes longer than one notices. */
function watchWaiting() {
  let timer = 0;
  addEventListener("zehn-waiting", ({ detail: nWaiting }) => {
    if (nWaiting === 0) {
      clearTimeout(timer);
      timer = 0;
      at("waiting").hidden = true;
    } else timer ||= setTimeout(() => (at("waiting").hidden = false), 300);
  });
}

function watchTheme() {
  const tell = () => at("theme").setAttribute("aria-pressed", String(window.zehnTheme.isDark()));
  at("theme").addEventListener("click", window.zehnTheme.toggle);
  addEventListener("zehn-theme", tell);
  tell();
}

/** An image that was dropped, pasted or picked becomes the query of the view at hand. */
function take(file) {
  const { name, view } = shown;
  if (!name) return;
  const target = view === "run" ? "search" : view;
  const again = () => take(file);
  attempt(async () => {
    const code = await ask(file, collection(name));
    const { distance, k } = read().params;
    go(link(name, target, { code, distance, k }));
  }, again);
}

/** Distances in the order of the report, what it does not know at the end. */
function inOrder(info) {
  const rank = (name) => (DISTANCES.indexOf(name) + 1 || DISTANCES.length + 1);
  return { ...info, distances: [...info.distances].sort((a, b) => rank(a) - rank(b)) };
}

async function start() {
  await attempt(async () => {
    served = (await collections()).map(inOrder);
    await arrive();
  }, start);
}

document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault(); // the part behind the # is the address of a view
  at("main").focus();
});
addEventListener("hashchange", arrive);
watchWaiting();
watchTheme();
watch(take);
start();
