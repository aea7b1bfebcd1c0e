//! Factors proved equal to a reference: a framework may compute `round(x · scale)` in floating point, or divide
//! with a rounding of its own, where the hardware multiplies and shifts.
//!
//! The trick: both are monotone in the accumulator, so they agree after the clamp, for *every* accumulator, if
//! and only if each output step begins at the same accumulator. That is one comparison for each step.

use std::ops::RangeInclusive;

use bitmill_formats::{Multiplier, Requantization};

/// How far the significand is moved in search of an equal factor.
const NEIGHBOURS: i64 = 64;

/// The factor, `real` or a neighbour of it, whose rounding in `mode` equals `reference` for all accumulators
/// as far as the clamp to `outputs` (before the offset is added) can tell. `reference` is monotone.
///
/// # Errors
/// In words, when no factor near `real` does.
pub(crate) fn proved_multiplier(
    real: f64,
    mode: Requantization,
    outputs: RangeInclusive<i64>,
    reference: impl Fn(i64) -> i64,
) -> Result<Multiplier, String> {
    let nearest = Multiplier::nearest(real)?;
    if nearest.multiplier == 0 {
        return Err(format!("the factor {real} is too small"));
    }
    let mut steps = Vec::new();
    for output in outputs.skip(1) {
        steps.push((output, step(real, output, &reference)?));
    }
    let is_equal = |factor: &Multiplier| {
        let agrees = |&(output, at): &(i64, i64)| {
            mode.scale(at, *factor) >= output && mode.scale(at - 1, *factor) < output
        };
        steps.iter().all(agrees)
    };
    let moved = |distance: i64| {
        let multiplier = u32::try_from(i64::from(nearest.multiplier) + distance).ok()?;
        (multiplier < 1 << 31).then_some(Multiplier { multiplier, ..nearest })
    };
    let mut distances = (0..=NEIGHBOURS).flat_map(|distance| [distance, -distance]).filter_map(moved);
    distances
        .find(is_equal)
        .ok_or_else(|| format!("no factor near {real} rounds by {} as its reference does", mode.name()))
}

/// The smallest accumulator that `reference` brings to `output` or beyond.
fn step(real: f64, output: i64, reference: &impl Fn(i64) -> i64) -> Result<i64, String> {
    let mut at = ((output as f64 - 0.5) / real).round() as i64;
    // The estimate is off by rounding alone.
    let most = 4 + (at.unsigned_abs() >> 40);
    for _ in 0..most {
        match (reference(at) >= output, reference(at - 1) >= output) {
            (true, false) => return Ok(at),
            (true, true) => at -= 1,
            (false, _) => at += 1,
        }
    }
    Err(format!("{real} times an accumulator does not reach {output} where it should"))
}

/// a / b for b > 0, halves away from zero.
pub(crate) fn divide_half_away(a: i64, b: i64) -> i64 {
    a.signum() * ((2 * a.abs() + b) / (2 * b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proved_factor_equals_its_reference_everywhere() {
        for real in [0.5, 0.001_234_567, 1.0 / 3.0, 2.75e-5, 1.5] {
            let reference = |x: i64| (x as f64 * real).round() as i64;
            let mode = Requantization::HalfAwayFromZero;
            let factor = proved_multiplier(real, mode, -128..=127, reference).unwrap();
            let last = (200.0 / real) as i64;
            for x in (-last..=last).step_by((last as usize / 100_000).max(1)) {
                assert_eq!(
                    mode.scale(x, factor).clamp(-128, 127),
                    reference(x).clamp(-128, 127),
                    "{real} {x}"
                );
            }
        }
    }

    #[test]
    fn means_of_any_count_have_a_factor() {
        for count in (1..=300).chain([1024, 3969, 16_384]) {
            let reference = |sum: i64| divide_half_away(sum, count);
            let mode = Requantization::HalfAwayFromZero;
            let factor = proved_multiplier(1.0 / count as f64, mode, -128..=127, reference).unwrap();
            for sum in (-129 * count)..=(129 * count) {
                assert_eq!(
                    mode.scale(sum, factor).clamp(-128, 127),
                    reference(sum).clamp(-128, 127),
                    "{sum}/{count}"
                );
            }
        }
    }

    #[test]
    fn what_cannot_be_equal_is_refused() {
        // Halves go up in the reference: no factor makes −1/2 zero and 1/2 one when halves go away from zero.
        let half_up = |x: i64| (x + 1) >> 1;
        let refused = proved_multiplier(0.5, Requantization::HalfAwayFromZero, -128..=127, half_up);
        assert!(refused.unwrap_err().contains("no factor near 0.5 rounds by half_away_from_zero"));
        assert!(proved_multiplier(0.5, Requantization::DyadicHalfUp, -128..=127, half_up).is_ok());
    }
}
