const data = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);
// Okabe and Ito's colours, which most people can tell apart; the last stands for all further values.
const colours = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7b61c4", "#8c8c8c"];
const grouped = (number) => Number(number).toLocaleString("en");
const numberOf = (text) => Number(String(text).replaceAll(",", ""));

function element(tag, attributes = {}, text = "") {
  const made = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.textContent = text;
  return made;
}

function drawn(tag, attributes, text = "") {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.textContent = text;
  return made;
}

/** An empty picture as wide as the page gives it room. */
function cleared(id, height) {
  const svg = byId(id);
  const width = Math.max(300, svg.clientWidth);
  svg.replaceChildren();
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  return { svg, width };
}

/** Round numbers between two values, about as many as asked for. */
function round(low, high, count) {
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((k) => k * power).find((s) => s >= rough * 0.999);
  const decimals = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  const ticks = [];
  for (let k = Math.ceil(low / step); k * step <= high; k++) ticks.push(Number((k * step).toFixed(decimals)));
  return ticks;
}

/** 1, 2 and 5 times powers of ten between two values; powers alone where those are too many, round numbers where too few. */
function factors(low, high, count) {
  const of = (digits) => {
    const ticks = [];
    for (let e = Math.floor(Math.log10(low)); e <= Math.log10(high); e++) {
      for (const k of digits) ticks.push(Number((k * 10 ** e).toPrecision(1)));
    }
    return ticks.filter((t) => t >= low && t <= high);
  };
  const [many, some] = [of([1, 2, 5]), of([1])];
  if (many.length <= 3) return round(low, high, count);
  return many.length > 1.7 * count && some.length > 2 ? some : many;
}

/** From values to pixels between `from` and `to`, by factors where `isLog`. */
function scale(low, high, from, to, isLog, count) {
  const place = (v) => (isLog ? Math.log10(v) : v);
  const [start, end] = [place(low), place(high)];
  const pixel = (v) => from + ((to - from) * (place(v) - start)) / (end - start || 1);
  return { pixel, ticks: isLog ? factors(low, high, count) : round(low, high, count) };
}

/** Lines, figures and names of two axes. */
function axes(svg, across, up, names, field) {
  const [left, right, top, bottom] = field;
  for (const t of across.ticks) {
    const p = across.pixel(t);
    svg.append(drawn("line", { class: "grid", x1: p, x2: p, y1: top, y2: bottom }));
    svg.append(drawn("text", { x: p, y: bottom + 17, "text-anchor": "middle" }, grouped(t)));
  }
  for (const t of up.ticks) {
    const p = up.pixel(t);
    svg.append(drawn("line", { class: "grid", x1: left, x2: right, y1: p, y2: p }));
    svg.append(drawn("text", { x: left - 7, y: p + 4, "text-anchor": "end" }, grouped(t)));
  }
  const middle = (top + bottom) / 2;
  svg.append(drawn("text", { class: "name", x: (left + right) / 2, y: bottom + 38, "text-anchor": "middle" }, names[0]));
  svg.append(drawn("text", { class: "name", x: 15, y: middle, transform: `rotate(-90 15 ${middle})`, "text-anchor": "middle" }, names[1]));
}

/** A table whose columns sort by a click. Entries are pairs of a key and cells; `state` keeps how it is sorted. */
function fill(id, headings, entries, state, choose) {
  const table = byId(id);
  const isNumber = headings.map((_, c) => {
    const cells = entries.map(([, cells]) => cells[c]).filter((cell) => cell !== "" && cell !== "-");
    return cells.length > 0 && cells.every((cell) => isFinite(numberOf(cell)));
  });
  const head = element("tr");
  headings.forEach((name, c) => {
    const cell = element("th", { class: isNumber[c] ? "" : "text" }, name);
    if (c === state.column) cell.setAttribute("aria-sort", state.descending ? "descending" : "ascending");
    cell.addEventListener("click", () => {
      state.descending = c === state.column && !state.descending;
      state.column = c;
      fill(id, headings, entries, state, choose);
    });
    head.append(cell);
  });
  const { column, descending } = state;
  const compare = isNumber[column] ? (a, b) => numberOf(a) - numberOf(b) : (a, b) => a.localeCompare(b);
  const order = entries.map((_, i) => i);
  if (column !== undefined) {
    order.sort((a, b) => (descending ? -1 : 1) * compare(entries[a][1][column], entries[b][1][column]) || a - b);
  }
  const body = element("tbody");
  for (const [key, cells] of order.slice(0, state.most).map((i) => entries[i])) {
    const row = element("tr", { "data-key": key });
    cells.forEach((cell, c) => row.append(element("td", { class: isNumber[c] ? "" : "text" }, cell)));
    if (choose) row.addEventListener("click", () => choose(key));
    body.append(row);
  }
  const thead = element("thead");
  thead.append(head);
  table.classList.toggle("clickable", Boolean(choose));
  table.replaceChildren(thead, body);
  state.after?.();
}
