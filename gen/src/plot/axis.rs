//! An axis: where a value stands, and the figures beside it.
//!
//! Costs are spaced by factors. Accuracies are spaced by factors of what they lack to 100 %, so that 98 and 99 % stand as
//! far apart as 96 and 98 %: half the errors either way.

use bitmill_explore::{Objective, Sweep};

/// Pixels between two figures at least.
const SPACING_PX: f64 = 26.0;
/// Figures that an axis should have at least.
const FEWEST_TICKS: usize = 4;
/// Leading digits of figures, the coarsest choice first.
const DIGITS: [&[f64]; 3] = [
    &[1.0, 2.0, 5.0],
    &[1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0],
    &[
        1.0, 1.2, 1.4, 1.6, 1.8, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0, 5.5, 6.0, 6.5, 7.0, 7.5, 8.0, 8.5, 9.0,
        9.5,
    ],
];
/// Figures of an axis of accuracies, in percent, the best first.
const ACCURACIES: [f64; 21] = [
    99.9, 99.8, 99.5, 99.0, 98.5, 98.0, 97.0, 96.0, 95.0, 94.0, 92.0, 90.0, 85.0, 80.0, 70.0, 60.0, 50.0,
    40.0, 30.0, 20.0, 0.0,
];
/// What no accuracy comes nearer to 100 % than on the axis.
const LEAST_ERROR_PERCENT: f64 = 0.05;

/// An axis from one pixel to another.
pub(super) struct Axis {
    /// What it shows, with the unit.
    pub label: &'static str,
    objective: Objective,
    /// The ends, as places.
    ends: (f64, f64),
    pixels: (f64, f64),
}

impl Axis {
    /// For all points of `sweep` with some room around them.
    pub fn new(objective: Objective, sweep: &Sweep, from_px: f64, to_px: f64) -> Axis {
        let places = || sweep.points.iter().map(|point| place(objective, objective.of(point)));
        let (low, high) =
            (places().fold(f64::INFINITY, f64::min), places().fold(f64::NEG_INFINITY, f64::max));
        let room = ((high - low) * 0.08).max(0.02);
        let label = match objective {
            Objective::Latency => "latency of an inference, µs",
            Objective::Energy => "energy of an inference, µJ",
            Objective::Area => "area, mm²",
            Objective::Accuracy => "accuracy, %",
        };
        Axis { label, objective, ends: (low - room, high + room), pixels: (from_px, to_px) }
    }

    /// The pixel of a value.
    pub fn pixel(&self, value: f64) -> f64 {
        let share = (place(self.objective, value) - self.ends.0) / (self.ends.1 - self.ends.0);
        self.pixels.0 + share * (self.pixels.1 - self.pixels.0)
    }

    /// Figures with their pixels.
    pub fn ticks(&self) -> Vec<(f64, String)> {
        let mut ticks: Vec<(f64, String)> = Vec::new();
        for value in self.figures() {
            let pixel = self.pixel(value);
            if ticks.last().is_none_or(|(before, _)| (pixel - before).abs() >= SPACING_PX) {
                ticks.push((pixel, figure(value)));
            }
        }
        ticks
    }

    fn figures(&self) -> Vec<f64> {
        let is_within = |value: &f64| (self.ends.0..=self.ends.1).contains(&place(self.objective, *value));
        if self.objective == Objective::Accuracy {
            return ACCURACIES.into_iter().filter(is_within).collect();
        }
        let powers = || self.ends.0.floor() as i32..=self.ends.1.ceil() as i32;
        let of = |digits: &[f64]| -> Vec<f64> {
            let all = powers().flat_map(|power| digits.iter().map(move |digit| digit * 10f64.powi(power)));
            all.filter(is_within).collect()
        };
        let choices = DIGITS.map(of);
        let enough = choices.iter().find(|figures| figures.len() >= FEWEST_TICKS);
        enough.unwrap_or(&choices[DIGITS.len() - 1]).clone()
    }
}

/// Where a value stands, further up or to the right the larger it is.
fn place(objective: Objective, value: f64) -> f64 {
    match objective {
        Objective::Accuracy => -(100.0 - value).max(LEAST_ERROR_PERCENT).log10(),
        _ => value.log10(),
    }
}

/// Three digits at most, without zeros at the end.
fn figure(value: f64) -> String {
    let decimals = if value > 0.0 { (2.0 - value.log10().floor()).max(0.0) as usize } else { 0 };
    let text = format!("{value:.decimals$}");
    if decimals > 0 { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_short_and_exact() {
        for (value, text) in [(0.025, "0.025"), (1.5, "1.5"), (20.0, "20"), (500.0, "500"), (99.5, "99.5")] {
            assert_eq!(figure(value), text);
        }
    }

    #[test]
    fn axes_have_some_figures_apart_from_each_other() {
        for (objective, ends) in [
            (Objective::Area, (-1.55, -1.35)),
            (Objective::Latency, (0.2, 3.1)),
            (Objective::Accuracy, (-1.5, -0.4)),
        ] {
            let axis = Axis { label: "", objective, ends, pixels: (0.0, 480.0) };
            let ticks = axis.ticks();
            assert!((3..14).contains(&ticks.len()), "{ticks:?}");
            assert!(ticks.windows(2).all(|pair| (pair[1].0 - pair[0].0).abs() >= SPACING_PX), "{ticks:?}");
        }
    }
}
