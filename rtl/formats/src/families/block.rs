//! Block formats: a run of elements shares one scale (OCP MX, NVFP4, block floating point).
//!
//! A number is element × scale, and × a tensor-wide FP32 scale in the NV formats. All three factors are
//! exact, so a block format adds nothing to the arithmetic but a product. Names are in `block_name.rs`.

use crate::accumulator::ExactSum;
use crate::family::{Family, Policy};
use crate::{Dyadic, FormatError, Minifloat, Ordered, Rounding, Scalar, Value};

/// How a block's scale is found from its largest magnitude.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ScaleRule {
    /// 2^(⌊log2 amax⌋ − ⌊log2 element max⌋): OCP MX v1.0, section 6.3. The largest elements may saturate.
    PowerDown,
    /// 2^⌈log2(amax / element max)⌉: no element saturates (cuDNN's rule for MX).
    PowerUp,
    /// The code of the scale format nearest to amax / element max.
    Nearest,
}

/// Elements and the scale they share.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Block {
    size: usize,
    element: Scalar,
    scale: Scalar,
    rule: ScaleRule,
    tensor_scaled: bool,
}

/// A tensor in a block format, one code an entry.
#[derive(Debug, Clone, PartialEq)]
pub struct BlockTensor {
    /// Codes of the elements.
    pub elements: Vec<u32>,
    /// Codes of the scales, one a block; the last block may be short.
    pub scales: Vec<u32>,
    /// The scale of the whole tensor, 1 for formats without.
    pub tensor_scale: f32,
}

impl Block {
    /// Blocks of `size` elements (1 to 65536). The scale is a power of two or a minifloat.
    pub fn new(size: usize, element: Scalar, scale: Scalar, rule: ScaleRule) -> Result<Self, FormatError> {
        let block = Self { size, element, scale, rule, tensor_scaled: false };
        let name = block.to_string();
        if !(1..=65536).contains(&size) {
            return Err(FormatError::illegal(&name, "a block has 1 to 65536 elements"));
        }
        if block.element_maximum().is_zero() || matches!(block.element, Scalar::PowerOfTwo(_)) {
            return Err(FormatError::illegal(
                &name,
                "the elements need a zero and a positive number to be scaled to",
            ));
        }
        match (&block.scale, rule) {
            (Scalar::PowerOfTwo(_), ScaleRule::PowerDown | ScaleRule::PowerUp)
            | (Scalar::Minifloat(_), ScaleRule::Nearest) => Ok(block),
            _ => {
                Err(FormatError::illegal(&name, "a scale is a power of two (e8m0) or a minifloat (fp8_e4m3)"))
            }
        }
    }

    /// An NV format: an E4M3 scale a block, and an FP32 scale for the tensor, amax / (element max × scale max).
    pub(crate) fn nv(size: usize, element: Scalar) -> Result<Self, FormatError> {
        let scale = Scalar::Minifloat(Minifloat::new(4, 3)?);
        Ok(Self::new(size, element, scale, ScaleRule::Nearest)?.tensor_scaled())
    }

    fn tensor_scaled(self) -> Self {
        Self { tensor_scaled: true, ..self }
    }

    /// The same format with elements that saturate where they would become infinite.
    pub fn saturating(&self) -> Self {
        let element = Ordered::new(&self.element).map_or(self.element.clone(), Ordered::saturating);
        Self { element, ..self.clone() }
    }

    /// Elements in a block.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Format of the elements.
    pub fn element(&self) -> &Scalar {
        &self.element
    }

    /// Format of the block scales.
    pub fn scale(&self) -> &Scalar {
        &self.scale
    }

    /// How a block's scale is found.
    pub fn rule(&self) -> ScaleRule {
        self.rule
    }

    /// Whether an FP32 scale for the whole tensor is part of the format.
    pub fn is_tensor_scaled(&self) -> bool {
        self.tensor_scaled
    }

    /// Quantizes a tensor whose blocks run along the innermost dimension, `values.len()` a multiple of the
    /// block size or with a short last block. Every element is rounded once, from the exact quotient.
    pub fn encode(&self, values: &[f32], rounding: Rounding) -> BlockTensor {
        let tensor_scale = if self.tensor_scaled { self.find_tensor_scale(values) } else { 1.0 };
        self.encode_scaled(values, tensor_scale, rounding)
    }

    /// The same for a tensor whose scale is given: 1 for formats without.
    pub fn encode_scaled(&self, values: &[f32], tensor_scale: f32, rounding: Rounding) -> BlockTensor {
        let mut tensor =
            BlockTensor { elements: Vec::with_capacity(values.len()), scales: vec![], tensor_scale };
        for block in values.chunks(self.size) {
            let scale_code = self.find_scale(block, tensor_scale);
            tensor.scales.push(scale_code);
            let scale = self.full_scale(scale_code, tensor_scale);
            tensor.elements.extend(self.encode_under(scale, block, rounding, tensor.elements.len() as u64));
        }
        tensor
    }

    /// Codes of elements under a scale; the first is element `index` of its tensor.
    pub(crate) fn encode_under(
        &self,
        scale: Value,
        values: &[f32],
        rounding: Rounding,
        index: u64,
    ) -> Vec<u32> {
        let scale = scale.finite().filter(|scale| !scale.is_zero());
        let element = |(index, value): (u64, &f32)| {
            let quotient = match (Dyadic::from_f64((*value).into()), scale) {
                (Some(x), Some(scale)) => Value::Finite(x.divide(scale)),
                _ => Value::ZERO,
            };
            self.element.encode_at(&quotient, rounding, index)
        };
        (index..).zip(values).map(element).collect()
    }

    /// The exact value of element `index`: NaN throughout a block whose scale is NaN.
    pub fn value(&self, tensor: &BlockTensor, index: usize) -> Value {
        let scale = self.full_scale(tensor.scales[index / self.size], tensor.tensor_scale);
        self.element.decode(tensor.elements[index]).multiply(scale)
    }

    /// The whole tensor as `f64`, which holds every value exactly.
    pub fn decode(&self, tensor: &BlockTensor) -> Vec<f64> {
        (0..tensor.elements.len()).map(|index| self.value(tensor, index).to_f64()).collect()
    }

    /// The exact dot product of two tensors of the same length, in this format and another.
    pub fn dot(&self, a: &BlockTensor, other: &Self, b: &BlockTensor) -> Result<ExactSum, FormatError> {
        let (given, expected) = (b.elements.len(), a.elements.len());
        if given != expected {
            return Err(FormatError::Length { what: "elements of the second tensor", given, expected });
        }
        let mut sum = ExactSum::new();
        for index in 0..expected {
            sum.add_product(&self.value(a, index), &other.value(b, index));
        }
        Ok(sum)
    }

    /// Largest magnitude that an element reaches on both sides of zero.
    pub(crate) fn element_maximum(&self) -> Dyadic {
        let extremes = self.element.extremes();
        if extremes.highest.is_negative() { Dyadic::ZERO } else { extremes.highest }
    }

    fn full_scale(&self, scale_code: u32, tensor_scale: f32) -> Value {
        self.scale.decode(scale_code).multiply(Value::from_f32(tensor_scale))
    }

    fn find_tensor_scale(&self, values: &[f32]) -> f32 {
        let amax = largest_magnitude(values.iter().filter(|value| value.is_finite()));
        let reach = self.element_maximum().multiply(self.scale.extremes().highest);
        let scale = amax.divide(reach).to_f32();
        // A tensor of zeros, or of numbers too small for the quotient, needs a scale that is not zero.
        if scale > 0.0 { scale } else { f32::from_bits(1) }
    }

    /// The scale's code by the format's rule.
    pub(crate) fn find_scale(&self, block: &[f32], tensor_scale: f32) -> u32 {
        if block.iter().any(|value| !value.is_finite()) {
            return self.scale.encode(&Value::Nan, Rounding::NearestEven);
        }
        let amax = largest_magnitude(block.iter());
        let maximum = self.element_maximum();
        match (&self.scale, amax.log2_floor()) {
            (Scalar::PowerOfTwo(scale), Some(log2)) => scale.clamped_code(match self.rule {
                ScaleRule::PowerUp => ceiling_log2(amax.divide(maximum)),
                _ => log2 - maximum.log2_floor().unwrap_or(0),
            }),
            (Scalar::PowerOfTwo(_), None) => 0,
            (scale, _) => {
                let tensor_scale = Dyadic::from_f64(tensor_scale.into()).unwrap_or(Dyadic::from_integer(1));
                let quotient = amax.divide(maximum.multiply(tensor_scale));
                scale.encode(&Value::Finite(quotient), Rounding::NearestEven)
            }
        }
    }

    /// The written rules.
    pub fn policies(&self) -> Vec<Policy> {
        let scale = match self.rule {
            ScaleRule::PowerDown => {
                "2^(floor(log2 amax) - floor(log2 element max)), clamped (OCP MX); the largest elements may saturate."
            }
            ScaleRule::PowerUp => "2^ceil(log2(amax / element max)), clamped; no element saturates.",
            ScaleRule::Nearest => {
                "The nearest code to amax / element max (over the tensor scale, if there is one)."
            }
        };
        let mut policies = vec![
            Policy::new("element", format!("{}, {} a block.", self.element, self.size)),
            Policy::new("scale", format!("{}: {scale}", self.scale)),
            Policy::new(
                "NaN and infinity",
                "One in a block makes its scale NaN and its elements 0: the whole block reads as NaN.",
            ),
            Policy::new("zero", "A block of zeros gets the scale code 0."),
            Policy::new("rounding", "Elements are rounded once, from the exact quotient by the scales."),
        ];
        if self.tensor_scaled {
            policies.push(Policy::new("tensor scale", "FP32, nearest to amax / (element max * scale max)."));
        }
        policies
    }
}

fn largest_magnitude<'a>(values: impl Iterator<Item = &'a f32>) -> Dyadic {
    let largest = values.fold(0f32, |largest, value| largest.max(value.abs()));
    Dyadic::from_f64(largest.into()).unwrap_or(Dyadic::ZERO)
}

/// ⌈log2 x⌉ of a positive number.
fn ceiling_log2(x: Dyadic) -> i32 {
    let is_power = x.significand() == 1;
    x.log2_floor().unwrap_or(0) + i32::from(!is_power)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(name: &str) -> Block {
        Block::parse(name).unwrap().unwrap()
    }

    fn check(name: &str, values: &[f32], scales: &[u32], decoded: &[f64]) {
        let format = block(name);
        let tensor = format.encode(values, Rounding::NearestEven);
        assert_eq!(tensor.scales, scales, "{name}");
        assert_eq!(format.decode(&tensor), decoded, "{name}");
    }

    #[test]
    fn mx_scales_follow_ocp() {
        check("mxfp4", &[1.0, -0.25, 6.0, 0.1], &[127], &[1.0, -0.0, 6.0, 0.0]);
        check("mxfp4", &[7.0, 3.5], &[127], &[6.0, 4.0]);
        check("mxfp4_up", &[7.0, 3.5], &[128], &[8.0, 4.0]);
        check("mxint8", &[1.0, -1.999, 0.0078125], &[127], &[1.0, -1.984375, 0.0]);
        check("mxfp8_e4m3", &[448.0, 1.0], &[127], &[448.0, 1.0]);
        check("mxfp8_e5m2", &[1.0, 3.0], &[113], &[1.0, 3.0]);
        check("bfp4_g2", &[7.0, 3.4, 0.5, -0.25], &[127, 124], &[7.0, 3.0, 0.5, -0.25]);
    }

    #[test]
    fn nv_scales_are_fractions_of_the_tensor_scale() {
        let format = block("nvfp4");
        let values: Vec<f32> = (0..32).map(|i| if i < 16 { 448.0 * 6.0 } else { 6.0 }).collect();
        let tensor = format.encode(&values, Rounding::NearestEven);
        assert_eq!(tensor.tensor_scale, 1.0);
        assert_eq!(tensor.scales, [0x7e, 0x38]);
        assert_eq!(format.decode(&tensor), values.iter().map(|v| f64::from(*v)).collect::<Vec<_>>());
        let int4 = block("nvint4").encode(&[7.0 * 448.0, -7.0 * 448.0], Rounding::NearestEven);
        assert_eq!((int4.tensor_scale, &int4.elements[..]), (1.0, &[7, 9][..]));
    }

    #[test]
    fn special_values_poison_their_block_only() {
        for name in ["mxfp4_g2", "mxint8_g2", "mxfp8_e5m2_g2", "nvfp4_g2", "bfp8_g2"] {
            for special in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                let format = block(name);
                let tensor = format.encode(&[special, 1.0, 1.0, 1.0], Rounding::NearestEven);
                let decoded = format.decode(&tensor);
                assert!(decoded[0].is_nan() && decoded[1].is_nan(), "{name}");
                assert!((decoded[2] - 1.0).abs() < 0.02, "{name}: {}", decoded[2]);
            }
            let format = block(name);
            let zeros = format.encode(&[0.0; 4], Rounding::NearestEven);
            assert_eq!(format.decode(&zeros), [0.0; 4], "{name}");
        }
    }

    #[test]
    fn dot_products_are_exact() {
        let (weights, activations) = (block("nvfp4"), block("mxfp8_e4m3"));
        let values: Vec<f32> = (0..64).map(|i| (i as f32 * 0.37).sin()).collect();
        let a = weights.encode(&values, Rounding::NearestEven);
        let b = activations.encode(&values, Rounding::NearestEven);
        let sum = weights.dot(&a, &activations, &b).unwrap().value();
        // Doubles hold each product exactly; summed from small to large their error stays far below 1e-12.
        let reference: f64 = weights.decode(&a).iter().zip(activations.decode(&b)).map(|(x, y)| x * y).sum();
        assert!((sum.to_f64() - reference).abs() < 1e-12);
    }
}
