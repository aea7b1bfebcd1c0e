//! The random numbers of stressed simulations; `harness.cpp` draws the same in the same order.

/// Marsaglia's xorshift64 (Xorshift RNGs, 2003).
#[derive(Clone, Copy)]
pub(super) struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below `bound`, a power of two.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() >> 32 & (bound - 1)
    }
}

/// Whether something happens now: always without a seed, else every other time.
pub(super) fn agrees(random: &mut Option<Random>) -> bool {
    random.as_mut().is_none_or(|random| random.below(2) == 1)
}

/// Additional cycles of a latency: none without a seed.
pub(super) fn jitter(random: &mut Option<Random>) -> u64 {
    random.as_mut().map_or(0, |random| random.below(32))
}
