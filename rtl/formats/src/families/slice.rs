//! Matryoshka slices: the top b bits of an int8 master, so that one stored tensor serves every width.
//!
//! `matgptq<b>` rounds as MatGPTQ does: the master is offset binary (0..255, zero point 128), and the bit
//! below the cut is added: q = min((x >> (8−b)) + (x >> (7−b) & 1), 2^b − 1).
//! `double_rounding<b>` rounds the two's complement master to nearest even, as Double Rounding's
//! round(x / 2^(8−b)) does, and clips. In both, a code stands for a multiple of 2^(8−b) master units.
//! Encoding a real number rounds twice by definition: to the int8 master, then to the slice.

use std::fmt;

use crate::family::{Extremes, Family, Policy, mask, parameter};
use crate::{Dyadic, FormatError, Integer, Place, Value};

/// How the bits below the cut round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SliceRule {
    /// Offset binary, half up (MatGPTQ).
    MatGptq,
    /// Two's complement, half to even (Double Rounding).
    DoubleRounding,
}

/// The top `bits` bits of an int8 master.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Slice {
    bits: u32,
    rule: SliceRule,
}

const MASTER_BITS: u32 = 8;

impl Slice {
    /// How the names of this family look.
    pub const GRAMMAR: &'static str = "matgptq<2-8>, double_rounding<2-8>";

    /// The slice of 2 to 8 bits.
    pub fn new(bits: u32, rule: SliceRule) -> Result<Self, FormatError> {
        let slice = Self { bits, rule };
        if !(2..=MASTER_BITS).contains(&bits) {
            return Err(FormatError::illegal(
                &slice.to_string(),
                "a slice of an int8 master has 2 to 8 bits",
            ));
        }
        Ok(slice)
    }

    /// How the bits below the cut round.
    pub fn rule(&self) -> SliceRule {
        self.rule
    }

    /// Bits of the master below the cut.
    pub fn dropped_bits(&self) -> u32 {
        MASTER_BITS - self.bits
    }

    /// The slice's code for a master weight.
    pub fn slice(&self, master: i8) -> u32 {
        let dropped = self.dropped_bits();
        match self.rule {
            SliceRule::MatGptq => {
                let offset_binary = (i32::from(master) + 128) as u32;
                let round = if dropped == 0 { 0 } else { offset_binary >> (dropped - 1) & 1 };
                ((offset_binary >> dropped) + round).min(mask(self.bits))
            }
            SliceRule::DoubleRounding => {
                let largest = (1 << (self.bits - 1)) - 1;
                let units = Dyadic::from_integer(master.into()).scale_by_power(-(dropped as i32));
                let (integer, fraction) = units.split_at(0);
                let rounded = Place::on_magnitudes(integer, fraction).nearest() as i32;
                let signed = if master < 0 { -rounded } else { rounded };
                signed.min(largest) as u32 & mask(self.bits)
            }
        }
    }

    /// The weight that a code stands for, in units of the master.
    pub fn master_units(&self, code: u32) -> i64 {
        let code = i64::from(code & mask(self.bits));
        let half = 1i64 << (self.bits - 1);
        let signed = match self.rule {
            SliceRule::MatGptq => code - half,
            SliceRule::DoubleRounding => (code ^ half) - half,
        };
        signed << self.dropped_bits()
    }

    /// Reads a name; `None` if it is not of this family.
    pub fn parse(name: &str) -> Option<Result<Self, FormatError>> {
        [("matgptq", SliceRule::MatGptq), ("double_rounding", SliceRule::DoubleRounding)]
            .into_iter()
            .find_map(|(prefix, rule)| Some(Self::new(parameter(name.strip_prefix(prefix)?)?, rule)))
    }

    pub(crate) fn master() -> Integer {
        Integer::signed(MASTER_BITS).expect("int8 is legal")
    }
}

impl fmt::Display for Slice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.rule {
            SliceRule::MatGptq => write!(f, "matgptq{}", self.bits),
            SliceRule::DoubleRounding => write!(f, "double_rounding{}", self.bits),
        }
    }
}

impl Family for Slice {
    fn bits(&self) -> u32 {
        self.bits
    }

    fn decode(&self, code: u32) -> Value {
        Value::from_integer(self.master_units(code))
    }

    fn locate(&self, x: &Dyadic) -> Place {
        Self::master().locate(x)
    }

    fn code_at(&self, negative: bool, ordinal: u64) -> u32 {
        let master = Self::master();
        self.slice(master.integer(master.code_at(negative, ordinal)) as i8)
    }

    fn nan_code(&self) -> u32 {
        self.slice(0)
    }

    fn infinity_code(&self, negative: bool) -> u32 {
        self.slice(if negative { i8::MIN } else { i8::MAX })
    }

    fn extremes(&self) -> Extremes {
        let step = Dyadic::new(false, 1, self.dropped_bits() as i32);
        Extremes {
            lowest: Dyadic::from_integer(-128),
            highest: Dyadic::from_integer(128).add(step.negate()),
            smallest_positive: step,
            smallest_step: step,
            lsb_exponent: self.dropped_bits() as i32,
        }
    }

    fn policies(&self) -> Vec<Policy> {
        let rule = match self.rule {
            SliceRule::MatGptq => {
                "The slice of an offset-binary master, the bit below the cut added (half up)."
            }
            SliceRule::DoubleRounding => "The slice of a two's complement master, rounded half to even.",
        };
        vec![
            Policy::new("rounding", rule),
            Policy::new(
                "encoding",
                "Rounds twice by definition: first to int8 by the rounding asked for, then to the slice.",
            ),
            Policy::new("NaN", "There is none; NaN is encoded as 0."),
            Policy::new("overflow", "Saturates, in the master and in the slice."),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_agree_with_the_published_formulas_for_every_master() {
        for bits in 2..=8 {
            let matgptq = Slice::new(bits, SliceRule::MatGptq).unwrap();
            let double = Slice::new(bits, SliceRule::DoubleRounding).unwrap();
            for master in i8::MIN..=i8::MAX {
                let x = u32::from((i16::from(master) + 128) as u8);
                let half_bit = if bits == 8 { 0 } else { x >> (7 - bits) & 1 };
                assert_eq!(matgptq.slice(master), ((x >> (8 - bits)) + half_bit).min((1 << bits) - 1));
                let step = f64::from(1u32 << (8 - bits));
                let limit = f64::from(1u32 << (bits - 1));
                let rounded = (f64::from(master) / step).round_ties_even().clamp(-limit, limit - 1.0);
                assert_eq!(
                    double.decode(double.slice(master)).to_f64(),
                    rounded * step,
                    "{master} to {bits}"
                );
            }
        }
    }

    #[test]
    fn the_two_rules_part_at_ties_only() {
        let pair = |rule| Slice::new(4, rule).unwrap();
        let (half_up, half_even) = (pair(SliceRule::MatGptq), pair(SliceRule::DoubleRounding));
        let differing: Vec<i8> = (i8::MIN..=i8::MAX)
            .filter(|m| {
                half_up.master_units(half_up.slice(*m)) != half_even.master_units(half_even.slice(*m))
            })
            .collect();
        assert_eq!(differing, [-120, -88, -56, -24, 8, 40, 72, 104]);
    }
}
