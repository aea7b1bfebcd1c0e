//! L-Mul: multiplication of minifloats by one integer addition (Luo and Sun, 2024).
//!
//! The definition is the adder: with the sign bits apart, magnitude codes a and b give
//! a + b + C, C = (2^m >> l) − (bias << m), where l = m up to 3 mantissa bits, 3 at 4 and 4 above.
//! A carry out of the mantissa sum s = x + y + 2^−l makes the adder return 2s·2^e where the paper prints
//! (1 + s)·2^e; [`LMul::printed_formula`] is that other model.
//!
//! What the paper leaves open is settled here. NaN in gives NaN. Infinity times anything but zero
//! overflows by the format's policy; times zero it is NaN. Zero and subnormal operands give a zero of the
//! product's sign. A sum below the smallest normal code is such a zero too; one above the largest finite
//! code overflows by the format's policy. So two guard bits in the adder tell every case.

use crate::family::Family;
use crate::{Dyadic, FormatError, Minifloat, Value};

/// The L-Mul of one minifloat format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LMul {
    format: Minifloat,
}

/// What the special cases leave to be added.
enum Operands {
    Settled(u32),
    Normal { negative: bool, a: u32, b: u32 },
}

impl LMul {
    /// L-Mul on `format`, which needs a mantissa bit.
    pub fn new(format: Minifloat) -> Result<Self, FormatError> {
        if format.mantissa_bits() == 0 {
            return Err(FormatError::Unsupported {
                operation: "L-Mul",
                needs: "a minifloat with a mantissa",
                format: format.to_string(),
            });
        }
        Ok(Self { format })
    }

    /// The format of operands and result.
    pub fn format(&self) -> Minifloat {
        self.format
    }

    /// l(m): the correction is 2^−l.
    pub fn correction_exponent(&self) -> u32 {
        match self.format.mantissa_bits() {
            m @ 0..=3 => m,
            4 => 3,
            _ => 4,
        }
    }

    /// The constant C that the adder adds, in units of the last mantissa bit.
    pub fn offset(&self) -> i64 {
        let m = self.format.mantissa_bits();
        ((1i64 << m) >> self.correction_exponent()) - (i64::from(self.format.bias()) << m)
    }

    /// The code of a×b by the integer adder: the definition.
    pub fn multiply(&self, a: u32, b: u32) -> u32 {
        let (negative, a, b) = match self.operands(a, b) {
            Operands::Settled(code) => return code,
            Operands::Normal { negative, a, b } => (negative, a, b),
        };
        let sum = i64::from(a) + i64::from(b) + self.offset();
        match u32::try_from(sum) {
            Ok(code) if code > self.format.largest_code() => self.format.overflow_code(negative),
            Ok(code) if code >> self.format.mantissa_bits() > 0 => {
                code | if negative { self.format.sign_bit() } else { 0 }
            }
            _ => self.format.zero_code(negative),
        }
    }

    /// The paper's printed formula, (1 + x + y + 2^−l)·2^(ex + ey), exactly and without the format's range.
    /// Special operands are treated as in [`Self::multiply`].
    pub fn printed_formula(&self, a: u32, b: u32) -> Value {
        let (negative, a, b) = match self.operands(a, b) {
            Operands::Settled(code) => return self.format.decode(code),
            Operands::Normal { negative, a, b } => (negative, a, b),
        };
        let m = self.format.mantissa_bits();
        let fraction = |code: u32| u128::from(code & ((1 << m) - 1));
        let exponent = |code: u32| (code >> m) as i32 - self.format.bias();
        let correction = (1u128 << m) >> self.correction_exponent();
        let significand = (1 << m) + fraction(a) + fraction(b) + correction;
        Value::Finite(Dyadic::new(negative, significand, exponent(a) + exponent(b) - m as i32))
    }

    /// The adder's sum without the format's range: neither underflow nor overflow, since the exponent takes
    /// one bit more. Special operands are treated as in [`Self::multiply`], except that an infinity stays one.
    pub fn unbounded(&self, a: u32, b: u32) -> Value {
        let (negative, a, b) = match self.operands(a, b) {
            Operands::Settled(_) => {
                // Subnormal operands are zeros.
                let value = |code| match self.format.decode(code) {
                    Value::Finite(x)
                        if (code & (self.format.sign_bit() - 1)) >> self.format.mantissa_bits() == 0 =>
                    {
                        Value::Finite(Dyadic::new(x.is_negative(), 0, 0))
                    }
                    other => other,
                };
                return value(a).multiply(value(b));
            }
            Operands::Normal { negative, a, b } => (negative, a, b),
        };
        let m = self.format.mantissa_bits();
        let sum = u64::from(a) + u64::from(b) + ((1u64 << m) >> self.correction_exponent());
        let significand = (1 << m) | u128::from(sum & ((1 << m) - 1));
        Value::Finite(Dyadic::new(
            negative,
            significand,
            (sum >> m) as i32 - 2 * self.format.bias() - m as i32,
        ))
    }

    /// Every number that [`Self::unbounded`] makes is a multiple of 2^this: the product of the smallest normal
    /// numbers has exponent field 2.
    pub fn unbounded_lsb_exponent(&self) -> i32 {
        2 - 2 * self.format.bias() - self.format.mantissa_bits() as i32
    }

    fn operands(&self, a: u32, b: u32) -> Operands {
        let format = &self.format;
        let is_negative = |code: u32| code & format.sign_bit() != 0;
        let negative = is_negative(a) != is_negative(b);
        let magnitude = |code: u32| code & (format.sign_bit() - 1);
        let is_zero = |code: u32| magnitude(code) >> format.mantissa_bits() == 0;
        match (format.decode(a), format.decode(b)) {
            (Value::Nan, _) | (_, Value::Nan) => Operands::Settled(format.nan_code()),
            (Value::Infinite { .. }, _) if is_zero(b) => Operands::Settled(format.nan_code()),
            (_, Value::Infinite { .. }) if is_zero(a) => Operands::Settled(format.nan_code()),
            (Value::Infinite { .. }, _) | (_, Value::Infinite { .. }) => {
                Operands::Settled(format.overflow_code(negative))
            }
            _ if is_zero(a) || is_zero(b) => Operands::Settled(format.zero_code(negative)),
            _ => Operands::Normal { negative, a: magnitude(a), b: magnitude(b) },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lmul(name: &str) -> LMul {
        LMul::new(Minifloat::parse(name).unwrap().unwrap()).unwrap()
    }

    /// The constants, also modulo 2^(e+m) as hardware adds them.
    #[test]
    fn offsets_are_the_known_constants() {
        let table = [
            ("fp8_e4m3", -55, 0x49),
            ("fp8_e5m2", -59, 0x45),
            ("fp16", -15296, 0x4440),
            ("bf16", -16248, 0x4088),
            ("fp32", (1 << 19) - (127 << 23), 0x4088_0000),
        ];
        for (name, offset, modular) in table {
            let lmul = lmul(name);
            assert_eq!(lmul.offset(), offset, "{name}");
            assert_eq!(lmul.offset().rem_euclid(lmul.format().sign_bit().into()), modular, "{name}");
        }
    }

    /// Relative errors over all pairs of mantissas, as mean / mean magnitude / maximum in thousandths: the
    /// adder, the printed formula, and the adder without correction (Mitchell's logarithm). Eight exponent
    /// bits keep every product in range. (Mitchell's mean for 7 bits is −0.03848.)
    #[test]
    fn errors_are_those_of_the_exhaustive_table() {
        let table = [
            ("fp11_e8m2", [[147, 147, 250], [86, 111, 250], [-36, 36, 111]]),
            ("fp12_e8m3", [[49, 52, 125], [-10, 69, 182], [-38, 38, 111]]),
            ("fp13_e8m4", [[49, 51, 125], [-22, 69, 201], [-38, 38, 111]]),
            ("bf16", [[4, 27, 73], [-63, 75, 232], [-38, 38, 111]]),
        ];
        for (name, expected) in table {
            let lmul = lmul(name);
            let m = lmul.format().mantissa_bits();
            let one = (lmul.format().bias() as u32) << m;
            let correction = (1u32 << m) >> lmul.correction_exponent();
            let decode = |code: u32| lmul.format().decode(code).to_f64();
            let models: [&dyn Fn(u32, u32) -> f64; 3] = [
                &|a, b| decode(lmul.multiply(a, b)),
                &|a, b| lmul.printed_formula(a, b).to_f64(),
                &|a, b| decode(lmul.multiply(a, b) - correction),
            ];
            for (model, expected) in models.iter().zip(expected) {
                let errors = (one..one + (1 << m)).flat_map(|a| {
                    (one..one + (1 << m)).map(move |b| model(a, b) / (decode(a) * decode(b)) - 1.0)
                });
                let errors: Vec<f64> = errors.collect();
                let mean =
                    |f: fn(f64) -> f64| errors.iter().copied().map(f).sum::<f64>() / errors.len() as f64;
                let maximum = errors.iter().fold(0f64, |largest, e| largest.max(e.abs()));
                let measured = [mean(|e| e), mean(f64::abs), maximum].map(|e| (1000.0 * e).round() as i32);
                assert_eq!(measured, expected, "{name}");
            }
        }
    }

    /// Where the product of the format is a finite number other than zero and was not clamped, both agree.
    #[test]
    fn unbounded_products_are_those_of_the_format_within_its_range() {
        for name in ["fp8_e4m3", "fp8_e5m2", "fp6_e2m3", "fp8_e4m3_fnuz"] {
            let lmul = lmul(name);
            let format = lmul.format();
            let codes = 0..1u32 << format.bits();
            let mut inside = 0;
            for (a, b) in codes.clone().flat_map(|a| codes.clone().map(move |b| (a, b))) {
                let (bounded, wide) = (format.decode(lmul.multiply(a, b)), lmul.unbounded(a, b));
                let magnitude = |x: Dyadic| x.magnitude();
                match (bounded.finite(), wide.finite()) {
                    (Some(x), Some(y)) if x == y => inside += 1,
                    (Some(x), Some(y)) if x.is_zero() => {
                        assert!(y.log2_floor() < Some(format.minimum_exponent()))
                    }
                    (x, Some(y)) => {
                        let largest = format.extremes().highest;
                        assert!(
                            magnitude(y) > largest && x.is_none_or(|x| magnitude(x) == largest),
                            "{name}"
                        );
                    }
                    (_, None) => assert!(bounded.finite().is_none(), "{name}: {a:#x} x {b:#x}"),
                }
            }
            assert!(inside > 1 << (2 * format.bits() - 2), "{name}: {inside}");
        }
    }

    #[test]
    fn special_operands_and_the_ends_of_the_range_follow_the_rules() {
        let table = [
            // Format, a, b, product.
            ("fp8_e4m3", 0x00, 0xb8, 0x80),
            ("fp8_e4m3", 0x07, 0x38, 0x00),
            ("fp8_e4m3", 0x7f, 0x00, 0x7f),
            ("fp8_e4m3", 0x7e, 0x7e, 0x7e),
            ("fp8_e4m3_nonsat", 0x7e, 0xfe, 0x7f),
            ("fp8_e4m3", 0x08, 0x88, 0x80),
            ("fp8_e5m2", 0x7c, 0xbc, 0xfc),
            ("fp8_e5m2", 0x7c, 0x00, 0x7e),
            ("fp8_e5m2", 0x7c, 0x01, 0x7e),
            ("fp8_e5m2", 0x7b, 0x7b, 0x7c),
            ("fp8_e5m2_sat", 0x7b, 0xfb, 0xfb),
            ("fp8_e5m2_sat", 0x7c, 0x3c, 0x7b),
            ("fp4_e2m1", 0x7, 0xf, 0xf),
            ("fp4_e2m1", 0x1, 0xa, 0x8),
            ("fp8_e5m2_fnuz", 0x80, 0x00, 0x80),
            ("fp8_e5m2_fnuz", 0x00, 0xc0, 0x00),
        ];
        for (name, a, b, product) in table {
            assert_eq!(lmul(name).multiply(a, b), product, "{name}: {a:#x} x {b:#x}");
            assert_eq!(lmul(name).multiply(b, a), product, "{name}: {b:#x} x {a:#x}");
        }
    }

    #[test]
    fn a_format_without_mantissa_is_refused() {
        let error = LMul::new(Minifloat::new(3, 0).unwrap()).unwrap_err().to_string();
        assert_eq!(error, "L-Mul needs a minifloat with a mantissa, and fp4_e3m0 is not one");
    }
}
