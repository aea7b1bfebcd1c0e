//! Requantization of many integer sums at once.

use bitmill_formats::{Multiplier, Requantization};
use pulp::{Arch, Simd, WithSimd};

/// Sums of a layer, channels innermost, and what makes outputs of them.
pub(super) struct Rescaling<'a> {
    pub sums: &'a [i64],
    pub bias: &'a [i32],
    pub multipliers: &'a [Multiplier],
    pub mode: Requantization,
    pub offset: i32,
    pub low: i32,
    pub high: i32,
    /// Whether all sums fit 32 bits, bias included.
    pub is_narrow: bool,
}

impl Rescaling<'_> {
    /// `clamp(scale(sum + bias) + offset, low, high)` of every sum.
    pub fn outputs(self) -> Vec<i32> {
        if self.is_narrow {
            return Arch::new().dispatch(self);
        }
        let mode = self.mode;
        self.each(|sum, factor| mode.scale(sum, factor))
    }

    #[inline(always)]
    fn each(&self, scale: impl Fn(i64, Multiplier) -> i64) -> Vec<i32> {
        let [offset, low, high] = [self.offset, self.low, self.high].map(i64::from);
        let mut outputs = vec![0; self.sums.len()];
        let positions = self.sums.chunks_exact(self.bias.len());
        for (outputs, sums) in outputs.chunks_exact_mut(self.bias.len()).zip(positions) {
            let channels = self.bias.iter().zip(self.multipliers);
            for ((output, &sum), (&bias, &factor)) in outputs.iter_mut().zip(sums).zip(channels) {
                // Clamped first, so that the offset cannot overflow.
                let scaled = scale(sum + i64::from(bias), factor).clamp(low - offset, high - offset);
                *output = (scaled + offset) as i32;
            }
        }
        outputs
    }
}

impl WithSimd for Rescaling<'_> {
    type Output = Vec<i32>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Vec<i32> {
        // A loop for each mode, so that none asks for it within.
        match self.mode {
            Requantization::DyadicHalfUp => {
                self.each(|sum, factor| Requantization::DyadicHalfUp.scale_32(sum as i32, factor))
            }
            Requantization::DoubleRounding => {
                self.each(|sum, factor| Requantization::DoubleRounding.scale_32(sum as i32, factor))
            }
            Requantization::HalfAwayFromZero => {
                self.each(|sum, factor| Requantization::HalfAwayFromZero.scale_32(sum as i32, factor))
            }
            Requantization::SinglePrecision => {
                self.each(|sum, factor| Requantization::SinglePrecision.scale_32(sum as i32, factor))
            }
        }
    }
}
