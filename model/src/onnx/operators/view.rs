//! Operators that only change the axes under which a tensor is seen, and constants.

use crate::ModelError;
use crate::onnx::constant::{Constant, Values};
use crate::onnx::importer::{Activation, Importer, Layout, Value};
use crate::onnx::node::Node;
use crate::shape::Shape;

/// `Constant`, as a tensor or a number.
pub(super) fn constant(_: &mut Importer, node: Node) -> Result<Value, ModelError> {
    let float = |values: &[f32], dims| Constant { dims, values: Values::Float(values.to_vec()) };
    let read = if let Some(tensor) = node.tensor("value") {
        Constant::read(tensor).map_err(|error| node.error(error.to_string()))?
    } else if let Some(values) = node.floats("value_floats") {
        float(values, vec![values.len()])
    } else if node.has("value_float") {
        float(&[node.float("value_float", 0.0)], vec![])
    } else if let Some(values) = node.ints("value_ints") {
        Constant::of_integers(values.to_vec(), vec![values.len()])
    } else if node.has("value_int") {
        Constant::of_integers(vec![node.int("value_int", 0)], vec![])
    } else {
        return Err(node.error("needs value, value_float(s) or value_int(s); others are not supported"));
    };
    Ok(Value::Constant(read))
}

/// `Identity`, and `Dropout` in inference.
pub(super) fn identity(importer: &mut Importer, node: Node) -> Result<Value, ModelError> {
    Ok(node.value(importer, 0)?.clone())
}

/// `Flatten` behind the batch axis.
pub(super) fn flatten(importer: &mut Importer, node: Node) -> Result<Value, ModelError> {
    let seen = node.activation(importer, 0)?;
    let input = settled_or_probability(importer, node, seen)?;
    let rank = if input.layout.is_flat() { 2 } else { 4 };
    let axis = node.int("axis", 1);
    node.require(axis == 1 || axis == 1 - rank, || format!("axis must be 1, found {axis}"))?;
    Ok(Value::Activation(flat(input)))
}

fn flat(input: Activation) -> Activation {
    let layout = match input.layout {
        Layout::Nchw => Layout::FlatChw,
        Layout::Nhwc => Layout::FlatHwc,
        flat => flat,
    };
    Activation { layout, ..input }
}

fn settled_or_probability(
    importer: &mut Importer,
    node: Node,
    seen: Activation,
) -> Result<Activation, ModelError> {
    if seen.is_probability { Ok(seen) } else { importer.settled(node, seen) }
}

/// `Reshape` of a constant; of a computed tensor to a vector, or back to the map that it is.
pub(super) fn reshape(importer: &mut Importer, node: Node) -> Result<Value, ModelError> {
    let target = match node.ints("shape") {
        Some(dims) => dims.to_vec(),
        None => node.integers_at(importer, 1)?.ok_or_else(|| node.error("needs a shape"))?,
    };
    let seen = match node.value(importer, 0)? {
        Value::Constant(constant) => {
            let old: Vec<i64> = constant.dims.iter().map(|&dim| dim as i64).collect();
            let dims = resolved(&target, &old, constant.len());
            let dims = dims.ok_or_else(|| node.error(format!("{old:?} cannot be reshaped to {target:?}")))?;
            return Ok(Value::Constant(constant.reshaped(dims)));
        }
        Value::Activation(seen) => *seen,
    };
    let input = settled_or_probability(importer, node, seen)?;
    let shape = importer.shape(input);
    let old: Vec<i64> = seen_dims(shape, input.layout).iter().map(|&dim| dim as i64).collect();
    let dims = resolved(&target, &old, shape.elements());
    let layout = dims.as_deref().and_then(|dims| reshaped_layout(dims, shape, input.layout));
    let layout = layout.ok_or_else(|| {
        node.error(format!(
            "reshapes {old:?} to {target:?}; only flattening behind the batch axis and its undoing are supported"
        ))
    })?;
    Ok(Value::Activation(Activation { layout, ..input }))
}

/// Dimensions of a tensor of `shape` seen in `layout`, with batch 1.
pub(super) fn seen_dims(shape: Shape, layout: Layout) -> Vec<usize> {
    let Shape { height, width, channels } = shape;
    match layout {
        Layout::Nchw => vec![1, channels, height, width],
        Layout::Nhwc => vec![1, height, width, channels],
        Layout::FlatChw | Layout::FlatHwc => vec![1, shape.elements()],
    }
}

/// `target` with its 0 (as before) and −1 (what is left) filled in, if its product is then `count`.
fn resolved(target: &[i64], old: &[i64], count: usize) -> Option<Vec<usize>> {
    let copied = |(place, &dim): (usize, &i64)| if dim == 0 { old.get(place).copied() } else { Some(dim) };
    let dims: Vec<i64> = target.iter().enumerate().map(copied).collect::<Option<_>>()?;
    let known = dims.iter().filter(|&&dim| dim != -1).map(|&dim| usize::try_from(dim).ok());
    let product = known.collect::<Option<Vec<_>>>()?.into_iter().try_fold(1usize, usize::checked_mul)?;
    let rest = count.checked_div(product)?;
    let full: Vec<usize> = dims.iter().map(|&dim| if dim == -1 { rest } else { dim as usize }).collect();
    let is_legal = dims.iter().filter(|&&dim| dim == -1).count() <= 1;
    let total = full.iter().try_fold(1usize, |total, &dim| total.checked_mul(dim))?;
    (is_legal && total == count).then_some(full)
}

/// The layout in which a tensor of `shape`, now in `layout`, has dimensions `dims`.
fn reshaped_layout(dims: &[usize], shape: Shape, layout: Layout) -> Option<Layout> {
    let is_vector = shape.elements() == shape.channels;
    let is_chw = matches!(layout, Layout::Nchw | Layout::FlatChw);
    let (map, flat) = if is_chw { (Layout::Nchw, Layout::FlatChw) } else { (Layout::Nhwc, Layout::FlatHwc) };
    let orders = if is_vector { vec![flat, map, Layout::Nchw, Layout::Nhwc] } else { vec![flat, map] };
    orders.into_iter().find(|&order| seen_dims(shape, order) == dims)
}

/// `Squeeze` of the two axes of a 1×1 map.
pub(super) fn squeeze(importer: &mut Importer, node: Node) -> Result<Value, ModelError> {
    let seen = node.activation(importer, 0)?;
    let input = importer.settled(node, seen)?;
    let axes = match node.ints("axes") {
        Some(axes) => axes.to_vec(),
        None => node.integers_at(importer, 1)?.unwrap_or_default(),
    };
    let mut axes: Vec<i64> =
        axes.iter().map(|&axis| if axis < 0 { axis.saturating_add(4) } else { axis }).collect();
    axes.sort_unstable();
    let shape = importer.shape(input);
    let is_map_of_one = shape.height == 1 && shape.width == 1;
    let expected: &[i64] = if input.layout == Layout::Nchw { &[2, 3] } else { &[1, 2] };
    node.require(is_map_of_one && !input.layout.is_flat() && axes == expected, || {
        format!("only height and width of 1 can be squeezed, found axes {axes:?} of {shape}")
    })?;
    Ok(Value::Activation(flat(input)))
}

/// `Transpose` of a constant; of a computed tensor between the two channel orders.
pub(super) fn transpose(importer: &mut Importer, node: Node) -> Result<Value, ModelError> {
    let order = |rank: usize| -> Option<Vec<usize>> {
        let Some(given) = node.ints("perm") else { return Some((0..rank).rev().collect()) };
        let axes: Vec<usize> = given.iter().map(|&axis| usize::try_from(axis).ok()).collect::<Option<_>>()?;
        let mut sorted = axes.clone();
        sorted.sort_unstable();
        sorted.into_iter().eq(0..rank).then_some(axes)
    };
    let illegal = || node.error("perm must name each axis once");
    let seen = match node.value(importer, 0)? {
        Value::Constant(constant) => {
            let order = order(constant.dims.len()).ok_or_else(illegal)?;
            return Ok(Value::Constant(constant.transposed(&order)));
        }
        Value::Activation(seen) => *seen,
    };
    let shape = importer.shape(seen);
    let old = axes(seen.layout);
    let order = order(old.len()).ok_or_else(illegal)?;
    // Axes of size 1 move freely.
    let is_wide = |axis: &char| match axis {
        'h' => shape.height > 1,
        'w' => shape.width > 1,
        'c' => shape.channels > 1,
        _ => true,
    };
    let new: Vec<char> = order.iter().map(|&axis| old[axis]).filter(is_wide).collect();
    let candidates = if seen.layout.is_flat() { vec![seen.layout] } else { vec![Layout::Nchw, Layout::Nhwc] };
    let layout = candidates
        .into_iter()
        .find(|&layout| axes(layout).iter().copied().filter(is_wide).eq(new.iter().copied()));
    let layout = layout.ok_or_else(|| {
        node.error(format!(
            "perm {order:?} is none of those between NCHW and NHWC, which alone are supported"
        ))
    })?;
    Ok(Value::Activation(Activation { layout, ..seen }))
}

/// The axes of a layout: batch, then height, width, channels, or all features.
pub(super) fn axes(layout: Layout) -> &'static [char] {
    match layout {
        Layout::Nchw => &['n', 'c', 'h', 'w'],
        Layout::Nhwc => &['n', 'h', 'w', 'c'],
        Layout::FlatChw | Layout::FlatHwc => &['n', 'f'],
    }
}
