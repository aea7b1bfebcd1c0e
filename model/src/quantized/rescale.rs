//! Requantization of many integers at once: sums of a layer, and both sides of an addition.
//!
//! What fits 32 bits goes through vector instructions, in a loop for each rounding.

use bitmill_formats::{Multiplier, Requantization, requantize};
use pulp::{Arch, Simd, WithSimd};

/// Sums of a layer, channels innermost, without bias.
#[derive(Debug)]
pub(super) enum Sums {
    Narrow(Vec<i32>),
    Wide(Vec<i64>),
}

impl FromIterator<i64> for Sums {
    fn from_iter<I: IntoIterator<Item = i64>>(sums: I) -> Sums {
        Sums::Wide(sums.into_iter().collect())
    }
}

impl Sums {
    /// The sums in 64 bits.
    pub fn wide(self) -> Vec<i64> {
        match self {
            Sums::Narrow(sums) => sums.into_iter().map(i64::from).collect(),
            Sums::Wide(sums) => sums,
        }
    }
}

/// What makes outputs of a layer's sums.
pub(super) struct Rescaling<'a> {
    /// By channel.
    pub bias: &'a [i32],
    /// By channel.
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
    pub fn outputs(&self, sums: &Sums) -> Vec<i32> {
        let mode = self.mode;
        let scale = |sum, factor| mode.scale(sum, factor);
        match sums {
            Sums::Narrow(sums) if self.is_narrow => Arch::new().dispatch(Narrow { rescaling: self, sums }),
            Sums::Wide(sums) if self.is_narrow => Arch::new().dispatch(Narrow { rescaling: self, sums }),
            Sums::Narrow(sums) => self.each(sums, scale),
            Sums::Wide(sums) => self.each(sums, scale),
        }
    }

    #[inline(always)]
    fn each<T: Copy + Into<i64>>(&self, sums: &[T], scale: impl Fn(i64, Multiplier) -> i64) -> Vec<i32> {
        /// Elements from which on a loop is long enough for vector instructions.
        const ELEMENTS: usize = 64;
        let [offset, low, high] = [self.offset, self.low, self.high].map(i64::from);
        // Parameters of several positions, each in an array of its own.
        let positions = ELEMENTS.div_ceil(self.bias.len());
        let bias = self.bias.repeat(positions);
        let factors = self.multipliers.repeat(positions);
        let (multipliers, shifts): (Vec<u32>, Vec<u8>) =
            factors.iter().map(|factor| (factor.multiplier, factor.shift)).unzip();
        let mut outputs = vec![0; sums.len()];
        for (outputs, sums) in outputs.chunks_mut(bias.len()).zip(sums.chunks(bias.len())) {
            let factors = multipliers.iter().zip(&shifts);
            let parameters = bias.iter().zip(factors);
            for ((output, &sum), (&bias, (&multiplier, &shift))) in
                outputs.iter_mut().zip(sums).zip(parameters)
            {
                // Clamped first, so that the offset cannot overflow.
                let scaled = scale(sum.into() + i64::from(bias), Multiplier { multiplier, shift });
                *output = (scaled.clamp(low - offset, high - offset) + offset) as i32;
            }
        }
        outputs
    }
}

/// Sums that fit 32 bits, bias included.
struct Narrow<'a, T> {
    rescaling: &'a Rescaling<'a>,
    sums: &'a [T],
}

impl<T: Copy + Into<i64>> WithSimd for Narrow<'_, T> {
    type Output = Vec<i32>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Vec<i32> {
        use Requantization::*;
        let Narrow { rescaling, sums } = self;
        match rescaling.mode {
            DyadicHalfUp => rescaling.each(sums, |sum, factor| DyadicHalfUp.scale_32(sum as i32, factor)),
            DoubleRounding => rescaling.each(sums, |sum, factor| DoubleRounding.scale_32(sum as i32, factor)),
            HalfAwayFromZero => {
                rescaling.each(sums, |sum, factor| HalfAwayFromZero.scale_32(sum as i32, factor))
            }
            SinglePrecision => {
                rescaling.each(sums, |sum, factor| SinglePrecision.scale_32(sum as i32, factor))
            }
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
    pub fn sums(self) -> Sums {
        // A difference takes one bit more than its terms.
        if self.input_bits + 1 + u32::from(requantize::ADDITION_SHIFT) <= 32 {
            return Sums::Narrow(Arch::new().dispatch(self));
        }
        let [left, right] = self.zero_points.map(i64::from);
        let pairs = self.inputs[0].iter().zip(self.inputs[1]);
        let add = |inputs| requantize::add(self.mode, inputs, self.factors);
        Sums::Wide(pairs.map(|(&a, &b)| add([i64::from(a) - left, i64::from(b) - right])).collect())
    }

    /// Plain loops over one closure: a closure in a closure is called for each element, and not by vector instructions.
    #[inline(always)]
    fn each_narrow(&self, scale: impl Fn(i32, Multiplier) -> i64) -> Vec<i32> {
        let mut sums = vec![0; self.inputs[0].len()];
        for side in 0..2 {
            let (zero_point, factor) = (self.zero_points[side], self.factors[side]);
            for (sum, &input) in sums.iter_mut().zip(self.inputs[side]) {
                *sum += scale((input - zero_point) << requantize::ADDITION_SHIFT, factor) as i32;
            }
        }
        sums
    }
}

impl WithSimd for Addition<'_> {
    type Output = Vec<i32>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Vec<i32> {
        use Requantization::*;
        match self.mode {
            DyadicHalfUp => self.each_narrow(|input, factor| DyadicHalfUp.scale_32(input, factor)),
            DoubleRounding => self.each_narrow(|input, factor| DoubleRounding.scale_32(input, factor)),
            HalfAwayFromZero => self.each_narrow(|input, factor| HalfAwayFromZero.scale_32(input, factor)),
            SinglePrecision => self.each_narrow(|input, factor| SinglePrecision.scale_32(input, factor)),
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
        let sums: Sums = (0..512).map(|i| (i * 7919 % 65_521 - 32_000) * 30_011).collect();
        for mode in Requantization::ALL {
            let addition = |input_bits| {
                let inputs = [&values[..], &others[..]];
                let factors = [factor(0.5), factor(0.1234)];
                Addition { inputs, zero_points: [-128, 11], factors, mode, input_bits }.sums().wide()
            };
            assert_eq!(addition(8), addition(16), "{mode:?}");
            let (bias, multipliers) = (&[5, -7][..], &[factor(1e-6), factor(3.7e-8)][..]);
            let rescaled = |is_narrow| {
                Rescaling { bias, multipliers, mode, offset: -3, low: -128, high: 127, is_narrow }
                    .outputs(&sums)
            };
            assert_eq!(rescaled(true), rescaled(false), "{mode:?}");
        }
    }
}
