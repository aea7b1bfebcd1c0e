//! Post-training quantization: from a float network and some real inputs to the integers of the hardware.
//!
//! Steps: observe every tensor's values on the calibration inputs (`observe`); choose a range for each
//! tensor and a step for each output channel's weights (`clipping`); round; then walk the layers in order
//! and correct each one for what quantization did to its mean (`correction`).

mod clipping;
mod correction;
mod observe;

use crate::ModelError;
use crate::float::{FloatLayer, FloatNetwork};
use crate::network::{Layer, Operation};
use crate::quantized::{LANE_WEIGHT_BITS, Quantization, QuantizedNetwork, QuantizedWeights};

pub use clipping::Clipping;
use observe::Observations;

/// How to quantize.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PtqConfig {
    /// Width of the weights of convolutions and fully connected layers in bits, 2..=16. Lane layers
    /// (depthwise, pooling, addition) have 8 bits.
    pub weight_bits: u8,
    /// Width of all activations in bits, 2..=16.
    pub activation_bits: u8,
    /// Choice of the weights' range, for each output channel.
    pub weight_clipping: Clipping,
    /// Choice of the activations' range, for each tensor.
    pub activation_clipping: Clipping,
    /// Whether zero points are all 0. Otherwise the range may lie anywhere around zero, so that the
    /// output of a ReLU uses all codes.
    pub has_symmetric_activations: bool,
    /// Whether biases make up for the shift of each channel's mean (Nagel et al., 2019, section 4.2, from
    /// data).
    pub corrects_bias: bool,
}

impl PtqConfig {
    /// The settings that serve best for weights and activations of these widths.
    pub fn new(weight_bits: u8, activation_bits: u8) -> Self {
        Self {
            weight_bits,
            activation_bits,
            weight_clipping: Clipping::Mse,
            activation_clipping: Clipping::Mse,
            has_symmetric_activations: false,
            corrects_bias: true,
        }
    }
}

/// Quantizes `network`, with `inputs` in `[height][width][channels]` order as calibration data. The result
/// depends on nothing else: there is no randomness.
///
/// # Errors
/// When there are no inputs, one has the wrong length, a setting is out of range, or a parameter does not
/// fit the hardware's widths.
pub fn quantize(
    network: &FloatNetwork,
    inputs: &[Vec<f32>],
    config: &PtqConfig,
) -> Result<QuantizedNetwork, ModelError> {
    for (what, bits) in [("weight", config.weight_bits), ("activation", config.activation_bits)] {
        if !(2..=16).contains(&bits) {
            return Err(ModelError::Input(format!("{what} width must lie in 2..=16 bits, found {bits}")));
        }
    }
    for clipping in [config.weight_clipping, config.activation_clipping] {
        clipping.check().map_err(ModelError::Input)?;
    }
    let observations = Observations::new(network, inputs)?;
    let quantizations = activation_quantizations(network, &observations, config);
    let round = |(layer, real): (&Layer, &FloatLayer)| quantized_weights(layer, real, config);
    let weights = network.pairs().map(round).collect();
    let mut quantized = QuantizedNetwork::from_float(network, quantizations, weights)?;
    if config.corrects_bias {
        correction::correct_biases(&mut quantized, network, inputs, &observations)?;
    }
    Ok(quantized)
}

/// One quantization a tensor. The output of a max pool takes its input's.
fn activation_quantizations(
    network: &FloatNetwork,
    observations: &Observations,
    config: &PtqConfig,
) -> Vec<Quantization> {
    let choose = |index: usize| {
        let samples = observations.samples(index);
        config.activation_clipping.activation(
            samples,
            config.activation_bits,
            config.has_symmetric_activations,
        )
    };
    let mut quantizations = vec![choose(0)];
    for layer in network.graph().layers() {
        let chosen = match layer.operation {
            Operation::MaxPool { .. } => quantizations[layer.inputs[0].index()],
            _ => choose(layer.output.index()),
        };
        quantizations.push(chosen);
    }
    quantizations
}

/// Rounded weights of a layer that has some.
fn quantized_weights(layer: &Layer, real: &FloatLayer, config: &PtqConfig) -> Option<QuantizedWeights> {
    if real.weights.is_empty() {
        return None;
    }
    let bits = if layer.operation.is_matrix() { config.weight_bits } else { LANE_WEIGHT_BITS };
    Some(config.weight_clipping.weights(&layer.operation, &real.weights, real.bias.len(), bits))
}
