//! The requantizer: from a wide accumulator to an activation, by a 16-bit multiplier and a shift.

/// Smallest normalised multiplier, 2^15.
pub const MIN_MULTIPLIER: u16 = 1 << 15;
/// Largest shift the hardware takes.
pub const MAX_SHIFT: u8 = 62;

/// A positive real factor held as `multiplier / 2^shift` with `multiplier` in 2^15..2^16 (16 significant
/// bits, so a relative error of at most 2^-16) and `shift` in 1..=62, or exactly 0.
///
/// This is the dyadic requantization of HAWQ-V3 (Yao et al., 2021, section 3.1), with 16 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Multiplier {
    /// Significand: 0, or normalised to 2^15..2^16.
    pub multiplier: u16,
    /// Right shift in bits, 1..=62.
    pub shift: u8,
}

impl Multiplier {
    /// Exactly one: 2^15 / 2^15.
    pub const ONE: Self = Self { multiplier: MIN_MULTIPLIER, shift: 15 };
    /// Exactly zero.
    pub const ZERO: Self = Self { multiplier: 0, shift: 1 };

    /// The multiplier nearest to `real`. Factors below about 2^-47 become zero.
    ///
    /// # Errors
    /// In words, when `real` is negative, not finite, or 2^15 and above.
    pub fn nearest(real: f64) -> Result<Self, String> {
        if !real.is_finite() || real < 0.0 {
            return Err(format!("a requantization factor must be finite and not negative, found {real}"));
        }
        let smallest = f64::from(MIN_MULTIPLIER) / 2f64.powi(i32::from(MAX_SHIFT));
        if real < smallest {
            return Ok(Self::ZERO);
        }
        if real >= 32_768.0 {
            return Err(format!("a requantization factor must be below 32768, found {real}"));
        }
        // real = significand · 2^-shift; `log2` may be off by one next to a power of two: step until it fits.
        let mut shift = 15 - real.log2().floor() as i32;
        while (real * 2f64.powi(shift)).round() >= 65_536.0 {
            shift -= 1;
        }
        while shift < i32::from(MAX_SHIFT) && (real * 2f64.powi(shift)).round() < f64::from(MIN_MULTIPLIER) {
            shift += 1;
        }
        if shift < 1 {
            return Err(format!("a requantization factor must be below 32768, found {real}"));
        }
        let multiplier = (real * 2f64.powi(shift)).round() as u16;
        Ok(Self { multiplier, shift: shift as u8 })
    }

    /// The real factor that the hardware multiplies by.
    pub fn real(&self) -> f64 {
        f64::from(self.multiplier) / 2f64.powi(i32::from(self.shift))
    }

    /// `round_half_up(accumulator · multiplier / 2^shift)`, that is
    /// `(accumulator · multiplier + 2^(shift−1)) >> shift` with an arithmetic shift.
    ///
    /// `|accumulator|` must be below 2^46, so that the product and the rounding bit fit 64 bits.
    pub fn scale(&self, accumulator: i64) -> i64 {
        (accumulator * i64::from(self.multiplier) + (1i64 << (self.shift - 1))) >> self.shift
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_multiplier_is_normalised_and_accurate() {
        for exponent in -46..14 {
            for step in 0..997 {
                let real = 2f64.powi(exponent) * (1.0 + f64::from(step) / 997.0);
                let found = Multiplier::nearest(real).unwrap();
                assert!(found.multiplier >= MIN_MULTIPLIER && (1..=MAX_SHIFT).contains(&found.shift));
                assert!((found.real() / real - 1.0).abs() <= 2f64.powi(-16), "{real}: {found:?}");
            }
        }
    }

    #[test]
    fn the_edges_of_the_range() {
        let nearest = Multiplier::nearest;
        assert_eq!(nearest(1.0), Ok(Multiplier::ONE));
        assert_eq!(nearest(0.0), Ok(Multiplier::ZERO));
        assert_eq!(nearest(2f64.powi(-47)), Ok(Multiplier { multiplier: MIN_MULTIPLIER, shift: 62 }));
        assert_eq!(nearest(2f64.powi(-48)), Ok(Multiplier::ZERO));
        // Rounding the significand up to 2^16 must renormalise it.
        assert_eq!(nearest(1.0 - 1e-9), Ok(Multiplier::ONE));
        assert_eq!(nearest(32_767.0), Ok(Multiplier { multiplier: 65_534, shift: 1 }));
        for bad in [-1.0, f64::NAN, f64::INFINITY, 32_768.0, 32_767.999] {
            assert!(nearest(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn halves_round_up() {
        let half = Multiplier::nearest(0.5).unwrap();
        let rounded: Vec<i64> = (-4..=4).map(|value| half.scale(value)).collect();
        assert_eq!(rounded, [-2, -1, -1, 0, 0, 1, 1, 2, 2]);
        assert_eq!(Multiplier::ZERO.scale(1 << 40), 0);
    }
}
