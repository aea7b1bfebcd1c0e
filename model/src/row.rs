//! Functions of a row, the channels of one position: softmax, GELU and LayerNorm, as real functions and on integers.
//! The integers follow I-ViT ([`bitmill_formats::nonlinear`]); their results count in a unit of their own, which
//! the layer's multipliers bring to the output's scale.

use bitmill_formats::nonlinear::{
    Exponential, FINE_SHARE_BITS, GELU_SLOPE, PROBABILITY_BITS, RECIPROCAL_BITS, Root, ShiftExp, TableExp,
    layer_norm, shift_gelu, shiftmax, softmax_by_table,
};

use crate::network::Function;

/// Added to the variance before its root is taken, as Keras and PyTorch do; the integer norm is never 0 without it.
const EPSILON: f64 = 1e-6;

/// How the functions of a row are computed on integers, where there is a choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct RowArithmetic {
    /// Exponentials of a softmax.
    pub exponential: Exponential,
    /// The standard deviation of a LayerNorm.
    pub root: Root,
}

/// A function of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RowOperator {
    /// exp(x) over the row's sum of them.
    Softmax {
        /// How the integer exponentials are made.
        exponential: Exponential,
    },
    /// x · Φ(x) of each element. Its integers depend on the row's maximum.
    Gelu,
    /// The row less its mean, over its standard deviation; times γ plus β, channel by channel.
    LayerNorm {
        /// How the integer standard deviation is computed.
        root: Root,
    },
}

impl RowOperator {
    /// The same function, computed by `arithmetic` where there is a choice.
    pub fn by(self, arithmetic: RowArithmetic) -> Self {
        let RowArithmetic { exponential, root } = arithmetic;
        match self {
            Self::Softmax { .. } => Self::Softmax { exponential },
            Self::Gelu => Self::Gelu,
            Self::LayerNorm { .. } => Self::LayerNorm { root },
        }
    }

    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Softmax { exponential: Exponential::Shifts } => "softmax",
            Self::Softmax { exponential: Exponential::Table } => "softmax_by_table",
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
            Self::Softmax { .. } => {
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

    /// What the hardware is told of inputs of `scale`: a reciprocal for an exponential by shifts, a factor for one by a
    /// table; `None` where the operator takes no exponential.
    ///
    /// # Errors
    /// In words, a scale that the hardware's exponential does not take.
    pub fn setting(self, scale: f64) -> Result<Option<u32>, String> {
        let is_short = |exp: &ShiftExp| exp.one() >> RECIPROCAL_BITS == 0;
        let by_shifts = |scale: f64, n: u32| ShiftExp::of_scale(scale, n).ok().filter(is_short);
        let setting = match self {
            Self::Softmax { exponential: Exponential::Shifts } => {
                by_shifts(scale, ShiftExp::SOFTMAX_N).map(|exp| exp.one())
            }
            Self::Softmax { exponential: Exponential::Table } => {
                TableExp::of_scale(scale).ok().map(|exp| exp.factor())
            }
            Self::Gelu => by_shifts(scale * GELU_SLOPE, ShiftExp::GELU_N).map(|exp| exp.one()),
            Self::LayerNorm { .. } => return Ok(None),
        };
        let legal = match self.least_scale() {
            Some(least) => format!("{least:.6} or more"),
            None => "0.00003 to 1.38".to_owned(),
        };
        setting
            .map(Some)
            .ok_or_else(|| format!("{} takes inputs of a scale of {legal}, found {scale:.6}", self.name()))
    }

    /// Smallest scale of the inputs that a reciprocal can tell, where the operator takes one.
    pub fn least_scale(self) -> Option<f64> {
        let least = 1.0 / f64::from((1u32 << RECIPROCAL_BITS) - 1);
        match self {
            Self::Softmax { exponential: Exponential::Shifts } => Some(least),
            Self::Gelu => Some(least / GELU_SLOPE),
            Self::Softmax { exponential: Exponential::Table } | Self::LayerNorm { .. } => None,
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
            Self::Softmax { .. } => 2f64.powi(-(FINE_SHARE_BITS as i32)),
            Self::Gelu => scale * 2f64.powi(-(PROBABILITY_BITS as i32)),
            Self::LayerNorm { .. } => (length as f64).sqrt() * 2f64.powi(-30),
        }
    }

    /// The integer function of a row of integers whose zero point is 0. A scale that [`RowOperator::setting`]
    /// refuses gives zeros.
    pub fn integers(self, row: &[i64], scale: f64) -> Vec<i64> {
        let setting = self.setting(scale).ok().flatten().unwrap_or_default();
        let results = match self {
            Self::Softmax { exponential: Exponential::Shifts } => {
                ShiftExp::new(setting, ShiftExp::SOFTMAX_N).map(|exp| shiftmax(row, &exp, FINE_SHARE_BITS))
            }
            Self::Softmax { exponential: Exponential::Table } => {
                TableExp::new(setting).map(|exp| softmax_by_table(row, &exp, FINE_SHARE_BITS))
            }
            Self::Gelu => ShiftExp::new(setting, ShiftExp::GELU_N).map(|exp| shift_gelu(row, &exp)),
            Self::LayerNorm { root } => Ok(layer_norm(row, root)),
        };
        results.unwrap_or_else(|_| vec![0; row.len()])
    }

    /// A bound of the results' magnitudes for inputs of up to `activation`.
    pub fn largest_result(self, activation: u64) -> u64 {
        match self {
            Self::Softmax { .. } => 1 << FINE_SHARE_BITS,
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
        let softmax = |exponential| RowOperator::Softmax { exponential };
        // ShiftExp errs by up to 6 %, the table by less than one, the sigmoid for Φ by 0.02, and the reciprocal of the sum is rounded down; the mean of a norm is rounded to a whole
        // number, here half of one in a deviation of 28.
        let operators = [
            (softmax(Exponential::Shifts), 0.01),
            (softmax(Exponential::Table), 0.001),
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
        let softmax = |exponential| RowOperator::Softmax { exponential };
        let error = softmax(Exponential::Shifts).setting(1e-3).unwrap_err();
        assert_eq!(error, "softmax takes inputs of a scale of 0.003922 or more, found 0.001000");
        let error = softmax(Exponential::Table).setting(2.0).unwrap_err();
        assert_eq!(error, "softmax_by_table takes inputs of a scale of 0.00003 to 1.38, found 2.000000");
        assert!(RowOperator::Gelu.setting(1e-3).is_err());
    }
}
