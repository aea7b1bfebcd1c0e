//! Shapes of activation tensors (batch 1, height × width × channels, channels innermost) and the
//! window arithmetic shared by convolution and pooling.

use std::fmt;

/// Largest number of elements one activation tensor may have: a bound far above any network that
/// fits an accelerator's memory, so that a corrupt file cannot ask for terabytes.
pub const MAX_TENSOR_ELEMENTS: usize = 1 << 28;

/// Shape of one activation tensor. A vector of n features is 1 × 1 × n.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Shape {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// Channels, the innermost dimension in memory.
    pub channels: usize,
}

impl Shape {
    /// A feature map of `height` × `width` × `channels`.
    pub fn new(height: usize, width: usize, channels: usize) -> Self {
        Self { height, width, channels }
    }

    /// A vector of `features`: 1 × 1 × features.
    pub fn vector(features: usize) -> Self {
        Self::new(1, 1, features)
    }

    /// Number of elements.
    pub fn elements(&self) -> usize {
        self.height * self.width * self.channels
    }

    /// Offset, in elements, of (`row`, `column`, `channel`).
    pub fn offset(&self, row: usize, column: usize, channel: usize) -> usize {
        (row * self.width + column) * self.channels + channel
    }

    /// Whether every dimension is at least 1 and the product at most [`MAX_TENSOR_ELEMENTS`].
    pub fn is_legal(&self) -> bool {
        let product = self.height.checked_mul(self.width).and_then(|area| area.checked_mul(self.channels));
        matches!(product, Some(elements) if (1..=MAX_TENSOR_ELEMENTS).contains(&elements))
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}x{}x{}", self.height, self.width, self.channels)
    }
}

/// Rows and columns added around a feature map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Padding {
    /// Rows above.
    pub top: usize,
    /// Columns to the left.
    pub left: usize,
    /// Rows below.
    pub bottom: usize,
    /// Columns to the right.
    pub right: usize,
}

impl Padding {
    /// The same padding on all four sides.
    pub fn same(size: usize) -> Self {
        Self { top: size, left: size, bottom: size, right: size }
    }

    /// Whether there is none.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// A height and a width, in that order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Extent {
    /// Vertical extent.
    pub height: usize,
    /// Horizontal extent.
    pub width: usize,
}

impl Extent {
    /// `height` × `width`.
    pub fn new(height: usize, width: usize) -> Self {
        Self { height, width }
    }

    /// `size` × `size`.
    pub fn square(size: usize) -> Self {
        Self::new(size, size)
    }

    /// Number of positions.
    pub fn area(&self) -> usize {
        self.height * self.width
    }
}

/// A sliding window: what convolution and pooling have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Window {
    /// Taps in each direction.
    pub kernel: Extent,
    /// Step between neighbouring outputs, in input positions.
    pub stride: Extent,
    /// Step between neighbouring taps, in input positions (1 is dense).
    pub dilation: Extent,
    /// Positions added around the input.
    pub padding: Padding,
    /// Step between neighbouring input positions once zeros are inserted between them (1 is none): the input
    /// stride of a transposed convolution, which is a convolution over the spread input.
    pub input_dilation: Extent,
}

impl Window {
    /// A dense square window with stride 1 and no padding.
    pub fn square(kernel: usize) -> Self {
        Self {
            kernel: Extent::square(kernel),
            stride: Extent::square(1),
            dilation: Extent::square(1),
            padding: Padding::default(),
            input_dilation: Extent::square(1),
        }
    }

    /// The window that covers all of `shape` at once (global pooling).
    pub fn global(shape: Shape) -> Self {
        Self { kernel: Extent::new(shape.height, shape.width), ..Self::square(1) }
    }

    /// The same window with another stride in both directions.
    pub fn with_stride(self, stride: usize) -> Self {
        Self { stride: Extent::square(stride), ..self }
    }

    /// The same window with the same padding on all sides.
    pub fn with_padding(self, padding: usize) -> Self {
        Self { padding: Padding::same(padding), ..self }
    }

    /// Input positions spanned by the taps: `dilation · (kernel − 1) + 1` in each direction.
    pub fn span(&self) -> Extent {
        Extent {
            height: self.dilation.height * (self.kernel.height - 1) + 1,
            width: self.dilation.width * (self.kernel.width - 1) + 1,
        }
    }

    /// Output positions over an input of `height` × `width`, spread by the input dilation d to
    /// `d · (input − 1) + 1`: `⌊(spread + padding − span) / stride⌋ + 1` in each direction.
    ///
    /// # Errors
    /// In words, when an extent is zero or above 65 535, or the window is larger than the padded input.
    pub fn output(&self, height: usize, width: usize) -> Result<Extent, String> {
        let Self { kernel, stride, dilation, padding, input_dilation } = self;
        let extents = [kernel, stride, dilation, input_dilation].map(|extent| [extent.height, extent.width]);
        if let Some(bad) = extents.as_flattened().iter().find(|&&size| size == 0 || size > 65_535) {
            return Err(format!("kernel, stride and dilation must lie in 1..=65535, found {bad}"));
        }
        let paddings = [padding.top, padding.left, padding.bottom, padding.right];
        if let Some(bad) = paddings.iter().find(|&&size| size > 65_535) {
            return Err(format!("padding must lie in 0..=65535, found {bad}"));
        }
        let span = self.span();
        let (height, width) = (spread(height, input_dilation.height), spread(width, input_dilation.width));
        let padded_height = height + padding.top + padding.bottom;
        let padded_width = width + padding.left + padding.right;
        if span.height > padded_height || span.width > padded_width {
            return Err(format!(
                "the window spans {}x{} positions but the padded input has {padded_height}x{padded_width}",
                span.height, span.width
            ));
        }
        Ok(Extent {
            height: (padded_height - span.height) / stride.height + 1,
            width: (padded_width - span.width) / stride.width + 1,
        })
    }

    /// Input position (row, column) of tap (`tap_row`, `tap_column`) for output (`row`, `column`), or
    /// `None` in the padding of an input of `shape`.
    pub fn position(
        &self,
        (row, column): (usize, usize),
        (tap_row, tap_column): (usize, usize),
        shape: Shape,
    ) -> Option<(usize, usize)> {
        let padded_row = row * self.stride.height + tap_row * self.dilation.height;
        let padded_column = column * self.stride.width + tap_column * self.dilation.width;
        let gather = |padded: usize, padding: usize, dilation: usize, size: usize| {
            let spread = padded.checked_sub(padding)?;
            (spread % dilation == 0 && spread / dilation < size).then_some(spread / dilation)
        };
        let Extent { height, width } = self.input_dilation;
        let row = gather(padded_row, self.padding.top, height, shape.height)?;
        Some((row, gather(padded_column, self.padding.left, width, shape.width)?))
    }
}

/// Positions that `size` of them take with a step of `dilation`.
fn spread(size: usize, dilation: usize) -> usize {
    dilation * size.saturating_sub(1) + 1
}
