//! Addition, multiplication, concatenation, and clamps of their own.

use bitmill_formats::{Multiplier, Requantization, requantize};

use super::{double_rounding, push_rescaled, whole};
use crate::ModelError;
use crate::network::Operation;
use crate::tflite::importer::{Clamp, Importer, Node, lane};

/// `ADD`: both inputs are brought to twice the larger scale, with 20 bits of fraction, then their sum to the
/// output's; every step rounds twice.
pub(super) fn add(importer: &mut Importer, node: Node) -> Result<(), ModelError> {
    let inputs = [importer.activation(node, 0)?, importer.activation(node, 1)?];
    let scales = inputs.map(|id| importer.quantizations[id.index()].scale);
    let output = importer.output_quantization(node)?;
    let clamp = Clamp::new(node, node.option(|options| options.u8(0))?, output)?;
    let step = 2.0 * scales[0].max(scales[1]);
    let fraction = f64::from(1u32 << requantize::ADDITION_SHIFT);
    let factor = double_rounding(node, step / (fraction * output.scale))?;
    let channels = importer.graph.shape(inputs[0]).channels;
    let (real, mut integers) = lane(channels, 0, factor, Requantization::DoubleRounding, clamp);
    integers.input_multipliers =
        vec![double_rounding(node, scales[0] / step)?, double_rounding(node, scales[1] / step)?];
    let id = importer.push(node, Operation::Add, inputs.to_vec(), output, (real, integers))?;
    importer.define_whole(node, id)
}

/// `MUL`. The kernel computes its factor in single precision.
pub(super) fn multiply(importer: &mut Importer, node: Node) -> Result<(), ModelError> {
    let inputs = [importer.activation(node, 0)?, importer.activation(node, 1)?];
    let [left, right] = inputs.map(|id| importer.quantizations[id.index()].scale as f32);
    let output = importer.output_quantization(node)?;
    let clamp = Clamp::new(node, node.option(|options| options.u8(0))?, output)?;
    let factor = double_rounding(node, f64::from(left * right / output.scale as f32))?;
    let channels = importer.graph.shape(inputs[0]).channels;
    let layer = lane(channels, 0, factor, Requantization::DoubleRounding, clamp);
    let id = importer.push(node, Operation::Multiply, inputs.to_vec(), output, layer)?;
    importer.define_whole(node, id)
}

/// `CONCATENATION` along the channels, of inputs that share the output's quantization.
pub(super) fn concatenation(importer: &mut Importer, node: Node) -> Result<(), ModelError> {
    let places = 0..node.info.inputs.len();
    let inputs = places.map(|place| importer.activation(node, place)).collect::<Result<Vec<_>, _>>()?;
    let rank = importer.info(node, 0)?.map_or(0, |info| info.dims.len() as i32);
    let axis = node.option(|options| options.i32(0, 0))?;
    node.require(axis == rank - 1 || axis == -1, || {
        format!("only concatenation along the last axis is supported, found axis {axis} of {rank}")
    })?;
    let output = importer.output_quantization(node)?;
    let is_like = inputs.iter().all(|id| importer.quantizations[id.index()] == output);
    node.require(is_like, || "its inputs must have its output's scale and zero point".to_owned())?;
    let clamp = Clamp::new(node, node.option(|options| options.u8(1))?, output)?;
    let channels = inputs.iter().map(|&id| importer.graph.shape(id).channels).fold(0, usize::saturating_add);
    node.require(channels < 1 << 28, || "makes too many channels".to_owned())?;
    let layer = lane(channels, -output.zero_point, Multiplier::ONE, Requantization::DyadicHalfUp, clamp);
    let id = importer.push(node, Operation::Concatenate, inputs, output, layer)?;
    importer.define_whole(node, id)
}

/// `RELU` that no other operator took in.
pub(super) fn relu(importer: &mut Importer, node: Node) -> Result<(), ModelError> {
    clamped(importer, node, 1)
}

/// `RELU6` that no other operator took in.
pub(super) fn relu6(importer: &mut Importer, node: Node) -> Result<(), ModelError> {
    clamped(importer, node, 3)
}

fn clamped(importer: &mut Importer, node: Node, activation: u8) -> Result<(), ModelError> {
    let input = importer.activation(node, 0)?;
    let id = push_rescaled(importer, node, input, activation)?;
    importer.define(node, whole(id))
}
