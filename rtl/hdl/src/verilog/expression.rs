//! Expressions. Every operand is written at the width of its operator's result.

use num_bigint::BigUint;
use num_traits::{One, ToPrimitive, Zero};

use super::names::{Names, slice_root};
use crate::module::{Node, Op};
use crate::{Module, Shape, SignalId};

/// How tightly a printed expression holds together.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
enum Binding {
    Ternary,
    Binary,
    Unary,
    Primary,
}

pub(super) struct Printer<'a> {
    pub module: &'a Module,
    pub names: &'a Names,
}

/// ` [7:0]` or ` signed [7:0]`; nothing for an unsigned bit.
pub(super) fn range(shape: Shape) -> String {
    let sign = if shape.signed { " signed" } else { "" };
    if shape.width == 1 { sign.to_owned() } else { format!("{sign} [{}:0]", shape.width - 1) }
}

/// A sized literal.
pub(super) fn literal(shape: Shape, bits: &BigUint) -> String {
    let width = shape.width;
    let negative = shape.signed && bits.bit(u64::from(width) - 1);
    let lowest = BigUint::one() << (width - 1);
    if negative && *bits != lowest && width <= 32 {
        let magnitude = (BigUint::one() << width) - bits;
        return format!("-{width}'sd{magnitude}");
    }
    let sign = if shape.signed { "s" } else { "" };
    match bits.to_u32() {
        _ if width == 1 && !shape.signed => format!("1'b{bits}"),
        Some(small) if small < 1 << 16 && !negative => format!("{width}'{sign}d{small}"),
        _ => format!("{width}'{sign}h{bits:x}"),
    }
}

impl Printer<'_> {
    /// The signal as a reader writes it: its name, or its expression.
    pub fn read(&self, id: SignalId) -> String {
        self.operand(id, Binding::Ternary)
    }

    /// The expression behind the signal, even if it has a name.
    pub fn define(&self, id: SignalId) -> String {
        self.expression(id).0
    }

    fn operand(&self, id: SignalId, at_least: Binding) -> String {
        if let Some(name) = self.names.of(id) {
            return name.to_owned();
        }
        let (text, binding) = self.expression(id);
        if binding < at_least { format!("({text})") } else { text }
    }

    fn expression(&self, id: SignalId) -> (String, Binding) {
        let data = self.module.signal(id);
        match &data.node {
            Node::Constant(bits) => self.literal(data.shape, bits),
            Node::Operation(op, operands) => self.operation(*op, data.shape, operands),
            Node::Wire { driver: Some(driver) } => (self.read(*driver), Binding::Ternary),
            _ => (self.names.of(id).unwrap_or_default().to_owned(), Binding::Primary),
        }
    }

    fn operation(&self, op: Op, shape: Shape, operands: &[SignalId]) -> (String, Binding) {
        let at = |i: usize, binding| self.operand(operands[i], binding);
        let binary = |operator: &str| {
            let text = format!("{} {operator} {}", at(0, Binding::Unary), at(1, Binding::Unary));
            (text, Binding::Binary)
        };
        let arithmetic = |operator: &str| {
            let [a, b] = [self.extended(operands[0], shape.width), self.extended(operands[1], shape.width)];
            (format!("{a} {operator} {b}"), Binding::Binary)
        };
        let compare = |left: usize, operator: &str, right: usize| {
            let [a, b] = [self.by_sign(operands[left]), self.by_sign(operands[right])];
            (format!("{a} {operator} {b}"), Binding::Binary)
        };
        match op {
            Op::Not => self.complement(operands[0]),
            Op::And => binary("&"),
            Op::Or => binary("|"),
            Op::Xor => binary("^"),
            Op::Add => arithmetic("+"),
            Op::Sub => arithmetic("-"),
            Op::Mul if self.module.signal(operands[0]).shape.signed => {
                let [a, b] = [0, 1].map(|i| format!("$signed({})", self.extended(operands[i], shape.width)));
                (format!("{a} * {b}"), Binding::Binary)
            }
            Op::Mul => arithmetic("*"),
            Op::Equal => binary("=="),
            Op::Less => compare(0, "<", 1),
            // Verilator 5.006 folds `<=` of two equal signed constants to 0; `>=` it folds right.
            Op::LessEqual if self.module.signal(operands[0]).shape.signed => compare(1, ">=", 0),
            Op::LessEqual => compare(0, "<=", 1),
            Op::Mux => {
                let text = format!(
                    "{} ? {} : {}",
                    at(0, Binding::Unary),
                    at(1, Binding::Binary),
                    at(2, Binding::Binary)
                );
                (text, Binding::Ternary)
            }
            Op::Select => unreachable!("a selection is a case block of its own"),
            Op::Slice { lsb } => (self.slice(operands[0], lsb, shape.width), Binding::Primary),
            Op::Concat => {
                let parts: Vec<String> = (0..operands.len()).map(|i| at(i, Binding::Ternary)).collect();
                (format!("{{{}}}", parts.join(", ")), Binding::Primary)
            }
            Op::Replicate => {
                let count = shape.width / self.module.signal(operands[0]).shape.width;
                (format!("{{{count}{{{}}}}}", at(0, Binding::Ternary)), Binding::Primary)
            }
            Op::Extend => (self.extended(operands[0], shape.width), Binding::Primary),
            Op::Reinterpret => self.reinterpreted(operands[0], shape),
            Op::ShiftLeft => binary("<<"),
            Op::ShiftRight if shape.signed => {
                (format!("{} >>> {}", self.by_sign(operands[0]), at(1, Binding::Unary)), Binding::Binary)
            }
            Op::ShiftRight => binary(">>"),
            Op::ReduceOr => (format!("|{}", at(0, Binding::Primary)), Binding::Unary),
            Op::ReduceAnd => (format!("&{}", at(0, Binding::Primary)), Binding::Unary),
            Op::ReduceXor => (format!("^{}", at(0, Binding::Primary)), Binding::Unary),
        }
    }

    fn reinterpreted(&self, id: SignalId, shape: Shape) -> (String, Binding) {
        match (self.names.of(id), self.constant(id)) {
            (Some(name), _) => (name.to_owned(), Binding::Primary),
            (None, Some(bits)) => self.literal(shape, bits),
            (None, None) => self.expression(id),
        }
    }

    fn literal(&self, shape: Shape, bits: &BigUint) -> (String, Binding) {
        let text = literal(shape, bits);
        let binding = if text.starts_with('-') { Binding::Unary } else { Binding::Primary };
        (text, binding)
    }

    /// The bits of an unnamed constant, whatever its signedness is changed to.
    fn constant(&self, id: SignalId) -> Option<&BigUint> {
        match (self.names.of(id), &self.module.signal(id).node) {
            (None, Node::Constant(bits)) => Some(bits),
            (None, Node::Operation(Op::Reinterpret, operands)) => self.constant(operands[0]),
            _ => None,
        }
    }

    fn complement(&self, id: SignalId) -> (String, Binding) {
        if let (None, Node::Operation(Op::Equal, sides)) = (self.names.of(id), &self.module.signal(id).node) {
            let [a, b] = [0, 1].map(|i| self.operand(sides[i], Binding::Unary));
            return (format!("{a} != {b}"), Binding::Binary);
        }
        (format!("~{}", self.operand(id, Binding::Primary)), Binding::Unary)
    }

    /// With the signedness of its shape, for the operators that look at it.
    fn by_sign(&self, id: SignalId) -> String {
        let data = self.module.signal(id);
        if !data.shape.signed {
            return self.unsigned(id);
        }
        match (self.names.of(id), self.constant(id)) {
            (Some(name), _) => name.to_owned(),
            (None, Some(bits)) => literal(data.shape, bits),
            (None, None) => format!("$signed({})", self.read(id)),
        }
    }

    /// An unsigned operand, marked as unsigned where Verilog would take its text as signed.
    fn unsigned(&self, id: SignalId) -> String {
        if self.reads_as_signed(id) { self.index(id) } else { self.operand(id, Binding::Unary) }
    }

    /// An unsigned index: Verilog takes an index that reads as signed for a negative one.
    pub fn index(&self, id: SignalId) -> String {
        let text = self.read(id);
        if self.reads_as_signed(id) { format!("$unsigned({text})") } else { text }
    }

    /// Whether the printed text may be a signed expression in Verilog.
    fn reads_as_signed(&self, id: SignalId) -> bool {
        let data = self.module.signal(id);
        if self.names.of(id).is_some() || self.constant(id).is_some() {
            return data.shape.signed;
        }
        let Node::Operation(op, operands) = &data.node else { return data.shape.signed };
        match op {
            Op::Reinterpret | Op::Not | Op::ShiftLeft | Op::ShiftRight => self.reads_as_signed(operands[0]),
            Op::And | Op::Or | Op::Xor | Op::Add | Op::Sub | Op::Mul => {
                operands.iter().all(|&operand| self.reads_as_signed(operand))
            }
            Op::Mux => operands[1..].iter().all(|&operand| self.reads_as_signed(operand)),
            _ => false,
        }
    }

    /// Zero or sign extension to `width` bits.
    fn extended(&self, id: SignalId, width: u32) -> String {
        let data = self.module.signal(id);
        let extra = width - data.shape.width;
        if extra == 0 {
            return self.operand(id, Binding::Unary);
        }
        if let Some(bits) = self.constant(id) {
            let negative = data.shape.signed && bits.bit(u64::from(data.shape.width) - 1);
            let fill = if negative {
                ((BigUint::one() << extra) - 1u8) << data.shape.width
            } else {
                BigUint::zero()
            };
            return literal(Shape { width, ..data.shape }, &(bits | fill));
        }
        let value = self.read(id);
        if !data.shape.signed {
            return format!("{{{extra}'d0, {value}}}").replace("{1'd0", "{1'b0");
        }
        let sign = self.slice(id, data.shape.width - 1, 1);
        if extra == 1 {
            format!("{{{sign}, {value}}}")
        } else {
            format!("{{{{{extra}{{{sign}}}}}, {value}}}")
        }
    }

    fn slice(&self, id: SignalId, lsb: u32, width: u32) -> String {
        let (root, offset) = slice_root(self.module, id);
        let (lsb, data) = (lsb + offset, self.module.signal(root));
        if let (None, Node::Constant(bits)) = (self.names.of(root), &data.node) {
            let mask = (BigUint::one() << width) - 1u8;
            return literal(Shape { width, signed: false }, &((bits >> lsb) & mask));
        }
        let name = self.read(root);
        match (data.shape.width, width) {
            (1, _) => name,
            (_, 1) => format!("{name}[{lsb}]"),
            _ => format!("{name}[{}:{lsb}]", lsb + width - 1),
        }
    }
}
