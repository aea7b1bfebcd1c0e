//! Requantization: from an accumulator to an activation, by a multiplier and a shift a channel, with the
//! rounding that a framework prescribes. This is the meaning that the golden model and the circuit share.
//!
//! ```text
//! y = clamp(scale(accumulator + bias) + zero_point, low, high)
//! ```
//!
//! `scale` multiplies exactly by `multiplier` (31 bits, unsigned) and drops `shift` bits (0 to 62). What differs
//! is how the dropped bits round, and each way is a composition of two right shifts that round:
//! `half_up(v, s) = (v + 2^(s−1)) >> s`, and `half_away(v, s)`, the same on magnitudes (both are `v` for s = 0).
//!
//! | mode | `scale(x)`, with p = x · multiplier | who rounds so |
//! |---|---|---|
//! | [`DyadicHalfUp`](Requantization::DyadicHalfUp) | `half_up(p, shift)` | HAWQ-V3 (Yao et al., 2021, section 3.1) |
//! | [`DoubleRounding`](Requantization::DoubleRounding) | `half_away(half_up(p, min(shift, 31)), shift − min(shift, 31))` | gemmlowp, TFLite's convolutions and additions |
//! | [`HalfAwayFromZero`](Requantization::HalfAwayFromZero) | `half_away(p, shift)` | C's `round`, TFLite's fully connected layers and means |
//! | [`SinglePrecision`](Requantization::SinglePrecision) | `even(round24(round24(x) · multiplier), shift)` | onnxruntime: `rint(float(x) · scale)` |
//!
//! `round24` keeps 24 significant bits, ties to even, and `even` shifts right with ties to even; in that mode
//! the multiplier is the 24-bit significand of the single-precision scale.
//!
//! gemmlowp shifts left before it multiplies where the factor is above 1; that is `half_up` with a smaller
//! shift, as long as its 32-bit intermediate does not overflow. Whoever makes parameters sees to that.
//!
//! An addition of two scales brings both inputs to one step first, as TFLite does ([`add`]): each is shifted
//! left by [`ADDITION_SHIFT`] and scaled with the layer's mode; their sum is the accumulator.
//!
//! Results in floating point are rounded by their format instead ([`encode()`]).

mod encode;

pub use encode::{WIDEST_SUM_BITS, encode};

/// Bits of the unsigned multiplier.
pub const MULTIPLIER_BITS: u32 = 31;
/// Largest shift, in bits.
pub const MAX_SHIFT: u8 = 62;
/// Significant bits of a multiplier in single precision.
pub const SINGLE_PRECISION_BITS: u32 = 24;
/// Fraction bits of an addition's inputs once they are brought to one step.
pub const ADDITION_SHIFT: u8 = 20;
/// What gemmlowp's high multiply drops, in bits.
const HIGH_MULTIPLY_SHIFT: u8 = 31;

/// How scaled accumulators are rounded to integers; see the module for each meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, PartialOrd, Ord)]
pub enum Requantization {
    /// One rounding, halves up.
    #[default]
    DyadicHalfUp,
    /// Rounds to the high word (halves up), then by the rest of the shift (halves away from zero).
    DoubleRounding,
    /// One rounding, halves away from zero.
    HalfAwayFromZero,
    /// Three roundings to even: accumulator and product to 24 bits, then to an integer.
    SinglePrecision,
}

/// A factor that is not negative: `multiplier / 2^shift`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Multiplier {
    /// Significand, below 2^31. [`Multiplier::nearest`] normalises it to 2^30..2^31.
    pub multiplier: u32,
    /// Right shift in bits, 0..=62.
    pub shift: u8,
}

impl Multiplier {
    /// Exactly one.
    pub const ONE: Self = Self { multiplier: 1 << 30, shift: 30 };
    /// Exactly zero.
    pub const ZERO: Self = Self { multiplier: 0, shift: 31 };

    /// The factor nearest to `real` with a significand of 31 bits, as TFLite's `QuantizeMultiplier` makes it.
    /// Below 2^-32 the significand has fewer bits, and none below 2^-63.
    ///
    /// # Errors
    /// In words, when `real` is negative, not finite, or 2^30 and above.
    pub fn nearest(real: f64) -> Result<Self, String> {
        Self::nearest_of_bits(real, MULTIPLIER_BITS)
    }

    /// Like [`Multiplier::nearest`] with a significand of `bits` (1..=31), left aligned in the 31.
    ///
    /// # Errors
    /// As above.
    pub fn nearest_of_bits(real: f64, bits: u32) -> Result<Self, String> {
        if !real.is_finite() || real < 0.0 {
            return Err(format!("a requantization factor must be finite and not negative, found {real}"));
        }
        if real == 0.0 {
            return Ok(Self::ZERO);
        }
        let bits = bits.clamp(1, MULTIPLIER_BITS) as i32;
        let spare = MULTIPLIER_BITS as i32 - bits;
        // The exponent field is ⌊log2⌋ for normal numbers; what is subnormal ends as zero all the same.
        let log2 = (real.to_bits() >> 52) as i32 - 1023;
        let mut places = (bits - 1 - log2).min(i32::from(MAX_SHIFT) - spare);
        let mut significand = (real * 2f64.powi(places)).round();
        if significand == 2f64.powi(bits) {
            significand /= 2.0;
            places -= 1;
        }
        let shift = places + spare;
        if shift < 1 {
            return Err(format!("a requantization factor must be below 2^30, found {real}"));
        }
        match significand as u32 {
            0 => Ok(Self::ZERO),
            significand => Ok(Self { multiplier: significand << spare, shift: shift as u8 }),
        }
    }

    /// The factor that is exactly `scale`, its significand in 24 bits: what
    /// [`Requantization::SinglePrecision`] takes.
    ///
    /// # Errors
    /// In words, when `scale` is not positive, below 2^-39, or 2^24 and above.
    pub fn from_single(scale: f32) -> Result<Self, String> {
        let exponent = (scale.to_bits() >> 23) as i32 - 127 - 23;
        if !scale.is_normal() || scale < 0.0 || !(-i32::from(MAX_SHIFT)..=0).contains(&exponent) {
            return Err(format!("a single-precision factor must lie in 2^-39..2^24, found {scale}"));
        }
        let significand = scale.to_bits() & 0x7f_ffff | 1 << 23;
        Ok(Self { multiplier: significand, shift: -exponent as u8 })
    }

    /// The real factor, exactly.
    pub fn real(&self) -> f64 {
        f64::from(self.multiplier) / 2f64.powi(i32::from(self.shift))
    }

    /// In words, what is wrong with the factor in mode `requantization`.
    pub fn problem(&self, requantization: Requantization) -> Option<String> {
        let (bits, Self { multiplier, shift }) = (requantization.multiplier_bits(), self);
        (!self.is_legal(requantization)).then(|| {
            format!("multiplier {multiplier} with shift {shift} is not one of {bits} bits with shift 0..={MAX_SHIFT}")
        })
    }

    fn is_legal(&self, requantization: Requantization) -> bool {
        self.multiplier >> requantization.multiplier_bits() == 0 && self.shift <= MAX_SHIFT
    }
}

impl Requantization {
    /// Every mode, in the order of its number in commands.
    pub const ALL: [Self; 4] =
        [Self::DyadicHalfUp, Self::DoubleRounding, Self::HalfAwayFromZero, Self::SinglePrecision];

    /// Bits of a factor's significand.
    fn multiplier_bits(self) -> u32 {
        match self {
            Self::SinglePrecision => SINGLE_PRECISION_BITS,
            _ => MULTIPLIER_BITS,
        }
    }

    /// Name in reports and configurations.
    pub fn name(self) -> &'static str {
        match self {
            Self::DyadicHalfUp => "dyadic_half_up",
            Self::DoubleRounding => "double_rounding",
            Self::HalfAwayFromZero => "half_away_from_zero",
            Self::SinglePrecision => "single_precision",
        }
    }

    /// `value` times the factor, rounded to an integer in this mode and saturated to 64 bits.
    ///
    /// Monotone in `value`. `|value|` is below 2^62.
    #[inline]
    pub fn scale(self, value: i64, factor: Multiplier) -> i64 {
        match i32::try_from(value) {
            Ok(value) if factor.is_legal(self) => self.scale_32(value, factor),
            _ => self.scale_wide(value.into(), 0, factor),
        }
    }

    /// The same for 32 bits and a factor that is legal in this mode: no branch depends on the value, so that loops
    /// over many become vector instructions.
    #[inline(always)]
    pub fn scale_32(self, value: i32, factor: Multiplier) -> i64 {
        let Multiplier { multiplier, shift } = factor;
        // The machine's own multiplier is wide enough: |product| < 2^62, so that a half fits too. A significand is
        // below 2^31, and signed factors of 32 bits are multiplied in one instruction.
        let product = i64::from(value) * i64::from(multiplier.cast_signed());
        match self {
            Self::DyadicHalfUp => half_up_64(product, shift),
            Self::DoubleRounding => {
                let first = shift.min(HIGH_MULTIPLY_SHIFT);
                half_away_64(half_up_64(product, first), shift - first)
            }
            Self::HalfAwayFromZero => half_away_64(product, shift),
            Self::SinglePrecision => {
                // The machine's own single precision rounds so. Significand and power of two are exact in it.
                let factor = multiplier as f32 * f32::from_bits((127 - u32::from(shift)) << 23);
                (value as f32 * factor).round_ties_even() as i64
            }
        }
    }

    /// `sum` · 2^`lsb_exponent` times the factor, rounded to an integer in this mode and saturated to 64 bits.
    ///
    /// A sum has at most [`WIDEST_SUM_BITS`]; `lsb_exponent` lies in −190..=0.
    pub fn scale_wide(self, sum: i128, lsb_exponent: i32, factor: Multiplier) -> i64 {
        let Multiplier { multiplier, shift } = factor;
        let shift = (i32::from(shift) - lsb_exponent) as u8;
        let product = |value: i128| value * i128::from(multiplier);
        let wide = sum;
        let scaled = match self {
            Self::DyadicHalfUp => half_up(product(wide), shift),
            Self::DoubleRounding => {
                let first = shift.min(HIGH_MULTIPLY_SHIFT);
                half_away(half_up(product(wide), first), shift - first)
            }
            Self::HalfAwayFromZero => half_away(product(wide), shift),
            Self::SinglePrecision => half_even(round_to_24_bits(product(round_to_24_bits(wide))), shift),
        };
        scaled.clamp(i64::MIN.into(), i64::MAX.into()) as i64
    }
}

/// The accumulator of an addition: both inputs, zero points subtracted, brought to one step.
#[inline]
pub fn add(mode: Requantization, inputs: [i64; 2], factors: [Multiplier; 2]) -> i64 {
    let [left, right] = [0, 1].map(|side| mode.scale(inputs[side] << ADDITION_SHIFT, factors[side]));
    left + right
}

#[inline(always)]
fn half_up_64(value: i64, shift: u8) -> i64 {
    (value + half(shift)) >> shift
}

#[inline(always)]
fn half_away_64(value: i64, shift: u8) -> i64 {
    // The magnitude is rounded half up; adding the sign (−1 or 0) first does that for negative numbers.
    let sign = if shift == 0 { 0 } else { value >> 63 };
    (value + half(shift) + sign) >> shift
}

/// Half of 2^`shift`, and none where nothing is dropped.
#[inline(always)]
fn half(shift: u8) -> i64 {
    (1 << shift) >> 1
}

fn half_up(value: i128, shift: u8) -> i128 {
    // The last place that falls off decides; so nothing is added that could overflow.
    if shift == 0 { value } else { ((value >> (shift - 1).min(127)) + 1) >> 1 }
}

fn half_away(value: i128, shift: u8) -> i128 {
    if shift == 0 { value } else { half_up(value + (value >> 127), shift) }
}

fn half_even(value: i128, shift: u8) -> i128 {
    if shift == 0 {
        return value;
    }
    let twice = value >> (shift - 1).min(127);
    let is_tie = twice & 1 == 1 && (value.trailing_zeros() >= u32::from(shift) - 1);
    if is_tie { (twice + (twice >> 1 & 1)) >> 1 } else { (twice + 1) >> 1 }
}

/// The nearest number with 24 significant bits, ties to even: a conversion to single precision.
fn round_to_24_bits(value: i128) -> i128 {
    let magnitude = value.unsigned_abs();
    let bits = u128::BITS - magnitude.leading_zeros();
    let drop = bits.saturating_sub(SINGLE_PRECISION_BITS) as u8;
    half_even(value, drop) << drop
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values and factors that meet every boundary: ties, their neighbours, both signs, wide and narrow.
    fn cases() -> impl Iterator<Item = (i64, Multiplier)> {
        let mut state = 0x9e37_79b9_7f4a_7c15u64;
        let mut random = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        (0..200_000).map(move |_| {
            let value = (random() as i64) >> (18 + random() % 46);
            let bits = [31, 31, 16, 2][(random() % 4) as usize];
            let multiplier = (random() % (1 << bits)) as u32 & !((random() as u32 & 1) * 0xffff);
            (value, Multiplier { multiplier, shift: (random() % 63) as u8 })
        })
    }

    #[test]
    fn the_narrow_path_equals_the_wide_one() {
        for (value, factor) in cases() {
            for mode in Requantization::ALL {
                assert_eq!(
                    mode.scale(value, factor),
                    mode.scale_wide(value.into(), 0, factor),
                    "{mode:?} {value} {factor:?}"
                );
            }
        }
    }

    #[test]
    fn a_finer_unit_is_a_larger_shift() {
        for (value, factor) in cases() {
            for mode in Requantization::ALL {
                let finer = Multiplier { shift: factor.shift / 2, ..factor };
                let unit = i32::from(finer.shift) - i32::from(factor.shift);
                let found = mode.scale_wide(value.into(), unit, finer);
                assert_eq!(found, mode.scale_wide(value.into(), 0, factor), "{mode:?} {value} {factor:?}");
            }
        }
        // Beyond the machine's width nothing is left, or the floor that halves round up from.
        for mode in Requantization::ALL {
            for value in [1i128 << 95, -(1 << 95), 1, -1] {
                let factor = Multiplier { multiplier: (1 << 24) - 1, shift: 62 };
                assert_eq!(mode.scale_wide(value, -190, factor), 0, "{mode:?} {value}");
            }
        }
    }

    #[test]
    fn double_rounding_is_gemmlowps() {
        // Transcribed from its definition: a doubling high multiply that truncates towards zero after a
        // nudge, then a division by a power of two that corrects the floor by its remainder.
        let reference = |value: i32, multiplier: i32, shift: i32| {
            let (left, right) = (shift.max(0), (-shift).max(0));
            let product = i64::from(value << left) * i64::from(multiplier);
            let nudge = if product >= 0 { 1 << 30 } else { 1 - (1 << 30) };
            let high = ((product + nudge) / (1 << 31)) as i32;
            let mask = ((1i64 << right) - 1) as i32;
            let threshold = (mask >> 1) + i32::from(high < 0);
            i64::from((i64::from(high) >> right) as i32 + i32::from(high & mask > threshold))
        };
        for (value, Multiplier { multiplier, shift }) in cases() {
            let left = 31 - i32::from(shift);
            if left > 30 || value.unsigned_abs() << left.max(0) >= 1 << 31 {
                continue;
            }
            let found = Requantization::DoubleRounding.scale(value, Multiplier { multiplier, shift });
            let expected = reference(value as i32, multiplier as i32, left);
            assert_eq!(found, expected, "{value} {multiplier} {shift}");
        }
    }

    #[test]
    fn single_precision_is_the_machines() {
        for (value, factor) in cases() {
            let Ok(factor) = Multiplier::from_single((factor.real() as f32).clamp(1e-11, 1e7)) else {
                panic!("within the range")
            };
            let expected = (value as f32 * factor.real() as f32).round_ties_even();
            let found = Requantization::SinglePrecision.scale(value, factor);
            assert_eq!(found, expected as i64, "{value} {factor:?}");
        }
    }

    #[test]
    fn halves_go_where_the_mode_says() {
        let half = Multiplier::nearest(0.5).unwrap();
        let halves = |mode: Requantization| (-4..=4).map(|value| mode.scale(value, half)).collect::<Vec<_>>();
        assert_eq!(halves(Requantization::DyadicHalfUp), [-2, -1, -1, 0, 0, 1, 1, 2, 2]);
        assert_eq!(halves(Requantization::DoubleRounding), [-2, -1, -1, 0, 0, 1, 1, 2, 2]);
        assert_eq!(halves(Requantization::HalfAwayFromZero), [-2, -2, -1, -1, 0, 1, 1, 2, 2]);
        let half = Multiplier::from_single(0.5).unwrap();
        let even: Vec<i64> =
            (-4..=4).map(|value| Requantization::SinglePrecision.scale(value, half)).collect();
        assert_eq!(even, [-2, -2, -1, 0, 0, 0, 1, 2, 2]);
        // The second rounding of a factor below one half goes away from zero: −6/4 = −1.5.
        let quarter = Multiplier::nearest(0.25).unwrap();
        assert_eq!(Requantization::DoubleRounding.scale(-6, quarter), -2);
        assert_eq!(Requantization::DyadicHalfUp.scale(-6, quarter), -1);
    }

    #[test]
    fn the_nearest_multiplier_is_normalised_and_accurate() {
        for bits in [2, 16, 31] {
            for exponent in -32..29 {
                for step in 0..97 {
                    let real = 2f64.powi(exponent) * (1.0 + f64::from(step) / 97.0);
                    let found = Multiplier::nearest_of_bits(real, bits).unwrap();
                    assert!((1 << 30..1 << 31).contains(&found.multiplier), "{real}: {found:?}");
                    assert_eq!(found.multiplier.trailing_zeros().min(31 - bits), 31 - bits);
                    assert!(
                        (found.real() / real - 1.0).abs() <= 2f64.powi(-(bits as i32)),
                        "{real}: {found:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn the_edges_of_the_range() {
        let nearest = Multiplier::nearest;
        assert_eq!(nearest(1.0), Ok(Multiplier::ONE));
        assert_eq!(nearest(0.0), Ok(Multiplier::ZERO));
        assert_eq!(nearest(2f64.powi(-32)), Ok(Multiplier { multiplier: 1 << 30, shift: 62 }));
        assert_eq!(nearest(2f64.powi(-40)), Ok(Multiplier { multiplier: 1 << 22, shift: 62 }));
        assert_eq!(nearest(2f64.powi(-64)), Ok(Multiplier::ZERO));
        assert_eq!(nearest(5e-324), Ok(Multiplier::ZERO));
        // Rounding the significand up to 2^31 must renormalise it.
        assert_eq!(nearest(1.0 - 1e-12), Ok(Multiplier::ONE));
        assert_eq!(nearest(2f64.powi(29)), Ok(Multiplier { multiplier: 1 << 30, shift: 1 }));
        for bad in [-1.0, f64::NAN, f64::INFINITY, 2f64.powi(30), 2f64.powi(30) - 1e-3] {
            assert!(nearest(bad).is_err(), "{bad}");
        }
        for bad in [0.0, -1.0, f32::NAN, f32::INFINITY, 16_777_216.0, 1e-12] {
            assert!(Multiplier::from_single(bad).is_err(), "{bad}");
        }
        for good in [16_777_215.0, 2f32.powi(-39), 0.1] {
            assert_eq!(Multiplier::from_single(good).unwrap().real(), f64::from(good));
        }
    }
}
