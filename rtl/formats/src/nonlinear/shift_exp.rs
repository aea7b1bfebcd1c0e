//! ShiftExp: e^x by shifts, one small division and no multiplication.

use super::M;
use crate::FormatError;

/// The exponential of integers of one scale S, in units of S / 2^n.
///
/// With the paper's x0 = ⌊−1/S⌋ = −`one`: e^x = 2^(x · log2 e), where log2 e ≈ 1 + 1/2 − 1/16; the whole part of
/// that exponent is a shift, and on the fraction 2^f ≈ 1 + f/2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ShiftExp {
    one: u32,
    n: u32,
}

impl ShiftExp {
    /// n of Shiftmax.
    pub const SOFTMAX_N: u32 = 15;
    /// n of ShiftGELU.
    pub const GELU_N: u32 = 23;

    /// `one` is 1/S rounded up, `n` the largest number of halvings: e^x is taken as e^(n · ln 2) below that.
    ///
    /// # Errors
    /// `one` = 0, or `one · 2^n` above 2^31 − 1: the exponential of 0 would not fit.
    pub fn new(one: u32, n: u32) -> Result<ShiftExp, FormatError> {
        if one == 0 || n >= 31 || one > M >> n {
            let legal = format!("with n = {n}, 1 to {} are legal", M.checked_shr(n).unwrap_or(0));
            return Err(FormatError::IllegalValue { parameter: "-x0", value: one.to_string(), legal });
        }
        Ok(ShiftExp { one, n })
    }

    /// For inputs of `scale`.
    ///
    /// # Errors
    /// A scale whose reciprocal is no legal `one`, see [`ShiftExp::new`].
    pub fn of_scale(scale: f64, n: u32) -> Result<ShiftExp, FormatError> {
        ShiftExp::new((1.0 / scale).ceil() as u32, n)
    }

    /// −x0: the integer that stands for 1, rounded up.
    pub fn one(&self) -> u32 {
        self.one
    }

    /// The largest number of halvings.
    pub fn n(&self) -> u32 {
        self.n
    }

    /// ShiftExp of `x`, saturated at [`M`], where the operators clamp their sums. Only positive `x` saturate.
    ///
    /// The paper's `⌊(⌊r/2⌋ − x0) · 2^(n − q)⌋` is read as its PyTorch model computes it, with r/2 kept fractional.
    /// Then nothing is ever cut off: q = n only where the clamp makes r = 0.
    pub fn exp(&self, x: i64) -> u32 {
        let one = i64::from(self.one);
        let scaled = x + (x >> 1) - (x >> 4);
        let clamped = scaled.max(-i64::from(self.n) * one);
        // Both operands of the paper's ⌊x/x0⌋ are negated; the remainder lies in (x0, 0].
        let halvings = (-clamped).div_euclid(one);
        let remainder = clamped + halvings * one;
        let doubled = remainder + 2 * one;
        let places = i64::from(self.n) - halvings;
        if places > 31 {
            return M;
        }
        ((doubled << places) >> 1).min(M.into()) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn approximates_the_exponential() {
        // Li and Gu's approximation is off by up to 6 % of 1 near the middle of an octave.
        let exp = ShiftExp::of_scale(1.0 / 200.0, ShiftExp::SOFTMAX_N).unwrap();
        for x in -1000..=0 {
            let approximate = f64::from(exp.exp(x)) / (200.0 * 2f64.powi(15));
            assert!((approximate - (x as f64 / 200.0).exp()).abs() < 0.07, "{x}: {approximate}");
        }
    }

    #[test]
    fn saturates_above_and_bottoms_out_below() {
        let exp = ShiftExp::new(3, 23).unwrap();
        assert_eq!(exp.exp(0), 3 << 23);
        assert_eq!(exp.exp(-1_000_000), 3);
        assert_eq!(exp.exp(1_000_000), M);
    }

    #[test]
    fn refuses_what_does_not_fit() {
        assert_eq!(
            ShiftExp::new(256, 23).unwrap_err().to_string(),
            "-x0 = 256: with n = 23, 1 to 255 are legal"
        );
        assert!(ShiftExp::new(0, 15).is_err());
        assert!(ShiftExp::new(1, 31).is_err());
        assert!(ShiftExp::of_scale(0.0, 15).is_err());
    }
}
