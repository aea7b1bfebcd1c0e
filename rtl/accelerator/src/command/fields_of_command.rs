//! The layout of a command, field by field.

use bitmill_hdl::{Shape, Signal};

use super::{COMMAND_WORDS, CommandError};

/// Place of a field in a command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Field {
    /// Name.
    pub name: &'static str,
    /// Word of 64 bits.
    pub word: usize,
    /// Lowest bit in that word.
    pub lsb: u32,
    /// Width and signedness.
    pub shape: Shape,
}

const fn unsigned(name: &'static str, word: usize, lsb: u32, width: u32) -> Field {
    Field { name, word, lsb, shape: bitmill_hdl::unsigned(width) }
}

const fn signed(name: &'static str, word: usize, lsb: u32, width: u32) -> Field {
    Field { name, word, lsb, shape: bitmill_hdl::signed(width) }
}

impl Field {
    /// Writes `value` into the command.
    ///
    /// # Errors
    /// A value that does not fit.
    pub fn put(&self, words: &mut [u64; COMMAND_WORDS], value: i64) -> Result<(), CommandError> {
        let width = self.shape.width;
        let legal =
            if self.shape.signed { -(1i64 << (width - 1))..1i64 << (width - 1) } else { 0..1i64 << width };
        if !legal.contains(&value) {
            return Err(CommandError { field: self.name, value, width });
        }
        let mask = (1u64 << width) - 1;
        words[self.word] |= (value as u64 & mask) << self.lsb;
        Ok(())
    }

    /// Reads the value from the command.
    pub fn get(&self, words: &[u64; COMMAND_WORDS]) -> i64 {
        let width = self.shape.width;
        let raised = words[self.word] << (64 - self.lsb - width);
        if self.shape.signed { raised as i64 >> (64 - width) } else { (raised >> (64 - width)) as i64 }
    }

    /// Whether some bit belongs to both.
    pub(super) fn overlaps(&self, other: &Field) -> bool {
        let end = |field: &Field| field.lsb + field.shape.width;
        self.word == other.word && self.lsb < end(other) && other.lsb < end(self)
    }

    /// The field as hardware sees it, from the words of a command.
    pub fn of<'m>(&self, words: &[Signal<'m>]) -> Signal<'m> {
        let bits = words[self.word].slice(self.lsb, self.shape.width);
        let field = if self.shape.signed { bits.as_signed() } else { bits };
        field.named(self.name)
    }
}

/// Every field of every command.
pub mod fields {
    use bitmill_formats::nonlinear::TableExp;

    use super::{Field, signed, unsigned};

    /// 1 load, 2 compute, 3 store, 4 rows, 5 sample.
    pub const OPCODE: Field = unsigned("opcode", 0, 0, 4);
    /// Queues a token is taken from, one bit each.
    pub const WAIT: Field = unsigned("wait_mask", 0, 4, 3);
    /// Queues a token is given to, one bit each.
    pub const POST: Field = unsigned("post_mask", 0, 7, 3);

    // Load and store.

    /// Scratchpad: 0 activations, 1 weights, 2 parameters, 3 lookup tables.
    pub const TARGET: Field = unsigned("target", 0, 12, 2);
    /// Beats.
    pub const BEATS: Field = unsigned("beats", 0, 16, 24);
    /// First scratchpad line.
    pub const LINE: Field = unsigned("line", 0, 40, 16);
    /// Byte address in memory.
    pub const ADDRESS: Field = unsigned("address", 1, 0, 32);

    // Compute; the meanings stand at `Compute` and `Walk`.

    /// log2 of the step between neighbouring positions of the input, 0 where they lie side by side.
    pub const INPUT_DILATION: Field = unsigned("input_dilation_log2", 0, 10, 2);
    /// 0 matrix, 1 lanes, 2 maximum, 3 pair.
    pub const KIND: Field = unsigned("kind", 0, 12, 2);
    /// Order of the weight lines: 0 one for all steps, 1 the next with each step, 2 the same from the first with each
    /// tile, 3 strided.
    pub const WEIGHT_ORDER: Field = unsigned("weight_order", 0, 14, 2);
    /// Activation outside the input.
    pub const PAD_VALUE: Field = signed("pad_value", 0, 16, 16);
    /// Output zero point.
    pub const ZERO_POINT: Field = signed("zero_point", 0, 32, 16);
    /// Taps a row.
    pub const KERNEL_WIDTH: Field = unsigned("kernel_width", 0, 48, 8);
    /// Tap rows.
    pub const KERNEL_HEIGHT: Field = unsigned("kernel_height", 0, 56, 8);
    /// Smallest output.
    pub const LOW: Field = signed("low", 1, 0, 16);
    /// Largest output.
    pub const HIGH: Field = signed("high", 1, 16, 16);
    /// First input line.
    pub const INPUT_LINE: Field = unsigned("input_line", 1, 32, 16);
    /// Input lines from one output block to the next.
    pub const GROUP_STRIDE: Field = unsigned("group_stride", 1, 48, 16);
    /// Input lines from one input block to the next.
    pub const CHANNEL_STRIDE: Field = unsigned("channel_stride", 2, 0, 16);
    /// Input blocks of a sum.
    pub const CHANNEL_BLOCKS: Field = unsigned("channel_blocks", 2, 16, 16);
    /// Columns of the input, those between its positions included.
    pub const INPUT_WIDTH: Field = unsigned("input_width", 2, 32, 15);
    /// Rows of the input, those between its positions included.
    pub const INPUT_HEIGHT: Field = unsigned("input_height", 2, 47, 15);
    /// Rounding: 0 dyadic half up, 1 double rounding, 2 half away from zero, 3 single precision.
    pub const ROUNDING: Field = unsigned("rounding", 2, 62, 2);
    /// Input row of output pixel 0.
    pub const START_Y: Field = signed("start_y", 3, 0, 16);
    /// Input column of output pixel 0.
    pub const START_X: Field = signed("start_x", 3, 16, 16);
    /// Input pixel number of output pixel 0.
    pub const START_INDEX: Field = signed("start_index", 3, 32, 24);
    /// Columns from one output pixel to the next.
    pub const STRIDE_X: Field = unsigned("stride_x", 3, 56, 6);
    /// Lookup table that results go through, counted from 1; 0 for none.
    pub const LOOKUP: Field = unsigned("lookup", 3, 62, 2);
    /// Columns of the output.
    pub const OUTPUT_WIDTH: Field = unsigned("output_width", 4, 0, 16);
    /// Columns to go back at the end of an output row.
    pub const WRAP_X: Field = unsigned("wrap_x", 4, 16, 16);
    /// Change of the pixel number at the end of an output row.
    pub const WRAP_INDEX: Field = signed("wrap_index", 4, 32, 24);
    /// Rows to go down at the end of an output row.
    pub const WRAP_Y: Field = unsigned("wrap_y", 4, 56, 8);
    /// Output columns from one pixel group to the next.
    pub const JUMP_COLUMN: Field = unsigned("jump_column", 5, 0, 16);
    /// Input columns from one pixel group to the next.
    pub const JUMP_X: Field = unsigned("jump_x", 5, 16, 16);
    /// Change of the pixel number from one pixel group to the next.
    pub const JUMP_INDEX: Field = signed("jump_index", 5, 32, 24);
    /// Input rows from one pixel group to the next.
    pub const JUMP_Y: Field = unsigned("jump_y", 5, 56, 8);
    /// Columns from one tap to the next.
    pub const TAP_X: Field = unsigned("tap_x", 6, 0, 5);
    /// Rows from one tap row to the next.
    pub const TAP_Y: Field = unsigned("tap_y", 6, 5, 5);
    /// Change of the pixel number at the end of a tap row.
    pub const TAP_WRAP: Field = signed("tap_wrap", 6, 10, 24);
    /// Mode of the processing elements: formats of activations and weights.
    pub const MODE: Field = unsigned("mode", 6, 34, 4);
    /// Pixels of the output.
    pub const PIXELS: Field = unsigned("pixels", 6, 38, 23);
    /// Format of the results, by its place in `precision.activations`.
    pub const OUTPUT_FORMAT: Field = unsigned("output_format", 6, 61, 3);
    /// First weight line.
    pub const WEIGHT_LINE: Field = unsigned("weight_line", 7, 0, 16);
    /// First parameter line.
    pub const PARAMETER_LINE: Field = unsigned("parameter_line", 7, 16, 16);
    /// First output line.
    pub const OUTPUT_LINE: Field = unsigned("output_line", 7, 32, 16);
    /// Output blocks.
    pub const OUTPUT_BLOCKS: Field = unsigned("output_blocks", 7, 48, 16);

    // Pairs have no taps, no mode and no weights; their settings lie there, and the first zero point lies where
    // the padding does. The meanings stand at `PairOperation`.

    /// Zero point of the first activation.
    pub const FIRST_ZERO_POINT: Field = signed("first_zero_point", 0, 16, 16);
    /// Factor of the second activation.
    pub const PAIR_FACTOR: Field = unsigned("pair_factor", 6, 0, 31);
    /// Its shift, less 20.
    pub const PAIR_SHIFT: Field = unsigned("pair_shift", 6, 31, 6);
    /// Product, else sum.
    pub const MULTIPLIES: Field = unsigned("multiplies", 6, 37, 1);
    /// Zero point of the second activation.
    pub const SECOND_ZERO_POINT: Field = signed("second_zero_point", 7, 0, 16);

    // Strided weights have one tap; their stride lies where taps do. The meaning stands at `WeightOrder`.

    /// Weight lines from one step of a tile to the next.
    pub const WEIGHT_STRIDE: Field = unsigned("weight_stride", 6, 10, 16);

    // Slices have one pixel row, which is never left; their stride lies where its end does. Several tap rows whose
    // `tap_y` is 0 make a slice. The meaning stands at `Compute`.

    /// Output lines from one block to the next.
    pub const OUTPUT_STRIDE: Field = unsigned("output_stride", 4, 16, 16);

    // Rows; the meanings stand at `Rows`. They share places with compute commands where the meaning is the same.

    /// 0 softmax, 1 GELU, 2 LayerNorm, 3 softmax by a table.
    pub const OPERATOR: Field = unsigned("operator", 0, 12, 2);
    /// Elements of a row, less 1.
    pub const ROW_LENGTH: Field = unsigned("row_length", 3, 0, 12);
    /// What stands for 1 in the exponential, in 8 bits, or the factor of one by a table.
    pub const ONE: Field = unsigned("one", 3, 16, TableExp::FACTOR_BITS);

    // Sample; the meanings stand at `Sample`. It shares places with compute commands where the meaning is the same.

    /// Bits that offsets have fewer behind the point than the sampler.
    pub const OFFSET_SHIFT: Field = unsigned("offset_shift", 0, 12, 3);
    /// Whether masks count; without, each tap counts as 1.
    pub const MODULATED: Field = unsigned("modulated", 0, 15, 1);
    /// Integer that stands for an offset of 0.
    pub const OFFSET_ZERO_POINT: Field = signed("offset_zero_point", 0, 16, 16);
    /// Line of the first pixel's offsets.
    pub const OFFSET_LINE: Field = unsigned("offset_line", 7, 0, 16);
    /// Line of the first pixel's masks.
    pub const MASK_LINE: Field = unsigned("mask_line", 7, 16, 16);

    // Residual; the meanings stand at `Residual`. It shares places with compute commands where the meaning is the same.

    /// The results come second, else first.
    pub const SUM_IS_SECOND: Field = unsigned("sum_is_second", 0, 12, 1);
    /// Factor of what has been joined.
    pub const MULTIPLIER: Field = unsigned("multiplier", 3, 0, 31);
    /// Its shift.
    pub const MULTIPLIER_SHIFT: Field = unsigned("multiplier_shift", 3, 31, 6);

    /// Fields that every command has.
    pub const COMMON: [&Field; 3] = [&OPCODE, &WAIT, &POST];
    /// Fields of loads and stores.
    pub const TRANSFER: [&Field; 4] = [&TARGET, &BEATS, &LINE, &ADDRESS];
    /// Fields of compute commands.
    pub const COMPUTE: [&Field; 39] = [
        &INPUT_DILATION,
        &KIND,
        &WEIGHT_ORDER,
        &PAD_VALUE,
        &ZERO_POINT,
        &KERNEL_WIDTH,
        &KERNEL_HEIGHT,
        &LOW,
        &HIGH,
        &INPUT_LINE,
        &GROUP_STRIDE,
        &CHANNEL_STRIDE,
        &CHANNEL_BLOCKS,
        &INPUT_WIDTH,
        &INPUT_HEIGHT,
        &ROUNDING,
        &START_Y,
        &START_X,
        &START_INDEX,
        &STRIDE_X,
        &LOOKUP,
        &OUTPUT_WIDTH,
        &WRAP_X,
        &WRAP_INDEX,
        &WRAP_Y,
        &JUMP_COLUMN,
        &JUMP_X,
        &JUMP_INDEX,
        &JUMP_Y,
        &TAP_X,
        &TAP_Y,
        &TAP_WRAP,
        &MODE,
        &PIXELS,
        &OUTPUT_FORMAT,
        &WEIGHT_LINE,
        &PARAMETER_LINE,
        &OUTPUT_LINE,
        &OUTPUT_BLOCKS,
    ];
    /// Fields of pairs: they take the place of those that they overlap.
    pub const PAIR: [&Field; 5] =
        [&FIRST_ZERO_POINT, &PAIR_FACTOR, &PAIR_SHIFT, &MULTIPLIES, &SECOND_ZERO_POINT];
    /// The field of compute commands with strided weights, in the place of those that it overlaps.
    pub const STRIDED: [&Field; 1] = [&WEIGHT_STRIDE];
    /// The field of compute commands on slices, in the place of those that it overlaps.
    pub const SLICE: [&Field; 1] = [&OUTPUT_STRIDE];
    /// Fields of rows.
    pub const ROWS: [&Field; 12] = [
        &OPERATOR,
        &ZERO_POINT,
        &LOW,
        &HIGH,
        &INPUT_LINE,
        &ROUNDING,
        &ROW_LENGTH,
        &ONE,
        &PIXELS,
        &OUTPUT_FORMAT,
        &PARAMETER_LINE,
        &OUTPUT_LINE,
    ];
    /// Fields of samples.
    pub const SAMPLE: [&Field; 15] = [
        &OFFSET_SHIFT,
        &MODULATED,
        &OFFSET_ZERO_POINT,
        &ZERO_POINT,
        &INPUT_LINE,
        &CHANNEL_STRIDE,
        &CHANNEL_BLOCKS,
        &INPUT_WIDTH,
        &INPUT_HEIGHT,
        &START_Y,
        &START_X,
        &PIXELS,
        &OFFSET_LINE,
        &MASK_LINE,
        &OUTPUT_LINE,
    ];
    /// Fields of residuals.
    pub const RESIDUAL: [&Field; 13] = [
        &SUM_IS_SECOND,
        &FIRST_ZERO_POINT,
        &ZERO_POINT,
        &LOW,
        &HIGH,
        &INPUT_LINE,
        &ROUNDING,
        &MULTIPLIER,
        &MULTIPLIER_SHIFT,
        &PAIR_FACTOR,
        &PAIR_SHIFT,
        &MULTIPLIES,
        &SECOND_ZERO_POINT,
    ];

    /// All of them, in the order of this page.
    pub fn all() -> impl Iterator<Item = &'static Field> {
        let own = ROWS.into_iter().chain(SAMPLE).chain(RESIDUAL);
        let own = own.filter(|field| !COMPUTE.contains(field) && !PAIR.contains(field));
        COMMON.into_iter().chain(TRANSFER).chain(COMPUTE).chain(PAIR).chain(STRIDED).chain(SLICE).chain(own)
    }
}
