//! Shifters and leading-zero counters.
//!
//! A *jammed* signal ends in a sticky bit: 1 if anything was cut off below it.

use bitmill_hdl::{ModuleBuilder, Signal, bits_for};

/// `value` shifted right by `amount` (unsigned), its last bit jammed; sign bits enter a signed value.
pub fn shift_right_jamming<'m>(m: &'m ModuleBuilder, value: Signal<'m>, amount: Signal<'m>) -> Signal<'m> {
    let (width, shape) = (value.width(), value.shape());
    let fill = if shape.signed { value.msb() } else { m.bit(false) };
    let stages = bits_for(u64::from(width) - 1).min(amount.width());
    let mut bits = value.as_unsigned();
    for stage in (0..stages).rev() {
        let distance = 1 << stage;
        let shifted = if distance + 1 < width {
            let kept = bits.slice(distance + 1, width - distance - 1);
            m.concat(&[fill.replicate(distance), kept, bits.slice(0, distance + 1).any()])
        } else {
            all_out(m, bits, fill)
        };
        bits = amount.bit(stage).mux(shifted, bits);
    }
    if stages < amount.width() {
        let far = amount.slice(stages, amount.width() - stages).any();
        bits = far.mux(all_out(m, bits, fill), bits);
    }
    if shape.signed { bits.as_signed() } else { bits }
}

/// What is left when every bit is shifted out: the fill, and whether there was anything.
fn all_out<'m>(m: &'m ModuleBuilder, bits: Signal<'m>, fill: Signal<'m>) -> Signal<'m> {
    let sticky = bits.any();
    if bits.width() == 1 { sticky } else { m.concat(&[fill.replicate(bits.width() - 1), sticky]) }
}

/// Bits `keep` highest of `value`, the rest jammed into one more bit below them; padded with zeros where
/// there are fewer. Signedness is kept; the result has `keep + 1` bits.
pub fn keep_top<'m>(m: &'m ModuleBuilder, value: Signal<'m>, keep: u32) -> Signal<'m> {
    let signed = value.shape().signed;
    let width = value.width();
    let bits = if width <= keep + 1 {
        value.as_unsigned().shl(keep + 1 - width)
    } else {
        let cut = width - keep;
        m.concat(&[value.slice(cut, keep), value.slice(0, cut).any()])
    };
    if signed { bits.as_signed() } else { bits }
}

/// Narrower significands are normalised step by step, wider ones by a count and a shifter; a move of few
/// places too. Measured in LUTs: see `docs/formats/circuits.md`.
const STEPWISE_WIDTH: std::ops::Range<u32> = 5..25;

/// Moves the significand up until no leading zero (or copy of the sign) is left; there are at most
/// `leading`. Returns it with the number of places, called `count_name`; a zero moves by any number.
pub fn normalise<'m>(
    m: &'m ModuleBuilder,
    significand: Signal<'m>,
    leading: u32,
    count_name: &str,
) -> (Signal<'m>, Signal<'m>) {
    if leading == 0 {
        return (significand, m.bit(false));
    }
    if leading > 2 && STEPWISE_WIDTH.contains(&significand.width()) {
        return normalise_stepwise(m, significand, leading, count_name);
    }
    let count = count_leading(m, significand, leading).named(count_name);
    (significand.shift_left(count), count)
}

/// Halving steps: wherever the upper places are empty, what lies below moves into them.
fn normalise_stepwise<'m>(
    m: &'m ModuleBuilder,
    significand: Signal<'m>,
    leading: u32,
    count_name: &str,
) -> (Signal<'m>, Signal<'m>) {
    let width = significand.width();
    let signed = significand.shape().signed;
    let mut value = significand.as_unsigned();
    let mut count = Vec::new();
    for stage in (0..bits_for(leading.into())).rev() {
        let distance = 1 << stage;
        let empty = if signed {
            let head = value.slice(width - 1 - distance, distance + 1);
            head.all().or(head.any().not())
        } else {
            value.slice(width - distance, distance).any().not()
        };
        value = empty.mux(value.truncate(width - distance).shl(distance), value);
        count.push(empty);
    }
    (if signed { value.as_signed() } else { value }, m.concat(&count).named(count_name))
}

/// The number of leading zeros, or of copies of the sign bit behind it, up to `most`.
pub fn count_leading<'m>(m: &'m ModuleBuilder, significand: Signal<'m>, most: u32) -> Signal<'m> {
    let width = significand.width();
    let candidates = if significand.shape().signed {
        let below = significand.slice(width - 1 - most, most);
        below.xor(significand.msb().replicate(most))
    } else {
        significand.slice(width - most, most)
    };
    count_leading_zeros(m, candidates)
}

/// The number of leading zeros of an unsigned signal, from 0 to its width: a tree of pairs.
pub fn count_leading_zeros<'m>(m: &'m ModuleBuilder, value: Signal<'m>) -> Signal<'m> {
    // A one behind the end stops the count there; with it the tree never sees all zeros at the root.
    let padded = (value.width() + 1).next_power_of_two();
    let ones = m.bit(true).replicate(padded - value.width());
    let mut nodes: Vec<(Signal, Option<Signal>)> =
        m.concat(&[value, ones]).bits().into_iter().rev().map(|bit| (bit.not(), None)).collect();
    while nodes.len() > 1 {
        let join = |pair: &[(Signal<'m>, Option<Signal<'m>>)]| {
            let ((left_empty, left), (right_empty, right)) = (pair[0], pair[1]);
            let count = match (left, right) {
                (Some(left), Some(right)) => m.concat(&[left_empty, left_empty.mux(right, left)]),
                _ => left_empty,
            };
            (left_empty.and(right_empty), Some(count))
        };
        nodes = nodes.chunks(2).map(join).collect();
    }
    nodes[0].1.unwrap_or_else(|| m.bit(false))
}

/// `value >= bound` of an unsigned signal and a number known to the generator: ands along the runs of
/// ones, ors along the runs of zeros, nothing below the last one.
pub fn at_least<'m>(m: &'m ModuleBuilder, value: Signal<'m>, bound: u64) -> Signal<'m> {
    let width = value.width();
    if bound == 0 {
        return m.bit(true);
    }
    if width < 64 && bound >> width != 0 {
        return m.bit(false);
    }
    let mut lsb = bound.trailing_zeros();
    let mut reached: Option<Signal> = None;
    while lsb < width {
        let rest = bound >> lsb;
        let ones = rest & 1 == 1;
        let run = if ones { rest.trailing_ones() } else { rest.trailing_zeros() }.min(width - lsb);
        let bits = value.slice(lsb, run);
        let above = if ones { bits.all() } else { bits.any() };
        reached = Some(match reached {
            None => above,
            Some(below) if ones => above.and(below),
            Some(below) => above.or(below),
        });
        lsb += run;
    }
    reached.unwrap_or_else(|| m.bit(true))
}
