//! How the integers of a tensor stand for real numbers.

use std::fmt;

use bitmill_formats::{Codebook, Family, Format, Integer, Scalar};

/// A format of activations, whose codes stand for integers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ActivationFormat {
    /// `int2` to `int16`, `uint1` to `uint15`.
    Integer(Integer),
    /// `binary`: −1 and +1.
    Binary,
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
            Format::Scalar(scalar) => (*scalar == Self::Binary.scalar()).then_some(Self::Binary),
            _ => None,
        };
        legal.ok_or_else(|| {
            format!("int2 to int16, uint1 to uint15 and binary are legal for activations, found {format}")
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

    /// The number format.
    pub fn scalar(self) -> Scalar {
        match self {
            Self::Integer(integer) => Scalar::Integer(integer),
            Self::Binary => Scalar::Codebook(Codebook::binary()),
        }
    }

    /// Bits of a code.
    pub fn bits(self) -> u32 {
        match self {
            Self::Integer(integer) => integer.bits(),
            Self::Binary => 1,
        }
    }

    /// Smallest and largest integer.
    fn range(self) -> (i32, i32) {
        match self {
            Self::Integer(integer) => (integer.range().0 as i32, integer.range().1 as i32),
            Self::Binary => (-1, 1),
        }
    }
}

impl fmt::Display for ActivationFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.scalar().fmt(f)
    }
}

/// How an activation tensor's integers stand for real numbers: `real = scale · (integer − zero_point)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quantization {
    /// Format of the integers.
    pub format: ActivationFormat,
    /// Real step between neighbouring integers, finite and positive.
    pub scale: f64,
    /// Integer that stands for 0.0.
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

    /// The nearest integer for `real`, halves to even as ONNX's QuantizeLinear does, saturated to the format.
    pub fn quantize(&self, real: f64) -> i32 {
        let integer = (real / self.scale).round_ties_even() + f64::from(self.zero_point);
        self.admitted(integer.clamp(f64::from(self.min()), f64::from(self.max())) as i32)
    }

    /// An integer in range as the format holds it: in `binary`, +1 unless it is negative.
    pub(crate) fn admitted(&self, integer: i32) -> i32 {
        match self.format {
            ActivationFormat::Integer(_) => integer,
            ActivationFormat::Binary => integer.signum() | 1,
        }
    }

    /// Whether the format has this integer.
    pub fn holds(&self, integer: i32) -> bool {
        (self.min()..=self.max()).contains(&integer) && self.admitted(integer) == integer
    }

    /// The real number that `integer` stands for.
    pub fn dequantize(&self, integer: i32) -> f64 {
        self.scale * f64::from(integer - self.zero_point)
    }

    /// In words, what is wrong with the scale or the zero point.
    pub(crate) fn problem(&self) -> Option<String> {
        if !self.scale.is_finite() || self.scale <= 0.0 {
            return Some(format!("activation scale must be finite and positive, found {}", self.scale));
        }
        let legal = self.min()..=self.max();
        (!legal.contains(&self.zero_point))
            .then(|| format!("zero point must lie in {legal:?}, found {}", self.zero_point))
    }
}
