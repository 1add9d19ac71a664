// The map's points as they come from the service, and what is asked of them.

import { createCells } from "./cells.js";

const LEAST = 0.05; // half the side of the smallest box

/** Read ids (int32), x and y (float32) and labels (int16), one after the other, n of each. */
export function readPoints(buffer, n) {
  const ids = new Int32Array(buffer, 0, n);
  const x = new Float32Array(buffer, 4 * n, n);
  const y = new Float32Array(buffer, 8 * n, n);
  const labels = new Int16Array(buffer, 12 * n, n);
  const places = new Float32Array(2 * n);
  for (let index = 0; index < n; index += 1) {
    places[2 * index] = x[index];
    places[2 * index + 1] = y[index];
  }
  return { n, ids, labels, places, cells: createCells(places) };
}

/** The box that all points lie in, of some size even where there is one point. */
export function boundsOf({ places, n }) {
  const [left, right] = span(places, n, 0);
  const [bottom, top] = span(places, n, 1);
  return { left, right, bottom, top };
}

function span(places, n, axis) {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (let at = axis; at < 2 * n; at += 2) {
    low = Math.min(low, places[at]);
    high = Math.max(high, places[at]);
  }
  const middle = (low + high) / 2;
  return [Math.min(low, middle - LEAST), Math.max(high, middle + LEAST)];
}

/** The place of an image among the points, whose ids ascend; −1 where it has none. */
export function placeOf({ ids }, id) {
  let [low, high] = [0, ids.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (ids[middle] < id) low = middle + 1;
    else high = middle;
  }
  return ids[low] === id ? low : -1;
}

/** Places (x, y after one another) of some of the points. */
export function somePlaces({ places }, indices) {
  return Float32Array.from(indices.flatMap((index) => [places[2 * index], places[2 * index + 1]]));
}

/** The points in a box that count, the nearest to its middle first. */
export function inBox({ cells }, box, counts) {
  const [x, y] = [(box.left + box.right) / 2, (box.bottom + box.top) / 2];
  const found = [];
  cells.within(box, (index, px, py) => counts(index) && found.push([(px - x) ** 2 + (py - y) ** 2, index]));
  return found.sort((a, b) => a[0] - b[0]).map(([, index]) => index);
}

/** How many of some points have each label, most first: [[label, n], …]. */
export function tally({ labels }, indices) {
  const counts = new Map();
  for (const index of indices) counts.set(labels[index], (counts.get(labels[index]) ?? 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1]);
}
