//! A wide number with a short significand, for all roundings to come.

use bitmill_hdl::{ModuleBuilder, Signal};

use super::exponent::Exponent;
use super::shift::{keep_top, normalise};
use super::unpacked::Unpacked;

/// `x`, a magnitude, with the highest `keep` of its significant bits and a sticky bit below them.
///
/// No rounding to two bits less, or coarser, can tell it from `x`; so several encoders may share it. Its significand
/// has no leading zeros, unless the number is zero.
pub fn narrow<'m>(m: &'m ModuleBuilder, x: &Unpacked<'m>, keep: u32) -> Unpacked<'m> {
    let (moved, places) = normalise(m, x.significand, x.leading, "leading_zeros");
    let significand = keep_top(m, moved, keep);
    let last = x.exponent.plus(x.significand.width() as i32 - significand.width() as i32);
    let exponent = last.minus(m, places, x.leading);
    Unpacked {
        significand,
        exponent: unsigned_exponent(m, exponent, last.low() - x.leading as i32, last.high()),
        leading: 0,
        ..*x
    }
}

/// The exponent of a signed signal: with its sign turned over it counts from the lowest one.
fn unsigned_exponent<'m>(m: &'m ModuleBuilder, signal: Signal<'m>, low: i32, high: i32) -> Exponent<'m> {
    let width = signal.width();
    let mut bits = vec![signal.msb().not()];
    if width > 1 {
        bits.push(signal.truncate(width - 1).as_unsigned());
    }
    Exponent::variable(m.concat(&bits), -(1 << (width - 1)), low, high)
}
