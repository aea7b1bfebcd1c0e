//! The operators that can be imported: one table from ONNX's names to handlers.

mod convolution;
mod deformable;
mod dense;
mod elementwise;
mod function;
mod pooling;
mod qonnx;
mod quantization;
mod shapes;
mod slice_pad;
mod transposed;
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
    ("BipolarQuant", qonnx::bipolar_quant),
    ("BatchNormalization", convolution::batch_normalization),
    ("Clip", elementwise::clip),
    ("Concat", shapes::concat),
    ("Constant", view::constant),
    ("Conv", convolution::conv),
    ("ConvTranspose", transposed::conv_transpose),
    ("DeformConv", deformable::deform_conv),
    ("DequantizeLinear", quantization::dequantize_linear),
    ("Div", elementwise::div),
    ("Dropout", view::identity),
    ("Flatten", view::flatten),
    ("Gather", shapes::gather),
    ("Gelu", function::gelu),
    ("Gemm", dense::gemm),
    ("GlobalAveragePool", pooling::global_average_pool),
    ("GlobalMaxPool", pooling::global_max_pool),
    ("HardSwish", function::hard_swish),
    ("Identity", view::identity),
    ("MatMul", dense::mat_mul),
    ("MaxPool", pooling::max_pool),
    ("Mul", elementwise::mul),
    ("Pad", slice_pad::pad),
    ("Pow", elementwise::pow),
    ("Quant", qonnx::quant),
    ("QuantizeLinear", quantization::quantize_linear),
    ("ReduceMean", pooling::reduce_mean),
    ("Relu", elementwise::relu),
    ("Reshape", view::reshape),
    ("Resize", transposed::resize),
    ("Shape", shapes::shape),
    ("Sigmoid", function::sigmoid),
    ("Slice", slice_pad::slice),
    ("Softmax", elementwise::softmax),
    ("Squeeze", view::squeeze),
    ("Sub", elementwise::sub),
    ("Tanh", function::tanh),
    ("Transpose", view::transpose),
    ("Trunc", qonnx::trunc),
    ("Unsqueeze", shapes::unsqueeze),
    ("Upsample", transposed::resize),
];

/// Domains whose operators are ONNX's own, or, for quantization, mean the same.
fn is_known_domain(node: Node) -> bool {
    let domain = node.0.domain.as_str();
    let is_quantization = matches!(node.operator(), "QuantizeLinear" | "DequantizeLinear");
    let is_qonnx = matches!(node.operator(), "Quant" | "BipolarQuant" | "Trunc");
    match domain {
        "" | "ai.onnx" => !is_qonnx,
        "com.microsoft" => is_quantization,
        "onnx.brevitas" | "qonnx.custom_op.general" | "finn.custom_op.general" => is_qonnx,
        _ => false,
    }
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
