//! The command of residual additions: what the results of the next compute command are joined with.

use bitmill_formats::{Multiplier, Requantization};

use super::{Field, PairOperation, Tokens, fields};

/// Joins what the next compute command would write with a tensor of the same shape, as a pair does: a residual addition
/// without a pass of its own. Both are of the vector unit's format.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Residual {
    /// Tokens.
    pub tokens: Tokens,
    /// How the two are joined.
    pub pair: PairOperation,
    /// The results come second, else first.
    pub sum_is_second: bool,
    /// Factor of what has been joined, the same for all channels.
    pub multiplier: Multiplier,
    /// How the joined results are rounded.
    pub rounding: Requantization,
    /// Output zero point.
    pub zero_point: i32,
    /// Smallest output.
    pub low: i32,
    /// Largest output.
    pub high: i32,
    /// First line of the tensor, in the first of the next command's output blocks.
    pub input_line: u32,
}

impl Residual {
    pub(super) fn values(&self) -> Vec<(&'static Field, i64)> {
        let mut values = vec![
            (&fields::SUM_IS_SECOND, self.sum_is_second.into()),
            (&fields::ZERO_POINT, self.zero_point.into()),
            (&fields::LOW, self.low.into()),
            (&fields::HIGH, self.high.into()),
            (&fields::INPUT_LINE, self.input_line.into()),
            (&fields::ROUNDING, self.rounding as i64),
            (&fields::MULTIPLIER, self.multiplier.multiplier.into()),
            (&fields::MULTIPLIER_SHIFT, self.multiplier.shift.into()),
        ];
        values.extend(self.pair.values());
        values
    }
}
