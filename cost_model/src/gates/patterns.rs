//! What gates carry under a thousand patterns of their inputs.
//!
//! Synthesis proves that gates are equal, or that of two signals never both are set, and leaves out what that makes
//! needless: a decoder in front of an encoder comes to a few wires. Here patterns stand for proofs: what they do not
//! tell apart counts as one gate, unless a difference may be too rare for them to show.

use super::{Literal, Random};

/// 64 patterns a word.
const WORDS: usize = 16;

/// How often chance alone would have shown a difference at least, for its absence to count.
const EXPECTED: u64 = 16;

/// The values of a signal, a bit a pattern.
pub(super) type Pattern = [u64; WORDS];

/// The values of every gate, by its number.
pub(super) struct Patterns {
    values: Vec<Pattern>,
    /// Of input values: the same graph gets the same values.
    random: Random,
}

impl Patterns {
    /// Of a graph with one gate, the constant 0.
    pub fn new() -> Patterns {
        Patterns { values: vec![[0; WORDS]], random: Random::seeded(0) }
    }

    /// Values of an input. A quarter are at random; in a half each bit is mostly that of the input before, so that
    /// words are small, negative or all ones more often than by chance; in a quarter few are set.
    pub fn input(&mut self) -> Pattern {
        let before = self.values.last().copied().unwrap_or([0; WORDS]);
        let mut pattern = before;
        for (index, word) in pattern.iter_mut().enumerate() {
            let eighth = self.random.next() & self.random.next() & self.random.next();
            *word = match index % 4 {
                0 => self.random.next(),
                1 => before[index] ^ eighth,
                2 => before[index] ^ (eighth & self.random.next() & self.random.next()),
                _ => eighth,
            };
        }
        pattern
    }

    /// Values of the next gate.
    pub fn push(&mut self, pattern: Pattern) {
        self.values.push(pattern);
    }

    /// Values that `function` makes of those of three signals.
    pub fn combined(&self, of: [Literal; 3], function: impl Fn(u64, u64, u64) -> u64) -> Pattern {
        let [(a, x), (b, y), (c, z)] = of.map(|literal| self.of(literal));
        std::array::from_fn(|i| function(a[i] ^ x, b[i] ^ y, c[i] ^ z))
    }

    /// The values of a gate, and what complements them to those of the literal.
    fn of(&self, literal: Literal) -> (&Pattern, u64) {
        (&self.values[(literal >> 1) as usize], 0u64.wrapping_sub(u64::from(literal & 1)))
    }

    fn ones(&self, literal: Literal) -> u64 {
        let (values, complement) = self.of(literal);
        values.iter().map(|word| u64::from((word ^ complement).count_ones())).sum()
    }

    /// Whether never both are set, though by chance they often would have been.
    pub fn exclude(&self, a: Literal, b: Literal) -> bool {
        let ((x, p), (y, q)) = (self.of(a), self.of(b));
        x.iter().zip(y).all(|(x, y)| (x ^ p) & (y ^ q) == 0)
            && self.ones(a) * self.ones(b) >= EXPECTED * 64 * WORDS as u64
    }
}

/// What stands for a gate's values and their complement alike, with whether it is that of the complement; `None`
/// where the gate is so seldom 0 or 1 that others may have the same values by chance.
pub(super) fn fingerprint(pattern: &Pattern) -> Option<(u128, bool)> {
    let ones: u64 = pattern.iter().map(|word| u64::from(word.count_ones())).sum();
    if ones.min(64 * WORDS as u64 - ones) < EXPECTED {
        return None;
    }
    let is_complement = pattern[0] & 1 == 1;
    let complement = 0u64.wrapping_sub(u64::from(is_complement));
    let mix = |seed: u64, factor: u64| {
        let step = |hash: u64, word: &u64| (hash.rotate_left(23) ^ word ^ complement).wrapping_mul(factor);
        pattern.iter().fold(seed, step)
    };
    let hash = u128::from(mix(1, 0x9e37_79b9_7f4a_7c15)) << 64 | u128::from(mix(2, 0xd6e8_feb8_6659_fd93));
    Some((hash, is_complement))
}
