//! The drawing as SVG; colours follow the reader's light or dark ground.

use std::fmt::Write;

use super::blocks::{Block, Graph};
use super::layout::{BOX_WIDTH, LINE_HEIGHT, Layout, Place, body_lines, title_lines};
use crate::svg::{escaped, opened};

const STYLE: &str = "\
    text { font: 12px sans-serif; fill: #1f2328; }
    .title { font-weight: bold; }
    .place, .signal { fill: #59636e; font-size: 11px; }
    .signal { paint-order: stroke; stroke: #ffffff; stroke-width: 4px; text-anchor: middle; }
    .block { fill: #ddf4ff; stroke: #0969da; }
    .stored { fill: #fff8c5; stroke: #9a6700; }
    .port { fill: #eff2f5; stroke: #818b98; }
    .arrow { fill: none; stroke: #59636e; stroke-width: 1.3; marker-end: url(#head); }
    .back { stroke-dasharray: 5 4; }
    #head path { fill: #59636e; }
    @media (prefers-color-scheme: dark) {
      text { fill: #f0f6fc; }
      .place, .signal { fill: #b7bdc8; }
      .signal { stroke: #0d1117; }
      .block { fill: #0c2d4d; stroke: #4493f8; }
      .stored { fill: #3d2e00; stroke: #d29922; }
      .port { fill: #262c36; stroke: #9198a1; }
      .arrow { stroke: #9198a1; }
      #head path { fill: #9198a1; }
    }
";

/// Draws the graph.
pub(super) fn draw(graph: &Graph, layout: &Layout) -> String {
    let mut svg = opened(layout.width, layout.height, STYLE);
    svg += "<defs><marker id=\"head\" viewBox=\"0 0 8 8\" refX=\"8\" refY=\"4\" markerWidth=\"8\" markerHeight=\"8\" \
            orient=\"auto\"><path d=\"M0 0 L8 4 L0 8 z\"/></marker></defs>\n";
    for (key, way) in &layout.ways {
        arrow(&mut svg, way);
        let names: Vec<&str> = graph.arrows[key].iter().map(String::as_str).collect();
        signals(&mut svg, &names, way);
    }
    for (block, place) in graph.blocks.iter().zip(&layout.boxes) {
        boxed(&mut svg, block, place);
    }
    svg + "</svg>\n"
}

fn arrow(svg: &mut String, way: &[(f64, f64)]) {
    let (x, y) = way[0];
    let back = way[way.len() - 1].0 <= x;
    let mut path = format!("M{x:.0} {y:.0}");
    for pair in way.windows(2) {
        let ((x0, y0), (x1, y1)) = (pair[0], pair[1]);
        let reach = if back { 90.0 } else { (x1 - x0) / 2.0 };
        let _ = write!(path, " C{:.0} {y0:.0} {:.0} {y1:.0} {x1:.0} {y1:.0}", x0 + reach, x1 - reach);
    }
    let class = if back { "arrow back" } else { "arrow" };
    let _ = writeln!(svg, "<path class=\"{class}\" d=\"{path}\"/>");
}

/// The signals of an arrow, in the gap before the box that reads them.
fn signals(svg: &mut String, names: &[&str], way: &[(f64, f64)]) {
    let ((x0, y0), (x1, y1)) = (way[way.len() - 2], way[way.len() - 1]);
    let text = match names {
        [one] => (*one).to_owned(),
        [one, rest @ ..] => format!("{one} + {}", rest.len()),
        [] => return,
    };
    let (x, y) = (x0 + 0.5 * (x1 - x0), y0 + 0.5 * (y1 - y0) - 4.0);
    let _ = writeln!(svg, "<text class=\"signal\" x=\"{x:.0}\" y=\"{y:.0}\">{}</text>", escaped(&text));
}

fn boxed(svg: &mut String, block: &Block, place: &Place) {
    let class = match (block.is_port, block.lines.is_empty()) {
        (true, _) => "port",
        (false, true) => "block",
        (false, false) => "stored",
    };
    let Place { x, y, height } = place;
    let _ = writeln!(
        svg,
        "<rect class=\"{class}\" x=\"{x:.0}\" y=\"{y:.0}\" width=\"{BOX_WIDTH:.0}\" height=\"{height:.0}\" rx=\"6\"/>"
    );
    let mut line = y + 17.0;
    let mut text = |class: &str, text: &str| {
        let _ = writeln!(
            svg,
            "<text class=\"{class}\" x=\"{:.0}\" y=\"{line:.0}\">{}</text>",
            x + 9.0,
            escaped(text)
        );
        line += LINE_HEIGHT;
    };
    title_lines(block).iter().for_each(|title| text("title", title));
    if !block.place.is_empty() {
        text("place", &block.place);
    }
    body_lines(block).iter().for_each(|body| text("", body));
}
