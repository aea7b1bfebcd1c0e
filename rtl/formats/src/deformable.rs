//! Deformable convolution on integers: where its taps look, what they read there, and what is summed.
//!
//! The kernel has 3 × 3 taps at stride 1, dilation 1 and padding 1. A tap at `(ty, tx)` of −1, 0 and 1 looks, for the
//! output pixel `(y, x)`, at
//!
//! | [`Offsets`] | values a pixel | row (the column likewise) |
//! |---|---|---|
//! | [`PerTap`](Offsets::PerTap) | 18: dy, dx of tap 0, of tap 1, … | `y + ty + dy` |
//! | [`Square`](Offsets::Square) | 1: a distance d | `y + ty · d` |
//!
//! Offsets are fixed-point numbers with `fraction_bits` behind the point. They saturate at the [`Bound`] first, and
//! each value that does is counted. [`Interpolation::Rounded`] then rounds each to a whole number, halves up;
//! [`Interpolation::Bilinear`] weighs the four pixels around with products of the fractions, which are exact and add
//! up to `2^(2F)`. A pixel outside the image reads as the zero point. With Σ over the four pixels, the sample is
//!
//! `zero_point + ⌊(mask · Σ weight · (x − zero_point)) / 2^(2F + B) + 1/2⌋`,
//!
//! rounded this once; `mask` is DCNv2's modulation, from 0 to `2^B` for 1 (more counts as 1), and is 2^B where there is none. It lies
//! within the range of the pixels. The sums over taps (and input channels) of sample · weight are exact.
//! [`real`] is the same in real numbers, as ONNX defines it.

pub mod real;

use std::fmt;

/// Taps of the kernel, row by row.
pub const TAPS: usize = 9;
/// Most bits behind the point of an offset.
pub const MOST_FRACTION_BITS: u32 = 8;
/// Most whole pixels of a bound.
pub const WIDEST_BOUND: i32 = 31;

/// What is said of where the taps of a pixel look.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Offsets {
    /// Two values a tap, row first: how far from its place in the kernel it looks.
    PerTap,
    /// One value a pixel: the distance between neighbouring taps.
    Square,
}

impl Offsets {
    /// Values a pixel.
    pub const fn values(self) -> usize {
        match self {
            Offsets::PerTap => 2 * TAPS,
            Offsets::Square => 1,
        }
    }
}

/// What a tap reads between pixels.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Interpolation {
    /// The weighted mean of the four pixels around.
    Bilinear,
    /// The nearest pixel.
    Rounded,
}

/// Legal offsets in whole pixels, ends included.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Bound {
    /// Lowest offset, not above 0.
    lowest: i32,
    /// Highest offset, not below 0.
    highest: i32,
}

impl Bound {
    /// As far as offsets may go at all.
    pub const WIDEST: Bound = Bound { lowest: -WIDEST_BOUND, highest: WIDEST_BOUND };

    /// None at all: whatever 16 bits say, so that no offset saturates. What is read then may lie anywhere.
    pub const NONE: Bound = Bound { lowest: i16::MIN as i32, highest: i16::MAX as i32 };

    /// Offsets from `lowest` to `highest`.
    ///
    /// # Errors
    /// Bounds without 0 between them, or farther than [`WIDEST_BOUND`].
    pub fn new(lowest: i32, highest: i32) -> Result<Bound, String> {
        if !(-WIDEST_BOUND..=0).contains(&lowest) || !(0..=WIDEST_BOUND).contains(&highest) {
            return Err(format!("-{WIDEST_BOUND} to 0, and 0 to {WIDEST_BOUND} are legal"));
        }
        Ok(Bound { lowest, highest })
    }

    /// The narrowest bound around `low` and `high`, as far as offsets may go at all.
    pub fn around(low: f64, high: f64) -> Bound {
        let widest = f64::from(WIDEST_BOUND);
        Bound {
            lowest: low.floor().clamp(-widest, 0.0) as i32,
            highest: high.ceil().clamp(0.0, widest) as i32,
        }
    }

    /// Lowest and highest offset.
    pub fn ends(self) -> [i32; 2] {
        [self.lowest, self.highest]
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", self.lowest, self.highest)
    }
}

/// How taps look and read.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Sampling {
    /// What is said of where the taps look.
    pub offsets: Offsets,
    /// What they read there.
    pub interpolation: Interpolation,
    /// Bits of an offset behind the point, up to [`MOST_FRACTION_BITS`].
    pub fraction_bits: u32,
    /// Where offsets saturate.
    pub bound: Bound,
    /// Bits behind the point of the modulation, if there is one.
    pub mask_bits: Option<u32>,
}

/// A place between pixels: a whole row and column, and the fractions by which it lies farther.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Point {
    /// Row and column, whole.
    pub whole: [i64; 2],
    /// Row and column behind the point.
    pub fraction: [i64; 2],
}

impl Sampling {
    /// An offset within the bound.
    pub fn saturate(&self, offset: i64) -> i64 {
        if self.bound == Bound::NONE {
            return offset;
        }
        let [lowest, highest] = [self.bound.lowest, self.bound.highest];
        offset.clamp(i64::from(lowest) << self.fraction_bits, i64::from(highest) << self.fraction_bits)
    }

    /// Where `tap` of the pixel at row and column `at` looks; `offsets` are the pixel's, saturated.
    pub fn point(&self, at: [i64; 2], tap: usize, offsets: &[i64]) -> Point {
        let fraction_bits = match self.interpolation {
            Interpolation::Bilinear => self.fraction_bits,
            Interpolation::Rounded => 0,
        };
        let places = [tap as i64 / 3 - 1, tap as i64 % 3 - 1];
        let position: [i64; 2] = std::array::from_fn(|axis| match self.offsets {
            Offsets::PerTap => {
                ((at[axis] + places[axis]) << fraction_bits) + self.rounded(offsets[2 * tap + axis])
            }
            Offsets::Square => (at[axis] << fraction_bits) + places[axis] * self.rounded(offsets[0]),
        });
        Point {
            whole: position.map(|p| p >> fraction_bits),
            fraction: position.map(|p| p & ((1 << fraction_bits) - 1)),
        }
    }

    fn rounded(&self, offset: i64) -> i64 {
        match self.interpolation {
            Interpolation::Bilinear => offset,
            Interpolation::Rounded => half_up(offset, self.fraction_bits),
        }
    }

    /// Bits that the weights of the four pixels around a point have behind theirs.
    pub fn weight_bits(&self) -> u32 {
        match self.interpolation {
            Interpolation::Bilinear => 2 * self.fraction_bits,
            Interpolation::Rounded => 0,
        }
    }

    /// The weight of the pixel `corner` rows and columns (0 or 1) after the whole part of a point.
    pub fn weight(&self, point: &Point, corner: [usize; 2]) -> i64 {
        let one = 1i64 << (self.weight_bits() / 2);
        let part = |axis: usize| match corner[axis] {
            0 => one - point.fraction[axis],
            _ => point.fraction[axis],
        };
        part(0) * part(1)
    }

    /// What is read at `point` under `mask`, where `pixel` tells what stands at a row and column.
    pub fn sample(
        &self,
        point: &Point,
        mask: Option<i64>,
        zero_point: i64,
        pixel: impl Fn(i64, i64) -> i64,
    ) -> i64 {
        let corners = [[0, 0], [0, 1], [1, 0], [1, 1]].into_iter();
        let mean: i64 = corners
            .map(|corner| match self.weight(point, corner) {
                0 => 0,
                weight => {
                    let [row, column] = [0, 1].map(|axis| point.whole[axis] + corner[axis] as i64);
                    weight * (pixel(row, column) - zero_point)
                }
            })
            .sum();
        let shift = self.weight_bits() + self.mask_bits.unwrap_or(0);
        let mask = self.mask_bits.zip(mask).map_or(1, |(bits, mask)| mask.min(1 << bits));
        zero_point + half_up(mean * mask, shift)
    }

    /// How many rows above and below an output pixel taps may look: what a line buffer has to hold, besides the
    /// pixel's own. Columns likewise, to the left and to the right.
    ///
    /// A tap at the very bound has no fraction, so no row beyond is read.
    pub fn reach(&self) -> [u32; 2] {
        let [below_zero, above_zero] = [self.bound.lowest.unsigned_abs(), self.bound.highest.unsigned_abs()];
        match self.offsets {
            Offsets::PerTap => [below_zero + 1, above_zero + 1],
            Offsets::Square => [below_zero.max(above_zero); 2],
        }
    }
}

/// `value / 2^shift` to the nearest whole number, halves up.
pub fn half_up(value: i64, shift: u32) -> i64 {
    match shift {
        0 => value,
        _ => (value + (1 << (shift - 1))) >> shift,
    }
}

/// A tensor of one image: rows, columns, channels, the channels of a pixel side by side.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Image {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// Channels.
    pub channels: usize,
    /// `height · width · channels` numbers.
    pub values: Vec<i64>,
}

impl Image {
    /// The number at a row and column, or `outside` where there is none.
    pub fn at(&self, row: i64, column: i64, channel: usize, outside: i64) -> i64 {
        let inside = |index: i64, size: usize| usize::try_from(index).ok().filter(|index| *index < size);
        match (inside(row, self.height), inside(column, self.width)) {
            (Some(row), Some(column)) => self.values[(row * self.width + column) * self.channels + channel],
            _ => outside,
        }
    }
}

/// Which channels a sum goes over.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Channels {
    /// Each output channel takes its own input channel; weights by tap, then channel.
    Depthwise,
    /// Each of so many output channels takes them all; weights by output channel, then tap, then input channel.
    Full(usize),
}

/// What moves the taps of a layer.
#[derive(Clone, Copy, Debug)]
pub struct Deformation<'d> {
    /// [`Offsets::values`] for each pixel, as they come.
    pub offsets: &'d [i64],
    /// A mask for each tap of each pixel; none where there is no modulation.
    pub masks: &'d [i64],
}

/// The sums of a layer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sums {
    /// Output channels side by side.
    pub image: Image,
    /// Offset values that saturated.
    pub saturated: u64,
}

/// All samples of a pixel, by channel, then tap; and how many of its offsets saturated.
pub fn samples(
    sampling: &Sampling,
    image: &Image,
    zero_point: i64,
    at: [usize; 2],
    deformation: Deformation,
) -> (Vec<[i64; TAPS]>, u64) {
    let (pixel, values) = (at[0] * image.width + at[1], sampling.offsets.values());
    let given = &deformation.offsets[pixel * values..][..values];
    let offsets: Vec<i64> = given.iter().map(|offset| sampling.saturate(*offset)).collect();
    let saturated = given.iter().zip(&offsets).filter(|(given, offset)| given != offset).count();
    let points: [Point; TAPS] =
        std::array::from_fn(|tap| sampling.point(at.map(|index| index as i64), tap, &offsets));
    let mask = |tap: usize| sampling.mask_bits.map(|_| deformation.masks[pixel * TAPS + tap]);
    let of_channel = |channel: usize| {
        std::array::from_fn(|tap| {
            let look = |row, column| image.at(row, column, channel, zero_point);
            sampling.sample(&points[tap], mask(tap), zero_point, look)
        })
    };
    ((0..image.channels).map(of_channel).collect(), saturated as u64)
}

/// The sums of a layer over `image`, whose pixels outside read as `zero_point`.
pub fn convolve(
    sampling: &Sampling,
    image: &Image,
    zero_point: i64,
    deformation: Deformation,
    channels: Channels,
    weights: &[i64],
) -> Sums {
    let inputs = image.channels;
    let outputs = match channels {
        Channels::Depthwise => inputs,
        Channels::Full(outputs) => outputs,
    };
    let (mut values, mut saturated) = (Vec::with_capacity(image.height * image.width * outputs), 0);
    for (row, column) in (0..image.height).flat_map(|row| (0..image.width).map(move |column| (row, column))) {
        let (samples, beyond) = samples(sampling, image, zero_point, [row, column], deformation);
        saturated += beyond;
        let weighted = |channel: usize, weights: &[i64], stride: usize| -> i64 {
            samples[channel].iter().enumerate().map(|(tap, sample)| sample * weights[tap * stride]).sum()
        };
        values.extend((0..outputs).map(|output| match channels {
            Channels::Depthwise => weighted(output, &weights[output..], inputs),
            Channels::Full(_) => {
                let of_output = &weights[output * TAPS * inputs..];
                (0..inputs).map(|channel| weighted(channel, &of_output[channel..], inputs)).sum()
            }
        }));
    }
    Sums { image: Image { channels: outputs, values, ..*image }, saturated }
}
