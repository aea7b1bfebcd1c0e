let marked = null;

const shadeOf = (layer) => colours[layer % (colours.length - 1)];
const layerNames = (detail) => detail.layers.rows.map((row) => row[1]);

/** A mark of a layer, which is marked everywhere by a click. */
function ofLayer(shape, layer, title) {
  shape.classList.add("layer");
  shape.dataset.layer = layer;
  shape.append(drawn("title", {}, title));
  shape.addEventListener("click", () => markLayer(layer === marked ? null : layer));
  return shape;
}

/** Layers, and the queues at work for them, over cycles. */
function timeline(detail) {
  const names = layerNames(detail);
  const rows = ["layers", ...detail.queues];
  const [band, gap, top] = [26, 8, 10];
  const height = top + rows.length * (band + gap) + 46;
  const { svg, width } = cleared("timeline", height);
  const [left, right, bottom] = [66, width - 14, top + rows.length * (band + gap)];
  let end = 0;
  const layers = detail.run.map(([, cycles], layer) => [0, layer, end, (end += cycles), 1]);
  const queues = detail.spans.map(([queue, ...rest]) => [queue + 1, ...rest]);
  let [from, to] = [0, end];
  if (byId("zoom").checked && marked !== null) {
    const own = [...layers, ...queues].filter(([, layer]) => layer === marked);
    [from, to] = [Math.min(...own.map((s) => s[2])), Math.max(...own.map((s) => s[3]))];
    [from, to] = [Math.max(0, from - (to - from) * 0.03), Math.min(end, to + (to - from) * 0.03)];
  }
  const across = scale(from, to, left, right, false, Math.max(2, width / 120));
  axes(svg, across, { ticks: [] }, ["cycles", ""], [left, right, top, bottom]);
  rows.forEach((row, r) => svg.append(drawn("text", { x: left - 8, y: top + r * (band + gap) + band / 2 + 4, "text-anchor": "end" }, row)));
  for (const [row, layer, start, done, commands] of [...layers, ...queues]) {
    if (done <= start && row > 0) continue;
    const [a, b] = [start, done].map((cycle) => across.pixel(Math.min(to, Math.max(from, cycle))));
    const what = row === 0 ? "" : `, ${rows[row]} queue: ${grouped(commands)} command${commands === 1 ? "" : "s"}`;
    const title = `${layer + 1} ${names[layer]}${what}\ncycles ${grouped(start)} to ${grouped(done)} (${grouped(done - start)})`;
    const y = top + row * (band + gap);
    const isOutside = done < from || start > to;
    const shape = drawn("rect", { class: `span row${row}`, x: a, y, width: isOutside ? 0 : Math.max(0.7, b - a - 0.6), height: band, fill: shadeOf(layer), rx: 1.5 });
    svg.append(ofLayer(shape, layer, title));
    const label = b - a > 7 * names[layer].length + 8 ? names[layer] : b - a > 20 ? layer + 1 : "";
    if (row === 0 && label !== "") svg.append(drawn("text", { class: "within", x: (a + b) / 2, y: y + band / 2 + 4, "text-anchor": "middle" }, label));
  }
  showMarked();
}

/** Layers below the machine's two limits. */
function roofline(detail) {
  const names = layerNames(detail);
  const height = 340;
  const { svg, width } = cleared("roofline", height);
  const [left, right, top, bottom] = [62, width - 14, 14, height - 50];
  const { peak_macs: peak, bytes_per_cycle: pace } = detail;
  const layers = detail.run.map(([macs, cycles, bytes], layer) => ({ layer, cycles, macs, bytes })).filter((l) => l.macs > 0 && l.cycles > 0);
  const ridge = peak / pace;
  const intensities = [ridge, ...layers.filter((l) => l.bytes > 0).map((l) => l.macs / l.bytes)];
  const [low, high] = [Math.min(...intensities) / 2.5, Math.max(...intensities) * 4];
  const slowest = Math.min(peak / 30, ...layers.map((l) => l.macs / l.cycles / 1.6));
  const across = scale(low, high, left, right, true, width / 90);
  const up = scale(slowest, peak * 1.7, bottom, top, true, 6);
  axes(svg, across, up, ["multiply-accumulates a byte", "multiply-accumulates a cycle"], [left, right, top, bottom]);
  const foot = Math.max(low, slowest / pace);
  const roof = [[foot, foot * pace], [ridge, peak], [high, peak]].map(([x, y]) => `${across.pixel(x)},${up.pixel(y)}`);
  svg.append(drawn("polyline", { class: "roof", points: roof.join(" ") }));
  svg.append(drawn("text", { x: right - 4, y: up.pixel(peak) - 7, "text-anchor": "end" }, `array: ${grouped(peak)} a cycle`));
  const slope = (Math.atan2(up.pixel(peak) - up.pixel(foot * pace), across.pixel(ridge) - across.pixel(foot)) * 180) / Math.PI;
  const [mx, my] = [across.pixel(Math.sqrt(foot * ridge)), up.pixel(Math.sqrt(foot * ridge) * pace)];
  svg.append(drawn("text", { x: mx, y: my - 7, transform: `rotate(${slope} ${mx} ${my})`, "text-anchor": "middle" }, `memory: ${grouped(pace)} bytes a cycle`));
  const all = layers.reduce((sum, l) => sum + l.cycles, 0);
  const labels = [];
  for (const { layer, macs, cycles, bytes } of layers.sort((a, b) => b.cycles - a.cycles)) {
    const [cx, cy] = [bytes > 0 ? across.pixel(macs / bytes) : right - 3, up.pixel(macs / cycles)];
    const r = 3.5 + 9 * Math.sqrt(cycles / all);
    const title = `${layer + 1} ${names[layer]}\n${(macs / cycles).toFixed(1)} multiply-accumulates a cycle (${((100 * macs) / cycles / peak).toFixed(1)} %), ${bytes > 0 ? (macs / bytes).toFixed(1) + " a byte" : "no traffic"}`;
    svg.append(ofLayer(drawn("circle", { cx, cy, r, fill: shadeOf(layer), "fill-opacity": 0.85 }), layer, title));
    const [x, y] = bytes > 0 ? [cx + r + 3, cy + 4] : [cx - r - 3, cy + 4];
    // A number that would hide another is left to the title.
    if (labels.some((other) => Math.abs(other[0] - x) < 15 && Math.abs(other[1] - y) < 11)) continue;
    labels.push([x, y]);
    const anchor = bytes > 0 ? "start" : "end";
    svg.append(drawn("text", { class: "number", x, y, "text-anchor": anchor }, layer + 1));
  }
  showMarked();
}

/** Area and energy by component, as two bars of the same parts. */
function breakdown(detail) {
  const totals = [["area", detail.area_um2, (sum) => `${(sum * 1e-6).toPrecision(3)} mm²`, "area_mm2"], ["energy", detail.energy_pj, (sum) => `${(sum * 1e-6).toPrecision(3)} µJ`, "energy_uj"]];
  const shares = new Map();
  for (const [, parts] of totals) {
    const sum = parts.reduce((all, [, size]) => all + size, 0);
    for (const [name, size] of parts) shares.set(name, [...(shares.get(name) ?? []), size / sum]);
  }
  const ordered = [...shares].sort((a, b) => Math.max(...b[1]) - Math.max(...a[1])).map(([name]) => name);
  const named = ordered.slice(0, colours.length - 1);
  const { svg, width } = cleared("breakdown", 150);
  const [left, right] = [14, width - 14];
  totals.forEach(([what, parts, figure, column], row) => {
    const sum = parts.reduce((all, [, size]) => all + size, 0);
    const error = detail.ranges[column] ? `, ± ${((50 * (detail.ranges[column][1] - detail.ranges[column][0])) / (sum * 1e-6)).toFixed(1)} %` : "";
    svg.append(drawn("text", { class: "name", x: left, y: 26 + row * 64 }, `${what}: ${figure(sum)}${error}`));
    let x = left;
    const sizes = new Map(parts);
    const rest = parts.filter(([name]) => !named.includes(name)).reduce((all, [, size]) => all + size, 0);
    for (const [name, size] of [...named.map((name) => [name, sizes.get(name) ?? 0]), ["others", rest]]) {
      const wide = ((right - left) * Math.max(0, size)) / sum;
      const colour = colours[name === "others" ? colours.length - 1 : named.indexOf(name)];
      const part = drawn("rect", { class: "part", x, y: 34 + row * 64, width: wide, height: 24, fill: colour });
      part.append(drawn("title", {}, `${name}: ${((100 * size) / sum).toFixed(1)} % of the ${what}`));
      svg.append(part);
      x += wide;
    }
  });
  byId("parts").replaceChildren(...[...named, "others"].map((name, k) => {
    const entry = element("span");
    const colour = colours[name === "others" ? colours.length - 1 : k];
    entry.append(element("i", { style: `background:${colour}` }), name.replace(/^i_/, ""));
    return entry;
  }));
}
