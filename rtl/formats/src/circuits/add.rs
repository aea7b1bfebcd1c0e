//! The sum of two unpacked numbers, exact as far as any rounding can tell.
//!
//! The number with the lower exponent moves down, its last bits jammed into one. Behind the longer
//! significand stay as many places as the rounding looks at and one more, since a difference of numbers
//! whose exponents differ by 2 or more loses at most one place at the top.

use bitmill_hdl::ModuleBuilder;

use super::exponent::Exponent;
use super::shift::shift_right_jamming;
use super::unpacked::{Unpacked, either};

/// a+b of two numbers of one format; `tail_bits` are those that the rounding looks at, and `prefix` begins the
/// names of its signals. The special values
/// follow [`crate::Value::add`].
pub fn add<'m>(
    m: &'m ModuleBuilder,
    prefix: &str,
    a: &Unpacked<'m>,
    b: &Unpacked<'m>,
    tail_bits: u32,
) -> Unpacked<'m> {
    let name = |signal: &str| format!("{prefix}_{signal}");
    if a.exponent.is_constant() {
        return add_fixed(m, prefix, a, b);
    }
    if a.is_signed() {
        add_signed(m, name, a, b, tail_bits)
    } else {
        add_magnitudes(m, name, a, b, tail_bits)
    }
}

/// The sum of two numbers with the same constant exponent.
fn add_fixed<'m>(m: &'m ModuleBuilder, prefix: &str, a: &Unpacked<'m>, b: &Unpacked<'m>) -> Unpacked<'m> {
    let never_negative = a.negative.is_none() && b.negative.is_none();
    let (x, y) = if never_negative { (*a, *b) } else { (a.to_signed(m), b.to_signed(m)) };
    let sum = x.significand.add(y.significand).named(prefix);
    let fixed = Unpacked::fixed(sum, 0);
    // The sum of two negative zeros is one.
    let negative = if a.is_signed() {
        fixed.negative
    } else {
        a.negative.zip(b.negative).map(|(a, b)| sum.msb().or(a.and(b)))
    };
    Unpacked { negative, exponent: a.exponent, nan: either(a.nan, b.nan), ..fixed }
}

/// The sum in two's complement: only the exponents are compared, and nothing is negated.
fn add_signed<'m>(
    m: &'m ModuleBuilder,
    name: impl Fn(&str) -> String,
    a: &Unpacked<'m>,
    b: &Unpacked<'m>,
    tail_bits: u32,
) -> Unpacked<'m> {
    let guard = tail_bits + 2;
    let width = a.significand.width();
    let difference = a.exponent.difference(m, b.exponent).named(&name("difference"));
    let swap = difference.msb().named(&name("swap"));
    let high = swap.mux(b.significand, a.significand).named(&name("high"));
    // −d = ~d + 1: the complement is the distance if a's significand starts one place further down.
    let [down, straight] =
        [(a, guard - 1), (b, guard)].map(|(x, places)| x.significand.shl(places).extend(width + guard));
    let distance = difference.truncate(difference.width() - 1).as_unsigned();
    let distance = distance.xor(swap.replicate(distance.width())).named(&name("distance"));
    let low = shift_right_jamming(m, swap.mux(down, straight), distance).named(&name("low_aligned"));
    let sum = high.shl(guard).add(low).named(&name("exact"));
    Unpacked {
        negative: Some(sum.msb()),
        significand: sum,
        exponent: Exponent::choose(m, swap, b.exponent, a.exponent).plus(-(guard as i32)),
        // The smallest sum is 2x + y = 1, y one binade below x. Its negative does not occur: even the smallest
        // positive x would need a y below the lowest one.
        leading: width,
        infinite: None,
        nan: either(a.nan, b.nan),
    }
}

/// The sum of magnitudes, or their difference, which is not negative since the larger one comes first.
fn add_magnitudes<'m>(
    m: &'m ModuleBuilder,
    name: impl Fn(&str) -> String,
    a: &Unpacked<'m>,
    b: &Unpacked<'m>,
    tail_bits: u32,
) -> Unpacked<'m> {
    let guard = tail_bits + 2;
    let width = a.significand.width();
    let key = |x: &Unpacked<'m>| m.concat(&[x.exponent.signal(m), x.significand]);
    let swap = key(a).lt(key(b)).named(&name("swap"));
    let high = swap.mux(b.significand, a.significand).named(&name("high"));
    let low = swap.mux(a.significand, b.significand).named(&name("low"));
    let exponent = Exponent::choose(m, swap, b.exponent, a.exponent);
    let below = Exponent::choose(m, swap, a.exponent, b.exponent);
    let distance = exponent.signal(m).sub_wrapping(below.signal(m)).named(&name("distance"));
    let aligned = shift_right_jamming(m, low.shl(guard), distance).named(&name("low_aligned"));

    let (sign_a, sign_b) = (a.sign(m), b.sign(m));
    let subtract = sign_a.xor(sign_b).named(&name("subtract"));
    let full = width + guard + 1;
    let addend = aligned.extend(full).xor(subtract.replicate(full));
    let sum = high
        .shl(guard)
        .extend(full)
        .add_wrapping(addend)
        .add_wrapping(subtract.extend(full))
        .named(&name("exact"));
    // x − x is +0; otherwise the larger one gives the sign, and like zeros keep theirs.
    let sign = swap.mux(sign_b, sign_a).and(sum.any().or(subtract.not()));
    let opposite = a.infinite.zip(b.infinite).map(|(a, b)| a.and(b).and(subtract));
    Unpacked {
        negative: Some(sign),
        significand: sum,
        exponent: exponent.plus(-(guard as i32)),
        leading: width + 1,
        infinite: either(a.infinite, b.infinite),
        nan: either(either(a.nan, b.nan), opposite),
    }
}
