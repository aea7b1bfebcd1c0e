//! Figures with measured errors: coefficients for gates and steps of paths, fitted to whole designs that were synthesised.
//!
//! Coefficients make the relative errors small: least squares over errors divided by the measured figure, weighted anew so
//! that few designs far off do not bend the rest, and held near what is typical in any library (ridge regression), so
//! that kinds which always stand together do not share their figure by chance. Half of the designs, whole arrays among them, take
//! no part; the errors are theirs. The longest path depends on the coefficients: path and coefficients are found in turns.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::gates::delay::{STEPS, Steps, TYPICAL_STEPS};
use crate::gates::{Circuits, Counts, FLIP_FLOP, Gates, KINDS, TYPICAL_NANDS};
use crate::{Cost, Measurement, significant};

/// What fits a technology's gates to synthesised designs.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// How much larger cells are that were mapped for speed, as those of the longest path were: a median.
    pub speed_area: f64,
    /// Area in µm², by gate.
    pub area: Fit,
    /// Energy in pJ of a cycle in which every input is random, by toggle of a gate; that of the clock is added.
    pub energy: Fit,
    /// Energy in pJ of a cycle in which only the clock moves, by flip-flop.
    pub clock: Fit,
    /// Leakage in nW, by gate.
    pub leakage: Fit,
    /// Longest path in ns of what is mapped for speed, by step.
    pub delay: Fit,
}

/// Coefficients of a figure, and what they err.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fit {
    /// Errors on designs that the fit did not see.
    pub held_out: ErrorStatistics,
    /// Errors on those it saw.
    pub training: ErrorStatistics,
    /// By kind of gate, or step of a path.
    pub coefficients: BTreeMap<String, f64>,
}

/// Relative errors of predicted against measured figures.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErrorStatistics {
    /// How many designs.
    pub designs: usize,
    /// Median of the absolute relative errors.
    pub median: f64,
    /// Nine in ten are at most so large.
    pub percentile_90: f64,
    /// The largest.
    pub worst: f64,
    /// Kendall's rank correlation of predicted and measured figures.
    pub kendall: f64,
}

/// A design that was synthesised.
pub struct Sample<'d> {
    /// Its gates.
    pub circuits: Circuits<'d>,
    /// Their number and their toggles.
    pub gates: Gates,
    /// What it measured.
    pub measured: &'d Measurement,
}

/// Rounds of weighting anew.
const ROUNDS: usize = 8;
/// Weight of a coefficient's relative distance from what is typical, against that of a design's relative error.
const PULL: f64 = 0.3;
/// Relative error below which designs weigh alike.
const FLOOR: f64 = 0.1;
/// Passes over the coefficients in each round; they settle long before.
const PASSES: usize = 1000;
/// Turns between paths and coefficients; what errs least is kept.
const TURNS: usize = 16;

impl Calibration {
    /// The table with a coefficient that is missing, unknown, negative or not finite, and what is wrong with it.
    pub(crate) fn check(&self) -> Result<(), (&'static str, String)> {
        for (table, fit, names) in [
            ("area", &self.area, &KINDS[..]),
            ("energy", &self.energy, &KINDS[..]),
            ("clock", &self.clock, &KINDS[FLIP_FLOP..=FLIP_FLOP]),
            ("leakage", &self.leakage, &KINDS[..]),
            ("delay", &self.delay, &STEPS[..]),
        ] {
            fit.check(names).map_err(|problem| (table, problem))?;
        }
        Ok(())
    }

    /// What so many gates cost, memories left out.
    pub fn cells(&self, gates: &Gates) -> Cost {
        let areas = self.area.all(&KINDS);
        let part_um2 = |are_registers: bool| {
            let is_part = |kind: &usize| REGISTER_KINDS.contains(&KINDS[*kind]) == are_registers;
            (0..KINDS.len()).filter(is_part).map(|kind| areas[kind] * gates.counts[kind]).sum()
        };
        let idle_pj = self.clock.coefficient(KINDS[FLIP_FLOP]) * gates.counts[FLIP_FLOP];
        Cost {
            logic_um2: part_um2(false),
            registers_um2: part_um2(true),
            active_pj: dot(&self.energy.all(&KINDS), &gates.toggles) + idle_pj,
            idle_pj,
            leakage_nw: dot(&self.leakage.all(&KINDS), &gates.counts),
            register_bits: gates.counts[FLIP_FLOP] as u64,
            ..Cost::default()
        }
    }

    /// The longest path of a design in ns, if memories' data are there with the clock.
    pub fn delay_ns(&self, circuits: &Circuits) -> f64 {
        circuits.delay_ns(&self.step_ns())
    }

    /// From the clock to the output of a flip-flop, in ns.
    pub(crate) fn clock_to_output_ns(&self) -> f64 {
        self.delay.coefficient("clock_to_output")
    }

    /// What the steps of a path take, in ns.
    pub(crate) fn step_ns(&self) -> Steps {
        self.delay.all(&STEPS)
    }

    /// Fits coefficients to `training`, and states the errors on it and on `held_out`.
    pub fn fit(training: &[Sample], held_out: &[Sample]) -> Calibration {
        let ratios = training
            .iter()
            .chain(held_out)
            .map(|sample| sample.measured.speed_um2 / sample.measured.area_um2);
        let linear = |of: fn(&Sample) -> (Counts, f64)| {
            let [seen, unseen] =
                [training, held_out].map(|samples| samples.iter().map(of).collect::<Vec<_>>());
            Fit::linear(&KINDS, &TYPICAL_NANDS, &seen, &unseen)
        };
        let area = linear(|sample| (sample.gates.counts, sample.measured.area_um2));
        let leakage = linear(|sample| (sample.gates.counts, sample.measured.leakage_nw));
        let clocked = |samples: &[Sample]| -> Vec<([f64; 1], f64)> {
            let registers = samples.iter().filter(|sample| sample.measured.clock_pj > 0.0);
            registers.map(|sample| ([sample.gates.counts[FLIP_FLOP]], sample.measured.clock_pj)).collect()
        };
        let clock =
            Fit::linear(&KINDS[FLIP_FLOP..=FLIP_FLOP], &[1.0], &clocked(training), &clocked(held_out));
        let mut energy =
            linear(|sample| (sample.gates.toggles, sample.measured.active_pj - sample.measured.clock_pj));
        let (toggle_pj, clock_pj) = (energy.all(&KINDS), clock.coefficient(KINDS[FLIP_FLOP]));
        let active = |sample: &Sample| {
            let predicted =
                dot(&toggle_pj, &sample.gates.toggles) + clock_pj * sample.gates.counts[FLIP_FLOP];
            (predicted, sample.measured.active_pj)
        };
        [energy.training, energy.held_out] =
            [training, held_out].map(|samples| statistics(&samples.iter().map(active).collect::<Vec<_>>()));
        Calibration {
            speed_area: (median(ratios.collect()) * 1e3).round() / 1e3,
            area,
            energy,
            clock,
            leakage,
            delay: delay(training, held_out),
        }
    }
}

/// Kinds whose area is that of registers.
const REGISTER_KINDS: [&str; 2] = [KINDS[FLIP_FLOP], "enable"];

/// Circuits and the longest path that each measured, in ns.
pub(crate) type Paths<'a, 'd> = [(&'a Circuits<'d>, f64)];

/// Paths and what their steps take, in turns. `typical` tells how the steps compare, of which a path has about `path_steps`.
pub(crate) fn fit_paths<const N: usize>(
    names: &[&str; N],
    typical: &[f64; N],
    path_steps: f64,
    training: &Paths,
    held_out: &Paths,
) -> Fit {
    let pairs = |paths: &Paths, step_ns: &[f64; N]| -> Vec<(f64, f64)> {
        paths.iter().map(|(circuits, ns)| (circuits.delay_ns(step_ns), *ns)).collect()
    };
    // A step is of no use before its scale is known: that of a path of so many.
    let middle_ns = median(training.iter().map(|path| path.1).collect());
    let mut step_ns = typical.map(|typical| typical * middle_ns / path_steps);
    let mut best: Option<(f64, [f64; N])> = None;
    for _ in 0..TURNS {
        let paths: Vec<(f64, [f64; N], f64)> = training
            .iter()
            .map(|(circuits, measured)| {
                let (ns, steps) = circuits.longest_steps(&step_ns);
                (ns, steps, *measured)
            })
            .collect();
        let errors =
            paths.iter().map(|(predicted, _, measured)| relative_error(*predicted, *measured).min(1.0));
        let error = errors.sum::<f64>();
        if best.is_none_or(|(least, _)| error < least) {
            best = Some((error, step_ns));
        }
        let rows: Vec<([f64; N], f64)> =
            paths.into_iter().map(|(_, steps, measured)| (steps, measured)).collect();
        let fitted = fit(&rows, typical);
        step_ns = std::array::from_fn(|step| f64::midpoint(step_ns[step], fitted[step]));
    }
    let step_ns = best.map_or(step_ns, |best| best.1).map(significant);
    Fit {
        held_out: statistics(&pairs(held_out, &step_ns)),
        training: statistics(&pairs(training, &step_ns)),
        coefficients: named(names, step_ns),
    }
}

/// Steps of a path through cells.
const CELL_STEPS: f64 = 35.0;

/// The longest paths of what is mapped to cells.
fn delay(training: &[Sample], held_out: &[Sample]) -> Fit {
    let [training, held_out] = [training, held_out].map(|samples| {
        let known = samples.iter().filter(|sample| sample.measured.delay_ns > 0.0);
        known.map(|sample| (&sample.circuits, sample.measured.delay_ns)).collect::<Vec<_>>()
    });
    fit_paths(&STEPS, &TYPICAL_STEPS, CELL_STEPS, &training, &held_out)
}

impl Fit {
    /// Fits a figure that is a sum over `names`, in which `typical` tells how they compare.
    pub(crate) fn linear<const N: usize>(
        names: &[&str],
        typical: &[f64; N],
        training: &[([f64; N], f64)],
        held_out: &[([f64; N], f64)],
    ) -> Fit {
        let coefficients = fit(training, typical).map(significant);
        let errors = |rows: &[([f64; N], f64)]| {
            statistics(
                &rows.iter().map(|(row, figure)| (dot(&coefficients, row), *figure)).collect::<Vec<_>>(),
            )
        };
        let (held_out, training) = (errors(held_out), errors(training));
        Fit { held_out, training, coefficients: named(names, coefficients) }
    }

    fn coefficient(&self, name: &str) -> f64 {
        self.coefficients.get(name).copied().unwrap_or_default()
    }

    pub(crate) fn all<const N: usize>(&self, names: &[&str; N]) -> [f64; N] {
        names.map(|name| self.coefficient(name))
    }

    /// What is wrong with the coefficients, if they are not those of `names`.
    pub(crate) fn check(&self, names: &[&str]) -> Result<(), String> {
        if let Some(unknown) = self.coefficients.keys().find(|name| !names.contains(&name.as_str())) {
            return Err(format!("{unknown} is unknown; there are {}", names.join(", ")));
        }
        for name in names {
            match self.coefficients.get(*name) {
                Some(value) if value.is_finite() && *value >= 0.0 => {}
                Some(value) => return Err(format!("{name} is {value}; it must be finite and not negative")),
                None => return Err(format!("{name} is missing")),
            }
        }
        Ok(())
    }
}

fn named<const N: usize>(names: &[&str], coefficients: [f64; N]) -> BTreeMap<String, f64> {
    names.iter().map(|name| (*name).to_owned()).zip(coefficients).collect()
}

pub(crate) fn dot<const N: usize>(a: &[f64; N], b: &[f64; N]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The value in the middle; 0 of none.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// Coefficients near the typical ones, which are scaled to the rows.
fn fit<const N: usize>(rows: &[([f64; N], f64)], typical: &[f64; N]) -> [f64; N] {
    let ratios =
        rows.iter().map(|(row, figure)| figure / dot(row, typical)).filter(|ratio| ratio.is_finite());
    let scale = median(ratios.collect());
    let typical = typical.map(|value| value * scale);
    let mut coefficients = typical;
    let mut weights = vec![1.0; rows.len()];
    for _ in 0..ROUNDS {
        coefficients = least_squares(rows, &weights, coefficients, &typical);
        for (weight, (row, figure)) in weights.iter_mut().zip(rows) {
            *weight = 1.0 / relative_error(dot(&coefficients, row), *figure).max(FLOOR);
        }
    }
    coefficients
}

fn relative_error(predicted: f64, measured: f64) -> f64 {
    (predicted / measured - 1.0).abs()
}

/// Least squares of weighted relative errors and of distances from `typical`, coordinate by coordinate, none negative.
fn least_squares<const N: usize>(
    rows: &[([f64; N], f64)],
    weights: &[f64],
    start: [f64; N],
    typical: &[f64; N],
) -> [f64; N] {
    let (mut products, mut targets) = ([[0.0; N]; N], [0.0; N]);
    for (i, typical) in typical.iter().enumerate() {
        products[i][i] = PULL / (typical * typical);
        targets[i] = PULL / typical;
    }
    for ((row, figure), weight) in rows.iter().zip(weights) {
        let row = row.map(|n| n / figure);
        for i in 0..N {
            targets[i] += weight * row[i];
            for j in 0..N {
                products[i][j] += weight * row[i] * row[j];
            }
        }
    }
    let mut x = start;
    for _ in 0..PASSES {
        for i in 0..N {
            let residual: f64 = targets[i] - (0..N).map(|j| products[i][j] * x[j]).sum::<f64>();
            x[i] = (x[i] + residual / products[i][i]).max(0.0);
        }
    }
    x
}

/// Errors of pairs of predicted and measured figures.
pub fn statistics(pairs: &[(f64, f64)]) -> ErrorStatistics {
    let mut errors: Vec<f64> = pairs.iter().map(|&(p, m)| relative_error(p, m)).collect();
    errors.sort_by(f64::total_cmp);
    let at = |share: f64| {
        let place = (share * errors.len() as f64).ceil() as usize;
        errors.get(place.saturating_sub(1)).copied().unwrap_or_default()
    };
    let mut agreement = 0i64;
    for (i, a) in pairs.iter().enumerate() {
        for b in &pairs[i + 1..] {
            let same = (a.0 - b.0) * (a.1 - b.1);
            agreement += i64::from(same > 0.0) - i64::from(same < 0.0);
        }
    }
    let ordered = pairs.len() * pairs.len().saturating_sub(1) / 2;
    let rounded = |value: f64| (value * 1e4).round() / 1e4;
    ErrorStatistics {
        designs: pairs.len(),
        median: rounded(at(0.5)),
        percentile_90: rounded(at(0.9)),
        worst: rounded(at(1.0)),
        kendall: rounded(if ordered == 0 { 0.0 } else { agreement as f64 / ordered as f64 }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_found_again_and_coefficients_typical_where_nothing_is_known() {
        // No row has the last kind; the others are up to a third larger or smaller than is typical.
        let factors = [0.7, 1.3, 0.9, 1.2, 1.1, 0.8, 1.25, 0.75, 1.1, 1.0, 1.0];
        let row = |k: usize| {
            let counts: Counts = std::array::from_fn(|i| match i + 1 < KINDS.len() {
                true => ((k * 7 + i * 13) % 17 + k * i % 5) as f64,
                false => 0.0,
            });
            let size = |i: usize| TYPICAL_NANDS[i] * factors[i] * 2.0;
            (counts, counts.iter().enumerate().map(|(i, n)| n * size(i)).sum())
        };
        let rows: Vec<(Counts, f64)> = (1..80).map(row).collect();
        let found = Fit::linear(&KINDS, &TYPICAL_NANDS, &rows[..50], &rows[50..]);
        assert!(found.held_out.worst < 0.03, "{found:?}");
        let unknown = found.coefficient(KINDS[KINDS.len() - 1]) / TYPICAL_NANDS[KINDS.len() - 1];
        assert!((unknown / 2.0 - 1.0).abs() < 0.25, "{found:?}");
    }

    #[test]
    fn statistics_are_those_of_the_definition() {
        let found = statistics(&[(1.1, 1.0), (2.0, 2.0), (2.7, 3.0), (1.5, 4.0)]);
        // One pair in six is out of order twice: 1.5 comes before 2.0 and 2.7.
        let expected =
            ErrorStatistics { designs: 4, median: 0.1, percentile_90: 0.625, worst: 0.625, kendall: 0.3333 };
        assert_eq!(found, expected);
    }
}
