//! Binary floating point of any exponent and mantissa width, from fp4 to fp32: codec and policies.
//!
//! A code is sign | exponent field | mantissa. The names, and the formats whose policy they default to,
//! are in `minifloat_name.rs`.

use crate::family::{Extremes, Family, Policy, mask};
use crate::{Dyadic, FormatError, Place, Value};

/// Which codes are not ordinary numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Specials {
    /// The largest exponent field holds infinity (mantissa 0) and NaN, as in IEEE 754.
    Ieee,
    /// Only the codes with all exponent and mantissa bits set are NaN; no infinities (OCP E4M3).
    NanAllOnes,
    /// No NaN and no infinity: every code is a number (OCP FP4 and FP6).
    FiniteOnly,
    /// The code of −0 is the only NaN; no infinities, one zero, and a bias larger by one (FNUZ).
    NanNegativeZero,
}

/// What a result too large to represent becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Overflow {
    /// The largest finite number; so do infinities.
    Saturate,
    /// Infinity, or NaN in a format without infinities.
    Special,
}

/// What happens between zero and the smallest normal number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Subnormals {
    /// Gradual underflow.
    Gradual,
    /// Subnormal codes are read as zero, and results that round to a subnormal become zero.
    FlushToZero,
}

/// A sign, `exponent_bits` and `mantissa_bits`, and the policies that make them a format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Minifloat {
    exponent_bits: u32,
    mantissa_bits: u32,
    bias: i32,
    specials: Specials,
    overflow: Overflow,
    subnormals: Subnormals,
}

impl Minifloat {
    /// The format with E exponent and M mantissa bits and the policies that its name implies without
    /// suffix: FP4 to FP7 are finite only; FP8 E4M3 is OCP's; those with E of at least 2, M of at least 1
    /// and 8 bits or more are IEEE-like; the rest are finite only.
    pub fn new(exponent_bits: u32, mantissa_bits: u32) -> Result<Self, FormatError> {
        let name = format!("fp{}_e{exponent_bits}m{mantissa_bits}", 1 + exponent_bits + mantissa_bits);
        if !(1..=8).contains(&exponent_bits) || mantissa_bits > 23 {
            return Err(FormatError::illegal(
                &name,
                "a minifloat has 1 to 8 exponent bits and 0 to 23 mantissa bits",
            ));
        }
        let specials = match (exponent_bits, mantissa_bits) {
            (4, 3) => Specials::NanAllOnes,
            (e, m) if e >= 2 && m >= 1 && e + m >= 7 => Specials::Ieee,
            _ => Specials::FiniteOnly,
        };
        let plain = Self {
            exponent_bits,
            mantissa_bits,
            bias: 0,
            specials,
            overflow: Overflow::Saturate,
            subnormals: Subnormals::Gradual,
        };
        plain.with_specials(specials)
    }

    /// The same fields with other special codes, and the bias and overflow that go with them: infinity
    /// where there is one, saturation elsewhere.
    pub fn with_specials(self, specials: Specials) -> Result<Self, FormatError> {
        if specials == Specials::Ieee && (self.exponent_bits < 2 || self.mantissa_bits < 1) {
            let name = format!("fp{}_e{}m{}_ieee", self.bits(), self.exponent_bits, self.mantissa_bits);
            return Err(FormatError::illegal(
                &name,
                "IEEE infinities and NaN need 2 exponent bits and 1 mantissa bit",
            ));
        }
        if specials == Specials::NanAllOnes && self.bits() == 2 {
            return Err(FormatError::illegal(
                "fp2_e1m0_fn",
                "with the last code NaN no number but zero is left",
            ));
        }
        let overflow = if specials == Specials::Ieee { Overflow::Special } else { Overflow::Saturate };
        let half = 1 << (self.exponent_bits - 1);
        let bias = if specials == Specials::NanNegativeZero { half } else { half - 1 };
        Ok(Self { specials, overflow, bias, ..self })
    }

    /// The same format with another overflow. Without NaN or infinity only saturation is possible.
    pub fn with_overflow(self, overflow: Overflow) -> Result<Self, FormatError> {
        if overflow == Overflow::Special && self.specials == Specials::FiniteOnly {
            return Err(FormatError::illegal(
                &format!("{self}_nonsat"),
                "every code is a finite number, so overflow can only saturate",
            ));
        }
        Ok(Self { overflow, ..self })
    }

    /// The same format with another exponent bias, 0 to 255.
    pub fn with_bias(self, bias: i32) -> Result<Self, FormatError> {
        if !(0..=255).contains(&bias) {
            return Err(FormatError::illegal(&format!("{self}_b{bias}"), "an exponent bias is 0 to 255"));
        }
        Ok(Self { bias, ..self })
    }

    /// The same format with another treatment of subnormals.
    pub fn with_subnormals(self, subnormals: Subnormals) -> Self {
        Self { subnormals, ..self }
    }

    /// Width of the exponent field in bits.
    pub fn exponent_bits(&self) -> u32 {
        self.exponent_bits
    }

    /// Width of the mantissa field in bits, without the hidden bit.
    pub fn mantissa_bits(&self) -> u32 {
        self.mantissa_bits
    }

    /// Exponent bias: a normal number has exponent field − bias.
    pub fn bias(&self) -> i32 {
        self.bias
    }

    /// Which codes are special.
    pub fn specials(&self) -> Specials {
        self.specials
    }

    /// What overflow becomes.
    pub fn overflow(&self) -> Overflow {
        self.overflow
    }

    /// How subnormals are treated.
    pub fn subnormals(&self) -> Subnormals {
        self.subnormals
    }

    /// Exponent of the smallest normal number.
    pub fn minimum_exponent(&self) -> i32 {
        1 - self.bias
    }

    /// The code of +∞; `None` without infinities.
    pub fn infinity(&self) -> Option<u32> {
        (self.specials == Specials::Ieee).then(|| mask(self.exponent_bits) << self.mantissa_bits)
    }

    /// The code that NaN results get (quiet and positive in IEEE-like formats); `None` without NaN.
    pub fn nan(&self) -> Option<u32> {
        match self.specials {
            Specials::Ieee => self.infinity().map(|infinity| infinity | 1 << (self.mantissa_bits - 1)),
            Specials::NanAllOnes => Some(mask(self.bits() - 1)),
            Specials::FiniteOnly => None,
            Specials::NanNegativeZero => Some(self.sign_bit()),
        }
    }

    /// The code of the largest finite number; the codes 0 to this one are the magnitudes in order.
    pub fn largest_code(&self) -> u32 {
        let all_ones = mask(self.bits() - 1);
        match self.specials {
            Specials::Ieee => (mask(self.exponent_bits) << self.mantissa_bits) - 1,
            Specials::NanAllOnes => all_ones - 1,
            Specials::FiniteOnly | Specials::NanNegativeZero => all_ones,
        }
    }

    /// The weight of the sign bit in a code.
    pub fn sign_bit(&self) -> u32 {
        1 << (self.exponent_bits + self.mantissa_bits)
    }

    /// Whether the format has a code for −0.
    pub fn has_negative_zero(&self) -> bool {
        self.specials != Specials::NanNegativeZero
    }

    /// The code of a result too large for the format, by the overflow policy.
    pub fn overflow_code(&self, negative: bool) -> u32 {
        let magnitude = match self.overflow {
            Overflow::Saturate => self.largest_code(),
            Overflow::Special => match self.infinity() {
                Some(infinity) => infinity,
                None => return self.nan_code(),
            },
        };
        self.signed(negative, magnitude)
    }

    /// The code of a zero with this sign, if the format tells them apart.
    pub fn zero_code(&self, negative: bool) -> u32 {
        self.signed(negative && self.has_negative_zero(), 0)
    }

    fn signed(&self, negative: bool, magnitude: u32) -> u32 {
        if negative { self.sign_bit() | magnitude } else { magnitude }
    }

    fn smallest_normal_code(&self) -> u32 {
        1 << self.mantissa_bits
    }

    fn flushes(&self, magnitude: u32) -> bool {
        self.subnormals == Subnormals::FlushToZero && magnitude < self.smallest_normal_code()
    }

    fn magnitude(&self, code: u32) -> Dyadic {
        let field = code >> self.mantissa_bits;
        let mantissa = code & (self.smallest_normal_code() - 1);
        let significand = if field == 0 { mantissa } else { mantissa | self.smallest_normal_code() };
        let exponent = self.minimum_exponent() + field.max(1) as i32 - 1 - self.mantissa_bits as i32;
        Dyadic::new(false, significand.into(), exponent)
    }
}

impl Family for Minifloat {
    fn bits(&self) -> u32 {
        1 + self.exponent_bits + self.mantissa_bits
    }

    fn decode(&self, code: u32) -> Value {
        let code = code & mask(self.bits());
        let negative = code & self.sign_bit() != 0;
        let magnitude = code & !self.sign_bit();
        if self.specials == Specials::NanNegativeZero && code == self.sign_bit() {
            return Value::Nan;
        }
        if self.infinity() == Some(magnitude) {
            return Value::Infinite { negative };
        }
        if magnitude > self.largest_code() {
            return Value::Nan;
        }
        let x = if self.flushes(magnitude) { Dyadic::ZERO } else { self.magnitude(magnitude) };
        Value::Finite(if negative { x.negate() } else { x })
    }

    fn locate(&self, x: &Dyadic) -> Place {
        x.place_in_binary(self.minimum_exponent(), self.mantissa_bits).with_top(self.largest_code().into())
    }

    fn code_at(&self, negative: bool, ordinal: u64) -> u32 {
        if ordinal > self.largest_code().into() {
            return self.overflow_code(negative);
        }
        let magnitude = ordinal as u32;
        if magnitude == 0 || self.flushes(magnitude) {
            return self.zero_code(negative);
        }
        self.signed(negative, magnitude)
    }

    fn nan_code(&self) -> u32 {
        self.nan().unwrap_or(self.sign_bit())
    }

    fn infinity_code(&self, negative: bool) -> u32 {
        self.overflow_code(negative)
    }

    fn extremes(&self) -> Extremes {
        let highest = self.magnitude(self.largest_code());
        let smallest_normal = self.smallest_normal_code();
        let smallest = match self.subnormals {
            Subnormals::Gradual => 1,
            Subnormals::FlushToZero => smallest_normal,
        };
        let lsb_exponent = self.minimum_exponent() - self.mantissa_bits as i32;
        // Flushing leaves a gap around zero, but the first normal numbers stay one unit apart.
        let smallest_step = if self.largest_code() > smallest || smallest == 1 {
            Dyadic::new(false, 1, lsb_exponent)
        } else {
            highest
        };
        Extremes {
            lowest: highest.negate(),
            highest,
            smallest_positive: self.magnitude(smallest),
            smallest_step,
            lsb_exponent,
        }
    }

    fn policies(&self) -> Vec<Policy> {
        super::minifloat_name::policies(self)
    }
}
