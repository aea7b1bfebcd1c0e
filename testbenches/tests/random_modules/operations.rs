//! One random operation of a random module: every method of a signal has its turn.

use bitmill_hdl::{Shape, Signal, unsigned};

use super::generator::{Grower, WIDEST};

/// Adds the result of one operation.
pub fn grow(g: &mut Grower) {
    let result = match g.random.below(9) {
        0 => constant(g),
        1 => logic(g),
        2 | 3 => arithmetic(g),
        4 => comparison(g),
        5 => choice(g),
        6 => shift(g),
        _ => rearrangement(g),
    };
    let width = result.width();
    let result = if width > WIDEST { result.truncate(WIDEST) } else { result };
    g.learn(result);
}

fn constant<'m>(g: &mut Grower<'m>) -> Signal<'m> {
    let shape = g.shape();
    match g.random.below(3) {
        0 => g.m.big_constant(shape, g.random.corner_bits(shape.width)),
        1 if shape.signed && shape.width > 8 => g.m.constant(shape, -(g.random.below(200) as i128)),
        _ => g.m.constant(shape, i128::from(shape.width > 1)),
    }
}

fn logic<'m>(g: &mut Grower<'m>) -> Signal<'m> {
    let a = g.pick();
    let b = g.pick_as(a.shape());
    match g.random.below(9) {
        0 => a.and(b),
        1 => a.or(b),
        2 => a.xor(b),
        3 => a.not(),
        4 => a.any(),
        5 => a.all(),
        6 => a.parity(),
        7 => {
            let bit = g.pick_bit();
            a.gate(bit)
        }
        _ => {
            let bits: Vec<Signal> = (0..g.random.below(4)).map(|_| g.pick_bit()).collect();
            g.m.any(&bits)
        }
    }
}

/// Two operands of one signedness, each narrow enough for their product to stay in range.
fn operands<'m>(g: &mut Grower<'m>) -> [Signal<'m>; 2] {
    let signed = g.random.one_in(2);
    [(); 2].map(|()| {
        let width = g.width().min(WIDEST / 2);
        g.pick_as(Shape { width, signed })
    })
}

fn arithmetic<'m>(g: &mut Grower<'m>) -> Signal<'m> {
    let [a, b] = operands(g);
    match g.random.below(9) {
        0 => a.add(b),
        1 => a.sub(b),
        2 | 3 => a.mul(b),
        4 => a.neg(),
        5 => a.add_wrapping(b.resize(a.width())),
        6 => a.sub_wrapping(b.resize(a.width())),
        7 => a.increment(),
        _ => {
            let terms: Vec<Signal> = (0..1 + g.random.below(6)).map(|_| g.pick_as(b.shape())).collect();
            g.m.sum(&terms)
        }
    }
}

fn comparison<'m>(g: &mut Grower<'m>) -> Signal<'m> {
    let shape = g.shape();
    let [a, b] = [g.pick_lively(shape), g.pick_lively(shape)];
    // Comparison of a signal with its neighbour tells `<` from `<=`.
    let b = if shape.width > 1 && g.random.one_in(4) { a.increment() } else { b };
    match g.random.below(8) {
        0 => a.eq(b),
        1 => a.ne(b),
        2 => a.lt(b),
        3 => a.le(b),
        4 => a.gt(b),
        5 => a.ge(b),
        6 => a.eq_value(0),
        _ => a.as_unsigned().lt(b.as_unsigned()),
    }
}

fn choice<'m>(g: &mut Grower<'m>) -> Signal<'m> {
    let shape = g.shape();
    if g.random.one_in(2) {
        let (condition, a, b) = (g.pick_bit(), g.pick_as(shape), g.pick_as(shape));
        return condition.mux(a, b);
    }
    let bits = 1 + g.random.below(4) as u32;
    let index = g.pick_lively(unsigned(bits));
    let count = 1 + g.random.below(1 << bits);
    let items: Vec<Signal> = (0..count).map(|_| g.pick_as(shape)).collect();
    let default = g.pick_as(shape);
    index.select(&items, default)
}

fn shift<'m>(g: &mut Grower<'m>) -> Signal<'m> {
    let a = g.pick();
    let by = g.random.below(u64::from(a.width())) as u32;
    let amount_bits = 1 + g.random.below(8) as u32;
    let amount = g.pick_as(unsigned(amount_bits));
    match g.random.below(6) {
        0 => a.shl(by),
        1 => a.shr(by),
        2 | 3 => a.shift_left(amount),
        _ => a.shift_right(amount),
    }
}

fn rearrangement<'m>(g: &mut Grower<'m>) -> Signal<'m> {
    let a = g.pick();
    let lsb = g.random.below(u64::from(a.width())) as u32;
    let width = 1 + g.random.below(u64::from(a.width() - lsb)) as u32;
    match g.random.below(12) {
        0 | 1 => a.slice(lsb, width),
        2 => a.msb(),
        3 => a.truncate(width),
        4 => a.extend(a.width() + lsb),
        5 => a.to_signed(),
        6 => a.as_signed(),
        7 => a.as_unsigned(),
        8 => a.replicate(1 + g.random.below(4) as u32),
        9 => a.bits().into_iter().next_back().expect("a signal has at least one bit"),
        _ => {
            let parts: Vec<Signal> = (0..1 + g.random.below(4)).map(|_| g.pick()).collect();
            g.m.concat(&parts)
        }
    }
}
