//! The names of minifloats, and their policies in words.
//!
//! `fp<bits>_e<E>m<M>` then, in this order and only where they differ from the default,
//! `_ieee | _fn | _finite | _fnuz`, `_b<bias>`, `_sat | _nonsat`, `_ftz`.

use std::fmt;

use super::minifloat::{Minifloat, Overflow, Specials, Subnormals};
use crate::FormatError;
use crate::family::{Family, Policy, parameter};

/// Short names in common use, and what they stand for.
const ALIASES: [(&str, u32, u32); 4] = [("fp16", 5, 10), ("bf16", 8, 7), ("fp32", 8, 23), ("tf32", 8, 10)];

const SPECIALS: [(&str, Specials); 4] = [
    ("ieee", Specials::Ieee),
    ("fn", Specials::NanAllOnes),
    ("finite", Specials::FiniteOnly),
    ("fnuz", Specials::NanNegativeZero),
];

impl Minifloat {
    /// How the names of this family look.
    pub const GRAMMAR: &'static str = "fp<bits>_e<1-8>m<0-23> with _ieee, _fn, _finite or _fnuz, _b<bias>, \
         _sat or _nonsat, _ftz; bf16, fp16, tf32, fp32";

    /// Reads a name; `None` if it is not of this family.
    pub fn parse(name: &str) -> Option<Result<Self, FormatError>> {
        let mut words = name.split('_').peekable();
        let base = words.next()?;
        // No suffix begins with `e`, so fp16_e5m10 is told from fp16_sat by its first letter.
        let fields = words.next_if(|word| word.starts_with('e'));
        let plain = match (ALIASES.iter().find(|(alias, ..)| *alias == base), fields) {
            (Some(&(_, exponent_bits, mantissa_bits)), None) => Self::new(exponent_bits, mantissa_bits),
            _ => {
                let bits = base.strip_prefix("fp").and_then(parameter)?;
                match fields.and_then(|fields| fields.strip_prefix('e')?.split_once('m')) {
                    Some((e, m)) => Self::from_fields(name, bits, parameter(e)?, parameter(m)?),
                    None => Err(FormatError::illegal(name, "after fp<bits> come the fields, as in fp8_e4m3")),
                }
            }
        };
        Some(plain.and_then(|plain| plain.with_suffixes(name, words)))
    }

    fn from_fields(
        name: &str,
        bits: u32,
        exponent_bits: u32,
        mantissa_bits: u32,
    ) -> Result<Self, FormatError> {
        if (1..=8).contains(&exponent_bits)
            && mantissa_bits <= 23
            && bits != 1 + exponent_bits + mantissa_bits
        {
            return Err(FormatError::illegal(
                name,
                format!(
                    "1 sign, {exponent_bits} exponent and {mantissa_bits} mantissa bits make fp{}, and fp{bits} has \
                     {} bits for exponent and mantissa",
                    1 + exponent_bits + mantissa_bits,
                    bits.saturating_sub(1)
                ),
            ));
        }
        Self::new(exponent_bits, mantissa_bits).map_err(|_| {
            FormatError::illegal(name, "a minifloat has 1 to 8 exponent bits and 0 to 23 mantissa bits")
        })
    }

    fn with_suffixes<'a>(
        self,
        name: &str,
        suffixes: impl Iterator<Item = &'a str>,
    ) -> Result<Self, FormatError> {
        let mut suffixes = suffixes.peekable();
        let mut format = self;
        let specials = suffixes.peek().and_then(|word| SPECIALS.iter().find(|(suffix, _)| suffix == word));
        if let Some((_, specials)) = specials {
            suffixes.next();
            format = format.with_specials(*specials)?;
        }
        if let Some(bias) = suffixes.peek().and_then(|word| word.strip_prefix('b').and_then(parameter)) {
            suffixes.next();
            format = format.with_bias(i32::try_from(bias).unwrap_or(i32::MAX))?;
        }
        let overflow = match suffixes.peek() {
            Some(&"sat") => Some(Overflow::Saturate),
            Some(&"nonsat") => Some(Overflow::Special),
            _ => None,
        };
        if let Some(overflow) = overflow {
            suffixes.next();
            format = format.with_overflow(overflow)?;
        }
        if suffixes.next_if_eq(&"ftz").is_some() {
            format = format.with_subnormals(Subnormals::FlushToZero);
        }
        match suffixes.next() {
            None => Ok(format),
            Some(word) => Err(FormatError::illegal(
                name,
                format!(
                    "`_{word}` is not one of the suffixes _ieee, _fn, _finite, _fnuz, then _b<0-255>, then _sat or \
                     _nonsat, then _ftz"
                ),
            )),
        }
    }
}

impl fmt::Display for Minifloat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (e, m) = (self.exponent_bits(), self.mantissa_bits());
        match ALIASES.iter().find(|(_, alias_e, alias_m)| (*alias_e, *alias_m) == (e, m)) {
            Some((alias, ..)) => f.write_str(alias)?,
            None => write!(f, "fp{}_e{e}m{m}", self.bits())?,
        }
        // A format built from its fields always exists again without its suffixes.
        let default = Self::new(e, m).map_err(|_| fmt::Error)?;
        if self.specials() != default.specials() {
            let (suffix, _) =
                SPECIALS.iter().find(|(_, specials)| *specials == self.specials()).ok_or(fmt::Error)?;
            write!(f, "_{suffix}")?;
        }
        let default = default.with_specials(self.specials()).map_err(|_| fmt::Error)?;
        if self.bias() != default.bias() {
            write!(f, "_b{}", self.bias())?;
        }
        if self.overflow() != default.overflow() {
            f.write_str(match self.overflow() {
                Overflow::Saturate => "_sat",
                Overflow::Special => "_nonsat",
            })?;
        }
        match self.subnormals() {
            Subnormals::Gradual => Ok(()),
            Subnormals::FlushToZero => f.write_str("_ftz"),
        }
    }
}

/// The rules of a minifloat in words.
pub(super) fn policies(format: &Minifloat) -> Vec<Policy> {
    let nan = match format.specials() {
        Specials::Ieee => format!(
            "Codes with all exponent bits and some mantissa bit set; results get {:#x}.",
            format.nan_code()
        ),
        Specials::NanAllOnes => {
            format!(
                "Only the codes with all exponent and mantissa bits set; results get {:#x}.",
                format.nan_code()
            )
        }
        Specials::FiniteOnly => {
            format!("There is none; NaN is encoded as -0, {:#x}, as ml_dtypes does.", format.nan_code())
        }
        Specials::NanNegativeZero => format!("One code, {:#x}, in the place of -0.", format.nan_code()),
    };
    let infinity = match (format.infinity(), format.overflow()) {
        (Some(code), Overflow::Special) => format!("Code {code:#x} and its negative."),
        (Some(code), Overflow::Saturate) => {
            format!("Code {code:#x} and its negative are read, and encoded as the largest finite number.")
        }
        (None, Overflow::Saturate) => "There is none; it is encoded as the largest finite number.".into(),
        (None, Overflow::Special) => "There is none; it is encoded as NaN.".into(),
    };
    let overflow = match (format.overflow(), format.infinity()) {
        (Overflow::Saturate, _) => "Saturates: what rounds beyond the largest finite number becomes it.",
        (Overflow::Special, Some(_)) => "What rounds beyond the largest finite number becomes infinity.",
        (Overflow::Special, None) => "What rounds beyond the largest finite number becomes NaN.",
    };
    let underflow = match format.subnormals() {
        Subnormals::Gradual => "Gradual, through subnormal numbers.",
        Subnormals::FlushToZero => {
            "Flushed: subnormal codes are read as zero, and a result that rounds to a subnormal is zero."
        }
    };
    let zero = if format.has_negative_zero() {
        "+0 and -0; underflow keeps the sign."
    } else {
        "One zero; the sign of -0 is dropped."
    };
    let mut policies = vec![
        Policy::new("NaN", nan),
        Policy::new("infinity", infinity),
        Policy::new("overflow", overflow),
        Policy::new("underflow", underflow),
        Policy::new("zero", zero),
    ];
    if format.specials() != Specials::FiniteOnly {
        policies.push(Policy::new(
            "libraries",
            "They disagree on overflow: ml_dtypes and LLVM APFloat never saturate (suffix _nonsat where that is not \
             the default), CUDA's SATFINITE conversions and gfloat with sat=True do (suffix _sat).",
        ));
    }
    policies
}
