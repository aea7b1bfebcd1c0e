//! What synthesised designs measured, as a table of text, and the calibration that follows from it.

use bitmill_hdl::Design;

use crate::calibration::{Calibration, ErrorStatistics, Sample, statistics};
use crate::gates::Circuits;
use crate::significant;
use crate::training::{is_held_out, training_design, unit_of};

/// Smaller designs than so many NAND2 are a handful of cells, and take no part.
const SMALLEST_NANDS: f64 = 50.0;

/// What one design measured.
#[derive(Clone, PartialEq, Debug)]
pub struct Measurement {
    /// The design, by its name among [`crate::training_designs`].
    pub design: String,
    /// Area in µm², mapped for area; energies and leakage are those of the same cells.
    pub area_um2: f64,
    /// Area in µm², mapped for speed.
    pub speed_um2: f64,
    /// Longest path in ns, mapped for speed; 0 where none is known.
    pub delay_ns: f64,
    /// Energy in pJ of a cycle in which every input is random.
    pub active_pj: f64,
    /// Energy in pJ of a cycle in which only the clock moves.
    pub clock_pj: f64,
    /// Leakage in nW.
    pub leakage_nw: f64,
}

const HEADER: &str = "# design; area in um2, mapped for area and mapped for speed; longest path in ns of the latter; of the former, energy \
                      in pJ of a cycle with random inputs and of one in which only the clock moves, and leakage in nW\n";

/// The measurements as text: a line each, columns behind tabs.
pub fn measurements_to_text(measurements: &[Measurement]) -> String {
    let line = |m: &Measurement| {
        let figures = [m.area_um2, m.speed_um2, m.delay_ns, m.active_pj, m.clock_pj, m.leakage_nw];
        let columns: String = figures.iter().map(|figure| format!("\t{}", significant(*figure))).collect();
        format!("{}{columns}\n", m.design)
    };
    let mut lines: Vec<String> = measurements.iter().map(line).collect();
    lines.sort_unstable();
    HEADER.to_owned() + &lines.concat()
}

/// Measurements from their text.
///
/// # Errors
/// The line that is not one, and what is wrong with it.
pub fn measurements_from_text(text: &str) -> Result<Vec<Measurement>, String> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|(number, line)| {
            let wrong = |problem: &str| format!("line {}: {problem}: `{line}`", number + 1);
            let mut columns = line.split('\t');
            let design = columns.next().unwrap_or_default().to_owned();
            let figures = columns.map(str::parse::<f64>).collect::<Result<Vec<f64>, _>>();
            let figures = figures.map_err(|_| wrong("a column is not a number"))?;
            let [area_um2, speed_um2, delay_ns, active_pj, clock_pj, leakage_nw] = figures[..] else {
                return Err(wrong("six numbers behind tabs are needed"));
            };
            if figures.iter().any(|figure| !figure.is_finite() || *figure < 0.0) {
                return Err(wrong("figures must be finite and not negative"));
            }
            Ok(Measurement { design, area_um2, speed_um2, delay_ns, active_pj, clock_pj, leakage_nw })
        })
        .collect()
}

/// A fit, and its errors on each design that it did not see.
pub struct Fitted {
    /// The coefficients and their errors.
    pub calibration: Calibration,
    /// Designs that the fit did not see: relative errors of area, energy and longest path.
    pub held_out: Vec<(String, [f64; 3])>,
}

impl Fitted {
    /// Absolute errors of held-out designs by unit: area, energy and longest path.
    pub fn by_unit(&self) -> Vec<(&str, [ErrorStatistics; 3])> {
        let mut units: Vec<&str> = self.held_out.iter().map(|(name, _)| unit_of(name)).collect();
        units.sort_unstable();
        units.dedup();
        let of = |unit: &str, figure: usize| {
            let own = self.held_out.iter().filter(|(name, _)| unit_of(name) == unit);
            statistics(&own.map(|(_, errors)| (1.0 + errors[figure], 1.0)).collect::<Vec<_>>())
        };
        units.into_iter().map(|unit| (unit, [of(unit, 0), of(unit, 1), of(unit, 2)])).collect()
    }
}

/// Fits a library whose smallest NAND2 has an area of `nand2_um2` to measurements. Designs that this version does not know
/// take no part.
pub fn fit_measurements(measurements: &[Measurement], nand2_um2: f64) -> Fitted {
    let known: Vec<(&Measurement, Design)> = measurements
        .iter()
        .filter(|found| found.area_um2 >= nand2_um2 * SMALLEST_NANDS)
        .filter_map(|found| Some((found, training_design(&found.design)?)))
        .collect();
    let samples = |held_out: bool| -> Vec<Sample> {
        let part = known.iter().filter(|(found, _)| is_held_out(&found.design) == held_out);
        part.map(|(found, design)| sample(found, design)).collect()
    };
    let (training, held_out) = (samples(false), samples(true));
    let calibration = Calibration::fit(&training, &held_out);
    let names = known.iter().map(|(found, _)| &found.design).filter(|name| is_held_out(name));
    let errors = |sample: &Sample| {
        let cells = calibration.cells(&sample.gates);
        [
            cells.area_um2() / sample.measured.area_um2 - 1.0,
            cells.active_pj / sample.measured.active_pj - 1.0,
            calibration.delay_ns(&sample.circuits) / sample.measured.delay_ns - 1.0,
        ]
    };
    let held_out = names.cloned().zip(held_out.iter().map(errors)).collect();
    Fitted { calibration, held_out }
}

fn sample<'d>(measured: &'d Measurement, design: &'d Design) -> Sample<'d> {
    let circuits = Circuits::of_whole(design);
    Sample { gates: circuits.count(), circuits, measured }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_read_back_and_refused_by_line() {
        let one = Measurement {
            design: "pe_integer lanes=4".to_owned(),
            area_um2: 4006.0,
            speed_um2: 4400.0,
            delay_ns: 3.076,
            active_pj: 10.56,
            clock_pj: 0.0,
            leakage_nw: 3.158,
        };
        let text = measurements_to_text(std::slice::from_ref(&one));
        assert_eq!(measurements_from_text(&text), Ok(vec![one]));
        for (line, problem) in [
            ("a\t1\t2", "line 2: six numbers behind tabs are needed: `a\t1\t2`"),
            ("a\t1\t2\tx\t1\t1\t1", "line 2: a column is not a number"),
            ("a\t1\t2\t-1\t1\t1\t1", "line 2: figures must be finite and not negative"),
        ] {
            let error = measurements_from_text(&format!("# head\n{line}\n")).expect_err(line);
            assert!(error.starts_with(problem), "{error}");
        }
    }
}
