//! Requantization of many integers at once: sums of a layer, and both sides of an addition.
//!
//! What fits 32 bits goes through vector instructions, in a loop for each rounding.

use bitmill_formats::{Multiplier, Requantization, requantize};
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
        use Requantization::*;
        match self.mode {
            DyadicHalfUp => self.each(|sum, factor| DyadicHalfUp.scale_32(sum as i32, factor)),
            DoubleRounding => self.each(|sum, factor| DoubleRounding.scale_32(sum as i32, factor)),
            HalfAwayFromZero => self.each(|sum, factor| HalfAwayFromZero.scale_32(sum as i32, factor)),
            SinglePrecision => self.each(|sum, factor| SinglePrecision.scale_32(sum as i32, factor)),
        }
    }
}

/// An addition that brings both inputs to one step.
pub(super) struct Addition<'a> {
    pub inputs: [&'a [i32]; 2],
    pub zero_points: [i32; 2],
    pub factors: [Multiplier; 2],
    pub mode: Requantization,
    /// Bits of an input, at most.
    pub input_bits: u32,
}

impl Addition<'_> {
    /// [`requantize::add`] of every pair.
    pub fn sums(self) -> Vec<i64> {
        // A difference takes one bit more than its terms.
        if self.input_bits + 1 + u32::from(requantize::ADDITION_SHIFT) <= 32 {
            return Arch::new().dispatch(self);
        }
        self.each(|inputs| requantize::add(self.mode, inputs, self.factors))
    }

    #[inline(always)]
    fn each(&self, add: impl Fn([i64; 2]) -> i64) -> Vec<i64> {
        let [left, right] = self.zero_points.map(i64::from);
        let pairs = self.inputs[0].iter().zip(self.inputs[1]);
        pairs.map(|(&a, &b)| add([i64::from(a) - left, i64::from(b) - right])).collect()
    }

    #[inline(always)]
    fn each_narrow(&self, mode: Requantization) -> Vec<i64> {
        let [left, right] = self.factors;
        let scale = |input: i64, factor| mode.scale_32((input << requantize::ADDITION_SHIFT) as i32, factor);
        self.each(|[a, b]| scale(a, left) + scale(b, right))
    }
}

impl WithSimd for Addition<'_> {
    type Output = Vec<i64>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Vec<i64> {
        use Requantization::*;
        match self.mode {
            DyadicHalfUp => self.each_narrow(DyadicHalfUp),
            DoubleRounding => self.each_narrow(DoubleRounding),
            HalfAwayFromZero => self.each_narrow(HalfAwayFromZero),
            SinglePrecision => self.each_narrow(SinglePrecision),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Narrow and wide loops agree, with every rounding.
    #[test]
    fn vectors_round_as_single_numbers_do() {
        let factor = |real: f32| Multiplier::from_single(real).expect("a legal factor");
        let values: Vec<i32> = (0..256).map(|i| i * 97 % 256 - 128).collect();
        let others: Vec<i32> = (0..256).map(|i| i * 89 % 256 - 128).collect();
        let sums: Vec<i64> = (0..512).map(|i| (i * 7919 % 65_521 - 32_000) * 30_011).collect();
        for mode in Requantization::ALL {
            let addition = |input_bits| {
                let inputs = [&values[..], &others[..]];
                let factors = [factor(0.5), factor(0.1234)];
                Addition { inputs, zero_points: [-128, 11], factors, mode, input_bits }.sums()
            };
            assert_eq!(addition(8), addition(16), "{mode:?}");
            let rescaling = |is_narrow| {
                let (bias, multipliers) = (&[5, -7][..], &[factor(1e-6), factor(3.7e-8)][..]);
                let (offset, low, high) = (-3, -128, 127);
                Rescaling { sums: &sums, bias, multipliers, mode, offset, low, high, is_narrow }.outputs()
            };
            assert_eq!(rescaling(true), rescaling(false), "{mode:?}");
        }
    }
}
