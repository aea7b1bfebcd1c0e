//! The command of the sampler: what the taps of a deformable convolution read, for some pixels.

use super::{Field, Tokens, fields};

/// Samples of neighbouring pixels, the first of which lies in row 0 of its line. Image, offsets and masks are tensors of as
/// many pixels. Samples lie as `[channel block][tap][pixel / rows]` lines; a convolution sums them with nine tap rows, of
/// as many lines each. Their meaning stands in [`bitmill_formats::deformable`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Sample {
    /// Tokens.
    pub tokens: Tokens,
    /// Zero point of the image: what is read outside it.
    pub zero_point: i32,
    /// Integer that stands for an offset of 0.
    pub offset_zero_point: i32,
    /// Bits that offsets have fewer behind the point than the sampler.
    pub offset_shift: u32,
    /// Whether masks count; without, each tap counts as 1.
    pub is_modulated: bool,
    /// First line of the image.
    pub input_line: u32,
    /// Lines from one channel block of image, offsets and masks to the next.
    pub channel_stride: u32,
    /// Channel blocks of the image.
    pub channel_blocks: u32,
    /// Columns of the image.
    pub input_width: u32,
    /// Rows of the image.
    pub input_height: u32,
    /// Row of the first pixel.
    pub start_y: u32,
    /// Column of the first pixel.
    pub start_x: u32,
    /// Pixels.
    pub pixels: u32,
    /// Line of the first pixel's offsets.
    pub offset_line: u32,
    /// Line of the first pixel's masks.
    pub mask_line: u32,
    /// First line of the samples.
    pub output_line: u32,
}

impl Sample {
    pub(super) fn values(&self) -> Vec<(&'static Field, i64)> {
        vec![
            (&fields::OFFSET_SHIFT, self.offset_shift.into()),
            (&fields::MODULATED, self.is_modulated.into()),
            (&fields::OFFSET_ZERO_POINT, self.offset_zero_point.into()),
            (&fields::ZERO_POINT, self.zero_point.into()),
            (&fields::INPUT_LINE, self.input_line.into()),
            (&fields::CHANNEL_STRIDE, self.channel_stride.into()),
            (&fields::CHANNEL_BLOCKS, self.channel_blocks.into()),
            (&fields::INPUT_WIDTH, self.input_width.into()),
            (&fields::INPUT_HEIGHT, self.input_height.into()),
            (&fields::START_Y, self.start_y.into()),
            (&fields::START_X, self.start_x.into()),
            (&fields::PIXELS, self.pixels.into()),
            (&fields::OFFSET_LINE, self.offset_line.into()),
            (&fields::MASK_LINE, self.mask_line.into()),
            (&fields::OUTPUT_LINE, self.output_line.into()),
        ]
    }
}
