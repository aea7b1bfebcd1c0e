//! Requantization to floating point: an exact sum, scaled, and rounded once to a minifloat or a posit.
//!
//! ```text
//! y = clamp(nearest(sum · 2^lsb_exponent · multiplier / 2^shift), low, high)
//! ```
//!
//! The product is exact; the one rounding is the format's own, to nearest even, subnormals included. What exceeds
//! the format becomes its largest number, whatever the format does elsewhere: there are no infinite activations.
//! The bias is part of the sum, there is no zero point, and a ReLU is `low = 0`, since low and high are numbers.

use super::Multiplier;
use crate::{Dyadic, Ordered, Value};

/// Bits of the widest sum, in two's complement, bias included.
pub const WIDEST_SUM_BITS: u32 = 97;

/// The ordinal in `format` of `sum` · 2^`lsb_exponent` times the factor. A sum has at most [`WIDEST_SUM_BITS`].
///
/// ```
/// use bitmill_formats::{Multiplier, Ordered, requantize};
/// let fp8 = Ordered::new(&"fp8_e4m3".parse()?).expect("a minifloat");
/// let third = Multiplier::nearest(1.0 / 3.0)?;
/// let y = requantize::encode(5 << 18, -18, third, fp8);
/// assert_eq!(fp8.value(y).to_f64(), 1.625); // the nearest number to 5 / 3
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn encode(sum: i128, lsb_exponent: i32, factor: Multiplier, format: Ordered) -> i32 {
    let product = sum * i128::from(factor.multiplier);
    let exponent = lsb_exponent - i32::from(factor.shift);
    format.nearest(&Value::Finite(Dyadic::new(product < 0, product.unsigned_abs(), exponent)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Single precision holds these products, and `half` is an implementation of its own.
    #[test]
    fn the_one_rounding_is_to_nearest_even() {
        let [fp16, bf16] = ["fp16", "bf16"].map(|name| Ordered::new(&name.parse().unwrap()).unwrap());
        let mut state = 0x1234_5678_9abc_def1u64;
        for _ in 0..200_000 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            // Magnitudes of 12 bits each.
            let sum = i128::from((state as i64) >> (51 + state % 10));
            let multiplier = (state >> 32) as u32 & 0xfff | 1;
            let shift = (state % 59) as u8;
            let factor = Multiplier { multiplier, shift };
            let real = sum as f32 * multiplier as f32 * 2f32.powi(-10 - i32::from(shift));
            let expected = half::f16::from_f32(real);
            let expected = if expected.is_infinite() { half::f16::MAX.copysign(expected) } else { expected };
            let found = encode(sum, -10, factor, fp16);
            assert_eq!(fp16.code(found), u32::from(expected.to_bits()), "{sum} {factor:?}");
            let expected = u32::from(half::bf16::from_f32(real).to_bits());
            assert_eq!(bf16.code(encode(sum, -10, factor, bf16)), expected, "{sum} {factor:?}");
        }
    }

    #[test]
    fn results_saturate_and_small_posits_stay() {
        let one = Multiplier::ONE;
        let largest = (1i128 << (WIDEST_SUM_BITS - 1)) - 1;
        for name in ["fp4_e2m1", "fp8_e5m2", "fp8_e4m3_nonsat", "posit8_0", "posit16_1"] {
            let format = Ordered::new(&name.parse().unwrap()).unwrap();
            let (least, most) = format.range();
            assert_eq!(encode(largest, 0, one, format), most, "{name}");
            assert_eq!(encode(-largest, 0, one, format), least, "{name}");
            assert_eq!(encode(0, 0, one, format), 0, "{name}");
            let smallest = encode(1, -200, one, format);
            assert_eq!(smallest, i32::from(name.starts_with("posit")), "a posit never rounds to zero");
        }
    }
}
