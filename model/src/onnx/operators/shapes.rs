//! Shapes as numbers: exporters compute the target of a reshape in the graph. Everything here is constant, except
//! that `Concat` also joins computed maps along their channels.

use crate::ModelError;
use crate::network::Operation;
use crate::onnx::constant::Constant;
use crate::onnx::importer::{Importer, Layout, Value};
use crate::onnx::node::Node;

/// `Shape` of a computed tensor, its batch being 1.
pub(super) fn shape(importer: &mut Importer, node: Node) -> Result<Value, ModelError> {
    let dims = match node.value(importer, 0)? {
        Value::Constant(constant) => constant.dims.clone(),
        Value::Activation(seen) => {
            let seen = *seen;
            let input = importer.settled(node, seen)?;
            super::view::seen_dims(importer.shape(input), input.layout)
        }
    };
    let dims: Vec<i64> = dims.iter().map(|&dim| dim as i64).collect();
    let count = dims.len();
    Ok(Value::Constant(Constant::of_integers(dims, vec![count])))
}

/// `Gather` of constant integers along their one axis.
pub(super) fn gather(importer: &mut Importer, node: Node) -> Result<Value, ModelError> {
    let list = node.integers_at(importer, 0)?.unwrap_or_default();
    let indices = node.integers_at(importer, 1)?.unwrap_or_default();
    let dims = node.constant(importer, 1)?.dims.clone();
    let axes = node.constant(importer, 0)?.dims.len();
    node.require(axes == 1 && node.int("axis", 0) == 0, || {
        "only lists of integers are supported".to_owned()
    })?;
    let count = list.len() as i64;
    let pick = |&index: &i64| {
        let place = if index < 0 { index.saturating_add(count) } else { index };
        usize::try_from(place).ok().and_then(|place| list.get(place).copied())
    };
    let picked: Option<Vec<i64>> = indices.iter().map(pick).collect();
    let picked = picked.ok_or_else(|| node.error(format!("indices {indices:?} of {count} elements")))?;
    Ok(Value::Constant(Constant::of_integers(picked, dims)))
}

/// `Unsqueeze` of a constant.
pub(super) fn unsqueeze(importer: &mut Importer, node: Node) -> Result<Value, ModelError> {
    let axes = match node.ints("axes") {
        Some(axes) => axes.to_vec(),
        None => node.integers_at(importer, 1)?.unwrap_or_default(),
    };
    let constant = node.constant(importer, 0)?;
    let mut dims = constant.dims.clone();
    let mut axes: Vec<usize> = axes.iter().filter_map(|&axis| usize::try_from(axis).ok()).collect();
    axes.sort_unstable();
    for axis in axes {
        node.require(axis <= dims.len() && dims.len() < 16, || format!("axis {axis} does not exist"))?;
        dims.insert(axis, 1);
    }
    Ok(Value::Constant(constant.reshaped(dims)))
}

/// `Concat`: of constant integers, or of computed maps along their channels.
pub(super) fn concat(importer: &mut Importer, node: Node) -> Result<Value, ModelError> {
    let count = node.0.input.len();
    let axis = node.int("axis", 0);
    if matches!(node.value(importer, 0)?, Value::Constant(_)) {
        let mut list = Vec::new();
        for index in 0..count {
            list.extend(node.integers_at(importer, index)?.unwrap_or_default());
        }
        node.require(axis == 0, || format!("constants are joined on axis 0, found {axis}"))?;
        let length = list.len();
        return Ok(Value::Constant(Constant::of_integers(list, vec![length])));
    }
    let mut inputs = Vec::new();
    for index in 0..count {
        let seen = node.activation(importer, index)?;
        inputs.push(importer.settled(node, seen)?);
    }
    let layout = inputs[0].layout;
    let is_like = inputs.iter().all(|input| {
        let shape = importer.shape(*input);
        input.layout == layout && (!layout.is_flat() || shape.elements() == shape.channels)
    });
    let channel_axis =
        if layout == Layout::Nhwc { [3, -1] } else { [1, if layout.is_flat() { -1 } else { -3 }] };
    node.require(is_like && channel_axis.contains(&axis), || {
        format!("only tensors of one layout can be joined, along their channels; found axis {axis}")
    })?;
    Ok(Value::Activation(importer.push_plain(node, Operation::Concatenate, &inputs, layout)?))
}
