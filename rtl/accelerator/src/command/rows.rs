//! The command of the row units: a softmax, GELU or LayerNorm of every pixel's channels.

use bitmill_formats::Requantization;
use serde::{Deserialize, Serialize};

use super::{Field, Tokens, fields};

/// A function of a row; its meaning stands in [`bitmill_formats::nonlinear`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RowOperator {
    /// Shiftmax.
    Softmax,
    /// ShiftGELU.
    Gelu,
    /// LayerNorm, whose γ and β are the channels' parameters.
    LayerNorm,
    /// Softmax with exponentials from a table.
    SoftmaxByTable,
}

impl RowOperator {
    /// Every operator, in the order of its code.
    pub const ALL: [RowOperator; 4] =
        [RowOperator::Softmax, RowOperator::Gelu, RowOperator::LayerNorm, RowOperator::SoftmaxByTable];

    /// Name in configurations, reports and signals.
    pub fn name(self) -> &'static str {
        ["softmax", "gelu", "layer_norm", "softmax_by_table"][self as usize]
    }
}

/// A function of the rows of a tensor: the channels of each pixel, whose zero point is 0. Results go through the
/// requantizers like sums, with a line of parameters for each block.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Rows {
    /// Tokens.
    pub tokens: Tokens,
    /// The function.
    pub operator: RowOperator,
    /// How scaled results are rounded.
    pub rounding: Requantization,
    /// Output zero point.
    pub zero_point: i32,
    /// Smallest output.
    pub low: i32,
    /// Largest output.
    pub high: i32,
    /// First line of the input.
    pub input_line: u32,
    /// Elements of a row, at least 1.
    pub length: u32,
    /// What stands for 1 in an exponential by shifts, rounded up; log2(e) times the scale in units of 2^-15 for one by a
    /// table; anything but 0 where there is none.
    pub one: u32,
    /// Pixels: rows.
    pub pixels: u32,
    /// First parameter line.
    pub parameter_line: u32,
    /// First line of the output.
    pub output_line: u32,
    /// Format of the results, by its place in `precision.activations`.
    pub output_format: u32,
}

impl Rows {
    pub(super) fn values(&self) -> Vec<(&'static Field, i64)> {
        vec![
            (&fields::OPERATOR, self.operator as i64),
            (&fields::ZERO_POINT, self.zero_point.into()),
            (&fields::LOW, self.low.into()),
            (&fields::HIGH, self.high.into()),
            (&fields::INPUT_LINE, self.input_line.into()),
            (&fields::ROUNDING, self.rounding as i64),
            (&fields::ROW_LENGTH, i64::from(self.length) - 1),
            (&fields::ONE, self.one.into()),
            (&fields::PIXELS, self.pixels.into()),
            (&fields::OUTPUT_FORMAT, self.output_format.into()),
            (&fields::PARAMETER_LINE, self.parameter_line.into()),
            (&fields::OUTPUT_LINE, self.output_line.into()),
        ]
    }
}
