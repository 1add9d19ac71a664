// Colours of the map, read from the page's own so that light and dark agree with it.

const N_COLOURS = 10;
const OPAQUE = 255;

/** Red, green and blue (0 to 255) of a colour of the page, such as "--ink". */
export function resolve(name) {
  const probe = document.createElement("span");
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const numbers = getComputedStyle(probe).color.match(/[\d.]+/g).slice(0, 3).map(Number);
  probe.remove();
  return numbers;
}

/** The colours of classes, and of no class. */
export function palette() {
  const classes = Array.from({ length: N_COLOURS }, (_, index) => resolve(`--class-${index}`));
  return { classes, none: resolve("--class-none") };
}

/** Colours of points by their label; `hidden` holds labels that are not shown. */
export function byLabel(labels, { classes, none }, hidden, opacity) {
  const colours = new Uint8Array(4 * labels.length);
  for (let index = 0; index < labels.length; index += 1) {
    const label = labels[index];
    put(colours, index, label < 0 ? none : classes[label % classes.length], hidden.has(label) ? 0 : opacity);
  }
  return colours;
}

/** Colours of points by their distance to the query: by rank, so that every shade has its share of the points. */
export function byDistance(distances, labels, hidden, opacity) {
  const ramp = shades();
  const order = Float32Array.from(distances).sort();
  const colours = new Uint8Array(4 * distances.length);
  for (let index = 0; index < distances.length; index += 1) {
    const part = nearness(below(order, distances[index]) / order.length);
    const shown = hidden.has(labels[index]) ? 0 : opacity + (OPAQUE - opacity) * part;
    put(colours, index, ramp[Math.round(part * (ramp.length - 1))], shown);
  }
  return colours;
}

/** What of the ramp a rank (0 near, 1 far) takes: the nearest few per cent stand out. */
function nearness(rank) {
  return (1 - rank) ** 6;
}

function shades() {
  const [far, near] = [resolve("--far"), resolve("--near")];
  return Array.from({ length: 64 }, (_, nth) => far.map((from, channel) => from + ((near[channel] - from) * nth) / 63));
}

/** How many of ascending numbers lie below one. */
function below(order, number) {
  let [low, high] = [0, order.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (order[middle] < number) low = middle + 1;
    else high = middle;
  }
  return low;
}

function put(colours, index, [red, green, blue], opacity) {
  colours.set([red, green, blue, opacity], 4 * index);
}

/** One colour, n times. */
export function repeated(colour, n) {
  const colours = new Uint8Array(4 * n);
  for (let index = 0; index < n; index += 1) put(colours, index, colour, OPAQUE);
  return colours;
}
