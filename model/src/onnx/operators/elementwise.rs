//! Addition and clamps, fused into the layer before them where nothing else sees its tensor.

use crate::ModelError;
use crate::network::Operation;
use crate::onnx::constant::{Constant, Values};
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
    match sides(importer, node)? {
        Sides::Computed => pair(importer, node, Operation::Add),
        Sides::Constants(constant) => folded(importer, node, constant, |a, b| a + b),
        Sides::Mixed { computed, constant } => {
            let values = channel_values(importer, node, computed, constant)?;
            affine(importer, node, computed, vec![1.0; values.len()], values)
        }
    }
}

/// `Mul`: of two computed tensors, or by a constant for each channel.
pub(super) fn mul(importer: &mut Importer, node: Node) -> Result<Value, ModelError> {
    match sides(importer, node)? {
        Sides::Computed => pair(importer, node, Operation::Multiply),
        Sides::Constants(constant) => folded(importer, node, constant, |a, b| a * b),
        Sides::Mixed { computed, constant } => {
            let values = channel_values(importer, node, computed, constant)?;
            let zeros = vec![0.0; values.len()];
            affine(importer, node, computed, values, zeros)
        }
    }
}

/// `Sub` of a constant for each channel, or from one.
pub(super) fn sub(importer: &mut Importer, node: Node) -> Result<Value, ModelError> {
    match sides(importer, node)? {
        Sides::Computed => Err(node.error("subtracts two computed tensors, which is not supported")),
        Sides::Constants(constant) => folded(importer, node, constant, |a, b| a - b),
        Sides::Mixed { computed, constant } => {
            let values = channel_values(importer, node, computed, constant)?;
            let sign = if computed == 0 { 1.0 } else { -1.0 };
            let shifts = values.iter().map(|value| -sign * value).collect();
            affine(importer, node, computed, vec![sign; values.len()], shifts)
        }
    }
}

/// `Div` by a constant for each channel.
pub(super) fn div(importer: &mut Importer, node: Node) -> Result<Value, ModelError> {
    match sides(importer, node)? {
        Sides::Constants(constant) => folded(importer, node, constant, |a, b| a / b),
        Sides::Mixed { computed: 0, constant } => {
            let values = channel_values(importer, node, 0, constant)?;
            let zeros = vec![0.0; values.len()];
            affine(importer, node, 0, values.iter().map(|value| 1.0 / value).collect(), zeros)
        }
        _ => Err(node.error("divides by a computed tensor, which is not supported")),
    }
}

/// `Pow` of constants.
pub(super) fn pow(importer: &mut Importer, node: Node) -> Result<Value, ModelError> {
    match sides(importer, node)? {
        Sides::Constants(constant) => folded(importer, node, constant, f32::powf),
        _ => Err(node.error("is supported for constants only")),
    }
}

/// What a node of two inputs reads.
enum Sides {
    Computed,
    /// The larger of the two.
    Constants(usize),
    Mixed {
        computed: usize,
        constant: usize,
    },
}

fn sides(importer: &Importer, node: Node) -> Result<Sides, ModelError> {
    Ok(match (node.value(importer, 0)?, node.value(importer, 1)?) {
        (Value::Activation(_), Value::Activation(_)) => Sides::Computed,
        (Value::Activation(_), Value::Constant(_)) => Sides::Mixed { computed: 0, constant: 1 },
        (Value::Constant(_), Value::Activation(_)) => Sides::Mixed { computed: 1, constant: 0 },
        (Value::Constant(left), Value::Constant(right)) => {
            Sides::Constants(usize::from(right.len() > left.len()))
        }
    })
}

/// `of` two constants of one shape, or of one and a single number; `larger` is the input with the shape.
fn folded(
    importer: &Importer,
    node: Node,
    larger: usize,
    of: impl Fn(f32, f32) -> f32,
) -> Result<Value, ModelError> {
    let (left, right) = (node.floats_at(importer, 0)?, node.floats_at(importer, 1)?);
    let (left, right) = (left.unwrap_or_default(), right.unwrap_or_default());
    let dims = node.constant(importer, larger)?.dims.clone();
    let count = left.len().max(right.len());
    let is_legal = |side: &[f32]| side.len() == count || side.len() == 1;
    node.require(is_legal(&left) && is_legal(&right), || {
        format!("its constants have {} and {} elements", left.len(), right.len())
    })?;
    let at = |side: &[f32], index: usize| side[if side.len() == 1 { 0 } else { index }];
    let values: Vec<f32> = (0..count).map(|index| of(at(&left, index), at(&right, index))).collect();
    if let Some(bad) = values.iter().find(|value| !value.is_finite()) {
        return Err(node.error(format!("its constants make {bad}")));
    }
    Ok(Value::Constant(Constant { dims, values: Values::Float(values) }))
}

/// A layer of two computed tensors.
fn pair(importer: &mut Importer, node: Node, operation: Operation) -> Result<Value, ModelError> {
    let (left, right) = (node.activation(importer, 0)?, node.activation(importer, 1)?);
    let (left, right) = (importer.settled(node, left)?, importer.settled(node, right)?);
    node.require(left.layout == right.layout, || {
        format!("its inputs have different axes: {:?} and {:?}", left.layout, right.layout)
    })?;
    Ok(Value::Activation(importer.push_plain(node, operation, &[left, right], left.layout)?))
}

/// The constant at input `constant`, one number for each channel of input `computed`.
fn channel_values(
    importer: &mut Importer,
    node: Node,
    computed: usize,
    constant: usize,
) -> Result<Vec<f32>, ModelError> {
    let seen = node.activation(importer, computed)?;
    let values = node.floats_at(importer, constant)?.unwrap_or_default();
    let dims = node.constant(importer, constant)?.dims.clone();
    let shape = importer.shape(seen);
    let is_for_channels = match dims.iter().rposition(|&dim| dim != 1) {
        None => true,
        Some(axis) => {
            // Counted from the end: channels are the third-last axis of NCHW, the last one elsewhere.
            let place = if seen.layout == Layout::Nchw { 3 } else { 1 };
            let is_vector = !seen.layout.is_flat() || shape.elements() == shape.channels;
            dims.len() - axis == place && values.len() == shape.channels && is_vector
        }
    };
    node.require(is_for_channels, || {
        format!("a constant of shape {dims:?} is not one number for each of {} channels", shape.channels)
    })?;
    Ok(if values.len() == 1 { vec![values[0]; shape.channels] } else { values })
}

/// `x · factors + shifts` of each channel of input `computed`, folded into the layer before it where that is
/// possible.
fn affine(
    importer: &mut Importer,
    node: Node,
    computed: usize,
    factors: Vec<f32>,
    shifts: Vec<f32>,
) -> Result<Value, ModelError> {
    let seen = node.activation(importer, computed)?;
    let input = importer.settled(node, seen)?;
    if let Some(bad) = factors.iter().chain(&shifts).find(|value| !value.is_finite()) {
        return Err(node.error(format!("its constants make {bad}")));
    }
    if let Some((operation, layer)) = importer.open_affine_layer(input) {
        layer.then(&operation, &factors, &shifts);
        return Ok(Value::Activation(input));
    }
    Ok(Value::Activation(importer.push_depthwise(node, Window::square(1), input, factors, shifts)?))
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
