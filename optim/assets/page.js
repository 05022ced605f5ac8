"use strict";
// Draws the walks in the element `data` into the plots `surface` and `values`. Step t
// leads from point t to point t + 1; the state before it is entry t, after it t + 1.
const data = JSON.parse(document.getElementById("data").textContent);
const element = (id) => document.getElementById(id);
const slider = element("step");
const FIRST = 4; // of the surface's traces, the first that is a path
const STROKES = { solid: [9], dash: [6, 3], dot: [2, 2], dashdot: [6, 2, 2, 2] }; // px
const SHOWN = 8; // of the optimizers, so many are chosen at the beginning

let problem = data.problems[0];
let step = 0;
let timer = null;
const chosen = new Set();

const number = (v) => (v === null || v === undefined ? "–" : String(+v.toPrecision(5)));
const vector = (v) =>
  v.length === 1 ? number(v[0]) : "(" + v.map(number).join(", ") + ")";

// The optimizers that are chosen and have a walk on this problem.
const walking = () =>
  data.optimizers.filter((o) => chosen.has(o.name) && problem.walks[o.name]);
const stepsOf = (walk) => walk.x.length - 1;
const last = () =>
  Math.max(0, ...Object.values(problem.walks).map((walk) => stepsOf(walk)));

// What one step computes: pairs of a name and its numbers.
function arithmetic(walk, t) {
  const rows = [["theta", vector(walk.x[t])], ["f(theta)", number(walk.f[t])]];
  if (t >= stepsOf(walk)) return rows.concat([["", "the end of the path"]]);
  rows.push(["gradient g", vector(walk.g[t])]);
  for (const [name, kept] of Object.entries(walk.state)) {
    rows.push([name, vector(kept[t]) + " → " + vector(kept[t + 1])]);
  }
  const rate = walk.u[t].map((u, i) => {
    const g = walk.g[t][i];
    return u === null || !g ? null : -u / g;
  });
  rows.push(["update u", vector(walk.u[t])]);
  rows.push(["effective rate −u/g", vector(rate)]);
  rows.push(["next theta = theta + u", vector(walk.x[t + 1])]);
  return rows;
}

const hover = (name, walk, t) =>
  [`<b>${name}</b>, step ${t}`]
    .concat(arithmetic(walk, t).map(([k, v]) => (k ? `${k}: ${v}` : v)))
    .join("<br>");

const place = (walk) =>
  problem.bounds.length === 1
    ? { x: walk.x.map((p) => p[0]), y: walk.f }
    : { x: walk.x.map((p) => p[0]), y: walk.x.map((p) => p[1]) };

const look = (o) => ({ color: o.colour, width: 2, dash: o.dash });

// Two traces for an optimizer: the path so far, and its end.
function pathsOf(o) {
  const walk = problem.walks[o.name];
  const { x, y } = place(walk);
  const t = Math.min(step, stepsOf(walk));
  const text = walk.x.map((_, i) => hover(o.name, walk, i));
  const common = { type: "scatter", hoverinfo: "text", name: o.name };
  const point = { color: o.colour, line: { color: "white", width: 1.5 } };
  return [
    { ...common, x: x.slice(0, t + 1), y: y.slice(0, t + 1), text: text.slice(0, t + 1),
      mode: "lines+markers", line: look(o), marker: { color: o.colour, size: 4 } },
    { ...common, x: [x[t]], y: [y[t]], text: [text[t]], mode: "markers",
      marker: { ...point, size: 12 } },
  ];
}

function valuesOf(o) {
  const walk = problem.walks[o.name];
  const t = Math.min(step, stepsOf(walk));
  const common = { type: "scatter", hoverinfo: "x+y+name", name: o.name };
  const steps = walk.above.map((_, i) => i);
  return [
    { ...common, x: steps, y: walk.above, mode: "lines", line: look(o) },
    { ...common, x: [t], y: [walk.above[t]], mode: "markers",
      marker: { color: o.colour, size: 10, line: { color: "white", width: 1.5 } } },
  ];
}

// Everything anew: for another problem or other optimizers.
function draw() {
  slider.max = last();
  const flat = problem.bounds.length === 1;
  const plot = element("surface");
  const [contour, curve, minima, start] = plot.data.slice(0, FIRST);
  const shown = walking();
  const first = Object.values(problem.walks)[0];
  const begin = place(first);
  Object.assign(contour, { visible: !flat, x: problem.axes[0] },
    flat ? { y: [], z: [] } : { y: problem.axes[1], z: problem.height });
  Object.assign(contour, { zmin: problem.levels.start, zmax: problem.levels.end });
  Object.assign(contour.contours, problem.levels);
  Object.assign(curve, flat ? { x: problem.axes[0], y: problem.height } : { x: [], y: [] });
  Object.assign(minima, {
    x: problem.minima.map((m) => m[0]), y: problem.minima.map((m) => m[1]) });
  Object.assign(start, { x: [begin.x[0]], y: [begin.y[0]] });
  const layout = plot.layout;
  layout.xaxis.range = [...problem.bounds[0]];
  layout.xaxis.autorange = false;
  layout.yaxis.title.text = flat ? "f(x)" : "y";
  layout.yaxis.autorange = flat;
  if (!flat) layout.yaxis.range = [...problem.bounds[1]];
  layout.uirevision = problem.name; // a zoom lasts as long as the problem
  Plotly.react(plot, [contour, curve, minima, start, ...shown.flatMap(pathsOf)], layout);
  const values = element("values");
  values.layout.xaxis.range = [0, last()];
  values.layout.yaxis.autorange = true;
  Plotly.react(values, shown.flatMap(valuesOf), values.layout);
  tell();
}

// Another step of the same paths: only what moves.
function move(to) {
  step = Math.max(0, Math.min(to, last()));
  const shown = walking();
  const columns = (traces, ...keys) =>
    Object.fromEntries(keys.map((key) => [key, traces.map((trace) => trace[key])]));
  if (shown.length) {
    const paths = shown.flatMap(pathsOf);
    Plotly.restyle("surface", columns(paths, "x", "y", "text"),
      paths.map((_, i) => FIRST + i));
    const ends = shown.map((o) => valuesOf(o)[1]);
    Plotly.restyle("values", columns(ends, "x", "y"), ends.map((_, i) => 2 * i + 1));
  }
  tell();
}

// The step in figures: its number, and the arithmetic of each optimizer.
function tell() {
  slider.value = step;
  element("shown").textContent = `step ${step} of ${last()}`;
  element("arithmetic").replaceChildren(...walking().map((o) => {
    const walk = problem.walks[o.name];
    const make = (tag, text = "", ...children) => {
      const made = document.createElement(tag);
      made.textContent = text;
      made.append(...children);
      return made;
    };
    const rows = arithmetic(walk, Math.min(step, stepsOf(walk)));
    const table = make("table", "", ...rows.map(([name, value]) =>
      make("tr", "", make("th", name), make("td", value))));
    const title = make("h2", o.name + " ", make("small", walk.about));
    const card = make("article", "", title, make("pre", o.formula), table);
    card.style.borderTopColor = o.colour;
    return card;
  }));
}

function stop() {
  clearInterval(timer);
  timer = null;
  element("play").textContent = "Play";
}

function play() {
  if (step >= last()) move(0);
  element("play").textContent = "Pause";
  timer = setInterval(() => {
    if (step >= last()) stop();
    else move(step + 1);
  }, 1000 / Number(element("speed").value));
}

// A line as it is drawn, as the background of a box.
function stroke(o) {
  let end = 0;
  const stops = STROKES[o.dash].map((length, i) => {
    const colour = i % 2 ? "transparent" : o.colour;
    return `${colour} ${end}px ${(end += length)}px`;
  });
  return `repeating-linear-gradient(to right, ${stops.join(", ")})`;
}

data.problems.forEach((p, i) => element("problem").add(new Option(p.title, i)));
data.optimizers.forEach((o, i) => {
  const box = document.createElement("input");
  box.type = "checkbox";
  box.value = o.name;
  box.checked = i < SHOWN;
  if (box.checked) chosen.add(o.name);
  box.addEventListener("change", () => {
    if (box.checked) chosen.add(o.name);
    else chosen.delete(o.name);
    draw();
  });
  const swatch = document.createElement("span");
  swatch.className = "swatch";
  swatch.style.background = stroke(o);
  const label = document.createElement("label");
  label.append(box, swatch, o.name);
  element("optimizers").append(label);
});
element("problem").addEventListener("change", (event) => {
  problem = data.problems[event.target.value];
  step = last();
  draw();
});
slider.addEventListener("input", () => { stop(); move(Number(slider.value)); });
element("play").addEventListener("click", () => (timer === null ? play() : stop()));
element("back").addEventListener("click", () => { stop(); move(step - 1); });
element("forth").addEventListener("click", () => { stop(); move(step + 1); });
element("speed").addEventListener("change", () => {
  if (timer !== null) { stop(); play(); }
});
step = last(); // whole paths first; playing begins at the start
draw();
element("surface").on("plotly_click", (event) => {
  const point = event.points[0];
  if (point.curveNumber < FIRST) return;
  stop();
  // The odd traces are ends, which stand at the step already.
  if ((point.curveNumber - FIRST) % 2 === 0) move(point.pointIndex);
});
