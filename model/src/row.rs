//! Functions of a row, the channels of one position: softmax, GELU and LayerNorm, as real functions and on integers.
//! The integers follow I-ViT ([`bitmill_formats::nonlinear`]); their results count in a unit of their own, which
//! the layer's multipliers bring to the output's scale.

use bitmill_formats::nonlinear::{
    FINE_SHARE_BITS, GELU_SLOPE, PROBABILITY_BITS, RECIPROCAL_BITS, Root, ShiftExp, layer_norm, shift_gelu,
    shiftmax,
};

use crate::network::Function;

/// Added to the variance before its root is taken, as Keras and PyTorch do; the integer norm is never 0 without it.
const EPSILON: f64 = 1e-6;

/// A function of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RowOperator {
    /// exp(x) over the row's sum of them.
    Softmax,
    /// x · Φ(x) of each element. Its integers depend on the row's maximum.
    Gelu,
    /// The row less its mean, over its standard deviation; times γ plus β, channel by channel.
    LayerNorm {
        /// How the integer standard deviation is computed.
        root: Root,
    },
}

impl RowOperator {
    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Softmax => "softmax",
            Self::Gelu => "gelu",
            Self::LayerNorm { .. } => "layer_norm",
        }
    }

    /// Whether each channel has a factor γ and a summand β.
    pub fn is_affine(self) -> bool {
        matches!(self, Self::LayerNorm { .. })
    }

    /// The real function, without γ and β.
    pub fn real(self, row: &[f32]) -> Vec<f32> {
        let row = row.iter().map(|&x| f64::from(x));
        let results: Vec<f64> = match self {
            Self::Softmax => {
                let most = row.clone().fold(f64::NEG_INFINITY, f64::max);
                let exps: Vec<f64> = row.map(|x| (x - most).exp()).collect();
                let sum: f64 = exps.iter().sum();
                exps.into_iter().map(|e| e / sum).collect()
            }
            Self::Gelu => row.map(|x| Function::Gelu.at(x)).collect(),
            Self::LayerNorm { .. } => {
                let count = row.len() as f64;
                let mean = row.clone().sum::<f64>() / count;
                let variance = row.clone().map(|x| (x - mean).powi(2)).sum::<f64>() / count;
                row.map(|x| (x - mean) / (variance + EPSILON).sqrt()).collect()
            }
        };
        results.into_iter().map(|y| y as f32).collect()
    }

    /// The exponential for inputs of `scale`, where the operator takes one.
    ///
    /// # Errors
    /// In words, a scale too small for the hardware's exponential.
    pub fn exponential(self, scale: f64) -> Result<Option<ShiftExp>, String> {
        let (scale, n) = match self {
            Self::Softmax => (scale, ShiftExp::SOFTMAX_N),
            Self::Gelu => (scale * GELU_SLOPE, ShiftExp::GELU_N),
            Self::LayerNorm { .. } => return Ok(None),
        };
        let most = f64::from((1u32 << RECIPROCAL_BITS) - 1);
        match ShiftExp::of_scale(scale, n) {
            Ok(exp) if f64::from(exp.one()) <= most => Ok(Some(exp)),
            _ => {
                let least = self.least_scale().unwrap_or(0.0);
                Err(format!(
                    "{} takes inputs of a scale of {least:.6} or more, found {scale:.6}",
                    self.name()
                ))
            }
        }
    }

    /// Smallest scale of the inputs, if there is one.
    pub fn least_scale(self) -> Option<f64> {
        let least = 1.0 / f64::from((1u32 << RECIPROCAL_BITS) - 1);
        match self {
            Self::Softmax => Some(least),
            Self::Gelu => Some(least / GELU_SLOPE),
            Self::LayerNorm { .. } => None,
        }
    }

    /// The smallest scale from `scale` on whose reciprocal the operator's exponential takes as it is, a whole number.
    pub fn admitted_scale(self, scale: f64) -> f64 {
        let Some(least) = self.least_scale() else { return scale };
        let slope = if self == Self::Gelu { GELU_SLOPE } else { 1.0 };
        let one = (1.0 / (scale.max(least) * slope)).floor();
        // A hair more, so that the reciprocal is not rounded up to the next whole number.
        if one < 1.0 { scale } else { (1.0 + 1e-9) / (one * slope) }
    }

    /// What 1 in a result stands for, for inputs of `scale` and rows of `length`, without γ.
    pub fn result_scale(self, scale: f64, length: usize) -> f64 {
        match self {
            Self::Softmax => 2f64.powi(-(FINE_SHARE_BITS as i32)),
            Self::Gelu => scale * 2f64.powi(-(PROBABILITY_BITS as i32)),
            Self::LayerNorm { .. } => (length as f64).sqrt() * 2f64.powi(-30),
        }
    }

    /// The integer function of a row of integers whose zero point is 0. A scale that [`RowOperator::exponential`]
    /// refuses gives zeros.
    pub fn integers(self, row: &[i64], scale: f64) -> Vec<i64> {
        let exp = self.exponential(scale).ok().flatten();
        match (self, exp) {
            (Self::Softmax, Some(exp)) => shiftmax(row, &exp, FINE_SHARE_BITS),
            (Self::Gelu, Some(exp)) => shift_gelu(row, &exp),
            (Self::LayerNorm { root }, _) => layer_norm(row, root),
            (Self::Softmax | Self::Gelu, None) => vec![0; row.len()],
        }
    }

    /// A bound of the results' magnitudes for inputs of up to `activation`.
    pub fn largest_result(self, activation: u64) -> u64 {
        match self {
            Self::Softmax => 1 << FINE_SHARE_BITS,
            Self::Gelu => activation << PROBABILITY_BITS,
            Self::LayerNorm { .. } => 1 << 30,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Integers of scale 1/32 stand for the reals that they come near to.
    #[test]
    fn integers_approximate_the_real_function() {
        let scale = 1.0 / 32.0;
        let row: Vec<i64> = (0..64).map(|i| (i * 37) % 97 - 48).collect();
        let real: Vec<f32> = row.iter().map(|&x| (x as f64 * scale) as f32).collect();
        // ShiftExp errs by up to 6 %, the sigmoid for Φ by 0.02, and the reciprocal of the sum is rounded down; the mean of a norm is rounded to a whole
        // number, here half of one in a deviation of 28.
        let operators = [
            (RowOperator::Softmax, 0.01),
            (RowOperator::Gelu, 0.1),
            (RowOperator::LayerNorm { root: Root::Floor }, 0.03),
        ];
        for (operator, tolerance) in operators {
            let unit = operator.result_scale(scale, row.len());
            for (x, y) in operator.real(&real).iter().zip(operator.integers(&row, scale)) {
                assert!((f64::from(*x) - y as f64 * unit).abs() < tolerance, "{}: {x}", operator.name());
            }
        }
    }

    #[test]
    fn scales_that_are_too_small_are_named() {
        let error = RowOperator::Softmax.exponential(1e-3).unwrap_err();
        assert_eq!(error, "softmax takes inputs of a scale of 0.003922 or more, found 0.001000");
        assert!(RowOperator::Gelu.exponential(1e-3).is_err());
    }
}
