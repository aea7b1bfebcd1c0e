//! Exact folding for outputs of few levels: where the real function of the accumulator (a normalization, then a
//! quantizer) is a staircase, bias, multiplier and offset are chosen so that every step stands where it has it.
//!
//! The trick: with outputs counted from `offset`, the step to output `offset + n` stands at accumulator
//! `(n − 1/2) · h`, h being the inverse of the factor. For an integer bias each step bounds h from both sides;
//! any h between all the bounds is exact. Offsets away from the zero point make steps of uneven distance possible.

use bitmill_formats::{Multiplier, Requantization};

use super::{Quantization, QuantizedLayer};

/// How far from the nearest bias an exact one is looked for.
const BIASES: i64 = 64;
/// Most steps that are worth the search.
const MOST_STEPS: i32 = 32;

/// The real function of one channel's accumulator u (its zero point correction included): in steps of the
/// output, `gain · u + shift`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Channel {
    pub gain: f64,
    pub shift: f64,
    /// What the zero point of the input adds to the raw accumulator.
    pub correction: i64,
}

/// Makes `layer` exact for the `channels`' functions, rounded to nearest, halves to even, and clamped to its
/// range. Where `is_bipolar`, the function's sign counts alone, and the outputs are −1 and 1.
///
/// Returns whether that was possible; otherwise the layer is as it was.
pub(crate) fn fit(
    layer: &mut QuantizedLayer,
    channels: &[Channel],
    output: Quantization,
    is_bipolar: bool,
) -> bool {
    if is_bipolar {
        return fit_bipolar(layer, channels);
    }
    if layer.high - layer.low > MOST_STEPS {
        return false;
    }
    let steps: Option<Vec<Vec<(i64, i64)>>> = channels
        .iter()
        .map(|channel| {
            let levels = i64::from(layer.low) + 1..=i64::from(layer.high);
            levels.map(|level| Some((level, step(channel, level - i64::from(output.zero_point))?))).collect()
        })
        .collect();
    let Some(steps) = steps else { return false };
    let mut offsets: Vec<i32> = (output.min()..=output.max()).collect();
    offsets.sort_by_key(|offset| (offset - output.zero_point).abs());
    for offset in offsets {
        let fitted: Option<Vec<(i32, Multiplier)>> = steps
            .iter()
            .zip(channels)
            .map(|(steps, channel)| fit_channel(steps, channel, i64::from(offset), output))
            .collect();
        if let Some(fitted) = fitted {
            (layer.bias, layer.multipliers) = fitted.into_iter().unzip();
            layer.offset = offset;
            layer.requantization = Requantization::DyadicHalfUp;
            return true;
        }
    }
    false
}

/// One step: y = clamp(2 · v + 1, −1, 1) is 1 from v = 0 on and −1 below.
fn fit_bipolar(layer: &mut QuantizedLayer, channels: &[Channel]) -> bool {
    let bias: Option<Vec<i32>> = channels
        .iter()
        .map(|channel| {
            let is_one = |u: i64| channel.gain * u as f64 + channel.shift >= 0.0;
            let first = first_where((-channel.shift / channel.gain).ceil(), is_one)?;
            i32::try_from(channel.correction - first).ok()
        })
        .collect();
    let Some(bias) = bias else { return false };
    layer.bias = bias;
    layer.multipliers = vec![Multiplier { multiplier: 1 << 30, shift: 29 }; channels.len()];
    layer.requantization = Requantization::DyadicHalfUp;
    (layer.offset, layer.low, layer.high) = (1, -1, 1);
    true
}

/// The first accumulator whose rounded function reaches `level`.
fn step(channel: &Channel, level: i64) -> Option<i64> {
    let reaches = |u: i64| (channel.gain * u as f64 + channel.shift).round_ties_even() >= level as f64;
    first_where(((level as f64 - 0.5 - channel.shift) / channel.gain).ceil(), reaches)
}

/// The first integer where the monotone `holds` does, near `estimate`.
fn first_where(estimate: f64, holds: impl Fn(i64) -> bool) -> Option<i64> {
    if !estimate.is_finite() || estimate.abs() > 2f64.powi(46) {
        return None;
    }
    let near = (estimate as i64 - 2)..=(estimate as i64 + 2);
    near.into_iter().find(|&u| holds(u) && !holds(u - 1))
}

/// Bias (for the raw accumulator) and factor that put every step (level, accumulator) in its place.
fn fit_channel(
    steps: &[(i64, i64)],
    channel: &Channel,
    offset: i64,
    output: Quantization,
) -> Option<(i32, Multiplier)> {
    let distance = offset - i64::from(output.zero_point);
    let centre = ((channel.shift - distance as f64) / channel.gain).round() as i64;
    let candidates = (0..=BIASES).flat_map(|move_by| [centre + move_by, centre - move_by]);
    for bias in candidates {
        let (mut least, mut most) = (0f64, f64::INFINITY);
        for &(level, at) in steps {
            let half = (level - offset) as f64 - 0.5;
            let bounds = [(at - 1 + bias) as f64 / half, (at + bias) as f64 / half];
            least = least.max(bounds[0].min(bounds[1]));
            most = most.min(bounds[0].max(bounds[1]));
        }
        if least >= most {
            continue;
        }
        let inverse = if most.is_finite() { (least + most) / 2.0 } else { least + 1.0 };
        let Ok(factor) = Multiplier::nearest(1.0 / inverse) else { continue };
        let scaled = |u: i64| Requantization::DyadicHalfUp.scale(u + bias, factor) + offset;
        if steps.iter().all(|&(level, at)| scaled(at) >= level && scaled(at - 1) < level) {
            return Some((i32::try_from(channel.correction + bias).ok()?, factor));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::WeightFormat;

    fn layer(low: i32, high: i32) -> QuantizedLayer {
        QuantizedLayer {
            weight_format: WeightFormat::lane(),
            weights: vec![],
            bias: vec![0],
            multipliers: vec![Multiplier::ONE],
            requantization: Requantization::DyadicHalfUp,
            input_multipliers: vec![],
            arithmetic: crate::quantized::Arithmetic::default(),
            offset: 0,
            low,
            high,
        }
    }

    #[test]
    fn every_step_stands_where_the_real_function_has_it() {
        let output = Quantization::of_bits(3, 1.0, 0);
        let mut fitted = [0, 0];
        for case in 0..3000 {
            let gain = 0.013 + f64::from(case % 71) * 0.0191;
            let shift = f64::from(case % 83) * 0.37 - 15.0;
            let channel = Channel { gain, shift, correction: 5 };
            for (index, (low, high)) in [(-1, 1), (-4, 3)].into_iter().enumerate() {
                let mut layer = layer(low, high);
                if !fit(&mut layer, &[channel], output, false) {
                    continue;
                }
                fitted[index] += 1;
                for u in -3000..3000 {
                    let expected = ((gain * f64::from(u) + shift).round_ties_even() as i32).clamp(low, high);
                    let raw = i64::from(u) - channel.correction + i64::from(layer.bias[0]);
                    let scaled = Requantization::DyadicHalfUp.scale(raw, layer.multipliers[0]);
                    assert_eq!(
                        (scaled as i32 + layer.offset).clamp(low, high),
                        expected,
                        "{gain} {shift} {u}"
                    );
                }
            }
        }
        // Two steps can always be placed; seven of uneven distance cannot where a step is a few accumulators.
        assert_eq!(fitted[0], 3000);
        assert!(fitted[1] > 2000, "{fitted:?}");
    }

    #[test]
    fn a_bipolar_output_is_the_sign() {
        let output = Quantization::of_bits(2, 1.0, 0);
        for shift in [-7.3, 0.0, 2.0, 11.9] {
            let channel = Channel { gain: 0.5, shift, correction: -3 };
            let mut layer = layer(-1, 1);
            assert!(fit(&mut layer, &[channel], output, true));
            for u in -100..100i64 {
                let scaled = layer.multipliers[0];
                let raw = u + 3 + i64::from(layer.bias[0]);
                let found = (Requantization::DyadicHalfUp.scale(raw, scaled) + 1).clamp(-1, 1);
                assert_eq!(found, if 0.5 * u as f64 + shift >= 0.0 { 1 } else { -1 }, "{u} + {shift}");
            }
        }
    }
}
