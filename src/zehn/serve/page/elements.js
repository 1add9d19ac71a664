// Elements of the page. Text of any origin goes in as text, never as markup.

const SVG = "http://www.w3.org/2000/svg";
const PROPERTIES = new Set(["value", "checked", "indeterminate", "disabled"]);

/** An HTML element with attributes (`on` for listeners, `style` for CSS properties) and children; null is left out. */
export function element(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/** The same for an element of a drawing (SVG). */
export function drawing(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

function filled(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) set(node, name, value);
  node.append(...present(children));
  return node;
}

/** Put children in place of what an element holds; null is left out. */
export function refill(node, ...children) {
  node.replaceChildren(...present(children));
  return node;
}

function present(children) {
  return children.flat(2).filter((child) => isGiven(child) && child !== "");
}

function isGiven(value) {
  return value !== null && value !== undefined && value !== false;
}

/** Give an element CSS properties; the Content-Security-Policy forbids them as an attribute. */
export function restyle(node, properties) {
  for (const [name, text] of Object.entries(properties)) node.style.setProperty(name, text);
}

function set(node, name, value) {
  if (name === "on") for (const [event, act] of Object.entries(value)) node.addEventListener(event, act);
  else if (name === "style") restyle(node, value);
  else if (PROPERTIES.has(name)) node[name] = value;
  else if (isGiven(value)) node.setAttribute(name, value === true ? "" : value);
}

/** A picture; tiny ones keep their pixels sharp when they are drawn larger. */
export function picture(source, alternative, attributes = {}) {
  const image = element("img", { alt: alternative, decoding: "async", draggable: "false", ...attributes });
  image.addEventListener("load", () => image.classList.toggle("tiny", image.naturalWidth <= 96));
  image.addEventListener("error", () => image.classList.add("missing"));
  if (source) image.src = source;
  return image;
}

/** Give a picture another source, without a flash where it is the same. */
export function repaint(image, source, alternative = image.alt) {
  if (image.getAttribute("src") !== source) {
    image.classList.remove("missing");
    image.src = source;
  }
  image.alt = alternative;
}

/** A button with its word and what it does. */
export function button(word, act, attributes = {}) {
  return element("button", { type: "button", class: "button", on: { click: act }, ...attributes }, word);
}

/** A choice of one among words, as a row of radio buttons; `choose` is told the value. */
export function choice(legend, group, options, chosen, choose) {
  const inputs = options.map(([value, word]) => {
    const input = element("input", { type: "radio", name: group, value, checked: value === chosen });
    input.addEventListener("change", () => choose(value));
    return element("label", {}, input, element("span", {}, word));
  });
  const node = element("fieldset", { class: "choice" }, element("legend", {}, legend), element("div", {}, inputs));
  node.choose = (value) => {
    for (const input of node.querySelectorAll("input")) input.checked = input.value === value;
  };
  return node;
}

/** A labelled list to pick one of. */
export function selection(word, options, chosen, choose) {
  const list = element("select", {}, options.map(([value, text]) => element("option", { value }, text)));
  list.value = chosen;
  list.addEventListener("change", () => choose(list.value));
  return element("label", { class: "selection" }, element("span", {}, word), list);
}

/** Whether moving things is welcome. */
export function mayMove() {
  return !matchMedia("(prefers-reduced-motion: reduce)").matches;
}
