// Points by WebGL: sixty thousand of them cost one call a frame. Written here because libraries of WebGL plots build
// functions from text, which the page's Content-Security-Policy forbids.

const VERTEX = `
attribute vec2 place;
attribute vec4 colour;
uniform vec2 centre, zoom;
uniform float size;
varying vec4 shade;
void main() {
  gl_Position = colour.a == 0.0 ? vec4(2.0, 2.0, 2.0, 1.0) : vec4((place - centre) * zoom, 0.0, 1.0);
  gl_PointSize = size;
  shade = colour;
}`;
const FRAGMENT = `
precision highp float;
varying vec4 shade;
uniform float size;
uniform bool ring;
void main() {
  float away = length(gl_PointCoord - 0.5) * size;
  float outside = clamp(size * 0.5 - away, 0.0, 1.0);
  float hole = ring ? clamp(size * 0.5 - 2.5 - away, 0.0, 1.0) : 0.0;
  gl_FragColor = vec4(shade.rgb, 1.0) * shade.a * (outside - hole);
}`;

/** Points on a canvas; null where the browser has no WebGL. */
export function createPoints(canvas) {
  const options = { antialias: false, premultipliedAlpha: true, preserveDrawingBuffer: false };
  const gl = canvas.getContext("webgl2", options) ?? canvas.getContext("webgl", options);
  if (!gl) return null;
  const clouds = { points: emptyCloud(), hits: emptyCloud(), query: emptyCloud() };
  let program = prepare(gl);

  canvas.addEventListener("webglcontextlost", (event) => event.preventDefault());
  canvas.addEventListener("webglcontextrestored", () => {
    program = prepare(gl);
    for (const cloud of Object.values(clouds)) cloud.isNew = true;
    canvas.dispatchEvent(new Event("zehn-restored"));
  });

  /** Put so many points: places (x, y after one another) and colours (red, green, blue, opacity: bytes). */
  function put(name, places, colours) {
    clouds[name] = { ...clouds[name], places, colours, isNew: true };
  }

  /** Give the points other colours; opacity 0 hides one. */
  function paint(name, colours) {
    clouds[name] = { ...clouds[name], colours, isNew: true };
  }

  /** Draw all: `view` has the centre in the points' units, and pixels per unit; sizes are in pixels of the page. */
  function draw(view, sizes) {
    const dense = fit(canvas, gl);
    gl.clear(gl.COLOR_BUFFER_BIT);
    gl.useProgram(program.program);
    gl.uniform2f(program.centre, view.x, view.y);
    gl.uniform2f(program.zoom, (2 * view.zoom * dense) / canvas.width, (2 * view.zoom * dense) / canvas.height);
    drawCloud(gl, program, clouds.points, sizes.points * dense, false);
    drawCloud(gl, program, clouds.hits, sizes.hits * dense, true);
    drawCloud(gl, program, clouds.query, sizes.query * dense, true);
  }

  return { put, paint, draw };
}

function emptyCloud() {
  return { places: new Float32Array(0), colours: new Uint8Array(0), buffers: null, isNew: false };
}

function prepare(gl) {
  const program = gl.createProgram();
  for (const [kind, source] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  const isLinked = gl.getProgramParameter(program, gl.LINK_STATUS) || gl.isContextLost();
  if (!isLinked) throw new Error(gl.getProgramInfoLog(program));
  gl.enable(gl.BLEND);
  gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
  gl.clearColor(0, 0, 0, 0);
  const uniforms = ["centre", "zoom", "size", "ring"].map((name) => [name, gl.getUniformLocation(program, name)]);
  const attributes = ["place", "colour"].map((name) => [name, gl.getAttribLocation(program, name)]);
  return { program, ...Object.fromEntries(uniforms), ...Object.fromEntries(attributes) };
}

/** Keep the canvas as fine as the screen; return pixels of the screen per pixel of the page. */
function fit(canvas, gl) {
  const dense = Math.min(devicePixelRatio || 1, 2);
  const [width, height] = [Math.round(canvas.clientWidth * dense), Math.round(canvas.clientHeight * dense)];
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  gl.viewport(0, 0, canvas.width, canvas.height);
  return dense;
}

function drawCloud(gl, program, cloud, size, isRing) {
  const n = cloud.places.length / 2;
  if (n === 0) return;
  if (cloud.isNew) send(gl, cloud);
  gl.uniform1f(program.size, size);
  gl.uniform1i(program.ring, isRing ? 1 : 0);
  bind(gl, cloud.buffers.places, program.place, 2, gl.FLOAT, false);
  bind(gl, cloud.buffers.colours, program.colour, 4, gl.UNSIGNED_BYTE, true);
  gl.drawArrays(gl.POINTS, 0, n);
}

function send(gl, cloud) {
  const hasBuffers = cloud.buffers && gl.isBuffer(cloud.buffers.places); // none outlives a lost context
  if (!hasBuffers) cloud.buffers = { places: gl.createBuffer(), colours: gl.createBuffer() };
  for (const name of ["places", "colours"]) {
    gl.bindBuffer(gl.ARRAY_BUFFER, cloud.buffers[name]);
    gl.bufferData(gl.ARRAY_BUFFER, cloud[name], gl.STATIC_DRAW);
  }
  cloud.isNew = false;
}

function bind(gl, buffer, place, n, type, isNormalized) {
  gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
  gl.enableVertexAttribArray(place);
  gl.vertexAttribPointer(place, n, type, isNormalized, 0, 0);
}
