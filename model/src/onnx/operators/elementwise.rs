//! Addition and clamps, fused into the layer before them where nothing else sees its tensor.

use crate::ModelError;
use crate::network::Operation;
use crate::onnx::importer::{Activation, Importer, Layout, Value};
use crate::onnx::node::Node;
use crate::shape::Window;

/// `Relu`.
pub(super) fn relu(importer: &mut Importer, node: Node) -> Result<Value, ModelError> {
    clamp(importer, node, 0.0, f32::INFINITY)
}

/// `Clip`, with its bounds as attributes (before opset 11) or inputs.
pub(super) fn clip(importer: &mut Importer, node: Node) -> Result<Value, ModelError> {
    let low = node.scalar_at(importer, 1)?.unwrap_or(node.float("min", f32::NEG_INFINITY));
    let high = node.scalar_at(importer, 2)?.unwrap_or(node.float("max", f32::INFINITY));
    let is_range = low <= high && low < f32::INFINITY && high > f32::NEG_INFINITY;
    node.require(is_range, || format!("its bounds {low}..{high} are no range"))?;
    clamp(importer, node, low, high)
}

fn clamp(importer: &mut Importer, node: Node, low: f32, high: f32) -> Result<Value, ModelError> {
    let seen = node.activation(importer, 0)?;
    let input = importer.settled(node, seen)?;
    let target = match importer.open_layer(input) {
        Some(_) => input,
        None => importer.push_identity(node, input)?,
    };
    if let Some((_, layer)) = importer.open_layer(target) {
        layer.real = layer.real.clone().clamped(low, high);
    }
    Ok(Value::Activation(target))
}

/// `Add`: of two computed tensors, or of a constant for each channel (a bias).
pub(super) fn add(importer: &mut Importer, node: Node) -> Result<Value, ModelError> {
    match (node.value(importer, 0)?, node.value(importer, 1)?) {
        (Value::Activation(_), Value::Activation(_)) => residual(importer, node),
        (Value::Activation(_), Value::Constant(_)) => add_constant(importer, node, 0, 1),
        (Value::Constant(_), Value::Activation(_)) => add_constant(importer, node, 1, 0),
        (Value::Constant(_), Value::Constant(_)) => {
            Err(node.error("adds two constants; fold constants before exporting"))
        }
    }
}

fn residual(importer: &mut Importer, node: Node) -> Result<Value, ModelError> {
    let (left, right) = (node.activation(importer, 0)?, node.activation(importer, 1)?);
    let (left, right) = (importer.settled(node, left)?, importer.settled(node, right)?);
    node.require(left.layout == right.layout, || {
        format!("its inputs have different axes: {:?} and {:?}", left.layout, right.layout)
    })?;
    Ok(Value::Activation(importer.push_plain(node, Operation::Add, &[left, right], left.layout)?))
}

/// Adds input `constant` to each channel of input `computed`.
fn add_constant(
    importer: &mut Importer,
    node: Node,
    computed: usize,
    constant: usize,
) -> Result<Value, ModelError> {
    let seen = node.activation(importer, computed)?;
    let input = importer.settled(node, seen)?;
    let values = node.floats_at(importer, constant)?.unwrap_or_default();
    let dims = node.constant(importer, constant)?.dims.clone();
    let shape = importer.shape(input);
    let is_for_channels = match dims.iter().rposition(|&dim| dim != 1) {
        None => true,
        Some(axis) => {
            // Counted from the end: channels are the third-last axis of NCHW, the last one elsewhere.
            let place = if input.layout == Layout::Nchw { 3 } else { 1 };
            let is_vector = !input.layout.is_flat() || shape.elements() == shape.channels;
            dims.len() - axis == place && values.len() == shape.channels && is_vector
        }
    };
    node.require(is_for_channels, || {
        format!("a constant of shape {dims:?} is not one number for each of {} channels", shape.channels)
    })?;
    let shifts = if values.len() == 1 { vec![values[0]; shape.channels] } else { values };
    if let Some((_, layer)) = importer.open_affine_layer(input) {
        layer.bias.iter_mut().zip(&shifts).for_each(|(bias, shift)| *bias += shift);
        return Ok(Value::Activation(input));
    }
    let ones = vec![1.0; shape.channels];
    Ok(Value::Activation(importer.push_depthwise(node, Window::square(1), input, ones, shifts)?))
}

/// `Softmax`, dropped: it may only stand last, where it does not change which class is largest.
pub(super) fn softmax(importer: &mut Importer, node: Node) -> Result<Value, ModelError> {
    let seen = node.activation(importer, 0)?;
    let input = importer.settled(node, seen)?;
    let name = node.name();
    importer
        .notes
        .push(format!("softmax `{name}` dropped: Bitmill ends at the logits, the largest class is the same"));
    Ok(Value::Activation(Activation { is_probability: true, ..input }))
}
