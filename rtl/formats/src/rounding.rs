//! The one rounder: which of two neighbouring numbers of a format a real number becomes.
//!
//! A family says *where* a real number lies on its number line ([`Place`]); only this file says which
//! neighbour is taken. Every format, conversion and accumulator passes through [`Place::round`].

use std::fmt;
use std::str::FromStr;

use crate::FormatError;

/// How a real number between two neighbours is rounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Rounding {
    /// To the nearest; a tie goes to the even code (codebooks: to the side their definition names).
    #[default]
    NearestEven,
    /// To the nearest; a tie goes away from zero.
    NearestAway,
    /// To the neighbour nearer to zero; never overflows.
    TowardZero,
    /// Up with the probability that makes the mean exact. The draw is a pure function of the seed and the
    /// element's index, so the result depends on neither order nor threads.
    Stochastic {
        /// Selects one of 2⁶⁴ independent sequences of draws.
        seed: u64,
    },
    /// [`Self::Stochastic`] with the draw given: what hardware does with its random bits.
    Drawn {
        /// The random threshold in units of 2⁻⁶⁴: up where the fraction exceeds it.
        draw: u64,
    },
}

impl Rounding {
    /// The random threshold of element `index`: uniform over 0..2⁶⁴ (SplitMix64 by Steele, Lea and Flood,
    /// OOPSLA 2014, used as a hash of seed and index).
    pub fn draw(seed: u64, index: u64) -> u64 {
        let mix = |mut z: u64| {
            z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ z >> 31
        };
        const GOLDEN_RATIO: u64 = 0x9e37_79b9_7f4a_7c15;
        mix(mix(seed.wrapping_add(GOLDEN_RATIO)).wrapping_add(index.wrapping_mul(GOLDEN_RATIO)))
    }
}

impl fmt::Display for Rounding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NearestEven => f.write_str("nearest_even"),
            Self::NearestAway => f.write_str("nearest_away"),
            Self::TowardZero => f.write_str("toward_zero"),
            Self::Stochastic { seed } => write!(f, "stochastic:{seed}"),
            Self::Drawn { draw } => write!(f, "drawn:{draw}"),
        }
    }
}

impl FromStr for Rounding {
    type Err = FormatError;

    fn from_str(text: &str) -> Result<Self, FormatError> {
        match text {
            "nearest_even" => Ok(Self::NearestEven),
            "nearest_away" => Ok(Self::NearestAway),
            "toward_zero" => Ok(Self::TowardZero),
            _ => {
                let number = |prefix| text.strip_prefix(prefix).and_then(|digits: &str| digits.parse().ok());
                let stochastic = number("stochastic:").map(|seed| Self::Stochastic { seed });
                stochastic
                    .or_else(|| number("drawn:").map(|draw| Self::Drawn { draw }))
                    .ok_or_else(|| FormatError::NotARounding { text: text.to_owned() })
            }
        }
    }
}

/// On which side of a real number zero lies, seen from the interval between its neighbours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ZeroSide {
    /// The lower neighbour is the one nearer to zero.
    Below,
    /// The upper neighbour is the one nearer to zero.
    Above,
    /// The neighbours have opposite signs (a codebook without zero): directed roundings take the nearest.
    Between,
}

/// Where a real number lies between two neighbours of a format, told by the ordinal of the lower one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Ordinal of the neighbour at or below.
    pub lower: u64,
    /// Distance from the lower neighbour in units of 2⁻¹²⁸ of the gap; the last bit is sticky.
    pub fraction: u128,
    /// Whether [`Rounding::NearestEven`] takes the upper neighbour on an exact half.
    pub tie_goes_up: bool,
    /// Where zero lies.
    pub zero: ZeroSide,
    /// Ordinal of the largest finite number: rounding toward zero stops here.
    pub top: u64,
}

impl Place {
    const HALF: u128 = 1 << 127;

    /// A number that the format has.
    pub fn exactly(ordinal: u64) -> Self {
        Self::on_magnitudes(ordinal, 0)
    }

    /// A place on a line of magnitudes counted from zero, where ties go to the even ordinal.
    pub fn on_magnitudes(lower: u64, fraction: u128) -> Self {
        Self { lower, fraction, tie_goes_up: lower % 2 == 1, zero: ZeroSide::Below, top: u64::MAX }
    }

    /// The same place, on a line whose largest finite number has ordinal `top`.
    pub fn with_top(self, top: u64) -> Self {
        Self { top, ..self }
    }

    /// The ordinal that the number is rounded to; `index` tells the elements of a tensor apart when the
    /// rounding is stochastic. May exceed [`Self::top`]: the family's overflow policy takes over there.
    pub fn round(&self, rounding: Rounding, index: u64) -> u64 {
        if self.fraction == 0 {
            return if rounding == Rounding::TowardZero { self.lower.min(self.top) } else { self.lower };
        }
        let tie = self.fraction == Self::HALF;
        let up = match (rounding, self.zero) {
            (Rounding::Stochastic { seed }, _) => {
                self.fraction > u128::from(Rounding::draw(seed, index)) << 64
            }
            (Rounding::Drawn { draw }, _) => self.fraction > u128::from(draw) << 64,
            (Rounding::TowardZero, ZeroSide::Below) => return self.lower.min(self.top),
            (Rounding::TowardZero, ZeroSide::Above) => true,
            (Rounding::NearestAway, ZeroSide::Below) if tie => true,
            (Rounding::NearestAway, ZeroSide::Above) if tie => false,
            _ if tie => self.tie_goes_up,
            _ => self.fraction > Self::HALF,
        };
        self.lower + u64::from(up)
    }

    /// [`Self::round`] to nearest, ties to even.
    pub fn nearest(&self) -> u64 {
        self.round(Rounding::NearestEven, 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rounding_takes_its_side() {
        const HALF: u128 = 1 << 127;
        let table = [
            (Rounding::NearestEven, 4, HALF - 1, 4),
            (Rounding::NearestEven, 4, HALF, 4),
            (Rounding::NearestEven, 5, HALF, 6),
            (Rounding::NearestEven, 4, HALF + 1, 5),
            (Rounding::NearestAway, 4, HALF, 5),
            (Rounding::NearestAway, 4, HALF - 1, 4),
            (Rounding::TowardZero, 4, u128::MAX, 4),
        ];
        for (rounding, lower, fraction, expected) in table {
            assert_eq!(Place::on_magnitudes(lower, fraction).round(rounding, 0), expected, "{rounding}");
        }
        let beyond = Place::on_magnitudes(9, 1).with_top(7);
        assert_eq!(beyond.round(Rounding::TowardZero, 0), 7);
        assert_eq!(beyond.round(Rounding::NearestEven, 0), 9);
    }

    #[test]
    fn stochastic_rounding_is_unbiased_and_repeatable() {
        const DRAWS: u64 = 1 << 16;
        for eighths in 0..8u128 {
            let place = Place::on_magnitudes(0, eighths << 125);
            let ups: u64 = (0..DRAWS).map(|i| place.round(Rounding::Stochastic { seed: 7 }, i)).sum();
            let expected = (DRAWS / 8) as f64 * eighths as f64;
            // Five standard deviations of a binomial count: fails by chance once in a million.
            assert!((ups as f64 - expected).abs() <= 5.0 * (DRAWS as f64 / 4.0).sqrt(), "{eighths}/8: {ups}");
            let again: u64 = (0..DRAWS).rev().map(|i| place.round(Rounding::Stochastic { seed: 7 }, i)).sum();
            assert_eq!(ups, again);
        }
    }

    #[test]
    fn names_round_trip() {
        for text in ["nearest_even", "nearest_away", "toward_zero", "stochastic:42", "drawn:7"] {
            assert_eq!(text.parse::<Rounding>().unwrap().to_string(), text);
        }
        assert!("up".parse::<Rounding>().unwrap_err().to_string().contains("nearest_away"));
    }
}
