//! The operators that can be imported: one table from ONNX's names to handlers.

mod convolution;
mod dense;
mod elementwise;
mod pooling;
mod quantization;
mod slice_pad;
mod view;
mod weights;

use super::importer::{Importer, Value};
use super::node::Node;
use crate::ModelError;

/// Reads one node and returns what its first output stands for.
type Handler = fn(&mut Importer, Node) -> Result<Value, ModelError>;

/// Every supported operator.
const OPERATORS: &[(&str, Handler)] = &[
    ("Add", elementwise::add),
    ("AveragePool", pooling::average_pool),
    ("BatchNormalization", convolution::batch_normalization),
    ("Clip", elementwise::clip),
    ("Constant", view::constant),
    ("Conv", convolution::conv),
    ("DequantizeLinear", quantization::dequantize_linear),
    ("Dropout", view::identity),
    ("Flatten", view::flatten),
    ("Gemm", dense::gemm),
    ("GlobalAveragePool", pooling::global_average_pool),
    ("GlobalMaxPool", pooling::global_max_pool),
    ("Identity", view::identity),
    ("MatMul", dense::mat_mul),
    ("MaxPool", pooling::max_pool),
    ("Pad", slice_pad::pad),
    ("QuantizeLinear", quantization::quantize_linear),
    ("ReduceMean", pooling::reduce_mean),
    ("Relu", elementwise::relu),
    ("Reshape", view::reshape),
    ("Slice", slice_pad::slice),
    ("Softmax", elementwise::softmax),
    ("Squeeze", view::squeeze),
    ("Transpose", view::transpose),
];

/// Domains whose operators are ONNX's own, or, for quantization, mean the same.
fn is_known_domain(node: Node) -> bool {
    let domain = node.0.domain.as_str();
    let is_quantization = matches!(node.operator(), "QuantizeLinear" | "DequantizeLinear");
    matches!(domain, "" | "ai.onnx") || (domain == "com.microsoft" && is_quantization)
}

/// Imports one node and defines its first output.
///
/// # Errors
/// When the operator, or the way it is used, is not supported.
pub(crate) fn import_node(importer: &mut Importer, node: Node) -> Result<(), ModelError> {
    let found = OPERATORS.iter().find(|(name, _)| *name == node.operator());
    let Some((_, handler)) = found.filter(|_| is_known_domain(node)) else {
        let supported: Vec<&str> = OPERATORS.iter().map(|(name, _)| *name).collect();
        let domain = if node.0.domain.is_empty() { "ai.onnx" } else { &node.0.domain };
        return Err(node.error(format!(
            "operator of domain {domain} is not supported; supported are {} of ai.onnx",
            supported.join(", ")
        )));
    };
    let value = handler(importer, node)?;
    importer.define(node.output()?, value);
    Ok(())
}
