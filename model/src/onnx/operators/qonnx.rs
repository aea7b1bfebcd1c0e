//! QONNX: `Quant`, `BipolarQuant` and `Trunc`, which quantize and dequantize in one node. On constants they are
//! computed; on tensors they are remembered, like QuantizeLinear.
//!
//! Source: the operator definitions of github.com/fastmachinelearning/qonnx, docs/qonnx-custom-ops.

use crate::ModelError;
use crate::network::TensorId;
use crate::onnx::constant::{Constant, IntegerType, Values};
use crate::onnx::importer::{Importer, Value};
use crate::onnx::node::Node;
use crate::quantized::Quantization;
use crate::shape::Window;

/// Integers that a node rounds to.
struct Range {
    bits: u8,
    least: i64,
    most: i64,
    is_signed: bool,
}

/// `Quant`: `scale · (clamp(round(x / scale + zero_point)) − zero_point)`.
pub(super) fn quant(importer: &mut Importer, node: Node) -> Result<Value, ModelError> {
    let range = range(importer, node)?;
    match node.value(importer, 0)? {
        Value::Constant(_) => quant_constant(importer, node, &range),
        Value::Activation(_) => quant_activation(importer, node, &range),
    }
}

fn range(importer: &Importer, node: Node) -> Result<Range, ModelError> {
    let bits = node.scalar_at(importer, 3)?.ok_or_else(|| node.error("needs a bit width"))?;
    node.require((1.0..=16.0).contains(&bits) && bits.fract() == 0.0, || {
        format!("bit widths must be whole and lie in 1..=16, found {bits}")
    })?;
    let bits = bits as u8;
    let is_signed = node.int("signed", 1) != 0;
    let is_narrow = node.int("narrow", 0) != 0;
    let (least, most) = IntegerType { bits, is_signed }.range();
    let (least, most) = match (is_narrow, is_signed) {
        (false, _) => (least, most),
        (true, true) => (least + 1, most),
        (true, false) => (least, most - 1),
    };
    node.require(least < most, || format!("a range of {least}..={most} holds one number"))?;
    Ok(Range { bits, least, most, is_signed })
}

/// Rounds as the node's `rounding_mode` says.
fn rounding(node: Node) -> Result<fn(f32) -> f32, ModelError> {
    match node.text("rounding_mode", "ROUND").to_ascii_uppercase().as_str() {
        "ROUND" | "HALF_EVEN" => Ok(f32::round_ties_even),
        "CEIL" => Ok(f32::ceil),
        "FLOOR" => Ok(f32::floor),
        "ROUND_TO_ZERO" => Ok(f32::trunc),
        other => Err(node.error(format!("rounding mode {other} is not supported; ROUND, CEIL, FLOOR are"))),
    }
}

/// Input `index` for each element of `constant`: one number, or one for each place along one axis.
fn spread(
    importer: &Importer,
    node: Node,
    index: usize,
    constant: &Constant,
) -> Result<Vec<f32>, ModelError> {
    let values =
        node.floats_at(importer, index)?.ok_or_else(|| node.error(format!("needs an input {index}")))?;
    let dims = &node.constant(importer, index)?.dims;
    let axis = dims.iter().position(|&dim| dim != 1).filter(|_| values.len() > 1);
    let Some(axis) = axis else { return Ok(vec![values.first().copied().unwrap_or(1.0); constant.len()]) };
    // Axes are aligned at the end.
    let place = (axis + constant.dims.len()).checked_sub(dims.len());
    let dim = place.and_then(|place| constant.dims.get(place).copied());
    node.require(dim == Some(values.len()), || {
        format!("input {index} of shape {dims:?} does not suit {:?}", constant.dims)
    })?;
    let inner: usize = constant.dims.iter().skip(place.unwrap_or(0) + 1).product();
    Ok((0..constant.len()).map(|element| values[element / inner % values.len()]).collect())
}

fn quant_constant(importer: &Importer, node: Node, range: &Range) -> Result<Value, ModelError> {
    let constant = node.constant(importer, 0)?;
    let reals = constant.floats().ok_or_else(|| node.error("its input must hold real numbers"))?;
    let scales = spread(importer, node, 1, constant)?;
    if let Some(bad) = scales.iter().find(|scale| **scale <= 0.0) {
        return Err(node.error(format!("its scales must be positive, found {bad}")));
    }
    let zero_points = spread(importer, node, 2, constant)?;
    let round = rounding(node)?;
    let integer = |index: usize| {
        let raw = round(reals[index] / scales[index] + zero_points[index]) as i64;
        raw.clamp(range.least, range.most) - zero_points[index] as i64
    };
    let integers = (0..reals.len()).map(integer).collect();
    // Without its zero point an unsigned integer needs a sign.
    let bits = (range.bits + u8::from(!range.is_signed)).max(2);
    let kind = IntegerType { bits, is_signed: true };
    let values = Values::Dequantized { integers, scales, kind };
    Ok(Value::Constant(Constant { dims: constant.dims.clone(), values }))
}

fn quant_activation(importer: &mut Importer, node: Node, range: &Range) -> Result<Value, ModelError> {
    let mode = node.text("rounding_mode", "ROUND");
    node.require(mode.eq_ignore_ascii_case("ROUND"), || {
        format!("activations round to nearest, found rounding mode {mode}")
    })?;
    let scale = positive_scale(importer, node)?;
    let zero_point = node.scalar_at(importer, 2)?.unwrap_or(0.0);
    node.require(zero_point.fract() == 0.0 && zero_point.abs() <= 65_536.0, || {
        format!("its zero point must be an integer of its width, found {zero_point}")
    })?;
    // One bit has no room for a sign of its own; unsigned integers are shifted to signed ones.
    let bits = range.bits.max(2);
    let shift = if range.is_signed || range.bits == 1 { 0 } else { 1i64 << (bits - 1) };
    let zero_point = zero_point as i64;
    let quantization = Quantization::of_bits(bits, f64::from(scale), (zero_point - shift) as i32);
    let real = |integer: i64| scale * (integer - zero_point) as f32;
    set(importer, node, quantization, (real(range.least), real(range.most)))
}

fn positive_scale(importer: &Importer, node: Node) -> Result<f32, ModelError> {
    let scale = node.scalar_at(importer, 1)?.ok_or_else(|| node.error("needs a scale"))?;
    node.require(scale > 0.0, || format!("its scale must be positive, found {scale}"))?;
    Ok(scale)
}

/// Quantizes the node's input, clamped to a range of reals.
fn set(
    importer: &mut Importer,
    node: Node,
    quantization: Quantization,
    (low, high): (f32, f32),
) -> Result<Value, ModelError> {
    let seen = node.activation(importer, 0)?;
    let input = importer.settled(node, seen)?;
    importer.has_qonnx = true;
    let given = importer.quantizations[input.tensor.index()];
    let is_free = given.is_none();
    let range = [quantization.min(), quantization.max()].map(|end| quantization.dequantize(end) as f32);
    // Where nothing but the integers' range bounds them, the host makes those of the network's input, and rounding a second
    // time to the same integers changes nothing.
    if range == [low, high] && (is_free && input.tensor == TensorId::INPUT || given == Some(quantization)) {
        importer.quantizations[input.tensor.index()] = Some(quantization);
        return Ok(Value::Activation(input));
    }
    // The clamp belongs to this reader alone where others see the tensor too.
    let target = match is_free && importer.open_layer(input).is_some() {
        true => input,
        false => importer.push_identity(node, input)?,
    };
    if let Some((_, layer)) = importer.open_layer(target) {
        layer.real = layer.real.clone().clamped(low, high);
    }
    importer.quantizations[target.tensor.index()] = Some(quantization);
    Ok(Value::Activation(target))
}

/// `BipolarQuant`: `scale` where x ≥ 0, else `−scale`.
pub(super) fn bipolar_quant(importer: &mut Importer, node: Node) -> Result<Value, ModelError> {
    if let Value::Constant(constant) = node.value(importer, 0)? {
        let reals = constant.floats().ok_or_else(|| node.error("its input must hold real numbers"))?;
        let scales = spread(importer, node, 1, constant)?;
        if let Some(bad) = scales.iter().find(|scale| **scale <= 0.0) {
            return Err(node.error(format!("its scales must be positive, found {bad}")));
        }
        let integers = reals.iter().map(|&real| if real >= 0.0 { 1 } else { -1 }).collect();
        let kind = IntegerType { bits: 2, is_signed: true };
        let dims = constant.dims.clone();
        return Ok(Value::Constant(Constant {
            dims,
            values: Values::Dequantized { integers, scales, kind },
        }));
    }
    let scale = positive_scale(importer, node)?;
    let quantization = Quantization::of_bits(2, f64::from(scale), 0);
    let value = set(importer, node, quantization, (-scale, scale))?;
    if let Value::Activation(target) = &value {
        importer.bipolar.push(target.tensor);
    }
    Ok(value)
}

/// `Trunc`: drops the lowest bits of a quantized tensor, which keeps its scale, so that its reals shrink.
pub(super) fn trunc(importer: &mut Importer, node: Node) -> Result<Value, ModelError> {
    let mode = node.text("rounding_mode", "FLOOR");
    node.require(mode.eq_ignore_ascii_case("FLOOR"), || {
        format!("rounding mode FLOOR is supported, found {mode}")
    })?;
    let scale = positive_scale(importer, node)?;
    let zero_point = node.scalar_at(importer, 2)?.unwrap_or(0.0);
    node.require(zero_point == 0.0, || format!("zero point 0 is supported, found {zero_point}"))?;
    let width = |index| match node.scalar_at(importer, index)? {
        Some(bits) if (1.0..=16.0).contains(&bits) && bits.fract() == 0.0 => Ok(bits as u8),
        bits => Err(node.error(format!("bit widths must be whole and lie in 1..=16, found {bits:?}"))),
    };
    let (from, to) = (width(3)?, width(4)?);
    node.require(to <= from, || format!("cannot truncate {from} bits to {to}"))?;
    let dropped = i32::from(from - to);
    let seen = node.activation(importer, 0)?;
    let input = importer.settled(node, seen)?;
    let channels = importer.shape(input).channels;
    // ⌊q / 2^t⌋ is q / 2^t − 1/2, rounded to nearest; a quarter step more keeps it off the ties.
    let bias = scale * if dropped == 0 { 0.0 } else { -0.5 + 2f32.powi(-dropped - 2) };
    let factors = vec![2f32.powi(-dropped); channels];
    let truncated = importer.push_depthwise(node, Window::square(1), input, factors, vec![bias; channels])?;
    let bits = to.max(2);
    let quantization = Quantization::of_bits(bits, f64::from(scale), 0);
    // The mean of unsigned integers is unsigned: without a sign bit they take the upper half.
    let is_signed = node.int("signed", 1) != 0;
    let shift = if is_signed { 0 } else { 1 << (bits - 1) };
    importer.quantizations[truncated.tensor.index()] =
        Some(Quantization { zero_point: -shift, ..quantization });
    importer.has_qonnx = true;
    Ok(Value::Activation(truncated))
}
