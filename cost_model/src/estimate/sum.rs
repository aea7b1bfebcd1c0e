//! Sums of products: additions and multiplications that synthesis merges into one carry-save tree.
//!
//! Yosys (pass `alumacc`) gathers a tree of additions, subtractions and multiplications whose inner results
//! are read nowhere else, adds all partial products and addends in carry-save form, and propagates the carry
//! once. A term that is a product enters as the two rows that its own tree leaves.

use bitmill_hdl::{BigUint, Node, Op, SignalId};

use crate::Figures;
use crate::analysis::Analysis;
use crate::technology::Technology;

/// Most rows that so many full-adder levels reduce to two (Dadda, "Some schemes for parallel multipliers", 1965).
const DADDA: [usize; 13] = [2, 3, 4, 6, 9, 13, 19, 28, 42, 63, 94, 141, 211];

/// A term of a sum.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Term {
    /// A word of so many bits.
    Addend(u32),
    /// A constant.
    Constant,
    /// A product of operands of so many bits.
    Product(u32, u32),
    /// A word of so many bits times a constant with so many signed digits that are not zero.
    Multiple(u32, u32),
}

/// The node's place in a sum: the cost of the whole sum at its root, nothing at nodes that are part of one.
pub(super) fn price(analysis: &Analysis, technology: &Technology, id: SignalId) -> Figures {
    if is_inner(analysis, id) {
        return Figures::default();
    }
    let width = analysis.used_below(id);
    let Node::Operation(op, operands) = &analysis.module.signal(id).node else { return Figures::default() };
    let mut terms = Vec::new();
    if *op == Op::Mul {
        terms.push(product(analysis, operands, width));
    } else {
        operands.iter().for_each(|&operand| collect(analysis, operand, width, &mut terms));
    }
    total(technology, &terms, width, *op == Op::Sub)
}

/// Whether the node is part of a sum that another node is the root of.
fn is_inner(analysis: &Analysis, id: SignalId) -> bool {
    if analysis.readers(id) != 1 {
        return false;
    }
    let mut at = id;
    // Follow the only reader through wiring that keeps the value.
    while let Some(reader) = analysis.reader(at) {
        match &analysis.module.signal(reader).node {
            Node::Operation(Op::Add | Op::Sub, _) => return true,
            _ if analysis.keeps_value(reader) && analysis.readers(reader) == 1 => at = reader,
            _ => return false,
        }
    }
    false
}

/// The terms that `id` brings to a sum of `width` bits.
fn collect(analysis: &Analysis, id: SignalId, width: u32, terms: &mut Vec<Term>) {
    let mut at = id;
    while analysis.keeps_value(at) && analysis.readers(at) == 1 {
        at = analysis.module.operands(at)[0];
    }
    let once = analysis.readers(at) == 1;
    match &analysis.module.signal(at).node {
        Node::Operation(Op::Add | Op::Sub, operands) if once => {
            operands.iter().for_each(|&operand| collect(analysis, operand, width, terms));
        }
        Node::Operation(Op::Mul, operands) if once => terms.push(product(analysis, operands, width)),
        _ if analysis.constant(id).is_some() => terms.push(Term::Constant),
        _ => terms.push(Term::Addend(analysis.significant(id).min(width))),
    }
}

fn product(analysis: &Analysis, operands: &[SignalId], width: u32) -> Term {
    let [a, b] = [operands[0], operands[1]].map(|o| analysis.significant(o).min(width));
    match (analysis.constant(operands[0]), analysis.constant(operands[1])) {
        (Some(_), Some(_)) => Term::Constant,
        (Some(constant), None) => Term::Multiple(b, signed_digits(constant)),
        (None, Some(constant)) => Term::Multiple(a, signed_digits(constant)),
        (None, None) => Term::Product(a, b),
    }
}

/// Digits of the constant's canonical signed digit form that are not zero.
fn signed_digits(constant: &BigUint) -> u32 {
    // A number's signed digits stand where it differs from three times itself.
    (constant ^ (constant * 3u8)).count_ones() as u32
}

/// What the sum of `terms` modulo 2^`width` costs.
fn total(technology: &Technology, terms: &[Term], width: u32, subtracts: bool) -> Figures {
    let adder = |bits: u32| {
        let o = &technology.operator;
        if subtracts { &o.subtract } else { &o.add }.at(f64::from(bits))
    };
    let constants = terms.iter().filter(|t| **t == Term::Constant).count();
    let rest: Vec<Term> = terms.iter().copied().filter(|t| *t != Term::Constant).collect();
    match rest[..] {
        [] => return Figures::default(),
        [Term::Product(a, b)] if constants == 0 => return technology.product.at(a, b),
        [Term::Addend(_)] => return technology.operator.increment.at(f64::from(width)),
        [Term::Addend(a), Term::Addend(b)] if constants == 0 => {
            let (long, short) = (a.max(b), a.min(b));
            let rest = technology.operator.increment.at(f64::from(long - short));
            return adder(short) + if long > short { rest } else { Figures::default() };
        }
        _ => {}
    }
    // A constant is one more row, but its bits cost no full adders of their own.
    let (mut rows, mut bits, mut before) = (constants, 0, Figures::default());
    for term in rest {
        match term {
            Term::Addend(a) => (rows, bits) = (rows + 1, bits + a),
            Term::Multiple(a, digits) => (rows, bits) = (rows + digits as usize, bits + a * digits),
            Term::Product(a, b) => {
                (rows, bits) = (rows + 2, bits + 2 * (a + b));
                let alone = (technology.product.at(a, b) - technology.operator.add.at(f64::from(a + b)))
                    .at_least_zero();
                before = Figures { delay_ns: before.delay_ns.max(alone.delay_ns), ..before + alone };
            }
            Term::Constant => {}
        }
    }
    if rows < 2 {
        return before;
    }
    let levels = DADDA.iter().position(|&reach| rows <= reach).unwrap_or(DADDA.len());
    let full_adders = f64::from(bits.saturating_sub(2 * width));
    let compressor = technology.compressor;
    let tree = Figures { delay_ns: compressor.delay_ns * levels as f64, ..compressor * full_adders };
    before + tree + adder(width)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signed_digits_are_those_of_the_canonical_form() {
        // 7 = 8 - 1, 11 = 8 + 4 - 1, 170 = 128 + 32 + 8 + 2.
        for (constant, digits) in [(0u32, 0), (1, 1), (7, 2), (8, 1), (11, 3), (170, 4), (255, 2)] {
            assert_eq!(signed_digits(&BigUint::from(constant)), digits, "{constant}");
        }
    }
}
