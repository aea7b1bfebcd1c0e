//! The operators that can be imported: one table from TFLite's codes to handlers.

mod elementwise;
mod matrix;
mod pooling;
mod table;
mod view;

use bitmill_formats::{Multiplier, Requantization};

use super::importer::{Importer, Node, Seen, lane};
use crate::ModelError;
use crate::network::{Operation, TensorId};
use crate::shape::{Padding, Window};

pub(super) use view::push_padding;

/// Reads one operator into the importer.
type Handler = fn(&mut Importer, Node) -> Result<(), ModelError>;

/// Every supported operator, by its number in the schema's `BuiltinOperator`.
const OPERATORS: &[(i32, &str, Handler)] = &[
    (0, "ADD", elementwise::add),
    (1, "AVERAGE_POOL_2D", pooling::average_pool),
    (2, "CONCATENATION", elementwise::concatenation),
    (3, "CONV_2D", matrix::convolution),
    (4, "DEPTHWISE_CONV_2D", matrix::depthwise),
    (6, "DEQUANTIZE", view::dequantize),
    (9, "FULLY_CONNECTED", matrix::fully_connected),
    (14, "LOGISTIC", table::logistic),
    (17, "MAX_POOL_2D", pooling::max_pool),
    (18, "MUL", elementwise::multiply),
    (19, "RELU", elementwise::relu),
    (21, "RELU6", elementwise::relu6),
    (22, "RESHAPE", view::reshape),
    (25, "SOFTMAX", table::softmax),
    (28, "TANH", table::tanh),
    (34, "PAD", view::pad),
    (40, "MEAN", pooling::mean),
    (67, "TRANSPOSE_CONV", matrix::transposed_convolution),
    (97, "RESIZE_NEAREST_NEIGHBOR", view::resize_nearest),
    (114, "QUANTIZE", view::quantize),
];

/// Imports operator `index` of the file.
pub(super) fn import(importer: &mut Importer, index: usize) -> Result<(), ModelError> {
    let info = &importer.model.operators[index];
    let found = OPERATORS.iter().find(|(code, ..)| *code == info.code);
    let Some(&(_, name, handler)) = found else {
        let supported: Vec<&str> = OPERATORS.iter().map(|(_, name, _)| *name).collect();
        let problem = format!("is not supported; supported are {}", supported.join(", "));
        let (node, operator) = (format!("op{index:02}"), format!("builtin operator {}", info.code));
        return Err(ModelError::Node { node, operator, problem });
    };
    handler(importer, Node { index, name, info })
}

/// A rescaling by a real factor as gemmlowp rounds it: TFLite's `QuantizeMultiplier` and double rounding.
fn double_rounding(node: Node, factor: f64) -> Result<Multiplier, ModelError> {
    Multiplier::nearest(factor).map_err(|problem| node.error(problem))
}

/// Appends a layer that hands `input` on with another scale, as TFLite's requantization does.
fn push_rescaled(
    importer: &mut Importer,
    node: Node,
    input: TensorId,
    activation: u8,
) -> Result<TensorId, ModelError> {
    let output = importer.output_quantization(node)?;
    let quantization = importer.quantizations[input.index()];
    let clamp = super::importer::Clamp::new(node, activation, output)?;
    let factor = double_rounding(node, quantization.scale / output.scale)?;
    let channels = importer.graph.shape(input).channels;
    let layer = lane(channels, -quantization.zero_point, factor, Requantization::DoubleRounding, clamp);
    let operation = Operation::AveragePool { window: Window::square(1) };
    importer.push(node, operation, vec![input], output, layer)
}

/// `id` without padding.
fn whole(id: TensorId) -> Seen {
    Seen { id, padding: Padding::default() }
}
