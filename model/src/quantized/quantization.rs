//! How the integers of a tensor stand for real numbers.
//!
//! Floating-point tensors hold *ordinals* ([`Ordered`]): integers in the order of the format's numbers, 0 for zero.
//! So clamps and maxima are the same for all formats, and a code is an ordinal's other spelling.

use std::fmt;

use bitmill_formats::{ChannelBlock, Codebook, Family, Format, Integer, Ordered, Scalar, Value};

/// Largest magnitude of a floating-point activation or weight before its scale. Scales are free, so that nothing is
/// lost by it; and sums of bf16 and posit16_1, whose numbers reach far beyond, stay narrow.
const LARGEST_FLOAT: f64 = 65536.0;

/// Smallest and largest ordinal of a floating-point activation or weight.
pub(super) fn float_range(format: Ordered) -> (i32, i32) {
    [-LARGEST_FLOAT, LARGEST_FLOAT].map(|bound| format.nearest(&Value::from_f64(bound))).into()
}

/// Smallest and largest ordinal of an activation or weight in a block.
pub(super) fn block_range(block: ChannelBlock) -> (i32, i32) {
    let largest = block.largest();
    [largest.negate(), largest].map(|bound| ChannelBlock::carrier().nearest(&Value::Finite(bound))).into()
}

/// A format of activations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ActivationFormat {
    /// `int2` to `int16`, `uint1` to `uint15`.
    Integer(Integer),
    /// `binary`: −1 and +1.
    Binary,
    /// Minifloats and posits of up to 16 bits, within ±65536, held as ordinals.
    Float(Ordered),
    /// Channels in blocks that share a scale, held as bf16 ordinals: within ± an element's largest number, times
    /// the largest scale in the NV formats.
    Block(ChannelBlock),
}

impl ActivationFormat {
    /// The format by value.
    ///
    /// # Errors
    /// In words, another format.
    pub fn new(format: &Format) -> Result<Self, String> {
        let legal = match format {
            Format::Scalar(Scalar::Integer(integer)) => {
                let is_narrow = integer.is_signed() || integer.bits() < 16;
                (integer.fraction_bits() == 0 && is_narrow).then_some(Self::Integer(*integer))
            }
            Format::Scalar(scalar) if *scalar == Self::Binary.scalar() => Some(Self::Binary),
            Format::Scalar(scalar) => Ordered::new(scalar).map(Self::Float),
            Format::Block(block) => ChannelBlock::new(block).map(Self::Block),
            _ => None,
        };
        legal.ok_or_else(|| {
            format!(
                "int2 to int16, uint1 to uint15, binary, minifloats and posits of up to 16 bits, and blocks of numbers \
                 that are bf16 numbers are legal for activations, found {format}"
            )
        })
    }

    /// Signed integers of `bits`, 2..=16.
    ///
    /// # Errors
    /// In words, another width.
    pub fn signed(bits: u8) -> Result<Self, String> {
        let format = Integer::signed(bits.into()).ok().filter(|_| (2..=16).contains(&bits));
        format
            .map(Self::Integer)
            .ok_or_else(|| format!("activation width must lie in 2..=16 bits, found {bits}"))
    }

    /// The format of one number; of blocks, bf16.
    pub fn scalar(self) -> Scalar {
        match self {
            Self::Integer(integer) => Scalar::Integer(integer),
            Self::Binary => Scalar::Codebook(Codebook::binary()),
            Self::Float(ordered) => ordered.scalar(),
            Self::Block(_) => ChannelBlock::carrier().scalar(),
        }
    }

    /// The format by name.
    pub fn name(self) -> Format {
        match self {
            Self::Block(block) => Format::Block(block.block()),
            _ => Format::Scalar(self.scalar()),
        }
    }

    /// Bits of a code.
    pub fn bits(self) -> u32 {
        match self {
            Self::Integer(integer) => integer.bits(),
            Self::Binary => 1,
            Self::Float(ordered) => ordered.bits(),
            Self::Block(block) => block.block().element().bits(),
        }
    }

    /// The floating-point format that the integers are ordinals of, if they are.
    pub fn float(self) -> Option<Ordered> {
        match self {
            Self::Float(ordered) => Some(ordered),
            Self::Block(_) => Some(ChannelBlock::carrier()),
            Self::Integer(_) | Self::Binary => None,
        }
    }

    /// The blocks that channels stand in, if they do.
    pub fn block(self) -> Option<ChannelBlock> {
        if let Self::Block(block) = self { Some(block) } else { None }
    }

    /// Every value is a multiple of 2^this.
    pub fn lsb_exponent(self) -> i32 {
        self.float().map_or(0, |ordered| ordered.scalar().extremes().lsb_exponent)
    }

    /// Smallest and largest integer, or ordinal.
    fn range(self) -> (i32, i32) {
        match self {
            Self::Integer(integer) => (integer.range().0 as i32, integer.range().1 as i32),
            Self::Binary => (-1, 1),
            Self::Float(ordered) => float_range(ordered),
            Self::Block(block) => block_range(block),
        }
    }
}

impl fmt::Display for ActivationFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.name().fmt(f)
    }
}

/// How an activation tensor's integers stand for real numbers: `real = scale · (integer − zero_point)`, or in
/// floating point `real = scale · number`, where the integer is the number's ordinal.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quantization {
    /// Format of the integers.
    pub format: ActivationFormat,
    /// Real step between neighbouring integers, finite and positive; in floating point the real value of 1.
    pub scale: f64,
    /// Integer that stands for 0.0; 0 in floating point.
    pub zero_point: i32,
}

impl Quantization {
    /// Signed integers of `bits`, 2..=16.
    ///
    /// # Errors
    /// In words, another width.
    pub fn signed(bits: u8, scale: f64, zero_point: i32) -> Result<Self, String> {
        Ok(Self { format: ActivationFormat::signed(bits)?, scale, zero_point })
    }

    /// `int8`.
    pub(crate) fn int8(scale: f64, zero_point: i32) -> Self {
        Self::of_bits(8, scale, zero_point)
    }

    /// Signed integers of a width that was checked before.
    ///
    /// # Panics
    /// For a width outside 2..=16.
    pub(crate) fn of_bits(bits: u8, scale: f64, zero_point: i32) -> Self {
        Self::signed(bits, scale, zero_point).unwrap_or_else(|problem| unreachable!("{problem}"))
    }

    /// Bits of a code.
    pub fn bits(&self) -> u32 {
        self.format.bits()
    }

    /// Whether the integers are −1 and +1 only.
    pub fn is_binary(&self) -> bool {
        self.format == ActivationFormat::Binary
    }

    /// Smallest integer.
    pub fn min(&self) -> i32 {
        self.format.range().0
    }

    /// Largest integer.
    pub fn max(&self) -> i32 {
        self.format.range().1
    }

    /// The integer furthest from zero, as a magnitude.
    pub fn largest_magnitude(&self) -> u64 {
        u64::from(self.min().unsigned_abs().max(self.max().unsigned_abs()))
    }

    /// The number that enters a sum for this integer: the zero point is not subtracted.
    pub fn value(&self, integer: i32) -> Value {
        match self.format.float() {
            Some(ordered) => ordered.value(integer),
            None => Value::from_integer(integer.into()),
        }
    }

    /// The nearest integer for `real`, halves to even as ONNX's QuantizeLinear does, saturated to the format. Blocks are
    /// not seen to: see `settle`.
    pub fn quantize(&self, real: f64) -> i32 {
        if let Some(ordered) = self.format.float() {
            return ordered.nearest(&Value::from_f64(real / self.scale)).clamp(self.min(), self.max());
        }
        let integer = (real / self.scale).round_ties_even() + f64::from(self.zero_point);
        self.admitted(integer.clamp(f64::from(self.min()), f64::from(self.max())) as i32)
    }

    /// Brings the integers of a tensor, `channels` to a pixel, to the grids of their blocks, if they stand in blocks.
    pub(crate) fn settle(&self, integers: &mut [i32], channels: usize) {
        if let Some(block) = self.format.block() {
            block.settle(integers, channels);
        }
    }

    /// An integer in range as the format holds it: in `binary`, +1 unless it is negative.
    pub(crate) fn admitted(&self, integer: i32) -> i32 {
        match self.format {
            ActivationFormat::Binary => integer.signum() | 1,
            _ => integer,
        }
    }

    /// The first of `integers` that the format does not have.
    pub fn first_foreign(&self, integers: &[i32]) -> Option<i32> {
        let (range, float) = (self.min()..=self.max(), self.format.float());
        let is_foreign = |integer: i32| {
            !range.contains(&integer)
                || self.admitted(integer) != integer
                || float.is_some_and(|ordered| !ordered.holds(integer))
        };
        integers.iter().copied().find(|&integer| is_foreign(integer))
    }

    /// Whether the format has this integer.
    pub fn holds(&self, integer: i32) -> bool {
        self.first_foreign(&[integer]).is_none()
    }

    /// The real number that `integer` stands for.
    pub fn dequantize(&self, integer: i32) -> f64 {
        match self.format.float() {
            Some(ordered) => self.scale * ordered.value(integer).to_f64(),
            None => self.scale * f64::from(integer - self.zero_point),
        }
    }

    /// In words, what is wrong with the scale or the zero point.
    pub(crate) fn problem(&self) -> Option<String> {
        if !self.scale.is_finite() || self.scale <= 0.0 {
            return Some(format!("activation scale must be finite and positive, found {}", self.scale));
        }
        let legal = match self.format.float() {
            Some(_) => 0..=0,
            None => self.min()..=self.max(),
        };
        (!legal.contains(&self.zero_point))
            .then(|| format!("zero point must lie in {legal:?}, found {}", self.zero_point))
    }
}
