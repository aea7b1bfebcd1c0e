//! Area and energy by component as stacked bars, a pair of bars an accelerator. Colours follow the reader's light or dark
//! ground.

use std::fmt::Write;

use bitmill_cost_model::{Calibration, Fit};

use super::Priced;
use crate::svg::{COLOURS, escaped, opened};

/// Colours of the first components, and paler ones of the next.
const PALE: [&str; 7] = ["#6fa8cf", "#e59a6a", "#6cc5ab", "#e0b0cb", "#f0c870", "#a4d4f2", "#bdbdbd"];
/// Components below this share of every bar are put together.
const SMALLEST_SHARE: f64 = 0.015;
const REST: &str = "others";

const WIDTH_PX: f64 = 960.0;
const NAMES_PX: f64 = 230.0;
const FIGURES_PX: f64 = 130.0;
const BAR_PX: f64 = 20.0;
const GROUP_PX: f64 = 62.0;
const TOP_PX: f64 = 52.0;
const LEGEND_ROW_PX: f64 = 20.0;
const LEGEND_COLUMNS: usize = 4;

const STYLE: &str = "\
    text { font: 12px sans-serif; fill: #1f2328; }
    .title { font-size: 14px; font-weight: bold; }
    .small { fill: #59636e; font-size: 11px; }
    rect { stroke: #ffffff; stroke-width: 0.6; }
    @media (prefers-color-scheme: dark) {
      text { fill: #f0f6fc; }
      .small { fill: #b7bdc8; }
      rect { stroke: #0d1117; }
    }
";

/// One bar: what it shows, in all, and the parts by name.
struct Bar {
    what: &'static str,
    figure: String,
    parts: Vec<(String, f64)>,
}

impl Bar {
    fn total(&self) -> f64 {
        self.parts.iter().map(|(_, size)| size).sum()
    }
}

/// The SVG text.
pub(super) fn svg(priced: &[Priced]) -> String {
    let groups: Vec<(&str, Vec<Bar>)> =
        priced.iter().map(|one| (one.cost.top.trim_start_matches("bitmill_"), bars(one))).collect();
    let names = legend(&groups);
    let rows = names.len().div_ceil(LEGEND_COLUMNS) as f64;
    let height = TOP_PX + GROUP_PX * groups.len() as f64 + LEGEND_ROW_PX * rows + 18.0;
    let mut text = opened(WIDTH_PX, height, STYLE);
    let technology = priced.first().map_or("", |one| one.technology.name.as_str());
    let error = |fit: fn(&Calibration) -> &Fit| {
        priced.first().map_or_else(String::new, |one| one.technology.error_of(fit))
    };
    let (area, energy) = (error(|calibration| &calibration.area), error(|calibration| &calibration.energy));
    let _ = write!(
        text,
        "<text class=\"title\" x=\"12\" y=\"22\">Area and energy of an inference by component, {technology}</text>\n\
         <text class=\"small\" x=\"12\" y=\"40\">area of cells {area}, energy {energy} (median)</text>\n"
    );
    let longest = |what: &str| {
        let totals = groups.iter().flat_map(|(_, bars)| bars).filter(|bar| bar.what == what).map(Bar::total);
        totals.fold(0.0, f64::max)
    };
    for (index, (name, bars)) in groups.iter().enumerate() {
        let y = TOP_PX + GROUP_PX * index as f64;
        let _ = writeln!(text, "<text x=\"12\" y=\"{:.0}\">{}</text>", y + BAR_PX * 1.3, escaped(name));
        for (place, bar) in bars.iter().enumerate() {
            let y = y + (BAR_PX + 3.0) * place as f64;
            draw(&mut text, bar, &names, y, (WIDTH_PX - NAMES_PX - FIGURES_PX) / longest(bar.what));
        }
    }
    let top = TOP_PX + GROUP_PX * groups.len() as f64 + 8.0;
    for (index, name) in names.iter().enumerate() {
        let (column, row) = (index % LEGEND_COLUMNS, index / LEGEND_COLUMNS);
        let (x, y) =
            (12.0 + column as f64 * WIDTH_PX / LEGEND_COLUMNS as f64, top + LEGEND_ROW_PX * row as f64);
        let _ = writeln!(
            text,
            "<rect x=\"{x:.0}\" y=\"{y:.0}\" width=\"12\" height=\"12\" fill=\"{}\"/><text x=\"{:.0}\" y=\"{:.0}\">{}</text>",
            colour(&names, name),
            x + 18.0,
            y + 10.5,
            escaped(name)
        );
    }
    text + "</svg>\n"
}

fn bars(priced: &Priced) -> Vec<Bar> {
    let mut area: Vec<(String, f64)> =
        priced.cost.components.iter().map(|c| (c.name.clone(), c.cost.area_um2())).collect();
    let components: f64 = area.iter().map(|(_, size)| size).sum();
    area.push((REST.to_owned(), (priced.cost.total.area_um2() - components).max(0.0)));
    let mut bars = vec![Bar {
        what: "area",
        figure: format!("{:.3} mm²", priced.cost.total.area_um2() * 1e-6),
        parts: area,
    }];
    if let Some((_, run)) = &priced.inference {
        let parts = run.components.iter().map(|c| (c.name.clone(), c.total_pj())).collect();
        bars.push(Bar { what: "energy", figure: format!("{:.3} µJ", run.total_pj() * 1e-6), parts });
    }
    bars
}

/// Components in the order of their largest share of a bar, as many as there are colours.
fn legend(groups: &[(&str, Vec<Bar>)]) -> Vec<String> {
    let mut shares: Vec<(String, f64)> = Vec::new();
    for bar in groups.iter().flat_map(|(_, bars)| bars) {
        let total = bar.total();
        for (name, size) in &bar.parts {
            let share = size / total;
            match shares.iter_mut().find(|(known, _)| known == name) {
                Some((_, largest)) => *largest = largest.max(share),
                None => shares.push((name.clone(), share)),
            }
        }
    }
    shares.retain(|(name, share)| name != REST && *share >= SMALLEST_SHARE);
    shares.sort_by(|a, b| b.1.total_cmp(&a.1));
    shares.truncate(COLOURS.len() + PALE.len() - 1);
    shares.into_iter().map(|(name, _)| name).chain([REST.to_owned()]).collect()
}

fn colour(names: &[String], name: &str) -> &'static str {
    let place = names.iter().position(|known| known == name).filter(|&place| place + 1 < names.len());
    let last = COLOURS.len() + PALE.len() - 1;
    COLOURS.iter().chain(&PALE).nth(place.unwrap_or(last)).unwrap_or(&COLOURS[0])
}

fn draw(text: &mut String, bar: &Bar, names: &[String], y: f64, px_per_unit: f64) {
    let mut x = NAMES_PX;
    let size_of = |name: &str| -> f64 {
        let is_rest = |part: &str| !names.iter().any(|known| known == part) || part == REST;
        let mine =
            bar.parts.iter().filter(|(part, _)| if name == REST { is_rest(part) } else { part == name });
        mine.map(|(_, size)| size).sum()
    };
    for name in names {
        let (size, width) = (size_of(name), size_of(name) * px_per_unit);
        if width > 0.0 {
            let share = 100.0 * size / bar.total();
            let _ = writeln!(
                text,
                "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{BAR_PX:.0}\" fill=\"{}\"><title>{}: {share:.1} % \
                 of the {}</title></rect>",
                colour(names, name),
                escaped(name),
                bar.what
            );
            x += width;
        }
    }
    let _ = writeln!(
        text,
        "<text class=\"small\" x=\"{:.0}\" y=\"{:.1}\" text-anchor=\"end\">{}</text><text x=\"{:.1}\" y=\"{:.1}\">{}</text>",
        NAMES_PX - 8.0,
        y + BAR_PX * 0.7,
        bar.what,
        x + 8.0,
        y + BAR_PX * 0.7,
        bar.figure
    );
}
