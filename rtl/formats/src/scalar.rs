//! A scalar format: any family whose codes stand for one real number each.

use std::fmt;
use std::str::FromStr;

use crate::families::bitmod::BitMod;
use crate::families::dual_binary::DualBinary;
use crate::family::{Extremes, Family, Policy, mask};
use crate::{
    Codebook, Dyadic, FormatError, Integer, Minifloat, Place, Posit, PowerOfTwo, Rounding, Slice, Value,
};

/// A format whose codes stand for one real number each. All arithmetic works on these.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Scalar {
    /// Integers and fixed point.
    Integer(Integer),
    /// Binary floating point, fp4 to fp32.
    Minifloat(Minifloat),
    /// Power-of-two scales.
    PowerOfTwo(PowerOfTwo),
    /// Posits.
    Posit(Posit),
    /// Lists of values.
    Codebook(Codebook),
    /// Slices of an int8 master.
    Slice(Slice),
}

/// A family's name parser: `None` if the name belongs to another.
type Parser = fn(&str) -> Option<Result<Scalar, FormatError>>;

const PARSERS: [Parser; 8] = [
    |name| Integer::parse(name).map(|parsed| parsed.map(Scalar::Integer)),
    |name| Minifloat::parse(name).map(|parsed| parsed.map(Scalar::Minifloat)),
    |name| PowerOfTwo::parse(name).map(|parsed| parsed.map(Scalar::PowerOfTwo)),
    |name| Posit::parse(name).map(|parsed| parsed.map(Scalar::Posit)),
    |name| BitMod::parse(name).map(|parsed| parsed.map(Scalar::Codebook)),
    |name| DualBinary::parse(name).map(|parsed| parsed.map(Scalar::Codebook)),
    |name| Codebook::parse(name).map(|parsed| parsed.map(Scalar::Codebook)),
    |name| Slice::parse(name).map(|parsed| parsed.map(Scalar::Slice)),
];

impl Scalar {
    /// How the names of every scalar family look.
    pub const GRAMMAR: [&'static str; 7] = [
        Integer::GRAMMAR,
        Minifloat::GRAMMAR,
        PowerOfTwo::GRAMMAR,
        Posit::GRAMMAR,
        BitMod::GRAMMAR,
        Codebook::GRAMMAR,
        Slice::GRAMMAR,
    ];

    /// The family, as what all of them can do.
    pub fn family(&self) -> &dyn Family {
        match self {
            Self::Integer(family) => family,
            Self::Minifloat(family) => family,
            Self::PowerOfTwo(family) => family,
            Self::Posit(family) => family,
            Self::Codebook(family) => family,
            Self::Slice(family) => family,
        }
    }

    /// The family in a word.
    pub fn family_name(&self) -> &'static str {
        match self {
            Self::Integer(_) => "integer",
            Self::Minifloat(_) => "minifloat",
            Self::PowerOfTwo(_) => "power of two",
            Self::Posit(_) => "posit",
            Self::Codebook(_) => "codebook",
            Self::Slice(_) => "slice",
        }
    }

    /// The formats that groups of weights in this one choose from: BitMoD's special values, else the format itself.
    pub fn group_choices(&self) -> Vec<Scalar> {
        let base = [BitMod::FP3, BitMod::FP4].into_iter().find(|family| family.is_base(&self.to_string()));
        let codebook = |family: BitMod, special| family.codebook(special).map(Scalar::Codebook);
        base.and_then(|family| family.specials().into_iter().map(|s| codebook(family, s).ok()).collect())
            .unwrap_or_else(|| vec![self.clone()])
    }

    /// The largest code: 2^bits − 1.
    pub fn largest_code(&self) -> u32 {
        mask(self.bits())
    }

    /// The code itself, or an error that names the legal ones.
    pub fn check_code(&self, code: u64) -> Result<u32, FormatError> {
        let largest = self.largest_code();
        u32::try_from(code).ok().filter(|code| *code <= largest).ok_or_else(|| FormatError::CodeOutOfRange {
            code,
            largest,
            bits: self.bits(),
            format: self.to_string(),
        })
    }

    /// The code of a value, rounded once; element 0 if the rounding is stochastic.
    pub fn encode(&self, value: &Value, rounding: Rounding) -> u32 {
        self.encode_at(value, rounding, 0)
    }

    /// The code of element `index` of a tensor, rounded once.
    pub fn encode_at(&self, value: &Value, rounding: Rounding, index: u64) -> u32 {
        Family::encode(self, value, rounding, index)
    }
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.family().fmt(f)
    }
}

impl FromStr for Scalar {
    type Err = FormatError;

    fn from_str(name: &str) -> Result<Self, FormatError> {
        PARSERS.iter().find_map(|parse| parse(name)).unwrap_or_else(|| {
            Err(FormatError::UnknownName { name: name.to_owned(), families: Self::GRAMMAR.join("; ") })
        })
    }
}

impl Family for Scalar {
    fn bits(&self) -> u32 {
        self.family().bits()
    }

    fn decode(&self, code: u32) -> Value {
        self.family().decode(code)
    }

    fn locate(&self, x: &Dyadic) -> Place {
        self.family().locate(x)
    }

    fn code_at(&self, negative: bool, ordinal: u64) -> u32 {
        self.family().code_at(negative, ordinal)
    }

    fn nan_code(&self) -> u32 {
        self.family().nan_code()
    }

    fn infinity_code(&self, negative: bool) -> u32 {
        self.family().infinity_code(negative)
    }

    fn extremes(&self) -> Extremes {
        self.family().extremes()
    }

    fn policies(&self) -> Vec<Policy> {
        self.family().policies()
    }

    fn encode(&self, value: &Value, rounding: Rounding, index: u64) -> u32 {
        self.family().encode(value, rounding, index)
    }
}
