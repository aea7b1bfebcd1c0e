//! TFLite's softmax of 8-bit integers, as its reference kernel computes it in 32-bit fixed point. The
//! accelerator ends at the logits; the host, or a test, runs this behind it.

use bitmill_formats::{Multiplier, Requantization};

use super::fixed_point::{divide_by_power, exponential, reciprocal_of_one_plus};

/// Integer bits of a scaled difference.
const DIFFERENCE_BITS: u8 = 5;
/// Integer bits of the sum of exponentials.
const SUM_BITS: u8 = 12;

/// A softmax over all elements of a vector of signed 8-bit integers; its result has scale 1/256 and zero
/// point −128.
#[derive(Debug, Clone, PartialEq)]
pub struct Softmax {
    /// Brings a difference of two logits to Q5.
    factor: Multiplier,
    /// Differences below it do not count.
    smallest_difference: i32,
}

impl Softmax {
    /// The softmax of `beta` times logits of the given scale.
    ///
    /// # Errors
    /// In words, when the product is not positive and finite, or too small for the fixed point.
    pub(super) fn new(beta: f32, scale: f32) -> Result<Self, String> {
        // What the scale becomes in Q5, with the kernel's own bound.
        let fraction = 2f64.powi(31 - i32::from(DIFFERENCE_BITS));
        let real = (f64::from(beta) * f64::from(scale) * fraction).min(2f64.powi(31) - 1.0);
        if !real.is_finite() || real <= 1.0 {
            return Err(format!("beta {beta} times scale {scale} must be positive and at least 2^-26"));
        }
        // real = significand · 2^left with a significand in [1/2, 1), held in 31 bits.
        let mut left = real.log2().floor() as i32 + 1;
        let mut significand = (real / 2f64.powi(left) * 2f64.powi(31)).round() as i64;
        if significand == 1 << 31 {
            (significand, left) = (significand / 2, left + 1);
        }
        let radius = 31.0 * fraction / 2f64.powi(left);
        let factor = Multiplier { multiplier: significand as u32, shift: (31 - left) as u8 };
        Ok(Self { factor, smallest_difference: -(radius.floor() as i32) })
    }

    /// The integers of the result.
    pub fn run(&self, logits: &[i32]) -> Vec<i32> {
        let most = logits.iter().copied().max().unwrap_or(0);
        let exponential_of = |logit: i32| {
            let difference = logit - most;
            let scaled = || Requantization::DoubleRounding.scale(difference.into(), self.factor) as i32;
            (difference >= self.smallest_difference).then(|| exponential(scaled(), DIFFERENCE_BITS))
        };
        let terms: Vec<Option<i32>> = logits.iter().map(|&logit| exponential_of(logit)).collect();
        let sum =
            terms.iter().flatten().fold(0i32, |sum, &term| sum.wrapping_add(divide_by_power(term, SUM_BITS)));
        // The sum is at least exp(0), so it has a leading one.
        let headroom = (sum as u32).leading_zeros().min(31) as u8;
        let fraction = ((sum as u32) << headroom).wrapping_sub(1 << 31) as i32;
        let reciprocal = reciprocal_of_one_plus(fraction);
        let shift = SUM_BITS + 31 - 8 - headroom;
        let share = |term: &Option<i32>| match term {
            Some(term) => {
                let product = (i64::from(reciprocal) * i64::from(*term) + (1 << 30)) >> 31;
                (divide_by_power(product as i32, shift) - 128).clamp(-128, 127)
            }
            None => -128,
        };
        terms.iter().map(share).collect()
    }
}
