// Numbers and counts as words: the same everywhere on the page.

const COUNT = new Intl.NumberFormat("en");
const SHORT = new Intl.NumberFormat("en", { maximumSignificantDigits: 4 });
const THREE = new Intl.NumberFormat("en", { minimumSignificantDigits: 3, maximumSignificantDigits: 3 });
const FOUR = new Intl.NumberFormat("en", { minimumSignificantDigits: 4, maximumSignificantDigits: 4 });
const NARROW = "\u202f";
const SHORT_PATH = 24;

/** 60,000 */
export function count(number) {
  return COUNT.format(number);
}

/** "1 image", "60,000 images" */
export function counted(number, word, words = `${word}s`) {
  return `${count(number)} ${number === 1 ? word : words}`;
}

/** A distance or a number of a code, to four figures, below 1 to three. */
export function value(number) {
  return written(number, Math.abs(number) < 1 ? THREE : FOUR);
}

/** A number as short as it can be told. */
export function brief(number) {
  return written(number, SHORT);
}

function written(number, format) {
  if (number === null || Number.isNaN(number)) return "–";
  if (number === 0) return "0";
  const text = Math.abs(number) < 1e-3 ? number.toExponential(1) : format.format(number);
  return text.replace("-", "−");
}

/** "99.98 %", never rounded up to a hundred. */
export function percent(number, digits = 2) {
  if (number === null || Number.isNaN(number)) return "–";
  const scale = 10 ** digits;
  const shown = number > 99 && number < 100 ? Math.floor(number * scale) / scale : number;
  return `${shown.toFixed(digits).replace("-", "−")}${NARROW}%`;
}

/** A share from 0 to 1 as per cent. */
export function share(number, digits = 0) {
  return percent(100 * number, digits);
}

/** "8 s", "4 min", "1 h 5 min" */
export function duration(seconds) {
  if (seconds < 90) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** What stands behind the last slash of a path. */
export function fileName(path) {
  return path.slice(path.lastIndexOf("/") + 1) || path;
}

/** A path as it fits below a picture: whole where it is short, else its end. */
export function shortPath(path) {
  return path.length <= SHORT_PATH ? path : `…/${fileName(path)}`;
}

/** "a", "a and b", "a, b and c" */
export function listed(words) {
  return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;
}

/** The name of a dimension of a code, from its index. */
export function dimension(index) {
  return `z${index + 1}`;
}
