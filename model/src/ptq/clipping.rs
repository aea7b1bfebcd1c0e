//! The choice of a range: what lies outside it saturates, what lies inside is rounded to a step that
//! grows with it.

use super::{WeightScales, codebook};
use crate::network::Operation;
use crate::quantized::{
    ActivationFormat, Quantization, QuantizedWeights, WeightFormat, largest_integer, weight_channel,
};

/// How a range is chosen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Clipping {
    /// From the smallest to the largest value: nothing saturates.
    MinMax,
    /// Without this share of the values at either end, in percent, below 50: `Percentile(0.1)` leaves out
    /// one in a thousand at the top and one at the bottom.
    Percentile(f64),
    /// The range with the smallest mean squared error, among fractions of the full one.
    Mse,
    /// The same among fractions of a range that reaches as far up as down. Weights in groups of integers, whose scale is
    /// otherwise sought below the one that puts the most negative integer at the largest weight, saturate less; activations
    /// have zero points of 0.
    Symmetric,
}

/// Ranges tried for [`Clipping::Mse`] and [`Clipping::Symmetric`]: these many equal fractions of the full range.
pub(super) const FRACTIONS: usize = 64;

impl Clipping {
    /// In words, what is wrong with the setting.
    pub(super) fn check(self) -> Result<(), String> {
        match self {
            Self::Percentile(share) if !(0.0..50.0).contains(&share) => {
                Err(format!("a clipping percentile must lie in 0..50, found {share}"))
            }
            _ => Ok(()),
        }
    }

    /// A tensor's quantization from its sorted samples.
    pub(super) fn activation(
        self,
        samples: &[f32],
        format: ActivationFormat,
        is_symmetric: bool,
    ) -> Quantization {
        let (least, most) = match self {
            Self::Percentile(share) => {
                let cut = ((samples.len() - 1) as f64 * share / 100.0) as usize;
                (samples[cut], samples[samples.len() - 1 - cut])
            }
            Self::MinMax | Self::Mse | Self::Symmetric => (samples[0], samples[samples.len() - 1]),
        };
        let (least, most) = (f64::from(least).min(0.0), f64::from(most).max(0.0));
        let unit = Quantization { format, scale: 1.0, zero_point: 0 };
        if unit.is_binary() {
            let mean =
                samples.iter().map(|sample| f64::from(sample.abs())).sum::<f64>() / samples.len() as f64;
            return Quantization { scale: legal_step(mean), ..unit };
        }
        if format.float().is_some() {
            return float_quantization(samples, least.abs().max(most), &unit);
        }
        let is_symmetric = is_symmetric || self == Self::Symmetric;
        let full = range_quantization(least, most, &unit, is_symmetric);
        if !matches!(self, Self::Mse | Self::Symmetric) {
            return full;
        }
        // Shrink both ends in turn: first together, then the one that gains most from its own fraction.
        let fraction = |step: usize| step as f64 / FRACTIONS as f64;
        let fractions = || (1..=FRACTIONS).map(fraction);
        let error_of = |(low, high): (f64, f64)| {
            squared_error(samples, &range_quantization(least * low, most * high, &unit, is_symmetric))
        };
        let both = best(fractions().map(|both| (both, both)), error_of);
        let low = best(fractions().map(|low| (low, both.1)), error_of);
        let high = best(fractions().map(|high| (low.0, high)), error_of);
        range_quantization(least * high.0, most * high.1, &unit, is_symmetric)
    }

    /// Rounded weights, with a step for each of `channels` output channels. Blocks run along `input_channels`.
    pub(super) fn weights(
        self,
        operation: &Operation,
        real: &[f32],
        [channels, input_channels]: [usize; 2],
        format: &WeightFormat,
        scales: WeightScales,
    ) -> Result<QuantizedWeights, String> {
        let is_per_tensor = scales == WeightScales::PerTensor;
        let Some(bits) = format.signed_bits() else {
            if is_per_tensor {
                return Err(format!("one scale for all weights of a layer serves integers, found {format}"));
            }
            return codebook::weights(self, operation, real, [channels, input_channels], format);
        };
        let mut rows = vec![Vec::new(); if is_per_tensor { 1 } else { channels }];
        for (index, &weight) in real.iter().enumerate() {
            let channel = weight_channel(operation, index, real.len(), channels);
            rows[if is_per_tensor { 0 } else { channel }].push(f64::from(weight));
        }
        let steps: Vec<f64> = rows.iter_mut().map(|row| legal_step(self.weight_step(row, bits))).collect();
        let of_channels = steps.iter().copied().cycle().take(channels).collect();
        Ok(QuantizedWeights::nearest(operation, real, of_channels, bits))
    }

    /// The step for the weights of one output channel, which are sorted on the way.
    fn weight_step(self, row: &mut [f64], bits: u8) -> f64 {
        row.sort_unstable_by(|a, b| a.abs().total_cmp(&b.abs()));
        let most = row.last().map_or(0.0, |weight| weight.abs());
        if most == 0.0 {
            return 1.0;
        }
        let limit = largest_integer(bits);
        match self {
            Self::MinMax => most / limit,
            Self::Percentile(share) => {
                let cut = ((row.len() - 1) as f64 * share / 100.0) as usize;
                let clipped = row[row.len() - 1 - cut].abs();
                (if clipped > 0.0 { clipped } else { most }) / limit
            }
            Self::Mse | Self::Symmetric => {
                let error_of = |step: f64| -> f64 {
                    let rounded = |weight: f64| (weight / step).round_ties_even().clamp(-limit, limit) * step;
                    row.iter().map(|&weight| (weight - rounded(weight)).powi(2)).sum()
                };
                let steps = (1..=FRACTIONS).map(|fraction| most * fraction as f64 / FRACTIONS as f64 / limit);
                best(steps, error_of)
            }
        }
    }
}

/// The candidate with the smallest error, the last of equals: the widest range.
pub(super) fn best<T: Copy>(candidates: impl Iterator<Item = T>, error_of: impl Fn(T) -> f64) -> T {
    let errors = candidates.map(|candidate| (error_of(candidate), candidate));
    let least = errors.reduce(|best, next| if next.0 <= best.0 { next } else { best });
    least.expect("candidates are a non-empty range of fractions").1
}

/// The quantization whose codes cover `least..=most`, which holds zero, in the format of `unit`.
fn range_quantization(least: f64, most: f64, unit: &Quantization, is_symmetric: bool) -> Quantization {
    let (lowest, highest) = (f64::from(unit.min()), f64::from(unit.max()));
    if is_symmetric {
        // Unsigned codes have nothing below zero: what lies there saturates.
        let step = if lowest < 0.0 { least.abs().max(most) / highest } else { most / highest };
        return Quantization { scale: legal_step(step), ..*unit };
    }
    let scale = legal_step((most - least) / (highest - lowest));
    // Zero must be a code of its own: padding and ReLU stand on it.
    let zero_point = (lowest - (least / scale).round()).clamp(lowest, highest);
    Quantization { scale, zero_point: zero_point as i32, ..*unit }
}

/// Binades below the largest number of a floating-point format where its largest value may be placed.
pub(super) const BINADES: i32 = 32;

/// The floating-point quantization with the smallest squared error that keeps `largest`: it stands at a power of two
/// below the format's largest number, at the smallest of those that serve as well.
fn float_quantization(samples: &[f32], largest: f64, unit: &Quantization) -> Quantization {
    let highest = unit.value(unit.max()).to_f64();
    let candidate = |binade: i32| {
        let scale = legal_step(largest / (highest * 2f64.powi(-binade)));
        Quantization { scale, ..*unit }
    };
    // A block has its own binade: the largest value stands at the top.
    if unit.format.block().is_some() {
        return candidate(0);
    }
    // No candidate saturates, so a part of the samples shows which is finest.
    let some: Vec<f32> = samples.iter().copied().step_by(samples.len() / 2048 + 1).collect();
    best((0..BINADES).map(candidate), |quantization| squared_error(&some, &quantization))
}

/// `step` in single precision, or 1 for a tensor that is all zeros.
pub(super) fn legal_step(step: f64) -> f64 {
    if step > f64::from(f32::MIN_POSITIVE) { f64::from(step as f32) } else { 1.0 }
}

/// Sum of squared differences between samples and their nearest codes.
fn squared_error(samples: &[f32], quantization: &Quantization) -> f64 {
    let error = |&sample: &f32| {
        let real = f64::from(sample);
        (real - quantization.dequantize(quantization.quantize(real))).powi(2)
    };
    samples.iter().map(error).sum()
}
