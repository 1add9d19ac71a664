// One slider: its name, its number, and pictures along its way.

import { element, picture, repaint } from "./elements.js";
import { deviation } from "./query.js";
import { dimension, value } from "./words.js";

const N_STEPS = 200;
export const N_FRAMES = 5;

/** The slider of one number of a code; `moved` is called when somebody moves it. */
export function createSlider(index, info, moved) {
  const [low, high] = [info.code_low[index], info.code_high[index]];
  const slider = element("input", { type: "range", id: `slider-${index}` });
  const shown = element("output", { class: "number", for: slider.id });
  const frames = Array.from({ length: N_FRAMES }, () => picture("", ""));
  const node = element(
    "div", { class: "slider" },
    element("label", { for: slider.id }, dimension(index)), slider, shown,
    element("div", { class: "frames", "aria-hidden": "true" }, frames));
  let exact = info.code_mean[index]; // what was set, not the slider's nearest step

  function tell() {
    shown.textContent = value(exact);
    slider.setAttribute("aria-valuetext", value(exact));
    node.classList.toggle("far", Math.abs(deviation(exact, index, info)) > 1);
  }

  function set(number) {
    Object.assign(slider, { min: Math.min(low, number), max: Math.max(high, number) });
    slider.step = (slider.max - slider.min) / N_STEPS || 1;
    slider.value = number;
    exact = number;
    tell();
  }

  slider.addEventListener("input", () => {
    exact = slider.valueAsNumber;
    tell();
    moved();
  });
  return {
    node,
    set,
    value: () => exact,
    stops: () => frames.map((_, nth) => low + ((high - low) * nth) / (N_FRAMES - 1)),
    paint: (pictures) => frames.forEach((image, nth) => repaint(image, pictures[nth] ?? "")),
  };
}
