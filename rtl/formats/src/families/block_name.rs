//! The names of block formats.
//!
//! `mxfp8_e4m3`, `mxfp6_e2m3`, `mxfp4`, `mxint<bits>`, `nvfp4`, `nvint4` with their own block sizes;
//! `bfp<bits>_g<size>`; and any pair of formats as `block<size>_of_<element>_by_<scale>`.
//! `_g<size>` changes the block size; `_up` rounds a power-of-two scale up instead of down.

use std::fmt;

use super::block::{Block, ScaleRule};
use crate::family::{Family, parameter};
use crate::{FormatError, Integer, Minifloat, PowerOfTwo, Scalar};

const MX_SIZE: usize = 32;
const NV_SIZE: usize = 16;

impl Block {
    /// How the names of this family look.
    pub const GRAMMAR: &'static str = "mxfp8_e4m3, mxfp8_e5m2, mxfp6_e2m3, mxfp6_e3m2, mxfp4, mxint<2-16>, nvfp4, \
         nvint4 with _g<size>; bfp<2-16>_g<size>; block<size>_of_<element>_by_<scale>; power-of-two scales with _up";

    /// Reads a name; `None` if it is not of this family.
    pub fn parse(name: &str) -> Option<Result<Self, FormatError>> {
        let (body, up) = name.strip_suffix("_up").map_or((name, false), |body| (body, true));
        if let Some(rest) = body.strip_prefix("block") {
            let (size, pair) = rest.split_once("_of_")?;
            return Some(Self::parse_pair(name, parameter(size)?, pair, up));
        }
        let (base, size) =
            match body.rsplit_once("_g").and_then(|(base, size)| Some((base, parameter(size)?))) {
                Some((base, size)) => (base, Some(size as usize)),
                None => (body, None),
            };
        if let Some(bits) = base.strip_prefix("bfp").and_then(parameter) {
            let size = size.ok_or_else(|| {
                FormatError::illegal(name, "block floating point names its block size: bfp8_g16")
            });
            return Some(size.and_then(|size| {
                let element = Integer::signed(bits).and_then(Integer::symmetric).map_err(|_| {
                    FormatError::illegal(name, "an element of block floating point has 2 to 16 bits")
                })?;
                Self::by_power(size, Scalar::Integer(element), up)
            }));
        }
        if let Some(element) = base.strip_prefix("mx") {
            let element = Self::mx_element(name, element)?;
            return Some(element.and_then(|element| Self::by_power(size.unwrap_or(MX_SIZE), element, up)));
        }
        let element = match base.strip_prefix("nv")? {
            "fp4" => Minifloat::new(2, 1).map(Scalar::Minifloat),
            "int4" => Integer::signed(4).and_then(Integer::symmetric).map(Scalar::Integer),
            _ => Err(FormatError::illegal(name, "the NV formats are nvfp4 and nvint4")),
        };
        if up {
            return Some(Err(FormatError::illegal(
                name,
                "the scale of an NV format is E4M3, rounded to nearest, never _up",
            )));
        }
        Some(element.and_then(|element| Self::nv(size.unwrap_or(NV_SIZE), element)))
    }

    fn mx_element(name: &str, element: &str) -> Option<Result<Scalar, FormatError>> {
        if let Some(bits) = element.strip_prefix("int").and_then(parameter) {
            let element = Integer::signed(bits).and_then(|int| int.with_fraction(bits - 2));
            let element = element.and_then(Integer::symmetric).map(Scalar::Integer);
            return Some(element.map_err(|_| FormatError::illegal(name, "mxint<bits> has 2 to 16 bits")));
        }
        let element = if element == "fp4" { "fp4_e2m1" } else { element };
        let parsed = Minifloat::parse(element)?;
        Some(parsed.map(Scalar::Minifloat).map_err(|error| FormatError::illegal(name, error.to_string())))
    }

    fn parse_pair(name: &str, size: u32, pair: &str, up: bool) -> Result<Self, FormatError> {
        let (element, scale) = pair
            .split_once("_by_")
            .ok_or_else(|| FormatError::illegal(name, "write block<size>_of_<element>_by_<scale>"))?;
        let (element, scale): (Scalar, Scalar) = (element.parse()?, scale.parse()?);
        let rule = match (&scale, up) {
            (Scalar::PowerOfTwo(_), false) => ScaleRule::PowerDown,
            (Scalar::PowerOfTwo(_), true) => ScaleRule::PowerUp,
            (_, false) => ScaleRule::Nearest,
            (_, true) => {
                return Err(FormatError::illegal(name, "only a power-of-two scale can be rounded _up"));
            }
        };
        Self::new(size as usize, element, scale, rule)
    }

    fn by_power(size: usize, element: Scalar, up: bool) -> Result<Self, FormatError> {
        let rule = if up { ScaleRule::PowerUp } else { ScaleRule::PowerDown };
        Self::new(size, element, Scalar::PowerOfTwo(PowerOfTwo::E8M0), rule)
    }

    /// The name without `_up`, and the block size that it implies, if any.
    fn base_name(&self) -> Option<(String, Option<usize>)> {
        let e8m0 = self.scale() == &Scalar::PowerOfTwo(PowerOfTwo::E8M0);
        match self.element() {
            Scalar::Minifloat(element) if e8m0 => {
                let element = element.to_string();
                let short = if element == "fp4_e2m1" { "fp4" } else { &element };
                Some((format!("mx{short}"), Some(MX_SIZE)))
            }
            Scalar::Integer(element) if e8m0 && element.is_signed() && element.is_symmetric() => {
                let bits = element.bits();
                match element.fraction_bits() {
                    fraction if fraction == bits - 2 => Some((format!("mxint{bits}"), Some(MX_SIZE))),
                    0 => Some((format!("bfp{bits}"), None)),
                    _ => None,
                }
            }
            Scalar::Minifloat(_) if self.is_tensor_scaled() => Some(("nvfp4".into(), Some(NV_SIZE))),
            Scalar::Integer(_) if self.is_tensor_scaled() => Some(("nvint4".into(), Some(NV_SIZE))),
            _ => None,
        }
    }
}

impl fmt::Display for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.base_name() {
            Some((base, size)) if size == Some(self.size()) => f.write_str(&base)?,
            Some((base, _)) => write!(f, "{base}_g{}", self.size())?,
            None => write!(f, "block{}_of_{}_by_{}", self.size(), self.element(), self.scale())?,
        }
        if self.rule() == ScaleRule::PowerUp { f.write_str("_up") } else { Ok(()) }
    }
}
