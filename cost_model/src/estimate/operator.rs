//! What one operator costs where it stands: by the bits that are read, that differ and that change.

use bitmill_hdl::{Node, Op, SignalId};

use super::sum;
use crate::Figures;
use crate::analysis::Analysis;
use crate::technology::{Curve, Technology, WORD_BITS};

/// The cost of the operator that makes `id`; wiring and what never changes are free.
pub(super) fn price(analysis: &Analysis, technology: &Technology, id: SignalId) -> Figures {
    let Node::Operation(op, operands) = &analysis.module.signal(id).node else { return Figures::default() };
    if analysis.is_constant(id) {
        return Figures::default();
    }
    let o = &technology.operator;
    let bits = f64::from(analysis.used_bits(id).min(analysis.significant(id)));
    let width = f64::from(analysis.module.signal(operands[0]).shape.width);
    let constants = operands.iter().filter(|&&operand| analysis.is_constant(operand)).count();
    match op {
        Op::Slice { .. } | Op::Concat | Op::Replicate | Op::Extend | Op::Reinterpret => Figures::default(),
        Op::And | Op::Or if constants > 0 => Figures::default(),
        Op::Not => o.not.at(bits),
        Op::Xor if constants > 0 => o.not.at(bits),
        Op::And => o.and.at(bits),
        Op::Or => o.or.at(bits),
        Op::Xor => o.xor.at(bits),
        Op::Add | Op::Sub | Op::Mul => sum::price(analysis, technology, id),
        Op::Equal if constants > 0 => o.reduce_and.at(width),
        Op::Equal => o.equal.at(width),
        Op::Less | Op::LessEqual => o.less.at(width),
        Op::Mux => mux(analysis, technology, operands, bits),
        Op::Select => select(analysis, technology, operands, bits),
        Op::ShiftLeft => shift(analysis, &o.shift_left, operands, bits),
        Op::ShiftRight => shift(analysis, &o.shift_right, operands, width),
        Op::ReduceOr => o.reduce_or.at(width),
        Op::ReduceAnd => o.reduce_and.at(width),
        Op::ReduceXor => o.reduce_xor.at(width),
    }
}

/// A choice of two: a gate where one arm is constant, wiring where both are.
fn mux(analysis: &Analysis, technology: &Technology, operands: &[SignalId], bits: f64) -> Figures {
    let o = &technology.operator;
    match operands.iter().filter(|&&operand| analysis.is_constant(operand)).count() {
        0 => o.mux.at(bits),
        1 if !analysis.is_constant(operands[0]) => o.and.at(bits),
        _ => Figures::default(),
    }
}

/// A choice of many: a table where every item is constant.
fn select(analysis: &Analysis, technology: &Technology, operands: &[SignalId], bits: f64) -> Figures {
    let items = &operands[1..];
    let o = &technology.operator;
    let words = bits / WORD_BITS;
    if items.iter().all(|&item| analysis.is_constant(item)) {
        return o.table.at((items.len() as f64).log2().max(1.0)).beside(words);
    }
    o.select.at(items.len() as f64).beside(words)
}

/// A shifter, by the stages that its amount drives; wiring where the amount is constant.
fn shift(analysis: &Analysis, curve: &Curve, operands: &[SignalId], bits: f64) -> Figures {
    if analysis.is_constant(operands[1]) {
        return Figures::default();
    }
    let stages = bits.log2().ceil().max(1.0);
    let driven = f64::from(analysis.significant(operands[1]));
    curve.at(bits) * (driven / stages).min(1.0)
}
