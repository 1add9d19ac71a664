// Pictures that somebody brings: dropped, pasted or picked. They are encoded, never kept by the service; this page
// remembers them while it is open, so that going back shows them again.

import { Problem } from "./api.js";
import { toText } from "./codes.js";
import { button, element } from "./elements.js";

const brought = new Map();
let takeFile = () => {};

/** The picture whose code (as text) this is, as `{file, url}`, if it was brought since the page was opened. */
export function recall(codeText) {
  return brought.get(codeText) ?? null;
}

/** Encode a picture; return its code as text. */
export async function ask(file, api) {
  if (file.size === 0) throw new Problem("There is no image in that", "Bring an image file, such as a JPEG or a PNG.");
  const text = toText(await api.encode(file));
  if (!brought.has(text)) brought.set(text, { file, url: URL.createObjectURL(file) });
  return text;
}

/** A button that opens the system's choice of files. */
export function picker(word = "Choose an image", attributes = {}) {
  const hidden = { class: "unseen", tabindex: "-1", "aria-label": "Image file" };
  const input = element("input", { type: "file", accept: "image/*", ...hidden });
  input.addEventListener("change", () => {
    if (input.files.length) takeFile(input.files[0]);
    input.value = "";
  });
  return element("span", {}, input, button(word, () => input.click(), attributes));
}

/** Take what is dropped anywhere on the page, or pasted into it. */
export function watch(take) {
  takeFile = take;
  const curtain = element("div", { class: "curtain", hidden: true }, element("p", {}, "Drop it to ask about it"));
  document.body.append(curtain);
  watchDrops(curtain);
  addEventListener("paste", (event) => {
    const file = [...(event.clipboardData?.files ?? [])].find(isPicture);
    if (file) takeFile(file);
  });
}

function isPicture(file) {
  return file.type.startsWith("image/");
}

function watchDrops(curtain) {
  const brings = (event) => event.dataTransfer?.types.includes("Files");
  let depth = 0; // entering a child comes before leaving its parent
  const enter = (step) => (event) => {
    if (!brings(event)) return;
    event.preventDefault();
    depth = Math.max(0, depth + step);
    curtain.hidden = depth === 0;
  };
  addEventListener("dragenter", enter(1));
  addEventListener("dragleave", enter(-1));
  addEventListener("dragover", (event) => brings(event) && event.preventDefault());
  addEventListener("drop", (event) => {
    if (!brings(event)) return;
    event.preventDefault();
    depth = 0;
    curtain.hidden = true;
    const files = [...event.dataTransfer.files];
    if (files.length) takeFile(files.find(isPicture) ?? files[0]);
  });
}
