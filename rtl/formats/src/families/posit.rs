//! Posits (Gustafson): `posit<N>_<es>`, tapered precision without infinities.
//!
//! A positive code is a zero sign bit, a run of equal regime bits and its end, `es` exponent bits and the
//! fraction; what does not fit is cut off. Negative numbers are two's complements. So the codes, read as
//! signed integers, are ordered like the values, and rounding is rounding of the bit string: that is the
//! rule of the Posit Standard (2022) and of SoftPosit, and it makes the tie points geometric where
//! exponent bits are cut off.

use std::fmt;

use crate::family::{Extremes, Family, Policy, mask, parameter};
use crate::{Dyadic, FormatError, Place, Value};

/// A posit of `bits` bits with `exponent_bits` (es) exponent bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Posit {
    bits: u32,
    exponent_bits: u32,
}

impl Posit {
    /// How the names of this family look.
    pub const GRAMMAR: &'static str = "posit<3-16>_<0-2>";

    /// `posit<bits>_<exponent_bits>`: 3 to 16 bits, es 0 to 2.
    pub fn new(bits: u32, exponent_bits: u32) -> Result<Self, FormatError> {
        if !(3..=16).contains(&bits) || exponent_bits > 2 {
            let name = format!("posit{bits}_{exponent_bits}");
            return Err(FormatError::illegal(&name, "posit<N>_<es> takes N from 3 to 16 and es from 0 to 2"));
        }
        Ok(Self { bits, exponent_bits })
    }

    /// The number of exponent bits, es.
    pub fn exponent_bits(&self) -> u32 {
        self.exponent_bits
    }

    /// Largest number of significand bits of any code, hidden bit included.
    pub fn significand_bits(&self) -> u32 {
        1 + self.bits.saturating_sub(3 + self.exponent_bits)
    }

    /// log2 of the largest posit; the smallest is its reciprocal.
    pub fn maximum_exponent(&self) -> i32 {
        ((self.bits - 2) << self.exponent_bits) as i32
    }

    /// The code of NaR: the sign bit alone.
    pub fn nar(&self) -> u32 {
        1 << (self.bits - 1)
    }

    /// Reads a name; `None` if it is not of this family.
    pub fn parse(name: &str) -> Option<Result<Self, FormatError>> {
        let (bits, exponent_bits) = name.strip_prefix("posit")?.split_once('_')?;
        Some(Self::new(parameter(bits)?, parameter(exponent_bits)?))
    }

    /// The value of a code from 1 to 2^(bits−1)−1.
    fn magnitude(&self, code: u32) -> Dyadic {
        let body_bits = self.bits - 1;
        let aligned = code << (32 - body_bits);
        let ones = aligned >> 31 == 1;
        let run = if ones { aligned.leading_ones() } else { aligned.leading_zeros() }.min(body_bits);
        let regime = if ones { run as i32 - 1 } else { -(run as i32) };
        // After the run and its end come exponent and fraction; bits that were cut off read as zero.
        let rest_bits = body_bits.saturating_sub(run + 1);
        let rest = u64::from(code & ((1 << rest_bits) - 1)) << self.exponent_bits;
        let exponent = (rest >> rest_bits) as i32;
        let fraction = rest & ((1 << rest_bits) - 1);
        let scale = (regime << self.exponent_bits) + exponent;
        // `rest` was moved up by es to part exponent from fraction, so the fraction keeps rest_bits places.
        Dyadic::new(false, (1u128 << rest_bits) | u128::from(fraction), scale - rest_bits as i32)
    }
}

impl fmt::Display for Posit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "posit{}_{}", self.bits, self.exponent_bits)
    }
}

impl Family for Posit {
    fn bits(&self) -> u32 {
        self.bits
    }

    fn decode(&self, code: u32) -> Value {
        let code = code & mask(self.bits);
        if code == 0 {
            return Value::ZERO;
        }
        if code == self.nar() {
            return Value::Nan;
        }
        if code & self.nar() != 0 {
            return Value::Finite(self.magnitude(code.wrapping_neg() & mask(self.bits)).negate());
        }
        Value::Finite(self.magnitude(code))
    }

    fn locate(&self, x: &Dyadic) -> Place {
        let Some(log2) = x.log2_floor() else { return Place::exactly(0) };
        let largest_code = u64::from(self.nar() - 1);
        if log2 >= self.maximum_exponent() {
            return Place::exactly(largest_code);
        }
        if log2 < -self.maximum_exponent() {
            return Place::exactly(1);
        }
        // The endless bit string regime | exponent | fraction, as an integer with the point after the exponent.
        let regime = log2 >> self.exponent_bits;
        let exponent = (log2 & ((1 << self.exponent_bits) - 1)) as u64;
        let (regime_string, regime_bits) = if regime >= 0 {
            ((1u64 << (regime + 2)) - 2, regime as u32 + 2)
        } else {
            (1, (1 - regime) as u32)
        };
        let head = regime_string << self.exponent_bits | exponent;
        let head_bits = regime_bits + self.exponent_bits;
        let body_bits = self.bits - 1;
        let (_, fraction) = x.split_at(log2);
        if head_bits <= body_bits {
            let kept = body_bits - head_bits;
            let leading = if kept == 0 { 0 } else { (fraction >> (128 - kept)) as u64 };
            return Place::on_magnitudes(head << kept | leading, fraction << kept);
        }
        let cut = head_bits - body_bits;
        let tail = u128::from(head & ((1 << cut) - 1)) << (128 - cut);
        let sticky = u128::from(fraction << (128 - cut) != 0);
        Place::on_magnitudes(head >> cut, tail | fraction >> cut | sticky)
    }

    fn code_at(&self, negative: bool, ordinal: u64) -> u32 {
        // Rounding never leaves the range: at the top `locate` has already answered with the largest code.
        let code = ordinal as u32;
        if negative { code.wrapping_neg() & mask(self.bits) } else { code }
    }

    fn nan_code(&self) -> u32 {
        self.nar()
    }

    fn infinity_code(&self, _negative: bool) -> u32 {
        self.nar()
    }

    fn extremes(&self) -> Extremes {
        let highest = Dyadic::new(false, 1, self.maximum_exponent());
        let smallest = Dyadic::new(false, 1, -self.maximum_exponent());
        Extremes {
            lowest: highest.negate(),
            highest,
            smallest_positive: smallest,
            smallest_step: smallest,
            lsb_exponent: -self.maximum_exponent(),
        }
    }

    fn policies(&self) -> Vec<Policy> {
        vec![
            Policy::new(
                "NaN",
                format!("One code, {:#x}, NaR (not a real); it absorbs every operation.", self.nar()),
            ),
            Policy::new("infinity", "There is none; it is encoded as NaR."),
            Policy::new("overflow", "Saturates at the largest posit, whatever the rounding."),
            Policy::new(
                "underflow",
                "A nonzero number never becomes zero: it saturates at the smallest posit.",
            ),
            Policy::new("zero", "There is one zero; the sign of -0 is dropped."),
            Policy::new(
                "rounding",
                "Acts on the bit string (Posit Standard 2022): where exponent bits are cut off, the tie point is not \
                 the arithmetic mean of the neighbours, and stochastic rounding is linear in the string.",
            ),
        ]
    }
}
