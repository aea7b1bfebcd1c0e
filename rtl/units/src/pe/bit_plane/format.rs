//! Operands of a bit-plane PE: formats whose codes are sums of weighted bits.

use bitmill_formats::{Codebook, Family, Format, Integer, Scalar};

use crate::UnitError;
use crate::pe::sum::fixed_point;

/// A format that splits into bit planes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum PlaneFormat {
    /// `binary`, bipolar: one plane, of which a bit b stands for 2b − 1.
    Binary,
    /// `uint<bits>`.
    Unsigned(u32),
    /// `int<bits>`: the highest plane counts negative.
    Signed(u32),
}

impl PlaneFormat {
    /// Reads `binary`, `uint1` or `int2` and wider, up to `most` bits.
    ///
    /// # Errors
    /// Any other name.
    pub fn parse(parameter: &'static str, name: &str, most: u32) -> Result<PlaneFormat, UnitError> {
        let bits = |prefix: &str| name.strip_prefix(prefix).and_then(|digits| digits.parse().ok());
        let format = match name {
            "binary" => Some(PlaneFormat::Binary),
            _ => bits("uint").map(PlaneFormat::Unsigned).or_else(|| bits("int").map(PlaneFormat::Signed)),
        };
        format.filter(|format| format.is_legal(most)).ok_or_else(|| {
            let legal = format!("binary, uint1…uint{most} and int2…int{most} are legal");
            UnitError::illegal(parameter, name, legal)
        })
    }

    pub(super) fn is_legal(self, most: u32) -> bool {
        match self {
            PlaneFormat::Binary => true,
            PlaneFormat::Unsigned(bits) => (1..=most).contains(&bits),
            PlaneFormat::Signed(bits) => (2..=most).contains(&bits),
        }
    }

    /// Number of planes: bits of a code.
    pub fn planes(self) -> u32 {
        match self {
            PlaneFormat::Binary => 1,
            PlaneFormat::Unsigned(bits) | PlaneFormat::Signed(bits) => bits,
        }
    }

    /// Whether a bit b stands for 2b − 1.
    pub fn is_bipolar(self) -> bool {
        self == PlaneFormat::Binary
    }

    /// Whether the highest plane counts negative.
    pub fn is_signed(self) -> bool {
        matches!(self, PlaneFormat::Signed(_))
    }

    /// The format of the codes.
    pub fn format(self) -> Format {
        Format::Scalar(self.scalar())
    }

    /// What a code stands for.
    pub fn value(self, code: u32) -> i128 {
        fixed_point(&self.scalar().decode(code), 0)
    }

    fn scalar(self) -> Scalar {
        let integer = |integer: Result<Integer, _>| Scalar::Integer(integer.expect("1 to 8 bits are legal"));
        match self {
            PlaneFormat::Binary => Scalar::Codebook(Codebook::binary()),
            PlaneFormat::Unsigned(bits) => integer(Integer::unsigned(bits)),
            PlaneFormat::Signed(bits) => integer(Integer::signed(bits)),
        }
    }
}
