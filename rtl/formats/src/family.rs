//! What a family of scalar formats must say about itself. Everything else follows.

use std::fmt;

use crate::{Dyadic, Place, Rounding, Value};

/// One written rule of a format: what happens to NaN, on overflow, and so on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// What the rule is about, in a word or two.
    pub topic: &'static str,
    /// The rule, a sentence.
    pub rule: String,
}

impl Policy {
    pub(crate) fn new(topic: &'static str, rule: impl Into<String>) -> Self {
        Self { topic, rule: rule.into() }
    }
}

/// The ends of a format's number line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extremes {
    /// Smallest finite number.
    pub lowest: Dyadic,
    /// Largest finite number.
    pub highest: Dyadic,
    /// Smallest number above zero.
    pub smallest_positive: Dyadic,
    /// Smallest distance between two neighbours.
    pub smallest_step: Dyadic,
    /// Every finite number is a multiple of 2^lsb_exponent.
    pub lsb_exponent: i32,
}

/// A family of scalar formats: codes of a fixed width, each standing for one real number.
///
/// `Display` prints the name that the family's parser reads.
pub trait Family: fmt::Display {
    /// Width of a code in bits, 1 to 32.
    fn bits(&self) -> u32;

    /// What `code` stands for. Bits above the width are ignored, as hardware would.
    fn decode(&self, code: u32) -> Value;

    /// Where a finite number lies on the format's number line.
    fn locate(&self, x: &Dyadic) -> Place;

    /// The code of the number with this ordinal, the overflow and zero policies applied. `negative` is the
    /// sign of the real number, for lines that count magnitudes.
    fn code_at(&self, negative: bool, ordinal: u64) -> u32;

    /// What NaN is encoded to.
    fn nan_code(&self) -> u32;

    /// What ±∞ is encoded to.
    fn infinity_code(&self, negative: bool) -> u32;

    /// The ends of the number line.
    fn extremes(&self) -> Extremes;

    /// The written rules.
    fn policies(&self) -> Vec<Policy>;

    /// The code of a value, rounded once.
    fn encode(&self, value: &Value, rounding: Rounding, index: u64) -> u32 {
        match value {
            Value::Finite(x) => self.code_at(x.is_negative(), self.locate(x).round(rounding, index)),
            Value::Infinite { negative } => self.infinity_code(*negative),
            Value::Nan => self.nan_code(),
        }
    }
}

/// The low `bits` bits set.
pub(crate) fn mask(bits: u32) -> u32 {
    u32::MAX >> (32 - bits)
}

/// Reads the decimal parameter of a name: digits only, no sign, no leading zero.
pub(crate) fn parameter(text: &str) -> Option<u32> {
    let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    (plain && (text == "0" || !text.starts_with('0'))).then(|| text.parse().ok()).flatten()
}
