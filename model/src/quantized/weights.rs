//! Integer weights: rounding real ones to the values of a format with one step an output channel.

use bitmill_formats::Multiplication;

use super::WeightFormat;
use crate::network::Operation;

/// Integer weights of one layer, as a format holds them.
#[derive(Debug, Clone, PartialEq)]
pub struct QuantizedWeights {
    /// Integers in the order of [`Operation`].
    pub integers: Vec<i16>,
    /// Real value of 1 ([`WeightFormat::real`]) in each output channel: finite and positive.
    pub scales: Vec<f64>,
    /// Their format.
    pub format: WeightFormat,
    /// What becomes of an activation and a weight.
    pub multiplication: Multiplication,
}

impl QuantizedWeights {
    /// The integers nearest to `real` for the given step of each output channel, saturated to
    /// ±(2^(bits−1) − 1).
    ///
    /// # Panics
    /// For a width outside 2..=16.
    pub fn nearest(operation: &Operation, real: &[f32], scales: Vec<f64>, bits: u8) -> Self {
        let limit = largest_integer(bits);
        let format = WeightFormat::signed(bits).unwrap_or_else(|problem| panic!("{problem}"));
        let round = |(index, &weight): (usize, &f32)| {
            let scale = scales[weight_channel(operation, index, real.len(), scales.len())];
            (f64::from(weight) / scale).round_ties_even().clamp(-limit, limit) as i16
        };
        Self {
            integers: real.iter().enumerate().map(round).collect(),
            scales,
            format,
            multiplication: Multiplication::EXACT,
        }
    }

    /// The integers nearest to `real`, with the finest steps that saturate no weight.
    pub fn widest(operation: &Operation, real: &[f32], channels: usize, bits: u8) -> Self {
        let mut most = vec![0f64; channels];
        for (index, &weight) in real.iter().enumerate() {
            let channel = weight_channel(operation, index, real.len(), channels);
            most[channel] = most[channel].max(f64::from(weight).abs());
        }
        let scale = |most: f64| if most > 0.0 { most / largest_integer(bits) } else { 1.0 };
        Self::nearest(operation, real, most.into_iter().map(scale).collect(), bits)
    }
}

/// Largest weight of `bits`: 2^(bits−1) − 1. The grid is symmetric, −2^(bits−1) is not used.
pub(crate) fn largest_integer(bits: u8) -> f64 {
    f64::from((1i32 << (bits - 1)) - 1)
}

/// The output channel of weight `index`, for `channels` of them and `count` weights in all.
pub(crate) fn weight_channel(operation: &Operation, index: usize, count: usize, channels: usize) -> usize {
    match operation {
        Operation::Depthwise { .. } => index % channels,
        _ => index / (count / channels),
    }
}
