//! Operations that need no hardware: with a constant that decides or changes nothing, or on equal choices.
//!
//! Generators are written for the general case; what a parameter makes trivial is not emitted.

use num_bigint::BigUint;
use num_traits::{One, Zero};

use crate::module::{Node, Op, SignalData};
use crate::{Shape, SignalId};

/// What an operation comes to.
pub(super) enum Folded {
    /// One of its operands.
    Operand(SignalId),
    /// A constant of the result's shape.
    Constant(BigUint),
}

/// What `op` on `operands` comes to, where it needs no hardware.
pub(super) fn fold(signals: &[SignalData], op: Op, shape: Shape, operands: &[SignalId]) -> Option<Folded> {
    let data = |i: usize| &signals[operands[i].index()];
    let constant = |i: usize| match &data(i).node {
        Node::Constant(bits) => Some(bits),
        _ => None,
    };
    let same = |i: usize| (data(i).shape == shape).then(|| Folded::Operand(operands[i]));
    let ones = (BigUint::one() << shape.width) - 1u8;
    let is = |i: usize, value: &BigUint| constant(i) == Some(value);
    let zero = BigUint::zero();
    match op {
        Op::Not => constant(0).map(|bits| Folded::Constant(bits ^ ones)),
        Op::And if is(0, &zero) || is(1, &ones) => same(0),
        Op::And if is(1, &zero) || is(0, &ones) => same(1),
        Op::Or if is(0, &ones) || is(1, &zero) => same(0),
        Op::Or if is(1, &ones) || is(0, &zero) => same(1),
        Op::Xor | Op::Sub | Op::Add | Op::ShiftLeft | Op::ShiftRight if is(1, &zero) => same(0),
        Op::Xor | Op::Add if is(0, &zero) => same(1),
        Op::Equal => match (constant(0), constant(1)) {
            (Some(a), Some(b)) => Some(Folded::Constant(BigUint::from(u8::from(a == b)))),
            _ => None,
        },
        Op::Mux if operands[1] == operands[2] => same(1),
        Op::Mux if constant(1).is_some() && constant(1) == constant(2) => same(1),
        Op::Mux => constant(0).and_then(|bit| same(if bit.is_zero() { 2 } else { 1 })),
        _ => None,
    }
}

/// The unsigned signal that `id` is a signed view of: widened by zero bits, so never negative.
pub(super) fn unsigned_behind(signals: &[SignalData], id: SignalId) -> Option<SignalId> {
    let data = &signals[id.index()];
    let Node::Operation(Op::Reinterpret, view) = &data.node else { return None };
    let widened = &signals[view[0].index()];
    let is_plain = data.shape.signed && data.name.is_none() && widened.name.is_none();
    match &widened.node {
        Node::Operation(Op::Extend, source) if is_plain && !widened.shape.signed => Some(source[0]),
        _ => None,
    }
}
