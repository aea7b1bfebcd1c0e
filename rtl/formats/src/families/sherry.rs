//! Sherry's 3:4 sparse ternary: of four weights one is zero and three are ±1, 5 bits a group of four.
//!
//! A code is s | zero position (2 bits) | t₂ t₁: the first nonzero weight is +, the second is − if t₁, the
//! third is − if t₂, and s negates all three. Those are the 32 patterns of the released `STQ1_0` table, in
//! its order; 1.25 bits a weight. Source: Sherry (Tencent AngelSlim, 2025) and its GGUF packing.

use std::fmt;

use crate::FormatError;
use crate::family::Policy;

/// Groups of four ternary weights with exactly one zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sherry;

impl Sherry {
    /// The name of the format.
    pub const NAME: &'static str = "sherry";
    /// Weights in one code.
    pub const LANES: usize = 4;
    /// Width of a code in bits.
    pub const BITS: u32 = 5;

    /// The four weights of a code, each −1, 0 or 1. Bits above the fifth are ignored.
    pub fn decode(&self, code: u32) -> [i8; 4] {
        let zero = (code >> 2 & 3) as usize;
        let sign = |bit: u32| if code >> bit & 1 == 1 { -1 } else { 1 };
        let mut nonzero = [sign(4), sign(4) * sign(0), sign(4) * sign(1)].into_iter();
        std::array::from_fn(|lane| if lane == zero { 0 } else { nonzero.next().unwrap_or(0) })
    }

    /// The code of four weights: the smallest magnitude becomes zero (the first among equals), the others
    /// keep their signs. The sign of zero is +; NaN counts as +0.
    pub fn encode(&self, weights: [f32; 4]) -> u32 {
        let magnitude = |lane: usize| if weights[lane].is_nan() { 0.0 } else { weights[lane].abs() };
        let zero = (1..4).fold(0, |zero, lane| if magnitude(lane) < magnitude(zero) { lane } else { zero });
        let mut signs = (0..4).filter(|lane| *lane != zero).map(|lane| u32::from(weights[lane] < 0.0));
        let mut next = || signs.next().unwrap_or(0);
        let (first, second, third) = (next(), next(), next());
        first << 4 | (zero as u32) << 2 | (third ^ first) << 1 | (second ^ first)
    }

    /// The scale of a group of weights: the mean magnitude of the kept three quarters.
    pub fn scale(&self, weights: &[f32]) -> f32 {
        let kept = |four: &[f32]| {
            let sum: f32 = four.iter().map(|w| w.abs()).sum();
            sum - four.iter().map(|w| w.abs()).fold(f32::INFINITY, f32::min)
        };
        let sum: f32 = weights.chunks_exact(4).map(kept).sum();
        sum / (0.75 * weights.len() as f32)
    }

    /// Reads the name; `None` if it is another.
    pub fn parse(name: &str) -> Option<Result<Self, FormatError>> {
        (name == Self::NAME).then_some(Ok(Self))
    }

    /// The written rules.
    pub fn policies(&self) -> Vec<Policy> {
        vec![
            Policy::new("group", "Four weights: exactly one zero, three of +1 or -1."),
            Policy::new(
                "encoding",
                "The smallest magnitude becomes zero (the first among equals); the rest keep their signs.",
            ),
            Policy::new("zero and NaN", "Both count as +0: dropped first, and +1 if kept."),
            Policy::new(
                "scale",
                "Mean magnitude of the kept weights of a scale group; 128 in training, 256 in STQ1_0.",
            ),
        ]
    }
}

impl fmt::Display for Sherry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::NAME)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first half of the released STQ1_0 table: two bits a lane, 0, 1, 2 for −1, 0, 1.
    const RELEASED: [u8; 16] =
        [0xA9, 0x89, 0x29, 0x09, 0xA6, 0x86, 0x26, 0x06, 0x9A, 0x92, 0x1A, 0x12, 0x6A, 0x62, 0x4A, 0x42];

    #[test]
    fn codes_are_those_of_the_released_table() {
        for code in 0..32u32 {
            let entry = RELEASED[(code & 15) as usize];
            let entry = if code < 16 { entry } else { 0xAA - entry };
            let lanes = std::array::from_fn(|lane| (entry >> (2 * lane) & 3) as i8 - 1);
            assert_eq!(Sherry.decode(code), lanes, "code {code}");
        }
    }

    #[test]
    fn every_code_encodes_back() {
        for code in 0..32 {
            assert_eq!(Sherry.encode(Sherry.decode(code).map(f32::from)), code);
        }
        assert_eq!(Sherry.decode(Sherry.encode([0.3, -0.1, -2.0, 0.2])), [1, 0, -1, 1]);
        assert_eq!(Sherry.decode(Sherry.encode([f32::NAN, 0.0, -0.0, -1.0])), [0, 1, 1, -1]);
    }

    #[test]
    fn the_scale_is_the_mean_of_what_is_kept() {
        assert_eq!(Sherry.scale(&[1.0, -2.0, 0.5, 3.0, 1.0, 1.0, -1.0, 0.0]), 9.0 / 6.0);
    }
}
