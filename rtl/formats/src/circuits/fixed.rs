//! From the unpacked form to fixed point: what integers, codebooks and exact accumulators are made of.

use bitmill_hdl::{ModuleBuilder, Signal};

use super::shift::{keep_top, shift_right_jamming};
use super::unpacked::{Unpacked, either};

/// A window of fixed-point places: bits of weight 2^`lowest` to 2^`highest`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Weight of the highest magnitude bit, as a power of two.
    pub highest: i32,
    /// Weight of the lowest bit, as a power of two.
    pub lowest: i32,
}

/// A number in fixed point, in its own convention.
#[derive(Clone, Copy)]
pub struct Fixed<'m> {
    /// The sign bit (of a two's complement number), the bits of the window, and a sticky bit below them.
    pub bits: Signal<'m>,
    /// Whether the number reaches above the window; `None` if it cannot.
    pub above: Option<Signal<'m>>,
    /// Whether it lies so far above that its bits are not those of the window; `None` if it cannot.
    pub far_above: Option<Signal<'m>>,
}

/// Brings `x` into the window. Its bits are right up to `reach` places above the window, counted from the
/// significand's highest bit: `x.leading` is enough to tell whether a number fits.
pub fn to_fixed<'m>(m: &'m ModuleBuilder, x: &Unpacked<'m>, window: Window, reach: u32) -> Fixed<'m> {
    let top = x.top();
    let sign_bits = u32::from(x.is_signed());
    let highest = top.high().min(window.highest + reach as i32).max(window.lowest);
    let width = (highest - window.lowest + 1) as u32 + sign_bits;
    let placed = keep_top(m, x.significand, width);
    let (shifted, far_above) = if top.is_constant() {
        let down = highest - top.high();
        let far = (down < 0).then(|| x.is_zero().not());
        (keep_top(m, placed.extend(width + 1 + down.max(0) as u32), width), far)
    } else if top.high() <= highest {
        (shift_right_jamming(m, placed, top.below_high(m, highest)), None)
    } else {
        // highest − top = ~(top − highest − 1); negative where the number lies too far above.
        let down = top.above(m, highest + 1).not();
        let far = down.msb().and(x.is_zero().not());
        let amount = down.as_unsigned().truncate((down.width() - 1).max(1));
        (shift_right_jamming(m, placed, amount), Some(far))
    };
    let target = (window.highest - window.lowest + 2) as u32 + sign_bits;
    if shifted.width() <= target {
        return Fixed { bits: shifted.extend(target), above: far_above, far_above };
    }
    let cut = shifted.width() - target;
    let overflow = if x.is_signed() {
        let head = shifted.slice(target - 1, cut + 1);
        head.any().and(head.all().not())
    } else {
        shifted.slice(target, cut).any()
    };
    Fixed { bits: shifted.truncate(target), above: either(Some(overflow), far_above), far_above }
}

/// Brings `x` into a window that holds it exactly: all its bits, or zeros, lie below and above the window.
pub fn to_exact_fixed<'m>(m: &'m ModuleBuilder, x: &Unpacked<'m>, window: Window) -> Signal<'m> {
    let (top, signed) = (x.top(), x.is_signed());
    let width = (window.highest - window.lowest + 1) as u32 + u32::from(signed);
    let own = x.significand.width();
    let placed = if own <= width { x.significand.shl(width - own) } else { x.significand.shr(own - width) };
    if top.is_constant() {
        return placed.shr((window.highest - top.high()) as u32).extend(width);
    }
    placed.shift_right(top.below_high(m, window.highest))
}
