/** A picture by itself, with the colours that it has on the page now. */
function standalone(id) {
  const svg = byId(id);
  const copy = svg.cloneNode(true);
  const [, , width, height] = svg.getAttribute("viewBox").split(" ").map(Number);
  const now = getComputedStyle(document.documentElement);
  const named = ["--ground", "--panel", "--line", "--text", "--muted", "--accent", "--grid"];
  copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  copy.setAttribute("width", width);
  copy.setAttribute("height", height);
  copy.setAttribute("style", named.map((name) => `${name}:${now.getPropertyValue(name).trim()}`).join(";"));
  const rules = [...document.styleSheets[0].cssRules].filter((rule) => /^(svg|circle)/.test(rule.selectorText ?? ""));
  copy.prepend(drawn("style", {}, rules.map((rule) => rule.cssText).join("\n")));
  return { text: new XMLSerializer().serializeToString(copy), width, height };
}

function download(name, address) {
  const link = element("a", { download: name });
  link.href = address;
  link.click();
}

function save(id, kind) {
  const { text, width, height } = standalone(id);
  const address = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`;
  if (kind === "SVG") return Promise.resolve(download(`${id}.svg`, address));
  const picture = new Image();
  picture.src = address;
  return picture.decode().then(() => {
    const canvas = element("canvas", { width: 2 * width, height: 2 * height });
    canvas.getContext("2d").drawImage(picture, 0, 0, 2 * width, 2 * height);
    download(`${id}.png`, canvas.toDataURL("image/png"));
    return canvas.toDataURL("image/png").length;
  });
}

function savers() {
  for (const place of document.querySelectorAll(".save")) {
    for (const kind of ["SVG", "PNG"]) {
      const button = element("button", { title: `save as ${kind}` }, kind);
      button.addEventListener("click", () => save(place.dataset.of, kind));
      place.append(button);
    }
  }
}
