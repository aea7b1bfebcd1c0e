//! The exponential of what is not positive, by a table of the powers of two within an octave.

use std::f64::consts::LOG2_E;

use super::FINE_SHARE_BITS;
use crate::FormatError;

/// e^x = 2^(x · log2 e): the exponent is a product with one factor, its whole part a shift, and its fraction the place in
/// a table. Results are in units of 2^-[`TableExp::FRACTION_BITS`].
///
/// An entry stands for the middle of its part of the octave, so that it errs by 0.27 % at most; shifts round down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TableExp {
    factor: u32,
}

impl TableExp {
    /// Fraction bits of a result.
    pub const FRACTION_BITS: u32 = FINE_SHARE_BITS;
    /// Bits of the factor.
    pub const FACTOR_BITS: u32 = 16;
    /// Bits of the factor behind the point.
    pub const FACTOR_FRACTION_BITS: u32 = 15;
    /// Bits of an exponent's fraction that choose an entry.
    pub const INDEX_BITS: u32 = 7;

    /// For integers that stand for `factor` · 2^-[`TableExp::FACTOR_FRACTION_BITS`] / log2 e each.
    ///
    /// # Errors
    /// A factor of 0 or of more than [`TableExp::FACTOR_BITS`].
    pub fn new(factor: u32) -> Result<TableExp, FormatError> {
        let most = (1 << TableExp::FACTOR_BITS) - 1;
        if !(1..=most).contains(&factor) {
            let legal = format!("1 to {most} are legal");
            return Err(FormatError::IllegalValue { parameter: "factor", value: factor.to_string(), legal });
        }
        Ok(TableExp { factor })
    }

    /// For inputs of `scale`.
    ///
    /// # Errors
    /// A scale outside 2.1e-5..1.38, whose factor is not legal.
    pub fn of_scale(scale: f64) -> Result<TableExp, FormatError> {
        let unit = f64::from(1u32 << TableExp::FACTOR_FRACTION_BITS);
        TableExp::new((scale * LOG2_E * unit).round() as u32)
    }

    /// log2(e) · scale, in units of 2^-[`TableExp::FACTOR_FRACTION_BITS`].
    pub fn factor(&self) -> u32 {
        self.factor
    }

    /// The entries: 2^-f for the middle of each part of an octave.
    pub fn table() -> Vec<u32> {
        let entries = 1u32 << TableExp::INDEX_BITS;
        let power = |entry: u32| {
            let fraction = (f64::from(entry) + 0.5) / f64::from(entries);
            (2f64.powf(-fraction) * f64::from(1u32 << TableExp::FRACTION_BITS)).round() as u32
        };
        (0..entries).map(power).collect()
    }

    /// e^-`distance`, for each of `distances`.
    pub fn exps(&self, distances: impl Iterator<Item = u64>) -> Vec<u32> {
        let table = TableExp::table();
        let exp = |distance: u64| {
            let exponent = distance * u64::from(self.factor);
            let index = exponent >> (TableExp::FACTOR_FRACTION_BITS - TableExp::INDEX_BITS);
            let entry = table[(index & ((1 << TableExp::INDEX_BITS) - 1)) as usize];
            let halvings = (exponent >> TableExp::FACTOR_FRACTION_BITS).min(31);
            entry >> halvings
        };
        distances.map(exp).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn approximates_the_exponential() {
        for scale in [1.0 / 200.0, 1.0 / 16.0, 1.0] {
            let exp = TableExp::of_scale(scale).unwrap();
            for (distance, found) in exp.exps(0..1000).into_iter().enumerate() {
                let expected = (-(distance as f64) * scale).exp();
                let found = f64::from(found) * 2f64.powi(-15);
                // Half a part of an octave, the factor's last place, and a shift that rounds down.
                let error = expected * (0.0028 + distance as f64 * 2f64.powi(-16)) + 2f64.powi(-15);
                assert!((found - expected).abs() < error, "{distance} at {scale}: {found} for {expected}");
            }
        }
    }

    #[test]
    fn refuses_what_does_not_fit() {
        assert_eq!(TableExp::new(65_536).unwrap_err().to_string(), "factor = 65536: 1 to 65535 are legal");
        assert!(TableExp::of_scale(1e-5).is_err());
        assert!(TableExp::of_scale(1.4).is_err());
    }
}
