// The plane that points lie on: moved and zoomed by pointer, wheel, fingers and keys, and boxes drawn on it.

const CLICK = 4; // pixels that a click may stray
const STEP = 60;
const ZOOMED = 1.4;
const FARTHEST = 400;
const ROOM = 0.94;
const STRAY = 0.2; // of the map, beyond its edges
const [MOST_WHEEL, WHEEL] = [120, 300];

const KEYS = {
  ArrowLeft: (plane) => plane.shift(-STEP / plane.view.zoom, 0),
  ArrowRight: (plane) => plane.shift(STEP / plane.view.zoom, 0),
  ArrowUp: (plane) => plane.shift(0, STEP / plane.view.zoom),
  ArrowDown: (plane) => plane.shift(0, -STEP / plane.view.zoom),
  "+": (plane) => plane.zoomBy(ZOOMED),
  "=": (plane) => plane.zoomBy(ZOOMED),
  "-": (plane) => plane.zoomBy(1 / ZOOMED),
  0: (plane) => plane.showAll(),
};

/**
 * Watches a focusable element, with all points within `bounds`. `tell` is told: `moved()` for every new view, at most
 * once a frame; `hover(x, y)` and `leave()`; `pick(x, y)`; `boxing(box)` while a box is drawn (pixels, null at its end)
 * and `boxed(box)` (units).
 */
export class Plane {
  constructor(node, bounds, tell) {
    Object.assign(this, { node, bounds, tell });
    this.view = { x: 0.5, y: 0.5, zoom: 1 };
    this.isSelecting = false;
    this.fingers = new Map();
    this.box = null;
    this.travelled = 0;
    this.isAsked = false;
    this.fitted = 0;
    this.watch();
  }

  watch() {
    const listen = (name, act, options) => this.node.addEventListener(name, act, options);
    listen("pointerdown", (event) => event.button === 0 && this.press(event));
    listen("pointermove", (event) => this.drag(event));
    listen("pointerup", (event) => this.release(event, true));
    listen("pointercancel", (event) => this.release(event, false));
    listen("pointerleave", () => this.tell.leave());
    listen("wheel", (event) => this.wheel(event), { passive: false });
    listen("keydown", (event) => this.key(event));
    new ResizeObserver(() => (this.fitted ? this.moved() : this.showAll())).observe(this.node);
  }

  moved() {
    if (this.isAsked) return;
    this.isAsked = true;
    requestAnimationFrame(() => {
      this.isAsked = false;
      this.tell.moved();
    });
  }

  showAll() {
    const { left, right, bottom, top } = this.bounds;
    const { clientWidth: width, clientHeight: height } = this.node;
    this.fitted = ROOM * Math.min(width / (right - left), height / (top - bottom)) || 1;
    Object.assign(this.view, { x: (left + right) / 2, y: (bottom + top) / 2, zoom: this.fitted });
    this.moved();
  }

  /** How many times larger than when all is shown. */
  zoomed() {
    return this.view.zoom / (this.fitted || 1);
  }

  zoomBy(factor, x = this.node.clientWidth / 2, y = this.node.clientHeight / 2) {
    const before = this.toUnits(x, y);
    const wanted = this.view.zoom * factor;
    this.view.zoom = Math.max(this.fitted / 2, Math.min(this.fitted * FARTHEST, wanted));
    const after = this.toUnits(x, y);
    this.shift(before.x - after.x, before.y - after.y);
  }

  shift(x, y) {
    this.view.x = within(this.view.x + x);
    this.view.y = within(this.view.y + y);
    this.moved();
  }

  toUnits(x, y) {
    const { clientWidth: width, clientHeight: height } = this.node;
    return { x: this.view.x + (x - width / 2) / this.view.zoom, y: this.view.y - (y - height / 2) / this.view.zoom };
  }

  toPixels(x, y) {
    const { clientWidth: width, clientHeight: height } = this.node;
    return { x: width / 2 + (x - this.view.x) * this.view.zoom, y: height / 2 - (y - this.view.y) * this.view.zoom };
  }

  unitsOf({ left, top, width, height }) {
    const [first, last] = [this.toUnits(left, top), this.toUnits(left + width, top + height)];
    return { left: first.x, right: last.x, bottom: last.y, top: first.y };
  }

  inSight() {
    return this.unitsOf({ left: 0, top: 0, width: this.node.clientWidth, height: this.node.clientHeight });
  }

  placeOf(event) {
    const frame = this.node.getBoundingClientRect();
    return { x: event.clientX - frame.left, y: event.clientY - frame.top };
  }

  press(event) {
    this.node.setPointerCapture(event.pointerId);
    const at = this.placeOf(event);
    this.fingers.set(event.pointerId, at);
    this.travelled = 0;
    this.box = (this.isSelecting || event.shiftKey) && this.fingers.size === 1 ? { from: at, to: at } : null;
    this.tell.leave();
  }

  drag(event) {
    const at = this.placeOf(event);
    const before = this.fingers.get(event.pointerId);
    if (!before) {
      if (event.pointerType !== "touch") this.tell.hover(at.x, at.y);
      return;
    }
    const gap = gapOf(this.fingers);
    this.fingers.set(event.pointerId, at);
    this.travelled += Math.hypot(at.x - before.x, at.y - before.y);
    if (this.box) {
      this.box.to = at;
      this.tell.boxing(rectangle(this.box));
    } else this.pull(before, at, gap);
  }

  /** Move the plane with the finger, and zoom it by how far two are apart. */
  pull(before, at, gap) {
    const weight = this.view.zoom * this.fingers.size;
    this.shift((before.x - at.x) / weight, (at.y - before.y) / weight);
    if (this.fingers.size === 2 && gap > 0) this.zoomBy(gapOf(this.fingers) / gap, ...middleOf(this.fingers));
  }

  release(event, isWanted) {
    const at = this.fingers.get(event.pointerId);
    if (!at) return;
    this.fingers.delete(event.pointerId);
    const isClick = this.travelled < CLICK;
    if (this.box && !isClick && isWanted) this.tell.boxed(this.unitsOf(rectangle(this.box)));
    else if (isClick && isWanted) this.tell.pick(at.x, at.y);
    if (this.box) this.tell.boxing(null);
    this.box = null;
  }

  wheel(event) {
    event.preventDefault();
    const at = this.placeOf(event);
    const turned = Math.max(-MOST_WHEEL, Math.min(MOST_WHEEL, event.deltaY));
    this.zoomBy(Math.exp(-turned / WHEEL), at.x, at.y);
  }

  key(event) {
    const act = KEYS[event.key];
    if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    act(this);
  }
}

function within(place) {
  return Math.max(-STRAY, Math.min(1 + STRAY, place));
}

function gapOf(fingers) {
  if (fingers.size !== 2) return 0;
  const [a, b] = [...fingers.values()];
  return Math.hypot(a.x - b.x, a.y - b.y);
}

function middleOf(fingers) {
  const [a, b] = [...fingers.values()];
  return [(a.x + b.x) / 2, (a.y + b.y) / 2];
}

function rectangle({ from, to }) {
  return {
    left: Math.min(from.x, to.x),
    top: Math.min(from.y, to.y),
    width: Math.abs(from.x - to.x),
    height: Math.abs(from.y - to.y),
  };
}
