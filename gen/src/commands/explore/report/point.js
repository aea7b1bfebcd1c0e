/** Marks a layer in the table and in the pictures, and says where its cycles went. */
function markLayer(layer) {
  marked = layer;
  if (byId("zoom").checked) timeline(data.details[chosen]);
  showMarked();
}

function showMarked() {
  for (const id of ["timeline", "roofline"]) {
    byId(id).classList.toggle("has-marked", marked !== null);
    for (const shape of byId(id).querySelectorAll(".layer")) shape.classList.toggle("marked", Number(shape.dataset.layer) === marked);
  }
  for (const row of document.querySelectorAll("#layers tbody tr")) row.classList.toggle("chosen", Number(row.dataset.key) === marked);
  byId("explanation").hidden = marked === null;
  byId("explanation").textContent = marked === null ? "" : data.details[chosen].explanations[marked];
}

/** Shows a point: its figures beside the plot, and what stands behind them below. */
function choose(i) {
  chosen = i;
  marked = null;
  const [name, detail] = [data.rows[i][0], data.details[i]];
  const list = element("dl");
  data.columns.forEach((column, c) => {
    if (c === 0 || data.rows[i][c] === "") return;
    const figure = element("dd", {}, data.rows[i][c]);
    const ends = range(i, c);
    if (ends && ends[0] < ends[1]) figure.append(element("small", {}, `${ends[0].toPrecision(3)} to ${ends[1].toPrecision(3)}`));
    list.append(element("dt", {}, column), figure);
  });
  const standing = i === data.knee ? "The knee of the front." : front.has(i) ? "On the front." : "Not on the front.";
  const below = element("a", {}, "Layers, timeline, costs ↓");
  below.addEventListener("click", () => byId("point").scrollIntoView({ behavior: "smooth" }));
  byId("details").replaceChildren(element("h3", {}, name), element("p", { class: "note" }, standing), list, ...(detail ? [below] : []));
  byId("name").textContent = name;
  const missing = " What stands behind a point is kept for the front; of others, `bitmill simulate`, `cost` and `explain` tell it.";
  byId("standing").textContent = standing + (detail ? "" : missing);
  byId("behind").hidden = !detail;
  if (detail) behind(detail);
  mark();
}

function behind(detail) {
  const keyed = (rows) => rows.map((row, r) => [r, row]);
  fill("layers", detail.layers.headings, keyed(detail.layers.rows), { after: showMarked }, (layer) => markLayer(layer === marked ? null : layer));
  for (const id of ["components", "energies", "formats"]) fill(id, detail[id].headings, keyed(detail[id].rows), {});
  byId("totals").textContent = detail.totals.trimEnd();
  byId("configuration").textContent = detail.configuration.trimEnd();
  byId("commands").textContent = detail.commands.join("\n");
  pictures(detail);
}

function pictures(detail) {
  timeline(detail);
  roofline(detail);
  breakdown(detail);
}
