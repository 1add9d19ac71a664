// The service, as functions. Whatever goes wrong comes back as a Problem whose words can be shown.

const ROOT = "/api/v1";
const N_TRIES = 3;

/** What went wrong, in words: a title, a sentence, and the status of the answer (0: there was none). */
export class Problem extends Error {
  constructor(title, detail, status = 0) {
    super(detail);
    this.title = title;
    this.status = status;
  }
}

let nWaiting = 0;

function wait(step) {
  nWaiting += step;
  dispatchEvent(new CustomEvent("zehn-waiting", { detail: nWaiting }));
}

const asJson = (answer) => answer.json();
const asPoints = async (answer) => ({ buffer: await answer.arrayBuffer(), map: answer.headers.get("ETag") });

/** Ask for a path below the API; `quiet` shows no line of progress. */
async function call(path, { body, method, signal, quiet = false, read = asJson } = {}) {
  if (!quiet) wait(1);
  try {
    return await read(await answered(path, { method: method ?? (body ? "POST" : "GET"), signal, ...packed(body) }));
  } finally {
    if (!quiet) wait(-1);
  }
}

function packed(body) {
  if (!body || body instanceof FormData) return { body };
  return { body: JSON.stringify(body), headers: { "Content-Type": "application/json" } };
}

async function answered(path, options) {
  for (let nth = 1; ; nth += 1) {
    const answer = await fetched(path, options);
    if (answer.ok) return answer;
    if (answer.status !== 503 || nth === N_TRIES) throw await problemOf(answer);
    await pause(1000 * Math.min(Number(answer.headers.get("Retry-After")) || 1, 5)); // it is busy and says for how long
  }
}

async function fetched(path, options) {
  try {
    return await fetch(ROOT + path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem("The service does not answer", "Is `zehn serve` still running? Start it again, then try again.");
  }
}

async function problemOf(answer) {
  const told = await answer.json().catch(() => ({}));
  const detail = typeof told.detail === "string" ? told.detail : "The service gave no reason.";
  return new Problem(told.title ?? `The service answered ${answer.status}`, detail, answer.status);
}

function pause(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** All collections and runs that are served. */
export async function collections() {
  return (await call("/collections")).collections;
}

/** Hand over the token once; the browser keeps a cookie that is good for reading. */
export function openSession(token) {
  return call("/session", { body: { token }, read: async () => null });
}

/** What can be asked about one collection or run. */
export function collection(name) {
  const at = `/collections/${encodeURIComponent(name)}`;
  return {
    info: () => call(at),
    images: (params) => call(`${at}/images?${new URLSearchParams(params)}`),
    image: (id, options) => call(`${at}/images/${id}`, options),
    random: async (n, seed = "") => (await call(`${at}/random?n=${n}${seed === "" ? "" : `&seed=${seed}`}`)).ids,
    another: async (id) => {
      const { ids } = await call(`${at}/random?n=2`);
      return ids.find((one) => one !== Number(id)) ?? ids[0]; // by chance, but another one where there is one
    },
    search: (body, options) => call(`${at}/search`, { body, ...options }),
    encode: async (file) => (await call(`${at}/encode`, { body: form({ files: file }) })).codes[0],
    decode: async (codes, options) => (await call(`${at}/decode`, { body: { codes }, ...options })).pictures,
    explain: (body, options) => call(`${at}/explain`, { body, ...options }),
    distort: (fields, options) => call(`${at}/distort`, { body: form(fields), ...options }),
    robust: (options) => call(`${at}/versions/robust`, options),
    map: (options) => call(`${at}/map`, options),
    points: (options) => call(`${at}/map/points`, { read: asPoints, ...options }),
    distances: (body, options) => call(`${at}/distances`, { body, read: asPoints, ...options }),
    picture: (id, side, state = "") =>
      `${ROOT}${at}/images/${id}/picture?max_side=${side}${state && `&v=${encodeURIComponent(state)}`}`,
  };
}

/** What a run has to tell. */
export function run(name) {
  const at = `/runs/${encodeURIComponent(name)}`;
  return {
    summary: (options) => call(at, options),
    history: (options) => call(`${at}/history`, options),
    comparison: (options) => call(`${at}/comparison`, options),
    figures: (options) => call(`${at}/figures`, options),
    file: (file) => `${ROOT}${at}/files/${file.split("/").map(encodeURIComponent).join("/")}`,
  };
}

function form(fields) {
  const body = new FormData();
  for (const [name, value] of Object.entries(fields)) body.append(name, value);
  return body;
}
