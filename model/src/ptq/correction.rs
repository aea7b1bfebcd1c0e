//! Bias correction: rounding weights and activations shifts the mean of a layer's sums; its bias takes the
//! shift back. Layers are corrected in order, each on the integers that the corrected ones before it make.

use super::observe::{Observations, add_channel_means};
use crate::ModelError;
use crate::float::FloatNetwork;
use crate::quantized::QuantizedNetwork;

/// Corrects the bias of every layer that has one.
pub(super) fn correct_biases(
    quantized: &mut QuantizedNetwork,
    network: &FloatNetwork,
    inputs: &[Vec<f32>],
    observations: &Observations,
) -> Result<(), ModelError> {
    let mut runs: Vec<Vec<Vec<i32>>> =
        inputs.iter().map(|input| vec![quantized.quantize_input(input)]).collect();
    for (index, (layer, real)) in network.pairs().enumerate() {
        let sums: Vec<Vec<i128>> = runs.iter().map(|tensors| quantized.accumulate(index, tensors)).collect();
        let mut shifts = vec![0i64; quantized.layers()[index].bias.len()];
        if !real.bias.is_empty() {
            let mut means = vec![0.0; shifts.len()];
            for sums in &sums {
                add_channel_means(&mut means, sums.iter().map(|&sum| sum as f64), inputs.len());
            }
            let output = quantized.quantization(layer.output);
            let parameters = &quantized.layers()[index];
            let unit = 2f64.powi(parameters.arithmetic.bias_places.into());
            let bias_exponent = quantized.sum_exponent(index) + i32::from(parameters.arithmetic.bias_places);
            for (channel, shift) in shifts.iter_mut().enumerate() {
                // One unit of the bias, in real terms. It is 0 where the multiplier is.
                let step = parameters.multipliers[channel].real() * 2f64.powi(bias_exponent) * output.scale;
                if step > 0.0 {
                    *shift =
                        (observations.means(index)[channel] / step - means[channel] / unit).round() as i64;
                }
            }
            quantized.shift_bias(index, &shifts)?;
        }
        let places = quantized.layers()[index].arithmetic.bias_places;
        for (tensors, mut sums) in runs.iter_mut().zip(sums) {
            for position in sums.chunks_exact_mut(shifts.len()) {
                position
                    .iter_mut()
                    .zip(&shifts)
                    .for_each(|(sum, &shift)| *sum += i128::from(shift) << places);
            }
            let output = quantized.requantize(index, &sums);
            tensors.push(output);
            // What no later layer reads is dropped, so that memory stays that of a few layers.
            for id in layer.inputs.iter().filter(|&&id| network.graph().last_reader(id) == Some(index)) {
                tensors[id.index()] = Vec::new();
            }
        }
    }
    Ok(())
}
