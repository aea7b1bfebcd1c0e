//! Post-training quantization: from a float network and some real inputs to the integers of the hardware.
//!
//! Steps: observe every tensor's values on the calibration inputs (`observe`); choose a range for each
//! tensor and a step for each output channel's weights (`clipping`); round; then walk the layers in order
//! and correct each one for what quantization did to its mean (`correction`).

mod activations;
mod clipping;
mod codebook;
mod correction;
mod observe;

use bitmill_formats::Multiplication;
use bitmill_formats::deformable::MOST_FRACTION_BITS;

use crate::ModelError;
use crate::float::{FloatLayer, FloatNetwork};
use crate::network::{Layer, Operation};
use crate::quantized::{ActivationFormat, QuantizedNetwork, QuantizedWeights, WeightFormat};

pub use clipping::Clipping;
use observe::Observations;

/// How to quantize.
#[derive(Debug, Clone, PartialEq)]
pub struct PtqConfig {
    /// Format of the weights of convolutions and fully connected layers. Lane layers (depthwise, pooling,
    /// addition) have int8.
    pub weights: WeightFormat,
    /// Format of all activations: integers, binary, or floating point.
    pub activations: ActivationFormat,
    /// How activations and weights of convolutions and fully connected layers are multiplied.
    pub multiplication: Multiplication,
    /// Choice of the weights' range, for each output channel.
    pub weight_clipping: Clipping,
    /// Choice of the activations' range, for each tensor.
    pub activation_clipping: Clipping,
    /// Whether zero points are all 0. Otherwise the range may lie anywhere around zero, so that the
    /// output of a ReLU uses all codes.
    pub has_symmetric_activations: bool,
    /// Most bits behind the point of the offsets of deformable convolutions: they have scales 2^-F.
    pub offset_fraction_bits: u32,
    /// Whether biases make up for the shift of each channel's mean (Nagel et al., 2019, section 4.2, from
    /// data).
    pub corrects_bias: bool,
}

impl PtqConfig {
    /// The settings that serve best for weights and activations in signed integers of these widths.
    ///
    /// # Errors
    /// A width outside 2..=16 bits.
    pub fn integers(weight_bits: u8, activation_bits: u8) -> Result<Self, ModelError> {
        let weights = WeightFormat::signed(weight_bits).map_err(ModelError::Input)?;
        let activations = ActivationFormat::signed(activation_bits).map_err(ModelError::Input)?;
        Ok(Self::new(weights, activations))
    }

    /// The settings that serve best for weights and activations in these formats.
    pub fn new(weights: WeightFormat, activations: ActivationFormat) -> Self {
        Self {
            weights,
            activations,
            multiplication: Multiplication::EXACT,
            weight_clipping: Clipping::Mse,
            activation_clipping: Clipping::Mse,
            has_symmetric_activations: false,
            offset_fraction_bits: MOST_FRACTION_BITS,
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
    for clipping in [config.weight_clipping, config.activation_clipping] {
        clipping.check().map_err(ModelError::Input)?;
    }
    let observations = Observations::new(network, inputs)?;
    let quantizations = activations::quantizations(network, &observations, config);
    let round = |(layer, real): (&Layer, &FloatLayer)| {
        let channels = [real.bias.len(), network.graph().input_shape(layer).channels];
        quantized_weights(layer, real, channels, config)
    };
    let weights = network.pairs().map(round).collect::<Result<_, _>>()?;
    let mut quantized = QuantizedNetwork::from_float(network, quantizations, weights)?;
    if config.corrects_bias {
        correction::correct_biases(&mut quantized, network, inputs, &observations)?;
    }
    Ok(quantized)
}

/// Rounded weights of a layer that has some, between so many channels of output and input.
fn quantized_weights(
    layer: &Layer,
    real: &FloatLayer,
    channels: [usize; 2],
    config: &PtqConfig,
) -> Result<Option<QuantizedWeights>, ModelError> {
    // The factors of a LayerNorm become multipliers.
    if real.weights.is_empty() || matches!(layer.operation, Operation::Row { .. }) {
        return Ok(None);
    }
    let (format, multiplication) = match layer.operation.is_matrix() {
        true => (config.weights.clone(), config.multiplication),
        false => (WeightFormat::lane(), Multiplication::EXACT),
    };
    let rounded = config.weight_clipping.weights(&layer.operation, &real.weights, channels, &format);
    let rounded = rounded.map(|weights| QuantizedWeights { multiplication, ..weights });
    rounded.map(Some).map_err(|problem| ModelError::layer(&layer.name, problem))
}
