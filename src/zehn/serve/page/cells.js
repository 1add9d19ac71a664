// Which points lie near a place, or within a box: a grid of cells, each with the points in it.

const PER_CELL = 4;

/** Sort points (x, y after one another, from 0 to 1) into cells. */
export function createCells(places) {
  const n = places.length / 2;
  const side = Math.max(1, Math.ceil(Math.sqrt(n / PER_CELL)));
  const along = (number) => Math.max(0, Math.min(side - 1, Math.floor(number * side)));
  const cellOf = (index) => along(places[2 * index + 1]) * side + along(places[2 * index]);
  const starts = new Uint32Array(side * side + 1);
  for (let index = 0; index < n; index += 1) starts[cellOf(index) + 1] += 1;
  for (let cell = 0; cell < side * side; cell += 1) starts[cell + 1] += starts[cell];
  const next = starts.slice();
  const sorted = new Uint32Array(n);
  for (let index = 0; index < n; index += 1) sorted[next[cellOf(index)]++] = index;

  /** Call `visit(index, x, y)` for each point in a box {left, right, bottom, top}. */
  function within({ left, right, bottom, top }, visit) {
    for (let row = along(bottom); row <= along(top); row += 1) {
      for (let at = starts[row * side + along(left)]; at < starts[row * side + along(right) + 1]; at += 1) {
        const index = sorted[at];
        const [x, y] = [places[2 * index], places[2 * index + 1]];
        if (x >= left && x <= right && y >= bottom && y <= top) visit(index, x, y);
      }
    }
  }

  /** The index of the nearest point within a reach for which `counts(index)`; −1 where there is none. */
  function nearest(x, y, reach, counts) {
    let [best, least] = [-1, reach * reach];
    within({ left: x - reach, right: x + reach, bottom: y - reach, top: y + reach }, (index, px, py) => {
      const away = (px - x) ** 2 + (py - y) ** 2;
      if (away <= least && counts(index)) [best, least] = [index, away];
    });
    return best;
  }

  return { within, nearest };
}
