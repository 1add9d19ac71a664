// Work that the service does in the background, once: how far it is, in words and as a bar.

import { Problem } from "./api.js";
import { button, element, refill } from "./elements.js";
import { count } from "./words.js";

const EVERY = 700;

/**
 * The panel of such a task. `get` asks how far it is, `start` begins it; `idle`, `button` and `running` are its words,
 * and `done` is called when it is done. `look()` shows where it stands and follows it; `leave()` stops following.
 */
export function createTask({ get, start, idle, button: word, running, attempt, done }) {
  const node = element("div", { class: "task" });
  let timer = 0;
  let drawn = null;

  async function look() {
    clearTimeout(timer);
    show(await get());
  }

  async function begin() {
    clearTimeout(timer);
    show(await start());
  }

  function show(task) {
    if (task.state === "running") return follow(task);
    drawn = null;
    if (task.state === "done") return done(task);
    return ask(task.state === "failed" ? new Problem("That did not work", task.error || "No reason was given.") : null);
  }

  function ask(problem) {
    const title = problem && element("strong", {}, problem.title);
    const act = button(problem ? "Try again" : word, () => attempt(begin), { class: "button strong" });
    refill(node, title, element("p", {}, problem ? problem.message : idle), act);
    if (problem) node.setAttribute("role", "alert");
  }

  function follow({ n_done: nDone, n }) {
    drawn ??= draw();
    if (n > 0) Object.assign(drawn.bar, { max: n, value: nDone });
    drawn.told.textContent = n > 0 ? `${count(nDone)} of ${count(n)}` : "It has begun";
    timer = setTimeout(() => attempt(look), EVERY);
  }

  function draw() {
    const [bar, told] = [element("progress", { "aria-label": running }), element("p", { class: "number" })];
    node.removeAttribute("role");
    refill(node, element("p", {}, running, "…"), bar, told);
    return { bar, told };
  }

  return { node, look, leave: () => clearTimeout(timer) };
}
