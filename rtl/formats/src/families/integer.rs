//! Integers and fixed point: two's complement or unsigned, with an optional binary point.
//!
//! `int<bits>`, `uint<bits>` count in ones; `fixed<bits>_<fraction>`, `ufixed<bits>_<fraction>` count in
//! 2^−fraction. Suffixes: `_sym` never produces the lowest code (−128 of int8); `_wrap` keeps the low
//! bits on overflow instead of saturating.

use std::fmt;

use crate::family::{Extremes, Family, Policy, mask, parameter};
use crate::{Dyadic, FormatError, Place, Value};

/// A two's complement or unsigned number with a fixed binary point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Integer {
    bits: u32,
    signed: bool,
    fraction_bits: u32,
    symmetric: bool,
    wrapping: bool,
}

impl Integer {
    /// How the names of this family look.
    pub const GRAMMAR: &'static str = "int<2-16>, uint<1-16>, fixed<2-16>_<fraction bits>, ufixed<1-16>_<fraction bits>, with _sym or _wrap";

    /// `int<bits>`: two's complement, 2 to 16 bits.
    pub fn signed(bits: u32) -> Result<Self, FormatError> {
        Self::checked(&format!("int{bits}"), bits, true, 0)
    }

    /// `uint<bits>`: unsigned, 1 to 16 bits.
    pub fn unsigned(bits: u32) -> Result<Self, FormatError> {
        Self::checked(&format!("uint{bits}"), bits, false, 0)
    }

    /// The same integer counted in units of 2^−fraction_bits; at most as many as there are bits.
    pub fn with_fraction(self, fraction_bits: u32) -> Result<Self, FormatError> {
        let name = Self { fraction_bits, ..self }.to_string();
        Self::checked(&name, self.bits, self.signed, fraction_bits).map(|_| Self { fraction_bits, ..self })
    }

    /// The same integer without its lowest code: −(2^(bits−1)−1) to 2^(bits−1)−1. Signed only.
    pub fn symmetric(self) -> Result<Self, FormatError> {
        if !self.signed {
            return Err(FormatError::illegal(
                &format!("{self}_sym"),
                "only signed integers can be symmetric",
            ));
        }
        Ok(Self { symmetric: true, wrapping: false, ..self })
    }

    /// The same integer, keeping the low bits on overflow.
    pub fn wrapping(self) -> Self {
        Self { symmetric: false, wrapping: true, ..self }
    }

    /// Whether the code is two's complement.
    pub fn is_signed(&self) -> bool {
        self.signed
    }

    /// Number of bits behind the binary point.
    pub fn fraction_bits(&self) -> u32 {
        self.fraction_bits
    }

    /// Whether overflow keeps the low bits instead of saturating.
    pub fn is_wrapping(&self) -> bool {
        self.wrapping
    }

    /// Whether the lowest code is never produced.
    pub fn is_symmetric(&self) -> bool {
        self.symmetric
    }

    /// The smallest and the largest integer that encoding produces, in units of the last place.
    pub fn range(&self) -> (i64, i64) {
        match (self.signed, self.symmetric) {
            (false, _) => (0, (1 << self.bits) - 1),
            (true, false) => (-(1 << (self.bits - 1)), (1 << (self.bits - 1)) - 1),
            (true, true) => (1 - (1 << (self.bits - 1)), (1 << (self.bits - 1)) - 1),
        }
    }

    /// The integer that `code` holds, in units of the last place.
    pub fn integer(&self, code: u32) -> i64 {
        let code = i64::from(code & mask(self.bits));
        let sign_weight = if self.signed { 1i64 << (self.bits - 1) } else { 0 };
        (code ^ sign_weight) - sign_weight
    }

    /// Reads a name; `None` if it is not of this family.
    pub fn parse(name: &str) -> Option<Result<Self, FormatError>> {
        let (base, suffixes) = name.split_once('_').map_or((name, None), |(b, s)| (b, Some(s)));
        let (signed, fixed, bits) =
            [("int", true, false), ("uint", false, false), ("fixed", true, true), ("ufixed", false, true)]
                .into_iter()
                .find_map(|(prefix, signed, fixed)| {
                    Some((signed, fixed, base.strip_prefix(prefix).and_then(parameter)?))
                })?;
        let mut suffixes: Vec<&str> = suffixes.map_or(vec![], |s| s.split('_').collect());
        let fraction_bits = if fixed { suffixes.first().copied().and_then(parameter)? } else { 0 };
        suffixes.drain(..usize::from(fixed));
        if fixed && fraction_bits == 0 {
            return Some(Err(FormatError::illegal(
                name,
                format!("fraction bits are 1 to {bits}; without any, write int{bits}"),
            )));
        }
        Some(Self::checked(name, bits, signed, fraction_bits).and_then(|plain| match suffixes[..] {
            [] => Ok(plain),
            ["sym"] => plain.symmetric(),
            ["wrap"] => Ok(plain.wrapping()),
            _ => Err(FormatError::illegal(name, "an integer's suffix is _sym or _wrap")),
        }))
    }

    fn checked(name: &str, bits: u32, signed: bool, fraction_bits: u32) -> Result<Self, FormatError> {
        let fewest = if signed { 2 } else { 1 };
        if !(fewest..=16).contains(&bits) {
            let kind = if signed { "a signed" } else { "an unsigned" };
            return Err(FormatError::illegal(name, format!("{kind} integer has {fewest} to 16 bits")));
        }
        if fraction_bits > bits {
            return Err(FormatError::illegal(name, format!("fraction bits are 1 to {bits} here")));
        }
        Ok(Self { bits, signed, fraction_bits, symmetric: false, wrapping: false })
    }

    fn lsb_exponent(&self) -> i32 {
        -(self.fraction_bits as i32)
    }
}

impl fmt::Display for Integer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.signed { "" } else { "u" })?;
        match self.fraction_bits {
            0 => write!(f, "int{}", self.bits)?,
            fraction => write!(f, "fixed{}_{fraction}", self.bits)?,
        }
        match (self.symmetric, self.wrapping) {
            (true, _) => f.write_str("_sym"),
            (_, true) => f.write_str("_wrap"),
            _ => Ok(()),
        }
    }
}

impl Family for Integer {
    fn bits(&self) -> u32 {
        self.bits
    }

    fn decode(&self, code: u32) -> Value {
        Value::Finite(Dyadic::from_integer(self.integer(code)).scale_by_power(self.lsb_exponent()))
    }

    fn locate(&self, x: &Dyadic) -> Place {
        let far_out = x.log2_floor().is_some_and(|log2| log2 - self.lsb_exponent() > 32);
        if far_out && !self.wrapping {
            return Place::exactly(1 << 33);
        }
        let (integer, fraction) = x.split_at(self.lsb_exponent());
        Place::on_magnitudes(integer & ((1 << 33) - 1), fraction)
    }

    fn code_at(&self, negative: bool, ordinal: u64) -> u32 {
        let integer = if negative { -(ordinal as i64) } else { ordinal as i64 };
        let (lowest, highest) = self.range();
        let kept = if self.wrapping { integer } else { integer.clamp(lowest, highest) };
        kept as u32 & mask(self.bits)
    }

    fn nan_code(&self) -> u32 {
        0
    }

    fn infinity_code(&self, negative: bool) -> u32 {
        let (lowest, highest) = self.range();
        (if negative { lowest } else { highest }) as u32 & mask(self.bits)
    }

    fn extremes(&self) -> Extremes {
        let (lowest, highest) = self.range();
        let at = |integer| Dyadic::from_integer(integer).scale_by_power(self.lsb_exponent());
        Extremes {
            lowest: at(lowest),
            highest: at(highest),
            smallest_positive: at(1),
            smallest_step: at(1),
            lsb_exponent: self.lsb_exponent(),
        }
    }

    fn policies(&self) -> Vec<Policy> {
        let (lowest, highest) = self.range();
        let overflow = if self.wrapping {
            "Overflow keeps the low bits (modulo 2^bits); infinities saturate.".into()
        } else {
            format!("Overflow and infinities saturate at {lowest} and {highest} units of the last place.")
        };
        let mut policies = vec![
            Policy::new("NaN", "There is none; NaN is encoded as 0."),
            Policy::new("overflow", overflow),
            Policy::new("zero", "There is one zero; the sign of -0 is dropped."),
        ];
        if self.symmetric {
            policies.push(Policy::new(
                "lowest code",
                format!(
                    "Code {:#x} is never produced; it decodes to {} units.",
                    1u32 << (self.bits - 1),
                    lowest - 1
                ),
            ));
        }
        policies.push(Policy::new(
            "libraries",
            "ml_dtypes wraps on overflow, as the suffix _wrap does; TFLite and ONNX saturate, as we do without it.",
        ));
        policies
    }
}
