//! Area with a measured error: coefficients for each kind of gate, fitted to whole designs that were synthesised.
//!
//! Coefficients make the relative errors small: least squares over errors divided by the measured area, weighted anew so
//! that few designs far off do not bend the rest, and held near what such gates take in any library (ridge regression), so
//! that kinds which always stand together do not share their area by chance. Half of the designs, whole arrays among them, take
//! no part; the errors are theirs.

use std::collections::BTreeMap;

use bitmill_hdl::Design;
use serde::{Deserialize, Serialize};

use crate::CostError;
use crate::gates::{self, Counts, KINDS, TYPICAL_NANDS};

/// What fits a technology's gates to synthesised area.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// The technology.
    pub technology: String,
    /// How areas were measured.
    pub method: String,
    /// Errors on designs that the fit did not see.
    pub held_out: ErrorStatistics,
    /// Errors on those it saw.
    pub training: ErrorStatistics,
    /// Area of a gate of each kind in µm².
    pub gate_um2: BTreeMap<String, f64>,
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
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Sample {
    /// Its gates.
    pub gates: Counts,
    /// Its area in µm².
    pub area_um2: f64,
}

const EMBEDDED: [&str; 3] = [
    include_str!("../technologies/sky130hd_calibration.toml"),
    include_str!("../technologies/asap7_calibration.toml"),
    include_str!("../technologies/sg13g2_calibration.toml"),
];

/// Rounds of weighting anew.
const ROUNDS: usize = 8;
/// Weight of a kind's relative distance from what is typical, against that of a design's relative error.
const PULL: f64 = 1.0;
/// Relative error below which designs weigh alike.
const FLOOR: f64 = 0.05;
/// Passes over the coefficients in each round; they settle long before.
const PASSES: usize = 3000;

impl Calibration {
    /// The embedded calibration of a technology; `None` where there is none yet.
    ///
    /// # Errors
    /// Only on our own bugs: a test reads every embedded file.
    pub fn named(technology: &str) -> Result<Option<Calibration>, CostError> {
        for text in EMBEDDED {
            let found = Calibration::from_toml(text)?;
            if found.technology == technology {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Reads a calibration from TOML.
    ///
    /// # Errors
    /// [`CostError::Toml`] for what is not well formed; [`CostError::IllegalTable`] for a kind of gate that is missing,
    /// unknown, negative or not finite.
    pub fn from_toml(text: &str) -> Result<Calibration, CostError> {
        let found: Calibration = toml::from_str(text).map_err(|e| CostError::Toml(e.to_string()))?;
        let illegal = |problem: String| CostError::IllegalTable {
            technology: found.technology.clone(),
            table: "gate_um2".to_owned(),
            problem,
        };
        if let Some(unknown) = found.gate_um2.keys().find(|kind| !KINDS.contains(&kind.as_str())) {
            return Err(illegal(format!("{unknown} is no kind of gate; there are {}", KINDS.join(", "))));
        }
        for kind in KINDS {
            match found.gate_um2.get(kind) {
                Some(area) if area.is_finite() && *area >= 0.0 => {}
                Some(area) => {
                    return Err(illegal(format!("{kind} is {area}; it must be finite and not negative")));
                }
                None => return Err(illegal(format!("{kind} is missing"))),
            }
        }
        Ok(found)
    }

    /// Area of `design` in µm², memories left out.
    pub fn area_um2(&self, design: &Design) -> f64 {
        self.predict(&gates::count(design))
    }

    /// Area of every module of `design` in µm² with all that is below it, memories left out, by the module's name. A
    /// module without registers may take less where it stands, since synthesis joins it with what is around it.
    pub fn module_areas_um2(&self, design: &Design) -> BTreeMap<String, f64> {
        let counts = gates::count_modules(design);
        counts.into_iter().map(|(name, gates)| (name.to_owned(), self.predict(&gates))).collect()
    }

    /// Area of so many gates in µm².
    pub fn predict(&self, gates: &Counts) -> f64 {
        KINDS.iter().zip(gates).map(|(kind, count)| self.gate_um2.get(*kind).unwrap_or(&0.0) * count).sum()
    }

    /// Fits coefficients to `training`, and states the errors on it and on `held_out`. `nand_um2` is the area of the
    /// smallest NAND2.
    pub fn fit(
        technology: &str,
        method: &str,
        nand_um2: f64,
        training: &[Sample],
        held_out: &[Sample],
    ) -> Calibration {
        let coefficients = fit(training, TYPICAL_NANDS.map(|nands| nands * nand_um2));
        let gate_um2 = KINDS.iter().map(|k| (*k).to_owned()).zip(coefficients.map(significant)).collect();
        let mut found = Calibration {
            technology: technology.to_owned(),
            method: method.to_owned(),
            held_out: ErrorStatistics::default(),
            training: ErrorStatistics::default(),
            gate_um2,
        };
        let errors = |samples: &[Sample]| {
            statistics(&samples.iter().map(|s| (found.predict(&s.gates), s.area_um2)).collect::<Vec<_>>())
        };
        (found.training, found.held_out) = (errors(training), errors(held_out));
        found
    }
}

/// Four significant digits: more would claim what no measurement holds.
fn significant(value: f64) -> f64 {
    format!("{value:.3e}").parse().unwrap_or(value)
}

/// Coefficients near the typical ones.
fn fit(samples: &[Sample], typical_um2: Counts) -> Counts {
    let mut coefficients = typical_um2;
    let mut weights = vec![1.0; samples.len()];
    for _ in 0..ROUNDS {
        coefficients = least_squares(samples, &weights, coefficients, &typical_um2);
        for (weight, sample) in weights.iter_mut().zip(samples) {
            *weight = 1.0 / relative_error(predicted(&coefficients, sample), sample.area_um2).max(FLOOR);
        }
    }
    coefficients
}

fn predicted(coefficients: &Counts, sample: &Sample) -> f64 {
    coefficients.iter().zip(&sample.gates).map(|(c, n)| c * n).sum()
}

fn relative_error(predicted: f64, measured: f64) -> f64 {
    (predicted / measured - 1.0).abs()
}

/// Least squares of weighted relative errors and of distances from `typical_um2`, coordinate by coordinate, none negative.
fn least_squares(samples: &[Sample], weights: &[f64], start: Counts, typical_um2: &Counts) -> Counts {
    const N: usize = KINDS.len();
    let (mut products, mut targets) = ([[0.0; N]; N], [0.0; N]);
    for (i, typical) in typical_um2.iter().enumerate() {
        products[i][i] = PULL / (typical * typical);
        targets[i] = PULL / typical;
    }
    for (sample, weight) in samples.iter().zip(weights) {
        let row = sample.gates.map(|n| n / sample.area_um2);
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
    fn coefficients_are_found_again_and_typical_where_nothing_is_known() {
        // No design has the last kind; the others are up to a third larger or smaller than is typical.
        let factors = [0.7, 1.3, 0.9, 1.2, 1.1, 0.8, 1.25, 0.75, 1.1, 1.0];
        let sample = |k: usize| {
            let mut gates = Counts::default();
            for (i, n) in gates.iter_mut().enumerate().take(KINDS.len() - 1) {
                *n = ((k * 7 + i * 13) % 17 + k * i % 5) as f64;
            }
            let size = |i: usize| TYPICAL_NANDS[i] * factors[i] * 2.0;
            let area_um2 = gates.iter().enumerate().map(|(i, n)| n * size(i)).sum();
            Sample { gates, area_um2 }
        };
        let samples: Vec<Sample> = (1..80).map(sample).collect();
        let found = Calibration::fit("any", "made up", 2.0, &samples[..50], &samples[50..]);
        assert!(found.held_out.worst < 0.03, "{found:?}");
        let unknown = found.gate_um2[KINDS[KINDS.len() - 1]];
        assert_eq!(unknown, TYPICAL_NANDS[KINDS.len() - 1] * 2.0);
    }

    #[test]
    fn statistics_are_those_of_the_definition() {
        let found = statistics(&[(1.1, 1.0), (2.0, 2.0), (2.7, 3.0), (1.5, 4.0)]);
        // One pair in six is out of order twice: 1.5 comes before 2.0 and 2.7.
        let expected =
            ErrorStatistics { designs: 4, median: 0.1, percentile_90: 0.625, worst: 0.625, kendall: 0.3333 };
        assert_eq!(found, expected);
    }

    #[test]
    fn calibrations_that_lack_a_kind_are_refused() {
        let text = EMBEDDED[0];
        for (from, to, problem) in [
            ("carry_and", "carrot", "carrot is no kind of gate"),
            ("flip_flop = ", "flip_flop = -", "it must be finite and not negative"),
        ] {
            let error = Calibration::from_toml(&text.replacen(from, to, 1)).expect_err(to).to_string();
            assert!(error.contains(problem), "{error}");
        }
    }
}
