//! Codebooks: formats given by the list of their values, such as binary, ternary or a user's own.
//!
//! A code is an index into the list. Encoding takes the nearest value; ties are settled by a rule that
//! belongs to the codebook, since published ones disagree.

use std::fmt;
use std::sync::Arc;

use num_bigint::BigUint;
use num_traits::ToPrimitive;

use crate::accumulator::ExactSum;
use crate::family::{Extremes, Family, Policy, mask};
use crate::rounding::ZeroSide;
use crate::{Dyadic, FormatError, Place, Value};

/// Which of two values at the same distance encoding takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ties {
    /// The lower value.
    Lower,
    /// The higher value.
    Upper,
    /// The value nearer to zero; the lower one if they are ±x.
    TowardZero,
    /// The value at an even place in the sorted list, which starts with place 0.
    EvenPlace,
}

/// A format defined by the list of its values.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Codebook {
    name: Arc<str>,
    bits: u32,
    by_code: Arc<[Dyadic]>,
    /// Every distinct value in ascending order, with the first code that has it.
    sorted: Arc<[(Dyadic, u32)]>,
    ties: Ties,
}

impl Codebook {
    /// How the fixed names of this family look.
    pub const GRAMMAR: &'static str = "binary, ternary, dual_binary, or a codebook of your own";

    /// A codebook of your own: 2 to 256 finite values, the value of code 0 first. The width is the smallest
    /// that holds the list; codes behind its end read as 0. A value may be repeated: encoding takes the
    /// first of equals. The name must not be one that another family reads (letters, digits and `_` only).
    pub fn new(name: &str, values: &[f64], ties: Ties) -> Result<Self, FormatError> {
        let plain = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        if !plain || !name.starts_with(|c: char| c.is_ascii_lowercase()) {
            return Err(FormatError::illegal(
                name,
                "a codebook's name is lower-case letters, digits and _, starting with a letter",
            ));
        }
        if !(2..=256).contains(&values.len()) {
            return Err(FormatError::illegal(
                name,
                format!("a codebook has 2 to 256 values, not {}", values.len()),
            ));
        }
        let by_code: Option<Vec<Dyadic>> = values.iter().map(|value| Dyadic::from_f64(*value)).collect();
        let by_code = by_code
            .ok_or_else(|| FormatError::illegal(name, "the values of a codebook are finite numbers"))?;
        Self::from_values(name, by_code, ties)
            .ok_or_else(|| FormatError::illegal(name, "a codebook has at least two different values"))
    }

    /// `binary`: code 0 is −1, code 1 is +1; zero becomes +1.
    pub fn binary() -> Self {
        Self::builtin("binary", &[-1, 1], Ties::Upper)
    }

    /// `ternary`: bit 0 says "not zero", bit 1 is the sign: 0, +1, (unused: 0), −1. So it is also two's
    /// complement. Ties at ±½ become zero.
    pub fn ternary() -> Self {
        Self::builtin("ternary", &[0, 1, 0, -1], Ties::TowardZero)
    }

    pub(super) fn builtin(name: &str, values: &[i64], ties: Ties) -> Self {
        let values = values.iter().map(|value| Dyadic::from_integer(*value)).collect();
        Self::from_values(name, values, ties).expect("built-in codebooks have two values or more")
    }

    pub(super) fn from_values(name: &str, mut by_code: Vec<Dyadic>, ties: Ties) -> Option<Self> {
        for value in &mut by_code {
            if value.is_zero() {
                *value = Dyadic::ZERO;
            }
        }
        let mut sorted: Vec<(Dyadic, u32)> = by_code.iter().copied().zip(0..).collect();
        sorted.sort();
        sorted.dedup_by_key(|(value, _)| *value);
        let bits = by_code.len().next_power_of_two().trailing_zeros();
        (sorted.len() >= 2).then(|| Self {
            name: name.into(),
            bits,
            by_code: by_code.into(),
            sorted: sorted.into(),
            ties,
        })
    }

    /// Reads one of the fixed names; `None` if it is not of this family.
    pub fn parse(name: &str) -> Option<Result<Self, FormatError>> {
        match name {
            "binary" => Some(Ok(Self::binary())),
            "ternary" => Some(Ok(Self::ternary())),
            _ => None,
        }
    }

    /// The value of every code, from code 0.
    pub fn values(&self) -> &[Dyadic] {
        &self.by_code
    }

    /// The distinct values in ascending order, each with the code that encoding gives it.
    pub fn sorted(&self) -> &[(Dyadic, u32)] {
        &self.sorted
    }

    /// How ties are settled.
    pub fn ties(&self) -> Ties {
        self.ties
    }

    fn tie_goes_up(&self, lower: usize) -> bool {
        let (below, above) = (self.sorted[lower].0, self.sorted[lower + 1].0);
        match self.ties {
            Ties::Lower => false,
            Ties::Upper => true,
            Ties::TowardZero => above.magnitude() < below.magnitude(),
            Ties::EvenPlace => lower % 2 == 1,
        }
    }
}

impl fmt::Display for Codebook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl Family for Codebook {
    fn bits(&self) -> u32 {
        self.bits
    }

    fn decode(&self, code: u32) -> Value {
        let index = (code & mask(self.bits)) as usize;
        Value::Finite(self.by_code.get(index).copied().unwrap_or(Dyadic::ZERO))
    }

    fn locate(&self, x: &Dyadic) -> Place {
        let x = if x.is_zero() { Dyadic::ZERO } else { *x };
        let above = self.sorted.partition_point(|(value, _)| *value <= x);
        if above == 0 || above == self.sorted.len() {
            return Place::exactly(above.saturating_sub(1) as u64);
        }
        let lower = above - 1;
        let (below, above) = (self.sorted[lower].0, self.sorted[above].0);
        let zero = match (below.is_negative(), above.is_negative() || above.is_zero()) {
            (false, _) => ZeroSide::Below,
            (true, true) => ZeroSide::Above,
            (true, false) => ZeroSide::Between,
        };
        Place {
            lower: lower as u64,
            fraction: fraction_between(below, x, above),
            tie_goes_up: self.tie_goes_up(lower),
            zero,
            top: self.sorted.len() as u64 - 1,
        }
    }

    fn code_at(&self, _negative: bool, ordinal: u64) -> u32 {
        self.sorted[ordinal as usize].1
    }

    fn nan_code(&self) -> u32 {
        self.encode(&Value::ZERO, crate::Rounding::NearestEven, 0)
    }

    fn infinity_code(&self, negative: bool) -> u32 {
        let end = if negative { self.sorted.first() } else { self.sorted.last() };
        end.map_or(0, |(_, code)| *code)
    }

    fn extremes(&self) -> Extremes {
        let values = || self.sorted.iter().map(|(value, _)| *value);
        let steps = values().zip(values().skip(1)).map(|(below, above)| above.add(below.negate()));
        let positive = values().find(|value| !value.is_zero() && !value.is_negative());
        let (lowest, highest) = (self.sorted[0].0, self.sorted[self.sorted.len() - 1].0);
        Extremes {
            lowest,
            highest,
            smallest_positive: positive.unwrap_or(Dyadic::ZERO),
            smallest_step: steps.min().unwrap_or(Dyadic::ZERO),
            lsb_exponent: values()
                .filter(|value| !value.is_zero())
                .map(|value| value.exponent())
                .min()
                .unwrap_or(0),
        }
    }

    fn policies(&self) -> Vec<Policy> {
        let ties = match self.ties {
            Ties::Lower => "the lower value",
            Ties::Upper => "the higher value",
            Ties::TowardZero => "the value nearer to zero",
            Ties::EvenPlace => "the value at an even place of the sorted list (the first is place 0)",
        };
        vec![
            Policy::new("NaN", "There is none; NaN is encoded like 0."),
            Policy::new("overflow", "Saturates at the ends of the list, infinities too."),
            Policy::new("ties", format!("nearest_even takes {ties}.")),
            Policy::new(
                "zero",
                "The sign of -0 is dropped. Without a zero in the list, rounding toward_zero between -x and y takes the nearest.",
            ),
        ]
    }
}

/// (x − below)/(above − below) in units of 2⁻¹²⁸, jammed.
fn fraction_between(below: Dyadic, x: Dyadic, above: Dyadic) -> u128 {
    let difference = |a: Dyadic, b: Dyadic, lsb: i32| -> BigUint {
        let mut sum = ExactSum::new();
        sum.add(&Value::Finite(a));
        sum.add(&Value::Finite(b.negate()));
        sum.magnitude_in_units_of(lsb)
    };
    let lsb = [below, x, above].iter().filter(|v| !v.is_zero()).map(Dyadic::exponent).min().unwrap_or(0);
    let numerator = difference(x, below, lsb) << 128u32;
    let denominator = difference(above, below, lsb);
    let quotient = &numerator / &denominator;
    let sticky = u128::from(&quotient * &denominator != numerator);
    quotient.to_u128().expect("x lies below `above`") | sticky
}
