//! Constant tensors: initializers, `Constant` nodes, and what dequantizing them gives.

use super::proto::TensorProto;
use crate::ModelError;

/// An integer element type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct IntegerType {
    pub bits: u8,
    pub is_signed: bool,
}

impl IntegerType {
    /// The type of ONNX's `TensorProto.DataType` code, or `None` where it is no integer type.
    pub fn from_code(code: i32) -> Option<Self> {
        let (bits, is_signed) = match code {
            2 => (8, false),
            3 => (8, true),
            4 => (16, false),
            5 => (16, true),
            6 => (32, true),
            7 => (64, true),
            21 => (4, false),
            22 => (4, true),
            _ => return None,
        };
        Some(Self { bits, is_signed })
    }

    /// Smallest and largest value. At most 32 bits are asked for.
    pub fn range(&self) -> (i64, i64) {
        match self.is_signed {
            true => (-(1i64 << (self.bits - 1)), (1i64 << (self.bits - 1)) - 1),
            false => (0, (1i64 << self.bits) - 1),
        }
    }
}

/// Elements of a constant.
#[derive(Debug, Clone)]
pub(crate) enum Values {
    /// Real numbers.
    Float(Vec<f32>),
    /// Integers of a type.
    Integer(Vec<i64>, IntegerType),
    /// Integers (zero point subtracted) of a type, and the scale of each: the reals are their products.
    Dequantized { integers: Vec<i64>, scales: Vec<f32>, kind: IntegerType },
}

/// A constant tensor.
#[derive(Debug, Clone)]
pub(crate) struct Constant {
    pub dims: Vec<usize>,
    pub values: Values,
}

impl Constant {
    /// Reads a tensor, checking its element count against its dimensions.
    pub fn read(proto: &TensorProto) -> Result<Self, ModelError> {
        let name = if proto.name.is_empty() { "unnamed" } else { &proto.name };
        let error = |problem: String| ModelError::Tensor { tensor: name.to_owned(), problem };
        if proto.data_location != 0 {
            return Err(error("its data is in another file; save the model with the data inside".to_owned()));
        }
        let (dims, count) = dimensions(&proto.dims).map_err(error)?;
        let values = read_values(proto, count).map_err(error)?;
        Ok(Self { dims, values })
    }

    /// A tensor of 64-bit integers, as many as `dims` say.
    pub fn of_integers(integers: Vec<i64>, dims: Vec<usize>) -> Self {
        Self { dims, values: Values::Integer(integers, IntegerType { bits: 64, is_signed: true }) }
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.dims.iter().product()
    }

    /// The real numbers, or `None` for plain integers.
    pub fn floats(&self) -> Option<Vec<f32>> {
        match &self.values {
            Values::Float(values) => Some(values.clone()),
            Values::Integer(..) => None,
            Values::Dequantized { integers, scales, .. } => {
                Some(integers.iter().zip(scales).map(|(&integer, scale)| integer as f32 * scale).collect())
            }
        }
    }

    /// The integers, or `None` for real numbers.
    pub fn integers(&self) -> Option<&[i64]> {
        match &self.values {
            Values::Integer(values, _) => Some(values),
            Values::Float(_) | Values::Dequantized { .. } => None,
        }
    }

    /// The tensor with its axes in another order, `order[i]` being the old axis at new place i. `order` is a
    /// permutation of the axes.
    pub fn transposed(&self, order: &[usize]) -> Self {
        let dims: Vec<usize> = order.iter().map(|&axis| self.dims[axis]).collect();
        let stride = |axis: usize| self.dims[axis + 1..].iter().product::<usize>();
        let strides: Vec<usize> = order.iter().map(|&axis| stride(axis)).collect();
        let source = |index: usize| {
            let mut rest = index;
            let mut offset = 0;
            for (dim, stride) in dims.iter().zip(&strides).rev() {
                offset += rest % dim * stride;
                rest /= dim;
            }
            offset
        };
        let sources: Vec<usize> = (0..self.len()).map(source).collect();
        Self { dims, values: self.values.gathered(&sources) }
    }

    /// The same elements under other dimensions of the same product.
    pub fn reshaped(&self, dims: Vec<usize>) -> Self {
        Self { dims, values: self.values.clone() }
    }
}

impl Values {
    fn gathered(&self, sources: &[usize]) -> Self {
        match self {
            Self::Float(values) => Self::Float(gather(values, sources)),
            Self::Integer(values, kind) => Self::Integer(gather(values, sources), *kind),
            Self::Dequantized { integers, scales, kind } => Self::Dequantized {
                integers: gather(integers, sources),
                scales: gather(scales, sources),
                kind: *kind,
            },
        }
    }
}

fn gather<T: Copy>(values: &[T], sources: &[usize]) -> Vec<T> {
    sources.iter().map(|&source| values[source]).collect()
}

/// Dimensions as sizes, and their product.
fn dimensions(dims: &[i64]) -> Result<(Vec<usize>, usize), String> {
    let sizes: Option<Vec<usize>> = dims.iter().map(|&dim| usize::try_from(dim).ok()).collect();
    let sizes = sizes.ok_or_else(|| format!("dimensions {dims:?} must not be negative"))?;
    if sizes.len() > 1 && sizes.contains(&0) {
        return Err(format!("dimensions {dims:?} must not hold a zero"));
    }
    let product = sizes.iter().try_fold(1usize, |product, &dim| product.checked_mul(dim));
    let count = product.filter(|&count| count < 1 << 40);
    count.map(|count| (sizes, count)).ok_or_else(|| format!("dimensions {dims:?} are too large"))
}

/// The elements of `proto`, which must be `count`.
fn read_values(proto: &TensorProto, count: usize) -> Result<Values, String> {
    let of_count = |found: usize| {
        let dims = &proto.dims;
        (found == count)
            .then_some(())
            .ok_or(format!("dimensions {dims:?} need {count} elements, found {found}"))
    };
    let values = match (proto.data_type, proto.raw_data.as_deref()) {
        (1, Some(raw)) => Values::Float(chunks(raw, count, f32::from_le_bytes)?),
        (1, None) => Values::Float(proto.float_data.clone()),
        (11, Some(raw)) => Values::Float(chunks(raw, count, |bytes| f64::from_le_bytes(bytes) as f32)?),
        (11, None) => Values::Float(proto.double_data.iter().map(|&value| value as f32).collect()),
        (code, raw) => {
            let kind = IntegerType::from_code(code).ok_or_else(|| {
                format!("element type {code} is not supported; use float, double, or (u)int4 to int64")
            })?;
            let integers = match raw {
                Some(raw) => read_integers(raw, kind, count)?,
                None if kind.bits == 64 => proto.int64_data.clone(),
                None if kind.bits == 4 => {
                    let packed: Vec<u8> = proto.int32_data.iter().map(|&pair| pair as u8).collect();
                    read_integers(&packed, kind, count)?
                }
                None => proto.int32_data.iter().map(|&value| i64::from(value)).collect(),
            };
            let (least, most) = if kind.bits < 64 { kind.range() } else { (i64::MIN, i64::MAX) };
            if let Some(bad) = integers.iter().find(|&&value| value < least || value > most) {
                return Err(format!("element {bad} lies outside {least}..={most}"));
            }
            Values::Integer(integers, kind)
        }
    };
    match &values {
        Values::Float(floats) => {
            of_count(floats.len())?;
            match floats.iter().position(|value| !value.is_finite()) {
                Some(bad) => Err(format!("element {bad} is {}, only finite numbers are legal", floats[bad])),
                None => Ok(values),
            }
        }
        Values::Integer(integers, _) | Values::Dequantized { integers, .. } => {
            of_count(integers.len())?;
            Ok(values)
        }
    }
}

/// Integers of `kind` from raw little-endian bytes; 4-bit ones are packed in pairs, the first in the low half.
fn read_integers(raw: &[u8], kind: IntegerType, count: usize) -> Result<Vec<i64>, String> {
    match (kind.bits, kind.is_signed) {
        (8, false) => chunks(raw, count, |[byte]: [u8; 1]| i64::from(byte)),
        (8, true) => chunks(raw, count, |[byte]: [u8; 1]| i64::from(byte as i8)),
        (16, false) => chunks(raw, count, |bytes| i64::from(u16::from_le_bytes(bytes))),
        (16, true) => chunks(raw, count, |bytes| i64::from(i16::from_le_bytes(bytes))),
        (32, _) => chunks(raw, count, |bytes| i64::from(i32::from_le_bytes(bytes))),
        (64, _) => chunks(raw, count, i64::from_le_bytes),
        (_, is_signed) => {
            let pairs = chunks(raw, count.div_ceil(2), |[byte]: [u8; 1]| [byte & 15, byte >> 4])?;
            let extend = |half: u8| i64::from(half) - if is_signed && half >= 8 { 16 } else { 0 };
            Ok(pairs.as_flattened().iter().take(count).map(|&half| extend(half)).collect())
        }
    }
}

/// Exactly `count` elements of N bytes each.
fn chunks<const N: usize, T>(
    raw: &[u8],
    count: usize,
    read: impl Fn([u8; N]) -> T,
) -> Result<Vec<T>, String> {
    let (elements, rest) = raw.as_chunks::<N>();
    if elements.len() != count || !rest.is_empty() {
        return Err(format!("{count} elements of {N} bytes expected, found {} bytes", raw.len()));
    }
    Ok(elements.iter().map(|&bytes| read(bytes)).collect())
}
