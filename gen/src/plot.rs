//! The picture of a sweep: every point, and the front among them. Colours follow the reader's light or dark ground.
//!
//! Two panels over one legend. Where latency is no objective and accuracy is one, both show accuracy: against area
//! and against energy. Else energy against latency, and accuracy (energy where it is not known) against area. Colour and
//! shape of a mark are the kind of PE where there are several, and points then bear the names of their formats;
//! else they are the precision. The size is the array. Points of the front are filled; the line is the front of the
//! panel's two axes alone.

mod axis;
mod labels;

use std::collections::HashSet;
use std::error::Error;
use std::fmt::Write;

use bitmill_explore::pareto::front;
use bitmill_explore::{Objective, Point, Sweep};

use crate::svg::{COLOURS, escaped, opened};
use axis::Axis;
use labels::{Label, Rectangle, placed};

const WIDTH_PX: f64 = 1200.0;
const PANEL_PX: (f64, f64) = (600.0, 460.0);
/// Left, right, above and below the field of a panel.
const MARGINS_PX: (f64, f64, f64, f64) = (74.0, 22.0, 12.0, 54.0);
const LEGEND_ROW_PX: f64 = 24.0;
const LINE_PX: f64 = 17.0;
/// Points that may bear names before these hide each other.
const MOST_NAMES: usize = 40;
/// Marks that may bear a title, which a browser shows beneath the pointer, before the picture becomes large.
const MOST_TITLES: usize = 2000;
/// Letters of a line of notes.
const NOTE_LETTERS: usize = 170;

const STYLE: &str = "\
    text { font: 13px sans-serif; fill: #1f2328; }
    .title { font-size: 17px; font-weight: bold; }
    .small, .tick { fill: #59636e; font-size: 12px; }
    .name { font-size: 11.5px; paint-order: stroke; stroke: #ffffff; stroke-width: 3px; }
    .ground { fill: #ffffff; }
    .grid { stroke: #d1d9e0; stroke-width: 1; }
    .front { fill: none; stroke: #818b98; stroke-width: 1.6; stroke-dasharray: 6 4; }
    .full { fill-opacity: 0.95; stroke-width: 0; }
    .open { fill-opacity: 0.12; stroke-width: 1.4; }
    @media (prefers-color-scheme: dark) {
      text { fill: #f0f6fc; }
      .small, .tick { fill: #b7bdc8; }
      .name { stroke: #0d1117; }
      .ground { fill: #0d1117; }
      .grid { stroke: #2a313c; }
    }
";

/// The SVG text.
///
/// # Errors
/// Only on our own bugs.
pub fn svg(sweep: &Sweep, title: &str) -> Result<String, Box<dyn Error>> {
    let look = Look::of(sweep);
    let notes = wrapped(&notes(sweep, &look)?);
    let rows = rows(&look.groups);
    let top = 34.0 + LINE_PX * notes.len() as f64;
    let height = top + PANEL_PX.1 + LEGEND_ROW_PX * rows.len() as f64 + 12.0;
    let mut text = opened(WIDTH_PX, height, &(STYLE.to_owned() + &colours(look.groups.len())));
    writeln!(text, "<rect class=\"ground\" width=\"{WIDTH_PX:.0}\" height=\"{height:.0}\"/>")?;
    writeln!(text, "<text class=\"title\" x=\"20\" y=\"28\">{}</text>", escaped(title))?;
    for (line, note) in notes.iter().enumerate() {
        let y = 48.0 + LINE_PX * line as f64;
        writeln!(text, "<text class=\"small\" x=\"20\" y=\"{y:.0}\">{}</text>", escaped(note))?;
    }
    for (place, objectives) in panels(sweep).into_iter().enumerate() {
        panel(&mut text, sweep, &look, objectives, (PANEL_PX.0 * place as f64, top))?;
    }
    for (row, entries) in rows.iter().enumerate() {
        let y = top + PANEL_PX.1 + LEGEND_ROW_PX * row as f64 + 6.0;
        for (index, x) in entries {
            text += &mark(*index, (x + 8.0, y), 6.0, true, Some(&look.groups[*index]));
            writeln!(
                text,
                "<text x=\"{:.0}\" y=\"{:.0}\">{}</text>",
                x + 22.0,
                y + 4.5,
                look.groups[*index]
            )?;
        }
    }
    Ok(text + "</svg>\n")
}

/// What each panel shows, across and upwards.
fn panels(sweep: &Sweep) -> [[Objective; 2]; 2] {
    use Objective::{Accuracy, Area, Energy, Latency};
    let has = |objective| sweep.objectives.contains(&objective);
    match (has(Accuracy), has(Latency)) {
        (true, false) => [[Area, Accuracy], [Energy, Accuracy]],
        (true, true) => [[Latency, Energy], [Area, Accuracy]],
        (false, _) => [[Latency, Energy], [Area, Energy]],
    }
}

/// What colour, shape, size and name of a mark stand for.
struct Look {
    /// Kinds of PE or precisions, in the order of the sweep.
    groups: Vec<String>,
    /// The group of each point.
    group: Vec<usize>,
    /// Names of the points, where they bear some.
    names: Option<Vec<String>>,
    /// Fewest and most multiply-accumulates a cycle.
    macs: (f64, f64),
}

impl Look {
    fn of(sweep: &Sweep) -> Look {
        let by = |of: fn(&Point) -> String| -> (Vec<String>, Vec<usize>) {
            let mut groups: Vec<String> = Vec::new();
            let group = sweep.points.iter().map(|point| {
                let name = of(point);
                groups.iter().position(|known| *known == name).unwrap_or_else(|| {
                    groups.push(name);
                    groups.len() - 1
                })
            });
            let group = group.collect();
            (groups, group)
        };
        let kinds = by(|point| point.configuration.pe.kind.clone());
        let has_kinds = kinds.0.len() > 1;
        let (groups, group) = if has_kinds { kinds } else { by(|p| p.configuration.precision.label()) };
        let has_names = has_kinds && sweep.points.len() <= MOST_NAMES;
        let names = has_names.then(|| sweep.points.iter().map(formats).collect());
        let macs = || sweep.points.iter().map(macs);
        Look {
            groups,
            group,
            names,
            macs: (macs().fold(f64::INFINITY, f64::min), macs().fold(0.0, f64::max)),
        }
    }

    /// Radius in pixels, by the array's multiply-accumulates a cycle: the logarithm, from 4 to 11.
    fn radius(&self, point: &Point) -> f64 {
        let (low, high) = self.macs;
        if high > low { 4.0 + 7.0 * (macs(point) / low).log2() / (high / low).log2() } else { 6.5 }
    }
}

/// The formats that a point's network has: of weights and activations where they differ.
fn formats(point: &Point) -> String {
    let precision = &point.configuration.precision;
    let (activation, weight) = (precision.activations.first(), precision.weights.first());
    if activation == weight { weight.to_string() } else { format!("{weight} × {activation}") }
}

fn macs(point: &Point) -> f64 {
    let c = &point.configuration;
    f64::from(c.array.rows * c.array.columns * c.pe.lanes)
}

fn notes(sweep: &Sweep, look: &Look) -> Result<String, Box<dyn Error>> {
    let (low, high) = look.macs;
    let names = if look.names.is_some() { "names: weights × activations, or both; " } else { "" };
    let size = match high > low {
        true => format!("size: {low} to {high} multiply-accumulates a cycle"),
        false => format!("{high} multiply-accumulates a cycle"),
    };
    let objectives: Vec<&str> = sweep.objectives.iter().map(|objective| objective.name()).collect();
    Ok(format!(
        "Filled: on the front of {} ({} of {}); dashed: the front of a panel alone; {names}{size}. {}",
        objectives.join(", "),
        sweep.front.len(),
        sweep.points.len(),
        sweep.limits()?
    ))
}

/// `text` in lines.
fn wrapped(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.is_empty() => *line = word.to_owned(),
            Some(line) if line.len() + word.len() < NOTE_LETTERS => *line += &format!(" {word}"),
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// Where the groups stand in the legend: of each row, the groups and where they begin.
fn rows(groups: &[String]) -> Vec<Vec<(usize, f64)>> {
    let mut rows: Vec<Vec<(usize, f64)>> = vec![Vec::new()];
    let mut x = MARGINS_PX.0;
    for (index, group) in groups.iter().enumerate() {
        let width = 48.0 + 7.5 * group.len() as f64;
        if x + width > WIDTH_PX && x > MARGINS_PX.0 {
            rows.push(Vec::new());
            x = MARGINS_PX.0;
        }
        if let Some(row) = rows.last_mut() {
            row.push((index, x));
        }
        x += width;
    }
    rows
}

/// The style of the marks of each group.
fn colours(groups: usize) -> String {
    let colour = |group: usize| {
        let colour = COLOURS[group % COLOURS.len()];
        format!("    .g{group} {{ fill: {colour}; stroke: {colour}; }}\n")
    };
    (0..groups).map(colour).collect()
}

/// A mark of a group around `x` and `y`, in its colour and shape.
fn mark(group: usize, (x, y): (f64, f64), radius: f64, is_filled: bool, title: Option<&str>) -> String {
    let polygon = |corners: &[(f64, f64)]| {
        let corners = corners.iter().map(|(dx, dy)| format!("{:.1},{:.1}", x + radius * dx, y + radius * dy));
        format!("<polygon points=\"{}\"", corners.collect::<Vec<_>>().join(" "))
    };
    let shape = match group % 4 {
        0 => format!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius:.1}\""),
        1 => polygon(&[(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)]),
        2 => polygon(&[(0.0, -1.2), (1.1, 0.8), (-1.1, 0.8)]),
        _ => polygon(&[(0.0, -1.25), (1.25, 0.0), (0.0, 1.25), (-1.25, 0.0)]),
    };
    let tag = if group.is_multiple_of(4) { "circle" } else { "polygon" };
    let fill = if is_filled { "full" } else { "open" };
    let title = title.map(|title| format!("<title>{}</title>", escaped(title))).unwrap_or_default();
    format!("{shape} class=\"g{group} {fill}\">{title}</{tag}>\n")
}

/// One panel whose upper left corner is `at`.
fn panel(
    text: &mut String,
    sweep: &Sweep,
    look: &Look,
    objectives: [Objective; 2],
    at: (f64, f64),
) -> Result<(), Box<dyn Error>> {
    let (left, right, above, below) = MARGINS_PX;
    let field = Rectangle {
        left: at.0 + left,
        right: at.0 + PANEL_PX.0 - right,
        top: at.1 + above,
        bottom: at.1 + PANEL_PX.1 - below,
    };
    let [across, up] = objectives;
    let x = Axis::new(across, sweep, field.left, field.right);
    let y = Axis::new(up, sweep, field.bottom, field.top);
    grid(text, &field, &x, &y)?;
    let place = |point: &Point| (x.pixel(across.of(point)), y.pixel(up.of(point)));
    writeln!(text, "<path class=\"front\" d=\"{}\"/>", staircase(sweep, objectives, &field, &place)?)?;
    // The front is drawn last, so that nothing hides it. Where points bear no titles, one mark stands for all in its place.
    let mut order: Vec<usize> = (0..sweep.points.len()).collect();
    order.sort_by_key(|index| sweep.front.contains(index));
    // Many marks are smaller, too.
    let has_titles = sweep.points.len() <= MOST_TITLES;
    let size = if has_titles { 1.0 } else { 0.5 };
    let mut drawn = HashSet::new();
    for index in order {
        let point = &sweep.points[index];
        let is_front = sweep.front.contains(&index);
        let title = (has_titles || is_front).then_some(point.configuration.name.as_str());
        let mark = mark(look.group[index], place(point), size * look.radius(point), is_front, title);
        if drawn.insert(mark.clone()) || has_titles {
            *text += &mark;
        }
    }
    let Some(names) = &look.names else { return Ok(()) };
    let marks = sweep.points.iter().map(|point| (place(point), look.radius(point)));
    for Label { x, y, text: name } in placed(&marks.collect::<Vec<_>>(), names, &field) {
        writeln!(text, "<text class=\"name\" x=\"{x:.1}\" y=\"{y:.1}\">{}</text>", escaped(name))?;
    }
    Ok(())
}

/// Lines, figures and names of the axes.
fn grid(text: &mut String, field: &Rectangle, x: &Axis, y: &Axis) -> std::fmt::Result {
    let Rectangle { left, right, top, bottom } = *field;
    for (pixel, figure) in x.ticks() {
        writeln!(
            text,
            "<line class=\"grid\" x1=\"{pixel:.1}\" x2=\"{pixel:.1}\" y1=\"{top:.0}\" y2=\"{bottom:.0}\"/>\
             <text class=\"tick\" x=\"{pixel:.1}\" y=\"{:.0}\" text-anchor=\"middle\">{figure}</text>",
            bottom + 18.0
        )?;
    }
    for (pixel, figure) in y.ticks() {
        writeln!(
            text,
            "<line class=\"grid\" x1=\"{left:.0}\" x2=\"{right:.0}\" y1=\"{pixel:.1}\" y2=\"{pixel:.1}\"/>\
             <text class=\"tick\" x=\"{:.0}\" y=\"{:.1}\" text-anchor=\"end\">{figure}</text>",
            left - 8.0,
            pixel + 4.0
        )?;
    }
    let (centre, middle) = (f64::midpoint(left, right), f64::midpoint(top, bottom));
    let aside = left - MARGINS_PX.0 + 20.0;
    writeln!(
        text,
        "<text x=\"{centre:.0}\" y=\"{:.0}\" text-anchor=\"middle\">{}</text>\n\
         <text x=\"{aside:.0}\" y=\"{middle:.0}\" transform=\"rotate(-90 {aside:.0} {middle:.0})\" \
         text-anchor=\"middle\">{}</text>",
        bottom + 40.0,
        x.label,
        y.label
    )
}

/// The front of two objectives as a path of steps: what is on its worse side is beaten.
fn staircase(
    sweep: &Sweep,
    objectives: [Objective; 2],
    field: &Rectangle,
    place: &dyn Fn(&Point) -> (f64, f64),
) -> Result<String, Box<dyn Error>> {
    let values: Vec<Vec<f64>> = sweep.points.iter().map(|p| objectives.map(|o| o.of(p)).to_vec()).collect();
    let members = front(&values, &objectives.map(Objective::goal))?;
    let mut corners: Vec<(f64, f64)> = members.iter().map(|&index| place(&sweep.points[index])).collect();
    corners.sort_by(|a, b| a.0.total_cmp(&b.0));
    let is_rising = objectives[1].goal() == bitmill_explore::Goal::Maximise;
    let start = if is_rising { field.bottom } else { field.top };
    let mut path = String::new();
    for (index, (x, y)) in corners.iter().enumerate() {
        match index {
            0 => write!(path, "M{x:.1} {start:.1} V{y:.1}")?,
            _ => write!(path, " H{x:.1} V{y:.1}")?,
        }
    }
    write!(path, " H{:.1}", field.right)?;
    Ok(path)
}
