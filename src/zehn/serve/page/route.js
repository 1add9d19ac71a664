// Where one is: "#/NAME/VIEW?id=12&distance=cosine". What is in the address can be shared and gone back to.

/** Read the address: the collection's name, the view, and its parameters. */
export function read(hash = location.hash) {
  const [path, search = ""] = hash.replace(/^#\/?/, "").split("?", 2);
  const [name = "", view = ""] = path.split("/").map(decoded);
  return { name, view, params: Object.fromEntries(new URLSearchParams(search)) };
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // somebody cut the link: no such name will be found, and that is said
  }
}

/** The address of a view; parameters that are empty are left out. */
export function link(name, view, params = {}) {
  const given = Object.entries(params).filter(([, value]) => value !== null && value !== undefined && value !== "");
  const search = new URLSearchParams(given).toString();
  return `#/${encodeURIComponent(name)}/${view}${search ? `?${search}` : ""}`;
}

/** Go there; "back" leads here. */
export function go(address) {
  location.hash = address;
}

/** Change the address without a step in the history, and without anything happening. */
export function rename(address) {
  history.replaceState(null, "", address);
}
