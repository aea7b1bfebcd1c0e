const front = new Set(data.front);
const isNumber = data.columns.map((_, c) => data.rows.some((r) => r[c] !== "") && data.rows.every((r) => r[c] === "" || isFinite(r[c])));
const objectiveColumns = data.objectives.map((o) => data.columns.indexOf(o.column));
let chosen = data.knee;

function summary() {
  document.title = byId("title").textContent = data.title;
  byId("subtitle").textContent = `Objectives: ${data.objectives.map((o) => o.name).join(", ")}. Technology: ${data.technologies.join(", ")}.`;
  const cards = [
    [grouped(data.rows.length), "points"],
    [grouped(data.front.length), "on the front"],
    [`${(100 * data.hypervolume).toFixed(1)} %`, "of the space dominated"],
    [grouped(data.refused.count), "not legal"],
    [data.rows[data.knee][0], "knee of the front"],
  ];
  for (const [figure, label] of cards) {
    const card = element("div", { class: "card" });
    card.append(element("b", {}, figure), element("span", {}, label));
    byId("cards").append(card);
  }
  const known = Object.keys(data.details).length;
  const missing = known < data.front.length ? ` What stands behind points is kept for ${known} of the front, the knee and those nearest to the best values.` : "";
  const refused = data.refused.first ? ` First point that is not legal: ${data.refused.first}.` : "";
  byId("limits").textContent = data.limits + refused + missing;
  byId("again").textContent = `${data.command}    # in the folder of this page, with the network's files beside it`;
}

function choices() {
  const numbers = data.columns.map((c, i) => i).filter((i) => isNumber[i]);
  for (const [id, columns, start] of [
    ["x", numbers, objectiveColumns[0]],
    ["y", numbers, objectiveColumns[objectiveColumns.length - 1]],
    ["colour", data.columns.map((c, i) => i).slice(1), data.colour],
  ]) {
    for (const column of columns) byId(id).append(new Option(data.columns[column], column, false, column === start));
    byId(id).addEventListener("change", plot);
  }
  for (const id of ["only", "bars"]) byId(id).addEventListener("change", plot);
  byId("all").addEventListener("change", table);
  byId("filter").addEventListener("input", table);
}

/** Between which values a point of the front lies by the errors of the calibration. */
function range(point, column) {
  return data.details[point]?.ranges[data.columns[column]];
}

/** The axis of a column; by factors where all values are positive and the largest is far from the smallest. */
function axis(column, from, to, count) {
  const values = data.rows.map((r) => r[column]).filter((v) => v !== "").map(Number);
  for (const point of data.front) values.push(...(range(point, column) ?? []));
  const [low, high] = [values.reduce((a, b) => Math.min(a, b)), values.reduce((a, b) => Math.max(a, b))];
  const isLog = low > 0 && high / low > 8;
  const room = isLog ? (high / low) ** 0.05 : (high - low || Math.abs(high) || 1) * 0.05;
  return isLog ? scale(low / room, high * room, from, to, true, count) : scale(low - room, high + room, from, to, false, count);
}

function plot() {
  const [x, y, colour] = ["x", "y", "colour"].map((id) => Number(byId(id).value));
  const height = Math.min(520, Math.max(340, byId("plot").clientWidth * 0.64));
  const { svg, width } = cleared("plot", height);
  const [left, right, top, bottom] = [66, width - 16, 14, height - 50];
  const [across, up] = [axis(x, left, right, width / 110), axis(y, bottom, top, 6)];
  axes(svg, across, up, [data.columns[x], data.columns[y]], [left, right, top, bottom]);
  const kinds = [...new Set(data.rows.map((r) => r[colour]))];
  const shade = (kind) => colours[Math.min(kinds.indexOf(kind), colours.length - 1)];
  const order = data.rows.map((_, i) => i).filter((i) => front.has(i) || !byId("only").checked);
  // The front is drawn last, so that nothing hides it.
  order.sort((a, b) => front.has(a) - front.has(b));
  for (const i of order) {
    const row = data.rows[i];
    if (row[x] === "" || row[y] === "") continue;
    const [cx, cy] = [across.pixel(Number(row[x])), up.pixel(Number(row[y]))];
    if (front.has(i) && byId("bars").checked) bars(svg, i, [x, y], [across, up], [cx, cy]);
    const mark = drawn("circle", {
      cx, cy, r: front.has(i) ? 6 : 3.5, fill: shade(row[colour]),
      "fill-opacity": front.has(i) ? 1 : 0.4, class: front.has(i) ? "front" : "", "data-point": i,
    });
    mark.append(drawn("title", {}, row[0]));
    mark.addEventListener("click", () => choose(i));
    svg.append(mark);
  }
  byId("legend").replaceChildren(...kinds.slice(0, colours.length).map((kind, k) => {
    const entry = element("span");
    entry.append(element("i", { style: `background:${colours[k]}` }), k === colours.length - 1 && kinds.length > colours.length ? "others" : kind || "-");
    return entry;
  }));
  mark();
}

/** Bars over the ranges of a point. */
function bars(svg, point, [x, y], [across, up], [cx, cy]) {
  const [wide, tall] = [range(point, x), range(point, y)];
  const line = (x1, y1, x2, y2) => svg.append(drawn("line", { class: "bar", x1, y1, x2, y2 }));
  if (wide) {
    const [from, to] = wide.map(across.pixel);
    line(from, cy, to, cy);
    for (const end of [from, to]) line(end, cy - 3, end, cy + 3);
  }
  if (tall) {
    const [from, to] = tall.map(up.pixel);
    line(cx, from, cx, to);
    for (const end of [from, to]) line(cx - 3, end, cx + 3, end);
  }
}

function mark() {
  for (const circle of document.querySelectorAll("#plot circle")) circle.classList.toggle("chosen", Number(circle.dataset.point) === chosen);
  for (const row of document.querySelectorAll("#points tbody tr")) row.classList.toggle("chosen", Number(row.dataset.key) === chosen);
}

const sorted = { column: objectiveColumns[0], descending: false, most: 500, after: mark };

function table() {
  const part = byId("filter").value.toLowerCase();
  const points = (byId("all").checked ? data.rows.map((_, i) => i) : data.front).filter((i) => data.rows[i][0].toLowerCase().includes(part));
  byId("shown").textContent = points.length > sorted.most ? `the first ${sorted.most} of ${points.length}` : `${points.length} points`;
  fill("points", data.columns, points.map((i) => [i, data.rows[i]]), sorted, choose);
}
