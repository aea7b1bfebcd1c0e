//! The picture of a sweep: every point, and the front among them.
//!
//! Two panels over one legend: energy against latency, and accuracy against area (energy against area where
//! accuracy is not known). The colour is the precision, the size of the mark the array; points of the front
//! are filled.

use std::error::Error;

use bitmill_explore::{Objective, Point, Sweep};
use plotters::coord::Shift;
use plotters::prelude::*;

const SIZE_PX: (u32, u32) = (1200, 560);
const LEGEND_PX: u32 = 60;

/// Colours that most people can tell apart (Okabe and Ito, "Color Universal Design", 2008).
const COLOURS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(0, 0, 0),
];

/// An axis: what it shows of a point, and whether its steps are factors.
#[derive(Clone, Copy)]
struct Axis {
    objective: Objective,
    label: &'static str,
    is_logarithmic: bool,
}

const LATENCY: Axis =
    Axis { objective: Objective::Latency, label: "latency of an inference, µs", is_logarithmic: true };
const ENERGY: Axis =
    Axis { objective: Objective::Energy, label: "energy of an inference, µJ", is_logarithmic: true };
const AREA: Axis = Axis { objective: Objective::Area, label: "area, mm²", is_logarithmic: true };
const ACCURACY: Axis = Axis { objective: Objective::Accuracy, label: "accuracy, %", is_logarithmic: false };

/// The SVG text.
///
/// # Errors
/// Only on our own bugs.
pub fn svg(sweep: &Sweep, title: &str) -> Result<String, Box<dyn Error>> {
    let mut text = String::new();
    {
        let root = SVGBackend::with_string(&mut text, SIZE_PX).into_drawing_area();
        root.fill(&WHITE)?;
        let (panels, legend) = root.split_vertically(SIZE_PX.1 - LEGEND_PX);
        let panels = panels.titled(title, ("sans-serif", 20))?;
        let (left, right) = panels.split_horizontally(SIZE_PX.0 / 2);
        let has_accuracy = sweep.objectives.contains(&Objective::Accuracy);
        panel(&left, sweep, LATENCY, ENERGY)?;
        panel(&right, sweep, AREA, if has_accuracy { ACCURACY } else { ENERGY })?;
        key(&legend, sweep)?;
        root.present()?;
    }
    Ok(text)
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

fn panel(area: &Area, sweep: &Sweep, x: Axis, y: Axis) -> Result<(), Box<dyn Error>> {
    let (xs, ys) = (x.range(sweep), y.range(sweep));
    let mut chart = ChartBuilder::on(area)
        .margin(14)
        .x_label_area_size(44)
        .y_label_area_size(64)
        .build_cartesian_2d(xs.0..xs.1, ys.0..ys.1)?;
    chart
        .configure_mesh()
        .x_desc(x.label)
        .y_desc(y.label)
        .x_label_formatter(&|v| x.tick(*v))
        .y_label_formatter(&|v| y.tick(*v))
        .x_labels(7)
        .y_labels(7)
        .light_line_style(WHITE)
        .bold_line_style(RGBColor(225, 225, 225))
        .label_style(("sans-serif", 14))
        .axis_desc_style(("sans-serif", 15))
        .draw()?;
    let (precisions, macs) = (precisions(sweep), range_of_macs(sweep));
    // The front is drawn last, so that nothing hides it.
    let (front, rest): (Vec<usize>, Vec<usize>) =
        (0..sweep.points.len()).partition(|index| sweep.front.contains(index));
    let marks =
        rest.into_iter().map(|index| (index, false)).chain(front.into_iter().map(|index| (index, true)));
    for (index, is_front) in marks {
        let point = &sweep.points[index];
        let colour = colour(&precisions, point);
        let style = if is_front { colour.filled() } else { colour.mix(0.55).stroke_width(1) };
        chart.draw_series([Circle::new((x.place(point), y.place(point)), radius(macs, point), style)])?;
    }
    Ok(())
}

impl Axis {
    /// Where the point stands: logarithms are taken here, so that one kind of coordinate serves all axes.
    fn place(self, point: &Point) -> f64 {
        let value = self.objective.of(point);
        if self.is_logarithmic { value.log10() } else { value }
    }

    fn tick(self, place: f64) -> String {
        let value = if self.is_logarithmic { 10f64.powf(place) } else { place };
        let decimals = if value >= 100.0 {
            0
        } else if value >= 10.0 {
            1
        } else {
            2 - (value.log10().floor().min(0.0) as i32)
        };
        format!("{value:.*}", decimals.clamp(0, 6) as usize)
    }

    /// All points with some room around them.
    fn range(self, sweep: &Sweep) -> (f64, f64) {
        let places = || sweep.points.iter().map(|p| self.place(p));
        let (low, high) =
            (places().fold(f64::INFINITY, f64::min), places().fold(f64::NEG_INFINITY, f64::max));
        let room = ((high - low) * 0.08).max(if self.is_logarithmic { 0.02 } else { 0.2 });
        (low - room, high + room)
    }
}

/// What differs in colour: the precisions, in the order of the sweep.
fn precisions(sweep: &Sweep) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for label in sweep.points.iter().map(label) {
        if !all.contains(&label) {
            all.push(label);
        }
    }
    all
}

fn label(point: &Point) -> String {
    point.configuration.precision.label()
}

fn colour(precisions: &[String], point: &Point) -> RGBColor {
    let index = precisions.iter().position(|p| *p == label(point)).unwrap_or(0);
    COLOURS[index % COLOURS.len()]
}

fn macs(point: &Point) -> f64 {
    let c = &point.configuration;
    f64::from(c.array.rows * c.array.columns * c.pe.lanes)
}

/// Fewest and most multiply-accumulates a cycle of the sweep's arrays.
fn range_of_macs(sweep: &Sweep) -> (f64, f64) {
    let macs = || sweep.points.iter().map(macs);
    (macs().fold(f64::INFINITY, f64::min), macs().fold(0.0, f64::max))
}

/// Radius in pixels, by the array's multiply-accumulates a cycle: the logarithm, from 4 to 11.
fn radius((low, high): (f64, f64), point: &Point) -> i32 {
    if high > low { (4.0 + 7.0 * (macs(point) / low).log2() / (high / low).log2()).round() as i32 } else { 6 }
}

fn key(area: &Area, sweep: &Sweep) -> Result<(), Box<dyn Error>> {
    let font = ("sans-serif", 15).into_font();
    let mut at = 70;
    for (index, label) in precisions(sweep).into_iter().enumerate() {
        let colour = COLOURS[index % COLOURS.len()];
        area.draw(&Circle::new((at, 18), 6, colour.filled()))?;
        area.draw(&Text::new(label.clone(), (at + 12, 11), font.clone()))?;
        at += 34 + 8 * label.len() as i32;
    }
    let (low, high) = range_of_macs(sweep);
    let note = format!(
        "filled: on the Pareto front ({} of {}).  size: {low} to {high} multiply-accumulates a cycle.  costs are uncalibrated",
        sweep.front.len(),
        sweep.points.len()
    );
    area.draw(&Text::new(note, (64, 34), font))?;
    Ok(())
}
