//! Seeded random values that like corners.

use num_bigint::BigUint;
use num_traits::One;

use super::Values;
use crate::Module;

/// A small seeded generator (SplitMix64, Steele et al. 2014): the same seed gives the same stimulus.
#[derive(Clone, Debug)]
pub struct Random {
    state: u64,
}

impl Random {
    /// A generator that is fully determined by `seed`.
    pub fn new(seed: u64) -> Random {
        Random { state: seed }
    }

    /// 64 uniform bits.
    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform in `0 .. bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next_u64()) * u128::from(bound)) >> 64) as u64
    }

    /// True once in `n` times.
    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// `width` uniform bits.
    pub fn bits(&mut self, width: u32) -> BigUint {
        let digits = (0..width.div_ceil(32)).map(|_| self.next_u64() as u32).collect();
        BigUint::new(digits) & ((BigUint::one() << width) - 1u8)
    }

    /// `width` bits: one time in four at a corner (zero, one, all ones, the sign bit, or all but the sign
    /// bit), one time in four with a random number of equal leading or trailing bits, else uniform.
    pub fn corner_bits(&mut self, width: u32) -> BigUint {
        let (sign, ones) = (BigUint::one() << (width - 1), (BigUint::one() << width) - 1u8);
        let uniform = self.bits(width);
        let run = self.below(u64::from(width)) as u32;
        match self.below(20) {
            0 => BigUint::ZERO,
            1 => BigUint::one(),
            2 => ones,
            3 => sign,
            4 => sign - 1u8,
            5 | 6 => uniform >> run,
            7 => ones ^ (uniform >> run),
            8 => (uniform << run) & ones,
            9 => ((uniform << run) & &ones) ^ ones,
            _ => uniform,
        }
    }

    /// One value with corners for each input port of `module`.
    pub fn inputs(&mut self, module: &Module) -> Values {
        module.inputs().map(|port| self.corner_bits(port.shape.width)).collect()
    }
}
