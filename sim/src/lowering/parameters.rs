//! Biases and factors of a layer's output channels, as the requantizers take them.
//!
//! The network's sums count in a unit of its own, the processing element's in a finer one: biases move up, and
//! shifts grow.

use bitmill_accelerator::Target;
use bitmill_formats::requantize::MAX_SHIFT;
use bitmill_model::{MAX_BIAS_PLACES, Multiplier, Operation, QuantizedLayer, Requantization};

use super::layer::Context;
use crate::SimulationError;
use crate::layout::{ChannelParameters, Lines};

impl Context<'_> {
    /// Parameters of `blocks` output blocks. `corrections` are added to the biases, by channel of the chunk.
    pub fn parameter_lines(
        &self,
        first_block: u32,
        blocks: u32,
        corrections: &[i64],
    ) -> Result<Lines, SimulationError> {
        let lanes = self.output().word.channels;
        let mut lines = Lines::new(self.accelerator, Target::Parameters, blocks);
        for block in 0..blocks {
            for lane in 0..lanes {
                let channel = ((first_block + block) * lanes + lane) as usize;
                if channel < self.parameters.bias.len() {
                    let correction = corrections.get((block * lanes + lane) as usize).copied().unwrap_or(0);
                    lines.put_parameters(block, lane, self.channel_parameters(channel, correction)?);
                }
            }
        }
        Ok(lines)
    }

    /// Bias and factor of an output channel, for sums as the PE counts them: 2^`result_shift` of them are one of the
    /// network's, which counts in 2^`sum_exponent`. `correction` is added to the bias.
    fn channel_parameters(
        &self,
        channel: usize,
        correction: i64,
    ) -> Result<ChannelParameters, SimulationError> {
        if matches!(self.layer.operation, Operation::Lookup { .. }) {
            let Multiplier { multiplier, shift } = Multiplier::ONE;
            return Ok(ChannelParameters { bias: 0, bias_places: 0, multiplier, shift: shift.into() });
        }
        let QuantizedLayer { bias, multipliers, requantization, arithmetic, .. } = self.parameters;
        let refused =
            |what: String| SimulationError::Weights { layer: self.layer.name.clone(), channel, what };
        let finer = self.mode.map_or(0, |mode| self.accelerator.pe().result_shift(mode));
        let (bias, factor) = (i64::from(bias[channel]) + correction, multipliers[channel]);
        let is_wide = self.accelerator.requantizer().is_wide();
        // A wide sum's bias has places to stand higher; a narrow one's is shifted here.
        let places = if is_wide { u32::from(arithmetic.bias_places) + finer } else { 0 };
        let bias = if is_wide { bias } else { bias << finer };
        let narrow = i32::try_from(bias).map_err(|_| {
            refused(format!("bias {bias} does not fit 32 bits; use wider activations or weights"))
        })?;
        let shift =
            i64::from(factor.shift) + i64::from(finer) - i64::from(self.network.sum_exponent(self.index));
        let (most_shift, most_places) = match is_wide {
            true => ((1 << self.accelerator.requantizer().shift_bits()) - 1, MAX_BIAS_PLACES.into()),
            false => (i64::from(MAX_SHIFT), arithmetic.bias_places.into()),
        };
        if !(0..=most_shift).contains(&shift) {
            let scale = factor.real();
            return Err(refused(format!(
                "scale {scale} needs a shift of {shift}; 0 to {most_shift} are legal"
            )));
        }
        if places > most_places {
            return Err(refused(format!(
                "its bias stands {places} places up; up to {most_places} are legal"
            )));
        }
        if shift != i64::from(factor.shift) && *requantization == Requantization::DoubleRounding {
            let what =
                "its sums count in finer units than its codes, which double rounding would round otherwise";
            return Err(refused(what.to_owned()));
        }
        Ok(ChannelParameters {
            bias: narrow,
            bias_places: places,
            multiplier: factor.multiplier,
            shift: shift as u32,
        })
    }
}
