//! Weights as sums of terms (−1)^s · 2^(e + bsig): the formats that a bit-serial PE runs.
//!
//! Integers split into radix-4 Booth digits, two bits a term. BitMoD's FP4 and FP3 split into two terms,
//! since no value has more than two signed binary digits: 12 halves are 8 + 4, the special 7 is 8 − 1.

use bitmill_formats::{BitMod, Family, Format, Integer, Scalar};

use crate::UnitError;
use crate::pe::sum::fixed_point;

/// One term of a weight: ±2^exponent, or nothing; the cycle's significance comes on top.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Term {
    /// Whether it counts.
    pub present: bool,
    /// Whether it is subtracted.
    pub negative: bool,
    /// Power of two, 0 to 3.
    pub exponent: u32,
}

impl Term {
    /// The term as the encoder hands it to the PEs: exponent, sign, presence from high to low.
    pub fn code(self) -> u64 {
        u64::from(self.exponent) << 2 | u64::from(self.negative) << 1 | u64::from(self.present)
    }

    fn of(value: i64) -> Term {
        if value == 0 {
            return Term::default();
        }
        debug_assert!(value.unsigned_abs().is_power_of_two(), "a term is a power of two");
        Term { present: true, negative: value < 0, exponent: value.unsigned_abs().ilog2() }
    }
}

/// A weight format with a decomposition into terms.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum SerialWeight {
    /// `int<bits>`, 2 to 8 bits, by radix-4 Booth digits.
    Integer(u32),
    /// BitMoD of 3 or 4 bits with four special values to select from.
    BitMod {
        /// Bits of a code.
        bits: u32,
        /// The special value of each 2-bit select, ±1 to ±8.
        specials: [i32; 4],
    },
}

impl SerialWeight {
    /// Reads `int<2-8>`, `bitmod_fp3` or `bitmod_fp4`; the latter have BitMoD's own special values.
    ///
    /// # Errors
    /// Any other name.
    pub fn parse(name: &str) -> Result<SerialWeight, UnitError> {
        let integer = || {
            let bits = name.strip_prefix("int")?.parse().ok()?;
            (2..=8).contains(&bits).then_some(SerialWeight::Integer(bits))
        };
        match name {
            "bitmod_fp3" => Ok(SerialWeight::BitMod { bits: 3, specials: BitMod::FP3.specials() }),
            "bitmod_fp4" => Ok(SerialWeight::BitMod { bits: 4, specials: BitMod::FP4.specials() }),
            _ => integer().ok_or_else(|| {
                UnitError::illegal("weights", name, "int2…int8, bitmod_fp3 and bitmod_fp4 are legal")
            }),
        }
    }

    /// Bits of a code.
    pub fn bits(self) -> u32 {
        match self {
            SerialWeight::Integer(bits) | SerialWeight::BitMod { bits, .. } => bits,
        }
    }

    /// Cycles, that is terms, of a weight.
    pub fn cycles(self) -> u32 {
        match self {
            SerialWeight::Integer(bits) => bits.div_ceil(2),
            SerialWeight::BitMod { .. } => 2,
        }
    }

    /// The power of two that the terms of cycle `phase` share (the paper's `bsig`).
    pub fn significance(self, phase: u32) -> u32 {
        match self {
            SerialWeight::Integer(_) => 2 * phase,
            // Terms of the places 4 to 1 first, then those of the places 3 to 0.
            SerialWeight::BitMod { .. } => 1 - phase.min(1),
        }
    }

    /// Weights are integers in units of 2^`lsb_exponent`: FP4 counts in halves.
    pub fn lsb_exponent(self) -> i32 {
        match self {
            SerialWeight::BitMod { bits: 4, .. } => -1,
            _ => 0,
        }
    }

    /// Bits of the weight as a two's complement integer.
    pub fn value_bits(self) -> u32 {
        match self {
            SerialWeight::Integer(bits) => bits,
            // 8 in units, 16 in halves.
            SerialWeight::BitMod { bits, .. } => bits + 2,
        }
    }

    /// The format, with the first special value.
    pub fn format(self) -> Format {
        Format::Scalar(self.scalar(0))
    }

    /// What `code` stands for, in units of 2^`lsb_exponent`, in a group with this select.
    pub fn value(self, code: u32, select: u32) -> i64 {
        fixed_point(&self.scalar(select).decode(code), self.lsb_exponent()) as i64
    }

    /// The terms of a weight, one a cycle.
    pub fn terms(self, code: u32, select: u32) -> Vec<Term> {
        let value = self.value(code, select);
        match self {
            // Σ over j ≥ k of digit_j · 4^(j−k) is value / 4^k, rounded to nearest with ties up.
            SerialWeight::Integer(_) => {
                let upper = |k: u32| (4 * value + (2 << (2 * k))) >> (2 * k + 2);
                (0..self.cycles()).map(|k| Term::of(upper(k) - 4 * upper(k + 1))).collect()
            }
            SerialWeight::BitMod { .. } => {
                let (high, low) = two_powers(value).expect("values up to 16 halves that BitMoD admits");
                vec![Term::of(high / 2), Term::of(low)]
            }
        }
    }

    /// Special values to select from; 1 where there is nothing to select.
    pub(super) fn selects(self) -> u32 {
        if matches!(self, SerialWeight::BitMod { .. }) { 4 } else { 1 }
    }

    /// The format in a group with this select.
    pub(super) fn scalar(self, select: u32) -> Scalar {
        match self {
            SerialWeight::Integer(bits) => {
                Scalar::Integer(Integer::signed(bits).expect("int2 to int8 are legal"))
            }
            SerialWeight::BitMod { bits, specials } => {
                let family = if bits == 4 { BitMod::FP4 } else { BitMod::FP3 };
                let codebook = family.codebook(specials[select as usize]);
                Scalar::Codebook(codebook.expect("specials were checked"))
            }
        }
    }
}

/// `value` = high + low with high in {0, ±2, ±4, ±8, ±16} and low in {0, ±1, ±2, ±4, ±8}; the fewest terms, and
/// of equal signs where that is possible.
fn two_powers(value: i64) -> Option<(i64, i64)> {
    let magnitude = value.abs();
    let highs = [0, 16, 8, 4, 2];
    let lows = [0, 1, 2, 4, 8, -1, -2];
    let pairs = || highs.iter().flat_map(|&high| lows.iter().map(move |&low| (high, low)));
    let rank = |&(high, low): &(i64, i64)| (u32::from(high != 0) + u32::from(low != 0), low < 0);
    let (high, low) = pairs().filter(|(high, low)| high + low == magnitude).min_by_key(rank)?;
    Some((high * value.signum(), low * value.signum()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<SerialWeight> {
        let integers = (2..=8).map(SerialWeight::Integer);
        let custom = SerialWeight::BitMod { bits: 4, specials: [7, -7, 1, -3] };
        let bitmod = ["bitmod_fp3", "bitmod_fp4"].map(|name| SerialWeight::parse(name).unwrap());
        integers.chain(bitmod).chain([custom]).collect()
    }

    #[test]
    fn terms_add_up_to_the_weight() {
        for weight in all() {
            for select in 0..4 {
                for code in 0..1 << weight.bits() {
                    let terms = weight.terms(code, select);
                    assert_eq!(terms.len() as u32, weight.cycles());
                    let sum: i64 = (0..)
                        .zip(&terms)
                        .map(|(phase, term)| {
                            let size =
                                i64::from(term.present) << (term.exponent + weight.significance(phase));
                            if term.negative { -size } else { size }
                        })
                        .sum();
                    assert_eq!(sum, weight.value(code, select), "{weight:?} code {code} select {select}");
                    assert!(terms.iter().all(|term| term.exponent <= 3));
                }
            }
        }
    }

    #[test]
    fn cycles_are_those_of_the_paper() {
        let cycles = |name| SerialWeight::parse(name).unwrap().cycles();
        assert_eq!(["int8", "int6", "int5", "bitmod_fp4", "bitmod_fp3"].map(cycles), [4, 3, 3, 2, 2]);
    }
}
