//! Floating-point formats by the order of their numbers: each finite code has an ordinal, and ordinals compare
//! like the numbers they stand for.
//!
//! So whatever orders integers (a clamp, a maximum, a ReLU) orders floating-point numbers too, without decoding
//! them. Zero is 0. A posit's ordinal is its code in two's complement. A minifloat's magnitude counts up; that of a
//! negative code is complemented, so that −0 is −1, just below 0.

use std::fmt;

use bitmill_hdl::{ModuleBuilder, Signal};

use crate::family::{Extremes, Family};
use crate::{Dyadic, Minifloat, Overflow, Posit, Rounding, Scalar, Value};

/// Widest code, in bits.
const MOST_BITS: u32 = 16;

/// A minifloat or posit of at most 16 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ordered {
    /// Binary floating point.
    Minifloat(Minifloat),
    /// Posits.
    Posit(Posit),
}

impl Ordered {
    /// The format, if it is a minifloat or a posit of at most 16 bits.
    pub fn new(format: &Scalar) -> Option<Self> {
        match format {
            _ if format.bits() > MOST_BITS => None,
            Scalar::Minifloat(minifloat) => Some(Self::Minifloat(*minifloat)),
            Scalar::Posit(posit) => Some(Self::Posit(*posit)),
            _ => None,
        }
    }

    /// The order of `format`, if its numbers are no 16-bit multiples of its last place: weights in such a format are
    /// held as ordinals.
    pub fn of_wide(format: &Scalar) -> Option<Self> {
        let Extremes { lowest, highest, lsb_exponent, .. } = format.extremes();
        let is_wide = |end: Dyadic| end.scale_by_power(-lsb_exponent).to_f64().abs() > f64::from(i16::MAX);
        Self::new(format).filter(|_| is_wide(lowest) || is_wide(highest))
    }

    /// The format among all others.
    pub fn scalar(self) -> Scalar {
        match self {
            Self::Minifloat(minifloat) => Scalar::Minifloat(minifloat),
            Self::Posit(posit) => Scalar::Posit(posit),
        }
    }

    /// The same numbers, with the largest one in place of infinities: what results are rounded to. A sum of
    /// infinities would be none, so no processing element takes any.
    pub fn saturating(self) -> Scalar {
        match self {
            Self::Minifloat(minifloat) => {
                Scalar::Minifloat(minifloat.with_overflow(Overflow::Saturate).unwrap_or(minifloat))
            }
            Self::Posit(posit) => Scalar::Posit(posit),
        }
    }

    /// Bits of a code, and of an ordinal in two's complement.
    pub fn bits(self) -> u32 {
        match self {
            Self::Minifloat(minifloat) => minifloat.bits(),
            Self::Posit(posit) => posit.bits(),
        }
    }

    /// Significant bits of the numbers that have most.
    pub fn significand_bits(self) -> u32 {
        match self {
            Self::Minifloat(minifloat) => minifloat.mantissa_bits() + 1,
            Self::Posit(posit) => posit.significand_bits(),
        }
    }

    /// Ordinals of the smallest and the largest finite number.
    pub fn range(self) -> (i32, i32) {
        match self {
            Self::Minifloat(minifloat) => {
                let largest = minifloat.largest_code() as i32;
                (!largest, largest)
            }
            Self::Posit(posit) => {
                let largest = (posit.nar() - 1) as i32;
                (-largest, largest)
            }
        }
    }

    /// Whether a finite number has this ordinal.
    pub fn holds(self, ordinal: i32) -> bool {
        let (least, most) = self.range();
        (least..=most).contains(&ordinal) && self.scalar().decode(self.code(ordinal)).finite().is_some()
    }

    /// The ordinal of `code`. Infinities and NaN have ordinals beyond [`Self::range`].
    pub fn ordinal(self, code: u32) -> i32 {
        let unused = 32 - self.bits();
        let signed = (code << unused) as i32 >> unused;
        match self {
            Self::Minifloat(minifloat) if signed < 0 => !(signed & (minifloat.sign_bit() - 1) as i32),
            _ => signed,
        }
    }

    /// The code with this ordinal.
    pub fn code(self, ordinal: i32) -> u32 {
        match self {
            Self::Minifloat(minifloat) if ordinal < 0 => !ordinal as u32 | minifloat.sign_bit(),
            _ => ordinal as u32 & (u32::MAX >> (32 - self.bits())),
        }
    }

    /// The number with this ordinal.
    pub fn value(self, ordinal: i32) -> Value {
        self.scalar().decode(self.code(ordinal))
    }

    /// The ordinal of the finite number nearest to `value`, ties to the even code. NaN has none; it becomes 0.
    pub fn nearest(self, value: &Value) -> i32 {
        if value.is_nan() {
            return 0;
        }
        let (least, most) = self.range();
        let ordinal = self.ordinal(self.saturating().encode(value, Rounding::NearestEven));
        // An infinite posit would be NaR.
        match value {
            Value::Infinite { negative: true } => least,
            Value::Infinite { negative: false } => most,
            _ => ordinal,
        }
    }

    /// Circuit: the ordinal of `code`, signed, as wide as the code.
    pub fn ordinal_circuit<'m>(self, m: &'m ModuleBuilder, code: Signal<'m>) -> Signal<'m> {
        self.flipped(m, code).as_signed()
    }

    /// Circuit: the code of `ordinal`, which is as wide as a code.
    pub fn code_circuit<'m>(self, m: &'m ModuleBuilder, ordinal: Signal<'m>) -> Signal<'m> {
        self.flipped(m, ordinal.as_unsigned())
    }

    /// Both ways are one: where the sign is set, a minifloat's magnitude is complemented.
    fn flipped<'m>(self, m: &'m ModuleBuilder, bits: Signal<'m>) -> Signal<'m> {
        match self {
            Self::Minifloat(_) => {
                let sign = bits.msb();
                let magnitude = bits.width() - 1;
                m.concat(&[sign, bits.truncate(magnitude).xor(sign.replicate(magnitude))])
            }
            Self::Posit(_) => bits,
        }
    }
}

impl fmt::Display for Ordered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Minifloat(minifloat) => minifloat.fmt(f),
            Self::Posit(posit) => posit.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 9] = [
        "fp4_e2m1",
        "fp8_e4m3",
        "fp8_e5m2",
        "fp8_e4m3_fnuz",
        "fp8_e4m3_nonsat",
        "fp16",
        "bf16",
        "posit8_0",
        "posit16_1",
    ];

    fn ordered(name: &str) -> Ordered {
        Ordered::new(&name.parse().unwrap()).unwrap()
    }

    #[test]
    fn ordinals_order_all_finite_numbers_and_lead_back_to_their_codes() {
        for name in NAMES {
            let format = ordered(name);
            let (least, most) = format.range();
            let mut before = None;
            for ordinal in least..=most {
                assert_eq!(format.ordinal(format.code(ordinal)), ordinal, "{name}");
                let Some(number) = format.value(ordinal).finite() else {
                    assert_eq!((name, ordinal), ("fp8_e4m3_fnuz", -1), "NaN in place of -0");
                    assert!(!format.holds(ordinal));
                    continue;
                };
                assert!(format.holds(ordinal) && before < Some(number.to_f64()) || ordinal == 0, "{name}");
                before = Some(number.to_f64());
            }
            assert!(!format.holds(least - 1) && !format.holds(most + 1), "{name}");
            assert_eq!(format.code(0), 0, "{name}");
        }
    }

    #[test]
    fn the_nearest_number_is_finite() {
        for name in NAMES {
            let format = ordered(name);
            let (least, most) = format.range();
            for (real, expected) in
                [(1e300, most), (-1e300, least), (f64::INFINITY, most), (f64::NEG_INFINITY, least), (0.0, 0)]
            {
                assert_eq!(format.nearest(&Value::from_f64(real)), expected, "{name} {real}");
            }
            for ordinal in [least, -2, 0, 1, most / 3, most] {
                assert_eq!(format.nearest(&format.value(ordinal)), ordinal, "{name}");
            }
        }
    }

    #[test]
    fn wide_formats_are_those_whose_multiples_need_more_than_16_bits() {
        let is_wide = |name: &str| Ordered::of_wide(&name.parse().unwrap()).is_some();
        let wide = ["fp8_e4m3", "fp8_e5m2", "bf16", "fp16", "posit16_1", "fp7_e4m2"];
        let narrow = ["fp4_e2m1", "fp6_e3m2", "posit8_0", "posit4_1", "int16", "bitmod_fp4"];
        assert!(wide.into_iter().all(is_wide) && !narrow.into_iter().any(is_wide));
    }

    #[test]
    fn other_formats_have_no_ordinals() {
        for name in ["int8", "fp32", "bitmod_fp4", "e8m0", "binary"] {
            assert_eq!(Ordered::new(&name.parse().unwrap()), None, "{name}");
        }
    }
}
