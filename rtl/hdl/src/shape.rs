//! Width and signedness of a signal.

use std::fmt;

/// Width in bits and signedness (two's complement) of a signal.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Shape {
    /// Number of bits, at least 1.
    pub width: u32,
    /// Whether the bits are a two's complement number.
    pub signed: bool,
}

/// An unsigned shape of `width` bits.
pub const fn unsigned(width: u32) -> Shape {
    Shape { width, signed: false }
}

/// A two's complement shape of `width` bits.
pub const fn signed(width: u32) -> Shape {
    Shape { width, signed: true }
}

/// Bits needed to hold every value from 0 to `maximum`, at least 1.
///
/// ```
/// assert_eq!(bitmill_hdl::bits_for(0), 1);
/// assert_eq!(bitmill_hdl::bits_for(7), 3);
/// assert_eq!(bitmill_hdl::bits_for(8), 4);
/// ```
pub const fn bits_for(maximum: u64) -> u32 {
    if maximum == 0 { 1 } else { 64 - maximum.leading_zeros() }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.signed { "signed" } else { "unsigned" };
        let plural = if self.width == 1 { "" } else { "s" };
        write!(f, "{} bit{plural} {sign}", self.width)
    }
}
