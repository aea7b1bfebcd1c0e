//! Powers of two without sign or mantissa: the scales of the OCP microscaling formats.
//!
//! `e<E>m0`: code c stands for 2^(c − bias), bias 2^(E−1)−1; the last code is NaN. E8M0 is OCP's
//! (Microscaling Formats v1.0, section 5.4.1).

use std::fmt;

use crate::family::{Extremes, Family, Policy, mask, parameter};
use crate::rounding::ZeroSide;
use crate::{Dyadic, FormatError, Place, Value};

/// An unsigned power of two with `bits` bits of exponent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PowerOfTwo {
    bits: u32,
    saturating: bool,
}

impl PowerOfTwo {
    /// How the names of this family look.
    pub const GRAMMAR: &'static str = "e<2-8>m0 with _sat";

    /// E8M0, the scale of the MX formats.
    pub const E8M0: Self = Self { bits: 8, saturating: false };

    /// `e<bits>m0`, 2 to 8 bits.
    pub fn new(bits: u32) -> Result<Self, FormatError> {
        if !(2..=8).contains(&bits) {
            return Err(FormatError::illegal(&format!("e{bits}m0"), "a power-of-two scale has 2 to 8 bits"));
        }
        Ok(Self { bits, saturating: false })
    }

    /// The same format, where a number too large becomes the largest instead of NaN.
    pub fn saturating(self) -> Self {
        Self { saturating: true, ..self }
    }

    /// Exponent bias.
    pub fn bias(&self) -> i32 {
        (1 << (self.bits - 1)) - 1
    }

    /// Whether a number too large becomes the largest instead of NaN.
    pub fn is_saturating(&self) -> bool {
        self.saturating
    }

    /// The code of 2^exponent, clamped to the range.
    pub fn clamped_code(&self, exponent: i32) -> u32 {
        (exponent + self.bias()).clamp(0, self.largest_code() as i32) as u32
    }

    /// The code of the largest power.
    pub fn largest_code(&self) -> u32 {
        mask(self.bits) - 1
    }

    /// Reads a name; `None` if it is not of this family.
    pub fn parse(name: &str) -> Option<Result<Self, FormatError>> {
        let (base, saturating) = name.strip_suffix("_sat").map_or((name, false), |base| (base, true));
        let bits = base.strip_prefix('e')?.strip_suffix("m0").and_then(parameter)?;
        Some(Self::new(bits).map(|plain| Self { saturating, ..plain }))
    }
}

impl fmt::Display for PowerOfTwo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "e{}m0{}", self.bits, if self.saturating { "_sat" } else { "" })
    }
}

impl Family for PowerOfTwo {
    fn bits(&self) -> u32 {
        self.bits
    }

    fn decode(&self, code: u32) -> Value {
        let code = code & mask(self.bits);
        if code > self.largest_code() {
            return Value::Nan;
        }
        Value::Finite(Dyadic::new(false, 1, code as i32 - self.bias()))
    }

    fn locate(&self, x: &Dyadic) -> Place {
        let nan = Place::exactly(u64::from(self.largest_code()) + 1);
        let Some(log2) = x.log2_floor().filter(|_| !x.is_negative()) else { return nan };
        if log2 < -self.bias() {
            return Place::exactly(0);
        }
        let (_, fraction) = x.split_at(log2);
        let lower = (log2 + self.bias()) as u64;
        Place {
            lower,
            fraction,
            tie_goes_up: lower % 2 == 1,
            zero: ZeroSide::Below,
            top: self.largest_code().into(),
        }
    }

    fn code_at(&self, _negative: bool, ordinal: u64) -> u32 {
        match u32::try_from(ordinal) {
            Ok(code) if code <= self.largest_code() => code,
            _ => self.infinity_code(false),
        }
    }

    fn nan_code(&self) -> u32 {
        mask(self.bits)
    }

    fn infinity_code(&self, negative: bool) -> u32 {
        if self.saturating && !negative { self.largest_code() } else { self.nan_code() }
    }

    /// Zero and negative numbers are NaN before any rounding: they lie on no place of this line.
    fn encode(&self, value: &Value, rounding: crate::Rounding, index: u64) -> u32 {
        match value {
            Value::Finite(x) if x.is_zero() || x.is_negative() => self.nan_code(),
            Value::Finite(x) => self.code_at(false, self.locate(x).round(rounding, index)),
            Value::Infinite { negative } => self.infinity_code(*negative),
            Value::Nan => self.nan_code(),
        }
    }

    fn extremes(&self) -> Extremes {
        let smallest = Dyadic::new(false, 1, -self.bias());
        Extremes {
            lowest: smallest,
            highest: Dyadic::new(false, 1, self.largest_code() as i32 - self.bias()),
            smallest_positive: smallest,
            smallest_step: smallest,
            lsb_exponent: -self.bias(),
        }
    }

    fn policies(&self) -> Vec<Policy> {
        let overflow = if self.saturating {
            "What rounds beyond the largest power, and +infinity, becomes it."
        } else {
            "What rounds beyond the largest power, and +infinity, becomes NaN."
        };
        vec![
            Policy::new("NaN", format!("One code, {:#x}.", self.nan_code())),
            Policy::new("overflow", overflow),
            Policy::new("underflow", "Positive numbers below the smallest power become it."),
            Policy::new("zero and sign", "There are none: zero and negative numbers are encoded as NaN."),
            Policy::new(
                "libraries",
                "They disagree on 1.5*2^k: gfloat takes the even code, as nearest_even does here; ml_dtypes goes up, \
                 as nearest_away does.",
            ),
        ]
    }
}
