// How strong a distortion is: a slider with its value.

import { element } from "./elements.js";

/** A dial from 0 on; `changed` is called while it is moved. */
export function createDial(word, unit, range, beginning, changed) {
  const id = `dial-${word.toLowerCase()}`;
  const shown = element("output", { class: "number", for: id });
  const dial = element("input", { type: "range", id, min: 0, ...range, value: beginning });
  let isHeld = false;
  const tell = () => (shown.textContent = `${unit} ${dial.valueAsNumber.toFixed(2)}`);
  dial.addEventListener("input", () => {
    tell();
    changed();
  });
  dial.addEventListener("pointerdown", () => (isHeld = true));
  dial.addEventListener("change", () => (isHeld = false));
  tell();
  const node = element("div", { class: "dial" }, element("label", { for: id }, word), dial, shown);
  return { node, value: () => dial.valueAsNumber, isHeld: () => isHeld };
}
