//! QuantizeLinear and DequantizeLinear: on constants they are computed, on tensors they are remembered.

use crate::ModelError;
use crate::network::TensorId;
use crate::onnx::constant::{Constant, IntegerType, Values};
use crate::onnx::importer::{Importer, Value};
use crate::onnx::node::Node;
use crate::quantized::Quantization;

/// `QuantizeLinear`.
pub(super) fn quantize_linear(importer: &mut Importer, node: Node) -> Result<Value, ModelError> {
    match node.value(importer, 0)? {
        Value::Constant(_) => quantize_constant(importer, node),
        Value::Activation(_) => quantize_activation(importer, node),
    }
}

/// Gives a tensor its scale and zero point. One that has another already is rescaled by an extra layer.
fn quantize_activation(importer: &mut Importer, node: Node) -> Result<Value, ModelError> {
    let seen = node.activation(importer, 0)?;
    if seen.is_probability {
        return Ok(Value::Activation(seen));
    }
    let default = IntegerType::from_code(node.int("output_dtype", 0) as i32);
    let wanted = per_tensor(importer, node, default)?;
    let target = match importer.quantizations[seen.tensor.index()] {
        Some(current) if current == wanted => return Ok(Value::Activation(seen)),
        None => seen,
        Some(_) => {
            let input = importer.settled(node, seen)?;
            importer.push_identity(node, input)?
        }
    };
    importer.quantizations[target.tensor.index()] = Some(wanted);
    Ok(Value::Activation(target))
}

/// Scale and zero point of a node on a computed tensor. Unsigned integers are shifted to signed ones.
fn per_tensor(
    importer: &Importer,
    node: Node,
    default: Option<IntegerType>,
) -> Result<Quantization, ModelError> {
    let scale = node.scalar_at(importer, 1)?.ok_or_else(|| node.error("needs a scale"))?;
    let (zero_point, kind) = match zero_points(importer, node)? {
        Some((points, kind)) if points.len() == 1 => (points[0], kind),
        Some((points, _)) => return Err(node.error(format!("needs one zero point, found {}", points.len()))),
        None => (0, default.unwrap_or(IntegerType { bits: 8, is_signed: false })),
    };
    node.require((2..=16).contains(&kind.bits), || {
        format!("activations of {} bits are not supported; use 2 to 16", kind.bits)
    })?;
    node.require(scale.is_finite() && scale > 0.0, || format!("its scale must be positive, found {scale}"))?;
    let shift = if kind.is_signed { 0 } else { 1i64 << (kind.bits - 1) };
    // The constant's type bounds the zero point to 16 bits.
    let zero_point = (zero_point - shift) as i32;
    Quantization::signed(kind.bits, f64::from(scale), zero_point).map_err(|problem| node.error(problem))
}

/// Zero points and their type, at input 2.
fn zero_points(importer: &Importer, node: Node) -> Result<Option<(Vec<i64>, IntegerType)>, ModelError> {
    if !node.has_input(2) {
        return Ok(None);
    }
    match &node.constant(importer, 2)?.values {
        Values::Integer(points, kind) => Ok(Some((points.clone(), *kind))),
        _ => Err(node.error("its zero point must be an integer")),
    }
}

/// `DequantizeLinear`.
pub(super) fn dequantize_linear(importer: &mut Importer, node: Node) -> Result<Value, ModelError> {
    let seen = match node.value(importer, 0)? {
        Value::Constant(_) => return dequantize_constant(importer, node),
        Value::Activation(seen) => *seen,
    };
    if seen.is_probability {
        return Ok(Value::Activation(seen));
    }
    let current = importer.quantizations[seen.tensor.index()];
    let given = per_tensor(importer, node, None)?;
    match current {
        Some(current) if current == given || is_zero_point_omitted(node, current, given) => {
            Ok(Value::Activation(seen))
        }
        None if seen.tensor == TensorId::INPUT => {
            importer.quantizations[0] = Some(given);
            Ok(Value::Activation(seen))
        }
        None => Err(node.error("its input was not quantized before")),
        Some(_) => Err(node.error("its scale or zero point is not that of the QuantizeLinear before it")),
    }
}

/// Whether the node leaves out its zero point and its type, both told by the QuantizeLinear before it.
fn is_zero_point_omitted(node: Node, current: Quantization, given: Quantization) -> bool {
    let is_zero = current.zero_point == 0 || current.zero_point == current.min();
    !node.has_input(2) && is_zero && current.scale == given.scale
}

/// Scales, zero points and type for each element of a constant, along `axis` where there are several.
struct PerElement {
    scales: Vec<f32>,
    zero_points: Vec<i64>,
}

fn per_element(importer: &Importer, node: Node, constant: &Constant) -> Result<PerElement, ModelError> {
    node.require(node.int("block_size", 0) == 0, || "scales in blocks are not supported".to_owned())?;
    let scales = node.floats_at(importer, 1)?.ok_or_else(|| node.error("needs a scale"))?;
    if let Some(bad) = scales.iter().find(|scale| **scale <= 0.0) {
        return Err(node.error(format!("its scales must be positive, found {bad}")));
    }
    let points = zero_points(importer, node)?.map_or(vec![0], |(points, _)| points);
    let rank = constant.dims.len();
    let axis = node.int("axis", 1);
    let place =
        usize::try_from(if axis < 0 { axis.saturating_add(rank as i64) } else { axis }).unwrap_or(rank);
    let dim = constant.dims.get(place).copied().unwrap_or(1);
    let is_legal = |count: usize| count == 1 || count == dim;
    node.require(is_legal(scales.len()) && is_legal(points.len()), || {
        format!(
            "{} scales and {} zero points do not suit {dim} elements on axis {axis}",
            scales.len(),
            points.len()
        )
    })?;
    let inner: usize = constant.dims.iter().skip(place.saturating_add(1)).product();
    let along = |index: usize, count: usize| if count == 1 { 0 } else { index / inner % dim };
    Ok(PerElement {
        scales: (0..constant.len()).map(|index| scales[along(index, scales.len())]).collect(),
        zero_points: (0..constant.len()).map(|index| points[along(index, points.len())]).collect(),
    })
}

fn dequantize_constant(importer: &Importer, node: Node) -> Result<Value, ModelError> {
    let constant = node.constant(importer, 0)?;
    let Values::Integer(integers, kind) = &constant.values else {
        return Err(node.error("its input must hold integers"));
    };
    node.require(kind.bits <= 32, || "64-bit integers cannot be dequantized".to_owned())?;
    let PerElement { scales, zero_points } = per_element(importer, node, constant)?;
    let integers =
        integers.iter().zip(&zero_points).map(|(integer, point)| integer.saturating_sub(*point)).collect();
    let values = Values::Dequantized { integers, scales, kind: *kind };
    Ok(Value::Constant(Constant { dims: constant.dims.clone(), values }))
}

fn quantize_constant(importer: &Importer, node: Node) -> Result<Value, ModelError> {
    let constant = node.constant(importer, 0)?;
    let floats = constant.floats().ok_or_else(|| node.error("its input must hold real numbers"))?;
    let kind =
        zero_points(importer, node)?.map_or(IntegerType { bits: 8, is_signed: false }, |(_, kind)| kind);
    node.require(kind.bits <= 16, || format!("{} bits are not supported; use 2 to 16", kind.bits))?;
    let PerElement { scales, zero_points } = per_element(importer, node, constant)?;
    let (least, most) = kind.range();
    let quantize = |index: usize| {
        let integer = (floats[index] / scales[index]).round_ties_even() as i64;
        integer.saturating_add(zero_points[index]).clamp(least, most)
    };
    let integers = (0..floats.len()).map(quantize).collect();
    Ok(Value::Constant(Constant { dims: constant.dims.clone(), values: Values::Integer(integers, kind) }))
}
