//! Weights in the network's order, real and, where the file has them, integer.

use bitmill_formats::Multiplication;

use crate::onnx::constant::{Constant, Values};
use crate::onnx::node::Node;
use crate::quantized::QuantizedWeights;
use crate::{ModelError, WeightFormat};

/// Weights of a layer.
pub(super) struct Weights {
    pub real: Vec<f32>,
    pub integers: Option<QuantizedWeights>,
}

/// Takes the weights of `constant`, whose first axis is the output channel, and brings its axes into `order`.
///
/// # Errors
/// When the elements are plain integers, the scale changes within an output channel, or an integer does not
/// fit its width without the zero point.
pub(super) fn read(node: Node, constant: &Constant, order: &[usize]) -> Result<Weights, ModelError> {
    let ordered = constant.transposed(order);
    let real =
        ordered.floats().ok_or_else(|| node.error("its weights must be real or dequantized numbers"))?;
    if let Some(bad) = real.iter().find(|value| !value.is_finite()) {
        return Err(node.error(format!("its weights must be finite, found {bad}")));
    }
    let integers = match (&constant.values, ordered.values) {
        (Values::Dequantized { scales, .. }, Values::Dequantized { integers, kind, .. }) => {
            let row = constant.len() / constant.dims[0].max(1);
            let rows: Vec<&[f32]> = scales.chunks_exact(row.max(1)).collect();
            let is_even = rows.iter().all(|row| row.iter().all(|scale| *scale == row[0]));
            node.require(is_even, || {
                "its weights are scaled along another axis than the output channels".to_owned()
            })?;
            let scales = rows.iter().map(|row| f64::from(row[0])).collect();
            let integers = fitted(node, &integers, kind.bits)?;
            let format = WeightFormat::signed(kind.bits).map_err(|problem| node.error(problem))?;
            Some(QuantizedWeights { integers, scales, format, multiplication: Multiplication::EXACT })
        }
        _ => None,
    };
    Ok(Weights { real, integers })
}

/// The integers, if they fit `bits` signed bits.
fn fitted(node: Node, integers: &[i64], bits: u8) -> Result<Vec<i16>, ModelError> {
    node.require(bits <= 16, || format!("its weights have {bits} bits; 2 to 16 are supported"))?;
    let limit = 1i64 << (bits - 1);
    let fit = |&weight: &i64| {
        let fitting = (-limit..limit).contains(&weight).then_some(weight as i16);
        fitting.ok_or_else(|| {
            node.error(format!(
                "weight {weight} (zero point subtracted) does not fit {bits} signed bits; \
                 quantize weights symmetrically, with zero point 0"
            ))
        })
    };
    integers.iter().map(fit).collect()
}

/// The bias at input `index`, one for each of `channels`, or zeros where it is not given.
pub(super) fn bias(values: Option<Vec<f32>>, node: Node, channels: usize) -> Result<Vec<f32>, ModelError> {
    match values {
        None => Ok(vec![0.0; channels]),
        Some(values) if values.len() == channels => Ok(values),
        Some(values) if values.len() == 1 => Ok(vec![values[0]; channels]),
        Some(values) => {
            Err(node.error(format!("needs a bias for each of {channels} channels, found {}", values.len())))
        }
    }
}
