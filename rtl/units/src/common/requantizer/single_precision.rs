//! Rounding an integer to the 24 significant bits of single precision, ties to even.

use bitmill_formats::requantize::SINGLE_PRECISION_BITS;
use bitmill_hdl::{ModuleBuilder, Signal, unsigned};

/// The signed `value` rounded to 24 significant bits; it may become a bit wider. `name` prefixes signals.
///
/// The trick is a mask of the bits to drop: a place is dropped where a leading place stands 24 or more above
/// it. Half of the last kept place, less one, is the mask a place further down; an odd last place adds one
/// more, so that ties go to even. It works on two's complement: a negative number has its leading place where
/// its ones' complement has it, but for powers of two, which are rounded by nothing either way.
pub(super) fn round_to_24_bits<'m>(m: &'m ModuleBuilder, name: &str, value: Signal<'m>) -> Signal<'m> {
    let width = value.width();
    if width <= SINGLE_PRECISION_BITS + 1 {
        return value;
    }
    let named = |what: &str| format!("{name}_{what}");
    let bits = value.as_unsigned();
    let mut reached = bits.xor(value.msb().replicate(width)).named(&named("ones_complement"));
    for distance in (0..).map(|log2| 1u32 << log2).take_while(|distance| *distance < width) {
        let further = reached.slice(distance, width - distance).extend(width);
        reached = reached.or(further).named(&named(&format!("reached_{distance}")));
    }
    let dropped =
        reached.slice(SINGLE_PRECISION_BITS, width - SINGLE_PRECISION_BITS).named(&named("dropped"));
    let below_half = if dropped.width() == 1 {
        m.constant(unsigned(1), 0)
    } else {
        dropped.slice(1, dropped.width() - 1).extend(dropped.width())
    };
    let half = dropped.xor(below_half).named(&named("half"));
    // The last kept place, one above the half.
    let last = bits.slice(1, dropped.width()).and(half).any().named(&named("is_odd"));
    let addend = last.mux(half, below_half).to_signed().named(&named("addend"));
    let sum = value.add(addend).named(&named("sum"));
    let kept = dropped.extend(sum.width()).not();
    sum.as_unsigned().and(kept).as_signed().named(name)
}
