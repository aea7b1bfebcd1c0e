//! Fully connected layers: `Gemm` and `MatMul` with constant weights.

use super::weights::{self, Weights};
use crate::ModelError;
use crate::float::FloatLayer;
use crate::network::Operation;
use crate::onnx::constant::Constant;
use crate::onnx::importer::{Activation, ImportedLayer, Importer, Layout, Value};
use crate::onnx::node::Node;

/// `Gemm`: `alpha · x · B + beta · C`, with constant B and C.
pub(super) fn gemm(importer: &mut Importer, node: Node) -> Result<Value, ModelError> {
    node.require(node.int("transA", 0) == 0, || "transA must be 0".to_owned())?;
    let is_transposed = node.int("transB", 0) != 0;
    let matrix = matrix(importer, node, is_transposed)?;
    let (alpha, beta) = (node.float("alpha", 1.0), node.float("beta", 1.0));
    let bias = node.floats_at(importer, 2)?.map(|bias| bias.iter().map(|value| value * beta).collect());
    fully_connected(importer, node, &matrix, alpha, bias)
}

/// `MatMul` with a constant second input. A following `Add` of a constant becomes its bias.
pub(super) fn mat_mul(importer: &mut Importer, node: Node) -> Result<Value, ModelError> {
    let matrix = matrix(importer, node, false)?;
    fully_connected(importer, node, &matrix, 1.0, None)
}

/// The weights as [outputs, inputs].
fn matrix(importer: &Importer, node: Node, is_transposed: bool) -> Result<Constant, ModelError> {
    let constant = node.constant(importer, 1)?;
    node.require(constant.dims.len() == 2 && constant.len() > 0, || {
        format!("its weights must have two axes, found {:?}", constant.dims)
    })?;
    Ok(if is_transposed { constant.clone() } else { constant.transposed(&[1, 0]) })
}

fn fully_connected(
    importer: &mut Importer,
    node: Node,
    matrix: &Constant,
    alpha: f32,
    bias: Option<Vec<f32>>,
) -> Result<Value, ModelError> {
    let seen = node.activation(importer, 0)?;
    let input = importer.settled(node, seen)?;
    node.require(input.layout.is_flat(), || {
        "its input must have two axes, batch and features; flatten it first".to_owned()
    })?;
    let shape = importer.shape(input);
    let (out_features, in_features) = (matrix.dims[0], matrix.dims[1]);
    node.require(in_features == shape.elements(), || {
        format!("its weights take {in_features} features, its input has {}", shape.elements())
    })?;
    let columns = match input.layout {
        Layout::FlatChw => vec![out_features, shape.channels, shape.height, shape.width],
        _ => vec![out_features, shape.height, shape.width, shape.channels],
    };
    let order: &[usize] = if input.layout == Layout::FlatChw { &[0, 2, 3, 1] } else { &[0, 1, 2, 3] };
    let Weights { mut real, integers } = weights::read(node, &matrix.reshaped(columns), order)?;
    // Integer weights keep their values; a factor other than 1 goes to the scales.
    let integers = integers.map(|mut weights| {
        weights.scales.iter_mut().for_each(|scale| *scale *= f64::from(alpha));
        weights
    });
    real.iter_mut().for_each(|weight| *weight *= alpha);
    let bias = weights::bias(bias, node, out_features)?;
    let layer = ImportedLayer { real: FloatLayer::weighted(real, bias), integers };
    let whole: Activation = input;
    let operation = Operation::FullyConnected { out_features };
    Ok(Value::Activation(importer.push(node, operation, &[whole], Layout::FlatChw, layer)?))
}
