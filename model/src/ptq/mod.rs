//! Post-training quantization: from a float network and some real inputs to the integers of the hardware.
//!
//! Steps: where asked for, bring channels to like ranges (`equalization`), put channels of like weights next to each other
//! (`reordering`) and leave out weights (`sparsity`); observe every tensor's values on the
//! calibration inputs (`observe`); choose a range for each tensor and a step for each output channel's weights
//! (`clipping`); round, to the nearest or so that the layers' outputs stay near (`learned`); then walk the layers in
//! order and correct each one for what quantization did to its mean (`correction`).
//!
//! Scales are single-precision numbers, so that files of other formats hold them exactly.

mod activations;
mod clipping;
mod codebook;
mod correction;
mod equalization;
mod hadamard;
mod learned;
mod master;
mod matrix;
mod moments;
mod observe;
mod reordering;
mod salient;
mod sparsity;
mod transform;

use std::borrow::Cow;
use std::collections::BTreeMap;

use bitmill_formats::Multiplication;
use bitmill_formats::deformable::MOST_FRACTION_BITS;

use crate::ModelError;
use crate::float::{FloatLayer, FloatNetwork};
use crate::network::{Layer, Operation};
use crate::quantized::{ActivationFormat, QuantizedNetwork, QuantizedWeights, WeightFormat, weight_channel};

pub use clipping::Clipping;
pub use hadamard::{Rotation, walsh_hadamard};
pub use matrix::{MatrixRecipe, RoundedMatrix, WeightMethods};
pub use moments::InputMoments;
use observe::Observations;
pub use salient::Salient;
pub use sparsity::Sparsity;
pub use transform::InputTransform;

/// Which weights share a step. Grouped and block formats have scales of their own beneath it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WeightScales {
    /// All of a layer: integers only.
    PerTensor,
    /// Those of an output channel.
    PerChannel,
}

/// How weights of convolutions and fully connected layers are rounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WeightRounding {
    /// To the nearest, each alone.
    Nearest,
    /// Up or down, together, so that the layer's outputs on the calibration inputs change least: integers only.
    Learned,
}

/// How to quantize.
#[derive(Debug, Clone, PartialEq)]
pub struct PtqConfig {
    /// Format of the weights of convolutions and fully connected layers. Lane layers (depthwise, pooling,
    /// addition) have int8.
    pub weights: WeightFormat,
    /// Formats of single layers' weights in place of `weights`, by name.
    pub layer_weights: BTreeMap<String, WeightFormat>,
    /// How many weights share a step.
    pub weight_scales: WeightScales,
    /// How weights are rounded.
    pub weight_rounding: WeightRounding,
    /// What else is done to the weights of convolutions and fully connected layers.
    pub methods: WeightMethods,
    /// Whether the ranges of channels are evened out between layers first (Nagel et al., 2019, section 4.1).
    pub equalizes: bool,
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
            layer_weights: BTreeMap::new(),
            weight_scales: WeightScales::PerChannel,
            weight_rounding: WeightRounding::Nearest,
            methods: WeightMethods::default(),
            equalizes: false,
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
    check(network, config)?;
    let mut network = Cow::Borrowed(network);
    if config.equalizes {
        network = Cow::Owned(equalization::equalized(&network));
    }
    if config.methods.reorders {
        network = Cow::Owned(reordering::reordered(&network));
    }
    let network = &*network;
    let sparse = match config.methods.sparsity {
        Some(sparsity) => Cow::Owned(sparsity.without_small_weights(network)),
        None => Cow::Borrowed(network),
    };
    let observations = Observations::new(network, inputs)?;
    let quantizations = activations::quantizations(network, &observations, config);
    let round = |(layer, real): (&Layer, &FloatLayer)| {
        let channels = [real.bias.len(), network.graph().input_shape(layer).channels];
        quantized_weights(layer, real, channels, config)
    };
    let mut weights: Vec<_> = sparse.pairs().map(round).collect::<Result<_, _>>()?;
    if config.weight_rounding == WeightRounding::Learned {
        let learning = learned::Learning {
            network,
            sparse: &sparse,
            quantizations: &quantizations,
            scales: config.weight_scales,
            keeps_zeros: config.methods.sparsity.is_some(),
        };
        learning.learn(&mut weights, inputs)?;
    }
    let mut quantized = QuantizedNetwork::from_float(network, quantizations, weights)?;
    if config.corrects_bias {
        correction::correct_biases(&mut quantized, network, inputs, &observations)?;
    }
    Ok(quantized)
}

/// What the weights of a matrix of `[outputs, inputs]` are worth once rounded to the nearest in `format`, with a scale for
/// each output.
///
/// # Errors
/// A setting out of range, or a format that real weights cannot be rounded to.
pub fn round_matrix(
    real: &[f32],
    sizes: [usize; 2],
    format: &WeightFormat,
    clipping: Clipping,
) -> Result<Vec<f32>, ModelError> {
    Ok(MatrixRecipe::new(format.clone(), clipping).round(real, sizes, None)?.elements)
}

/// What rounded weights are worth.
fn worth(operation: &Operation, weights: &QuantizedWeights) -> Vec<f32> {
    let QuantizedWeights { integers, scales, format, .. } = weights;
    let scale = |index| scales[weight_channel(operation, index, integers.len(), scales.len())];
    integers.iter().enumerate().map(|(index, &q)| (format.real(q) * scale(index)) as f32).collect()
}

/// `network` with the weights of layer `index`, a convolution or a fully connected layer, as they are worth once rounded to
/// the nearest in `format`, with a scale for each output channel.
///
/// # Errors
/// A setting out of range, or a format that the layer's weights cannot be rounded to.
pub fn round_layer(
    network: &FloatNetwork,
    index: usize,
    format: &WeightFormat,
    clipping: Clipping,
) -> Result<FloatNetwork, ModelError> {
    clipping.check().map_err(ModelError::Input)?;
    let (layer, real) = (&network.graph().layers()[index], &network.layers()[index]);
    let channels = [real.bias.len(), network.graph().input_shape(layer).channels];
    let rounded =
        clipping.weights(&layer.operation, &real.weights, channels, format, WeightScales::PerChannel);
    let weights = rounded.map_err(|problem| ModelError::layer(&layer.name, problem))?;
    let mut changed = network.clone();
    changed.layer_mut(index).weights = worth(&layer.operation, &weights);
    Ok(changed)
}

/// `network` in real numbers with the weights of convolutions and fully connected layers worth what they are once rounded by
/// `recipe`, and those of depthwise layers as [`quantize`] rounds them, to int8. Activations and biases stay real. `inputs` are
/// looked at by methods that need some ([`WeightMethods::needs_inputs`]).
///
/// # Errors
/// A setting out of range, a format that real weights cannot be rounded to, or methods that a layer cannot have.
pub fn round_weights(
    network: &FloatNetwork,
    recipe: &MatrixRecipe,
    inputs: &[Vec<f32>],
) -> Result<FloatNetwork, ModelError> {
    let activations = ActivationFormat::signed(8).map_err(ModelError::Input)?;
    let config =
        PtqConfig { weight_clipping: recipe.clipping, ..PtqConfig::new(recipe.format.clone(), activations) };
    recipe.check().map_err(ModelError::Input)?;
    let moments = match recipe.methods.needs_inputs() && !inputs.is_empty() {
        true => InputMoments::of_network(network, inputs)?,
        false => vec![None; network.layers().len()],
    };
    let mut rounded = network.clone();
    for (index, (layer, real)) in network.pairs().enumerate() {
        let channels = [real.bias.len(), network.graph().input_shape(layer).channels];
        let problem = |problem: String| ModelError::layer(&layer.name, problem);
        let weights = match layer.operation {
            Operation::Convolution { groups, .. } if groups > 1 && recipe.methods.mixes_channels() => {
                return Err(problem(format!(
                    "a convolution of {groups} groups has no weights between all channels; rotation, reordering, \
                     compensation and salient channels need them"
                )));
            }
            operation if operation.is_matrix() => {
                let own = recipe.round_in_words(&real.weights, channels, moments[index].as_ref());
                own.map_err(problem)?.folded(channels[1])
            }
            _ => match quantized_weights(layer, real, channels, &config)? {
                Some(own) => worth(&layer.operation, &own),
                None => continue,
            },
        };
        rounded.layer_mut(index).weights = weights;
    }
    Ok(rounded)
}

/// Checks what can be told before any work.
fn check(network: &FloatNetwork, config: &PtqConfig) -> Result<(), ModelError> {
    for clipping in [config.weight_clipping, config.activation_clipping] {
        clipping.check().map_err(ModelError::Input)?;
    }
    for format in std::iter::once(&config.weights).chain(config.layer_weights.values()) {
        config
            .methods
            .check(format)
            .and_then(|()| config.methods.check_integers())
            .map_err(ModelError::Input)?;
    }
    let layers = network.graph().layers();
    let matrix = || layers.iter().filter(|layer| layer.operation.is_matrix());
    if let Some(unknown) =
        config.layer_weights.keys().find(|name| !matrix().any(|layer| layer.name == **name))
    {
        let names: Vec<&str> = matrix().map(|layer| layer.name.as_str()).collect();
        return Err(ModelError::Input(format!(
            "no convolution or fully connected layer is called `{unknown}`; there are {}",
            names.join(", ")
        )));
    }
    Ok(())
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
        true => {
            let own = config.layer_weights.get(&layer.name);
            (own.unwrap_or(&config.weights).clone(), config.multiplication)
        }
        false => (WeightFormat::lane(), Multiplication::EXACT),
    };
    let scales = config.weight_scales;
    let methods = if layer.operation.is_matrix() { &config.methods } else { &WeightMethods::default() };
    let (clipping, operation) = (config.weight_clipping, &layer.operation);
    let rounded = methods.integers(clipping, operation, &real.weights, channels, &format, scales);
    let rounded = rounded.map(|weights| QuantizedWeights { multiplication, ..weights });
    rounded.map(Some).map_err(|problem| ModelError::layer(&layer.name, problem))
}
