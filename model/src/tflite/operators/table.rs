//! Functions of single elements as tables, made by the reference kernels' fixed-point arithmetic, and the
//! softmax that is left to the host.

use bitmill_formats::{Multiplier, Requantization};

use super::{double_rounding, whole};
use crate::ModelError;
use crate::network::{Function, Operation};
use crate::quantized::{Quantization, QuantizedLayer};
use crate::tflite::fixed_point::{divide_by_power, hyperbolic_tangent, logistic as fixed_logistic};
use crate::tflite::importer::{Clamp, Importer, Node, lane};
use crate::tflite::softmax::Softmax;

/// Integer bits of the functions' argument.
const ARGUMENT_BITS: i32 = 4;

/// `LOGISTIC`: the result has scale 1/256 and zero point −128.
pub(super) fn logistic(importer: &mut Importer, node: Node) -> Result<(), ModelError> {
    let result = |argument| divide_by_power(fixed_logistic(argument), 31 - 8) - 128;
    tabulate(importer, node, Function::Sigmoid, (-128, 127), result)
}

/// `TANH`: the result has scale 1/128 and zero point 0.
pub(super) fn tanh(importer: &mut Importer, node: Node) -> Result<(), ModelError> {
    let result = |argument| divide_by_power(hyperbolic_tangent(argument), 31 - 7);
    tabulate(importer, node, Function::Tanh, (-128, 127), result)
}

/// Appends a lookup of `result` of the input in Q4; far inputs saturate to `ends`.
fn tabulate(
    importer: &mut Importer,
    node: Node,
    function: Function,
    ends: (i32, i32),
    result: impl Fn(i32) -> i32,
) -> Result<(), ModelError> {
    let input = importer.activation(node, 0)?;
    let Quantization { scale, zero_point, .. } = importer.quantizations[input.index()];
    let output = importer.output_quantization(node)?;
    let (bits, point) = if function == Function::Tanh { (7, 0) } else { (8, -128) };
    node.require(output.scale == 2f64.powi(-bits) && output.zero_point == point, || {
        format!("its output must have scale 2^-{bits} and zero point {point}")
    })?;
    let factor = double_rounding(node, scale * 2f64.powi(31 - ARGUMENT_BITS))?;
    // The largest difference that keeps the argument in its 31 bits.
    let left = 31 - i32::from(factor.shift);
    let radius = (15.0 * 2f64.powi(31 - ARGUMENT_BITS) / 2f64.powi(left)).floor();
    let entry = |raw: i32| {
        let difference = raw - zero_point;
        let is_beyond = f64::from(difference).abs() >= radius;
        let value = match difference > 0 {
            true if is_beyond => ends.1,
            false if is_beyond => ends.0,
            _ => result(Requantization::DoubleRounding.scale(difference.into(), factor) as i32),
        };
        value.clamp(-128, 127) as i16
    };
    let weights = (-128..=127).map(entry).collect();
    let channels = importer.graph.shape(input).channels;
    let clamp = Clamp::new(node, 0, output)?;
    let (real, plain) = lane(channels, 0, Multiplier::ONE, Requantization::DyadicHalfUp, clamp);
    let table = QuantizedLayer { weights, offset: 0, ..plain };
    let id = importer.push(node, Operation::Lookup { function }, vec![input], output, (real, table))?;
    importer.define(node, whole(id))
}

/// `SOFTMAX` at the end of the network.
pub(super) fn softmax(importer: &mut Importer, node: Node) -> Result<(), ModelError> {
    let input = importer.activation(node, 0)?;
    let shape = importer.graph.shape(input);
    node.require(shape.elements() == shape.channels, || {
        "only a softmax over a vector is supported".to_owned()
    })?;
    let beta = node.option(|options| options.f32(0))?;
    let scale = importer.quantizations[input.index()].scale;
    let softmax = Softmax::new(beta, scale as f32).map_err(|problem| node.error(problem))?;
    importer.drop_softmax(node, softmax, input)
}
