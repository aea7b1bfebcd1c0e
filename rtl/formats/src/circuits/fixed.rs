//! From the unpacked form to fixed point: what integers, codebooks and exact accumulators are made of.

use bitmill_hdl::{ModuleBuilder, Signal};

use super::shift::shift_right_jamming;
use super::unpacked::Unpacked;

/// A window of fixed-point places: bits of weight 2^`lowest` to 2^`highest`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Weight of the highest magnitude bit, as a power of two.
    pub highest: i32,
    /// Weight of the lowest bit, as a power of two.
    pub lowest: i32,
}

/// A number in fixed point.
#[derive(Clone, Copy)]
pub struct Fixed<'m> {
    /// The bits of the window with a sticky bit below them; behind a sign bit if the significand had one.
    pub bits: Signal<'m>,
    /// Whether the number reaches above the window, where its bits mean nothing; `None` if it cannot.
    pub above: Option<Signal<'m>>,
}

impl Window {
    /// Number of magnitude bits.
    pub fn width(&self) -> u32 {
        (self.highest - self.lowest + 1) as u32
    }
}

/// Brings `x` into the window, in its own convention. Costs a shifter unless the exponent is constant.
pub fn to_fixed<'m>(m: &'m ModuleBuilder, x: &Unpacked<'m>, window: Window) -> Fixed<'m> {
    let top = x.top();
    let width = window.width() + 1 + u32::from(x.is_signed());
    let placed = place(m, x.significand, width);
    // A number above the window wraps around to a large distance, and is flagged.
    let highest = window.highest.max(top.low());
    if top.is_constant() {
        let down = window.highest - top.high();
        return if down >= 0 {
            Fixed { bits: shift_constant(m, placed, down as u32), above: None }
        } else {
            let above = exceeds(m, x, (-down) as u32);
            Fixed { bits: placed, above: Some(above) }
        };
    }
    if top.high() <= highest {
        let amount = top.below_high(m, highest);
        return Fixed { bits: shift_right_jamming(m, placed, amount), above: None };
    }
    let down = top.above(m, window.highest + 1).not();
    let too_high = down.msb();
    let amount = down.as_unsigned().truncate((down.width() - 1).max(1));
    Fixed { bits: shift_right_jamming(m, placed, amount), above: Some(too_high.and(x.is_zero().not())) }
}
