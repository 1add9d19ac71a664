// Codes in the address, and what a view is asked about.

/** A code as text: base64url of its float32 numbers. */
export function toText(code) {
  const bytes = new Uint8Array(Float32Array.from(code).buffer);
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

/** The code of such a text, or null where it is none of so many finite numbers. */
function fromText(text, nComponents) {
  try {
    const bytes = Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (one) => one.charCodeAt(0));
    const code = [...new Float32Array(bytes.buffer)];
    return code.length === nComponents && code.every(Number.isFinite) ? code : null;
  } catch {
    return null;
  }
}

/** What is asked about: `{id}`, `{code}` (numbers), or null where nothing is. */
export function question(params, nComponents) {
  if (/^\d{1,15}$/.test(params.id ?? "")) return { id: Number(params.id) };
  const code = params.code ? fromText(params.code, nComponents) : null;
  return code && { code };
}

/** A question as parameters of an address. */
export function asParams(asked) {
  if (!asked) return {};
  return asked.id === undefined ? { code: toText(asked.code) } : { id: asked.id };
}

/** Run `work` with the newest value only: while one runs, what comes in between is skipped. */
export function newest(work) {
  let running = false;
  let waiting = null;
  return async function ask(given) {
    waiting = [given];
    if (running) return;
    running = true;
    try {
      while (waiting) {
        const [next] = waiting;
        waiting = null;
        await work(next);
      }
    } finally {
      running = false;
    }
  };
}
