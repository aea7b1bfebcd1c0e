//! The number line of a format as SVG: all values on a linear axis, the positive ones on a logarithmic axis.

use std::collections::BTreeSet;
use std::error::Error;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use bitmill_formats::{Family, Format, FormatError, text};
use tempfile::NamedTempFile;

const WIDTH_PX: f64 = 1000.0;
const HEIGHT_PX: f64 = 240.0;
const MARGIN_PX: f64 = 40.0;
/// Baselines of the linear and the logarithmic axis.
const AXES_PX: [f64; 2] = [80.0, 190.0];
const TICK_PX: f64 = 14.0;
/// Width of a digit in the font of the labels.
const CHARACTER_PX: f64 = 7.0;
/// Formats of at most this many values have each of them labelled.
const LABELLED_VALUES: usize = 32;
/// Formats of at most this many bits are drawn code by code; a wider line would be solid anyway.
const DRAWN_BITS: u32 = 16;

/// Writes the number line of `format` to `path`: all of it or, on an error, nothing.
pub(super) fn write(format: &Format, path: &Path) -> Result<(), Box<dyn Error>> {
    let svg = draw(format)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let failed = |error: std::io::Error| format!("cannot write {}: {error}", path.display());
    let mut file = NamedTempFile::new_in(folder).map_err(failed)?;
    file.write_all(svg.as_bytes()).map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}

/// The SVG text.
pub(super) fn draw(format: &Format) -> Result<String, Box<dyn Error>> {
    let scalar = match format {
        Format::Block(block) => block.element(),
        _ => format.scalar("a number line")?,
    };
    if scalar.bits() > DRAWN_BITS {
        let (operation, needs) = ("a number line", "a format of at most 16 bits");
        return Err(FormatError::Unsupported { operation, needs, format: format.to_string() }.into());
    }
    let decoded = (0..=scalar.largest_code()).filter_map(|code| scalar.decode(code).finite());
    let mut values: Vec<f64> = decoded.map(|x| x.to_f64() + 0.0).collect();
    values.sort_by(f64::total_cmp);
    values.dedup();
    let (lowest, highest) = (values[0], values[values.len() - 1]);
    let positive: Vec<f64> = values.iter().copied().filter(|x| *x > 0.0).collect();

    let mut svg = String::new();
    let of_elements = if matches!(format, Format::Block(_)) { ", elements under a scale of 1" } else { "" };
    writeln!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH_PX}\" height=\"{HEIGHT_PX}\" \
         viewBox=\"0 0 {WIDTH_PX} {HEIGHT_PX}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"{MARGIN_PX}\" y=\"28\" font-size=\"16\">{format}: {} values{of_elements}</text>",
        values.len()
    )?;
    let linear = |x: f64| (x - lowest) / (highest - lowest);
    axis(&mut svg, AXES_PX[0], &values, linear, &labels([lowest, highest, 0.0], &values))?;
    if let (Some(first), Some(last)) = (positive.first(), positive.last()) {
        let span = (last.log2() - first.log2()).max(1.0);
        let logarithmic = |x: f64| (x.log2() - first.log2()) / span;
        axis(&mut svg, AXES_PX[1], &positive, logarithmic, &labels([*first, *last, 1.0], &positive))?;
        let y = AXES_PX[1] - TICK_PX - 6.0;
        writeln!(svg, "<text x=\"{MARGIN_PX}\" y=\"{y}\" fill=\"#555\">above zero, logarithmic</text>")?;
    }
    svg.push_str("</svg>\n");
    Ok(svg)
}

/// What to label: the landmarks, and then every value if there are few. Those that find no room are left out.
fn labels(landmarks: [f64; 3], values: &[f64]) -> Vec<f64> {
    let few = if values.len() <= LABELLED_VALUES { values } else { &[] };
    landmarks.iter().chain(few).copied().collect()
}

/// A baseline, a tick a value (ticks closer than a tenth of a pixel are one), and labelled values.
fn axis(
    svg: &mut String,
    y: f64,
    values: &[f64],
    position: impl Fn(f64) -> f64,
    labels: &[f64],
) -> std::fmt::Result {
    let x_of = |value: f64| MARGIN_PX + (WIDTH_PX - 2.0 * MARGIN_PX) * position(value);
    let right = WIDTH_PX - MARGIN_PX;
    writeln!(svg, "<path d=\"M{MARGIN_PX} {y}H{right}\" stroke=\"#888\"/>")?;
    let tenths: BTreeSet<i64> = values.iter().map(|value| (10.0 * x_of(*value)).round() as i64).collect();
    let (top, height) = (y - TICK_PX, 2.0 * TICK_PX);
    let ticks = tenths.iter().fold(String::new(), |mut ticks, tenth| {
        // Writing to a string cannot fail.
        let _ = write!(ticks, "M{} {top}v{height}", *tenth as f64 / 10.0);
        ticks
    });
    writeln!(svg, "<path d=\"{ticks}\" stroke=\"#1f5fa8\" stroke-width=\"0.8\"/>")?;
    let within = labels.iter().filter(|label| (0.0..=1.0).contains(&position(**label)));
    let mut taken: Vec<(f64, f64)> = vec![];
    for label in within {
        let (x, text) = (x_of(*label), short(*label));
        let reach = CHARACTER_PX * (text.len() + 1) as f64 / 2.0;
        if taken.iter().any(|(other, others_reach)| (other - x).abs() < reach + others_reach) {
            continue;
        }
        taken.push((x, reach));
        writeln!(
            svg,
            "<text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{text}</text>",
            y + TICK_PX + 14.0
        )?;
    }
    Ok(())
}

/// Exact where that is short, else a power of two, or rounded to five digits or four places.
fn short(x: f64) -> String {
    let exact = text::decimal(&bitmill_formats::Value::from_f64(x));
    match exact.len() {
        ..=9 => exact,
        _ if x.log2().fract() == 0.0 => format!("2^{}", x.log2()),
        _ if (1e-3..1e5).contains(&x.abs()) => format!("{x:.4}").trim_end_matches('0').to_owned(),
        _ => format!("{x:.4e}"),
    }
}
