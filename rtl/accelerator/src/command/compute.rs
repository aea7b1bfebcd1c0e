//! The command of array and vector unit: one layer, or a slice of its output channels.

use bitmill_formats::requantize::ADDITION_SHIFT;
use bitmill_formats::{Multiplier, Requantization};

use super::{Field, Tokens, fields};

/// What a compute command does with the gathered activations.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ComputeKind {
    /// Dot products on the array: convolution, fully connected.
    Matrix,
    /// Multiply-accumulate channel by channel: depthwise convolution, average pooling, addition.
    Lanes,
    /// Running maximum channel by channel: max pooling.
    Maximum,
    /// Two channel blocks element by element, see [`PairOperation`].
    Pair,
}

/// In which order the steps of a compute command read weight lines. Every pixel group begins at the first.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum WeightOrder {
    /// All read the first.
    Fixed,
    /// Each reads the next.
    Running,
    /// Each reads the next, and every tile begins at the first.
    Repeated,
    /// Each reads so many lines further, and every tile begins a line behind the tile before: activations that serve
    /// as weights lie so, all tiles of a channel block one after the other. There is one tap.
    Strided(u32),
}

impl WeightOrder {
    /// Its number in commands.
    pub fn code(self) -> u64 {
        match self {
            WeightOrder::Fixed => 0,
            WeightOrder::Running => 1,
            WeightOrder::Repeated => 2,
            WeightOrder::Strided(_) => WeightOrder::STRIDED,
        }
    }

    /// Number of [`WeightOrder::Strided`].
    pub const STRIDED: u64 = 3;
}

/// What a [`ComputeKind::Pair`] command does with its two activations, as `bitmill_units`' pair unit defines it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct PairOperation {
    /// Integers that stand for zero.
    pub zero_points: [i32; 2],
    /// Factor of the second activation in a sum, at most one half, with a shift of 20 or more; the first has
    /// one half. `None` for a product.
    pub factor: Option<Multiplier>,
}

/// One layer, or a slice of its output channels. Tensors lie in the activation scratchpad as
/// `[channel block][pixel / rows]` lines of `rows` words; a word holds `lanes` channels of one pixel.
///
/// The sequencer runs `for pixel group, for block group, for tap row, for tap column, for channel block`,
/// so that each pass over the last three makes one tile of outputs.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Compute {
    /// Tokens.
    pub tokens: Tokens,
    /// Operation.
    pub kind: ComputeKind,
    /// Settings of a pair; only [`ComputeKind::Pair`] has some.
    pub pair: PairOperation,
    /// Which weight line each step reads.
    pub weight_order: WeightOrder,
    /// Code of the activation that taps outside the input read.
    pub pad_value: i32,
    /// How scaled sums are rounded.
    pub rounding: Requantization,
    /// Output zero point.
    pub zero_point: i32,
    /// Smallest output; an ordinal in floating point.
    pub low: i32,
    /// Largest output; an ordinal in floating point.
    pub high: i32,
    /// Taps a row.
    pub kernel_width: u32,
    /// Tap rows.
    pub kernel_height: u32,
    /// First line of the input.
    pub input_line: u32,
    /// Lines from the input of one output block to the next; 0 where every block reads all channels.
    pub group_stride: u32,
    /// Lines from one input block to the next within a sum, modulo 2^16.
    pub channel_stride: u32,
    /// Input blocks of a sum.
    pub channel_blocks: u32,
    /// log2 of the step between neighbouring positions of the input: 0, or more where taps between them find nothing,
    /// as in a transposed convolution.
    pub input_dilation_log2: u32,
    /// Columns of the input, those between its positions included.
    pub input_width: u32,
    /// Rows of the input, those between its positions included.
    pub input_height: u32,
    /// Steps and starts of the pixel walk.
    pub walk: Walk,
    /// Pixels of the output.
    pub pixels: u32,
    /// First weight line.
    pub weight_line: u32,
    /// First parameter line.
    pub parameter_line: u32,
    /// First line of the output.
    pub output_line: u32,
    /// Output blocks: words of channels in the output format.
    pub output_blocks: u32,
    /// Lines from one output block to the next, where the pixels are a slice of the output: one row of the input, whose
    /// several tap rows are no rows further ([`Walk::tap_y`] is 0). `None` for all pixels.
    pub output_stride: Option<u32>,
    /// Code of the PE's mode.
    pub mode: u32,
    /// Format of the results, by its place in `precision.activations`.
    pub output_format: u32,
    /// Lookup table that results go through.
    pub lookup: Option<u32>,
}

/// How the input position moves over output pixels and taps. `index` is the pixel number in the input,
/// `row · width + column`; it follows x and y so that no multiplier is needed. Where the input's positions lie d
/// apart, rows and columns count the steps between them too and the width does not: the index is d times the pixel
/// number where there is a pixel.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Walk {
    /// Input row of output pixel 0 at tap 0: minus the padding.
    pub start_y: i32,
    /// Input column of output pixel 0 at tap 0.
    pub start_x: i32,
    /// Input pixel number of both.
    pub start_index: i32,
    /// Columns from one output pixel to the next.
    pub stride_x: u32,
    /// Columns of the output.
    pub output_width: u32,
    /// Columns to go back at the end of an output row.
    pub wrap_x: u32,
    /// Rows to go down then.
    pub wrap_y: u32,
    /// Change of the pixel number then.
    pub wrap_index: i32,
    /// Output columns from one pixel group to the next, whole rows taken away.
    pub jump_column: u32,
    /// Input columns for that.
    pub jump_x: u32,
    /// Input rows for the whole rows.
    pub jump_y: u32,
    /// Change of the pixel number for both.
    pub jump_index: i32,
    /// Columns from one tap to the next.
    pub tap_x: u32,
    /// Rows from one tap row to the next.
    pub tap_y: u32,
    /// Change of the pixel number from the last tap of a row to the first of the next.
    pub tap_wrap: i32,
}

impl Walk {
    /// The walk of a window over an input of `input_width` columns, in groups of `rows` output pixels.
    /// `stride`, `dilation` and `padding` are (vertical, horizontal).
    pub fn new(
        rows: u32,
        input_width: u32,
        output_width: u32,
        kernel_width: u32,
        stride: (u32, u32),
        dilation: (u32, u32),
        padding: (u32, u32),
    ) -> Walk {
        let [width, columns] = [input_width as i32, output_width as i32];
        let [stride_y, stride_x] = [stride.0 as i32, stride.1 as i32];
        let [start_y, start_x] = [-(padding.0 as i32), -(padding.1 as i32)];
        let [whole_rows, rest] = [rows as i32 / columns, rows as i32 % columns];
        Walk {
            start_y,
            start_x,
            start_index: start_y * width + start_x,
            stride_x: stride.1,
            output_width,
            wrap_x: (columns * stride_x) as u32,
            wrap_y: stride.0,
            wrap_index: stride_y * width - columns * stride_x,
            jump_column: rest as u32,
            jump_x: (rest * stride_x) as u32,
            jump_y: (whole_rows * stride_y) as u32,
            jump_index: whole_rows * stride_y * width + rest * stride_x,
            tap_x: dilation.1,
            tap_y: dilation.0,
            tap_wrap: dilation.0 as i32 * width - (kernel_width as i32 - 1) * dilation.1 as i32,
        }
    }

    /// The walk of one row of taps over all pixels of a channel block, the next block for each output pixel: the
    /// input of global pooling, in groups of `rows` blocks of `lines` lines each. Each row of the array is one
    /// tap ahead of the row before, so that they never meet in a bank; it takes `rows − 1` more taps than there
    /// are pixels, of which the input has one row.
    pub fn over_blocks(rows: u32, lines: u32) -> Walk {
        let behind = 1 - rows as i32;
        let block = (rows * lines) as i32;
        Walk {
            start_y: 0,
            start_x: behind,
            start_index: behind,
            stride_x: 0,
            output_width: 1,
            // A column back is one further, modulo 2^16.
            wrap_x: (1 << fields::WRAP_X.shape.width) - 1,
            wrap_y: 0,
            wrap_index: block + 1,
            jump_column: 0,
            jump_x: 0,
            jump_y: 0,
            jump_index: rows as i32 * block,
            tap_x: 1,
            tap_y: 0,
            tap_wrap: 0,
        }
    }
}

impl Compute {
    pub(super) fn values(&self) -> Vec<(&'static Field, i64)> {
        let w = &self.walk;
        let mut values = vec![
            (&fields::INPUT_DILATION, self.input_dilation_log2.into()),
            (&fields::KIND, self.kind as i64),
            (&fields::WEIGHT_ORDER, self.weight_order.code() as i64),
            (&fields::ZERO_POINT, self.zero_point.into()),
            (&fields::KERNEL_WIDTH, self.kernel_width.into()),
            (&fields::KERNEL_HEIGHT, self.kernel_height.into()),
            (&fields::LOW, self.low.into()),
            (&fields::HIGH, self.high.into()),
            (&fields::INPUT_LINE, self.input_line.into()),
            (&fields::GROUP_STRIDE, self.group_stride.into()),
            (&fields::CHANNEL_STRIDE, self.channel_stride.into()),
            (&fields::CHANNEL_BLOCKS, self.channel_blocks.into()),
            (&fields::INPUT_WIDTH, self.input_width.into()),
            (&fields::INPUT_HEIGHT, self.input_height.into()),
            (&fields::ROUNDING, self.rounding as i64),
            (&fields::START_Y, w.start_y.into()),
            (&fields::START_X, w.start_x.into()),
            (&fields::START_INDEX, w.start_index.into()),
            (&fields::STRIDE_X, w.stride_x.into()),
            (&fields::LOOKUP, self.lookup.map_or(0, |table| i64::from(table) + 1)),
            (&fields::OUTPUT_WIDTH, w.output_width.into()),
            match self.output_stride {
                Some(lines) => (&fields::OUTPUT_STRIDE, lines.into()),
                None => (&fields::WRAP_X, w.wrap_x.into()),
            },
            (&fields::WRAP_INDEX, w.wrap_index.into()),
            (&fields::WRAP_Y, w.wrap_y.into()),
            (&fields::JUMP_COLUMN, w.jump_column.into()),
            (&fields::JUMP_X, w.jump_x.into()),
            (&fields::JUMP_INDEX, w.jump_index.into()),
            (&fields::JUMP_Y, w.jump_y.into()),
            (&fields::PIXELS, self.pixels.into()),
            (&fields::OUTPUT_FORMAT, self.output_format.into()),
            (&fields::PARAMETER_LINE, self.parameter_line.into()),
            (&fields::OUTPUT_LINE, self.output_line.into()),
            (&fields::OUTPUT_BLOCKS, self.output_blocks.into()),
        ];
        if self.kind == ComputeKind::Pair {
            values.extend(self.pair.values());
            return values;
        }
        values.extend([
            (&fields::PAD_VALUE, self.pad_value.into()),
            (&fields::TAP_X, w.tap_x.into()),
            (&fields::TAP_Y, w.tap_y.into()),
            (&fields::MODE, self.mode.into()),
            (&fields::WEIGHT_LINE, self.weight_line.into()),
        ]);
        values.push(match self.weight_order {
            WeightOrder::Strided(lines) => (&fields::WEIGHT_STRIDE, lines.into()),
            _ => (&fields::TAP_WRAP, w.tap_wrap.into()),
        });
        values
    }
}

impl PairOperation {
    pub(super) fn values(&self) -> Vec<(&'static Field, i64)> {
        let factor = self.factor.map_or((0, 0), |factor| {
            (i64::from(factor.multiplier), i64::from(factor.shift) - i64::from(ADDITION_SHIFT))
        });
        vec![
            (&fields::FIRST_ZERO_POINT, self.zero_points[0].into()),
            (&fields::SECOND_ZERO_POINT, self.zero_points[1].into()),
            (&fields::PAIR_FACTOR, factor.0),
            (&fields::PAIR_SHIFT, factor.1),
            (&fields::MULTIPLIES, self.factor.is_none().into()),
        ]
    }
}
