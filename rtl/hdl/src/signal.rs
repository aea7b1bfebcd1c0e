//! Operations on signals. Each states the width it returns; operands never change width by themselves.

mod bits;
mod require;

use crate::module::{Item, Node, Op};
use crate::{ModuleBuilder, Shape, SignalId, Source, signed};

/// A signal of a module under construction.
#[derive(Clone, Copy)]
pub struct Signal<'m> {
    pub(crate) builder: &'m ModuleBuilder,
    pub(crate) id: SignalId,
}

impl<'m> Signal<'m> {
    /// Width and signedness.
    pub fn shape(self) -> Shape {
        self.builder.state.borrow().signals[self.id.index()].shape
    }

    /// Number of bits.
    pub fn width(self) -> u32 {
        self.shape().width
    }

    /// Handle in the finished module.
    pub fn id(self) -> SignalId {
        self.id
    }

    /// Gives the signal a name that survives into Verilog and waveforms.
    #[track_caller]
    pub fn named(self, name: &str) -> Self {
        let at = Source::caller();
        // A signal that already has a name (a port, a register) keeps it; the new name is an alias wire.
        let already = self.builder.state.borrow().signals[self.id.index()].name.is_some();
        let target = if already {
            let shape = self.shape();
            let mut state = self.builder.state.borrow_mut();
            let id = state.push(shape, Node::Wire { driver: Some(self.id) }, at);
            Signal { builder: self.builder, id }
        } else {
            self
        };
        let mut state = self.builder.state.borrow_mut();
        state.set_name(target.id, name, at);
        state.items.push(Item::Signal(target.id));
        drop(state);
        target
    }

    // Logic, bit by bit, on operands of one width.

    /// Bitwise and.
    #[track_caller]
    pub fn and(self, other: Self) -> Self {
        self.bitwise(Op::And, "and", other, Source::caller())
    }

    /// Bitwise or.
    #[track_caller]
    pub fn or(self, other: Self) -> Self {
        self.bitwise(Op::Or, "or", other, Source::caller())
    }

    /// Bitwise exclusive or.
    #[track_caller]
    pub fn xor(self, other: Self) -> Self {
        self.bitwise(Op::Xor, "xor", other, Source::caller())
    }

    /// Bitwise complement.
    #[track_caller]
    pub fn not(self) -> Self {
        self.builder.operation(Op::Not, self.shape(), &[self], Source::caller())
    }

    /// Or of all bits.
    #[track_caller]
    pub fn any(self) -> Self {
        self.reduce(Op::ReduceOr, Source::caller())
    }

    /// And of all bits.
    #[track_caller]
    pub fn all(self) -> Self {
        self.reduce(Op::ReduceAnd, Source::caller())
    }

    /// Exclusive or of all bits.
    #[track_caller]
    pub fn parity(self) -> Self {
        self.reduce(Op::ReduceXor, Source::caller())
    }

    // Arithmetic, full width, on operands of one signedness.

    /// Sum, one bit wider than the wider operand.
    #[track_caller]
    pub fn add(self, other: Self) -> Self {
        let at = Source::caller();
        let width = self.width().max(other.width()) + 1;
        self.arithmetic(Op::Add, "add", other, Shape { width, ..self.shape() }, at)
    }

    /// Difference, signed, one bit wider than the wider operand.
    #[track_caller]
    pub fn sub(self, other: Self) -> Self {
        let at = Source::caller();
        let width = self.width().max(other.width()) + 1;
        self.arithmetic(Op::Sub, "sub", other, signed(width), at)
    }

    /// Product, as wide as both operands together.
    #[track_caller]
    pub fn mul(self, other: Self) -> Self {
        let at = Source::caller();
        let width = self.width() + other.width();
        self.arithmetic(Op::Mul, "mul", other, Shape { width, ..self.shape() }, at)
    }

    /// Negated value, signed, one bit wider.
    #[track_caller]
    pub fn neg(self) -> Self {
        let at = Source::caller();
        let zero = self.builder.constant(self.shape(), 0);
        self.builder.operation(Op::Sub, signed(self.width() + 1), &[zero, self], at)
    }

    /// Sum modulo 2^width of two operands of one shape.
    #[track_caller]
    pub fn add_wrapping(self, other: Self) -> Self {
        let at = Source::caller();
        let other = self.require_shape("add_wrapping", other, at);
        self.builder.operation(Op::Add, self.shape(), &[self, other], at)
    }

    /// Difference modulo 2^width of two operands of one shape.
    #[track_caller]
    pub fn sub_wrapping(self, other: Self) -> Self {
        let at = Source::caller();
        let other = self.require_shape("sub_wrapping", other, at);
        self.builder.operation(Op::Sub, self.shape(), &[self, other], at)
    }

    /// The value plus 1, modulo 2^width.
    #[track_caller]
    pub fn increment(self) -> Self {
        let at = Source::caller();
        let one = self.builder.big_constant(self.shape(), 1u8.into());
        self.builder.operation(Op::Add, self.shape(), &[self, one], at)
    }

    // Comparison, of two operands of one shape.

    /// `self == other`.
    #[track_caller]
    pub fn eq(self, other: Self) -> Self {
        self.compare(Op::Equal, "eq", other, Source::caller())
    }

    /// `self != other`.
    #[track_caller]
    pub fn ne(self, other: Self) -> Self {
        self.compare(Op::Equal, "ne", other, Source::caller()).not()
    }

    /// `self < other`.
    #[track_caller]
    pub fn lt(self, other: Self) -> Self {
        self.compare(Op::Less, "lt", other, Source::caller())
    }

    /// `self <= other`.
    #[track_caller]
    pub fn le(self, other: Self) -> Self {
        self.compare(Op::LessEqual, "le", other, Source::caller())
    }

    /// `self > other`.
    #[track_caller]
    pub fn gt(self, other: Self) -> Self {
        other.compare(Op::Less, "gt", self, Source::caller())
    }

    /// `self >= other`.
    #[track_caller]
    pub fn ge(self, other: Self) -> Self {
        other.compare(Op::LessEqual, "ge", self, Source::caller())
    }

    /// `self == value`.
    #[track_caller]
    pub fn eq_value(self, value: i128) -> Self {
        let at = Source::caller();
        let constant = self.builder.constant(self.shape(), value);
        self.compare(Op::Equal, "eq_value", constant, at)
    }

    // Choice.

    /// `when_set` where this bit is 1, else `when_clear`; both of one shape.
    #[track_caller]
    pub fn mux(self, when_set: Self, when_clear: Self) -> Self {
        let at = Source::caller();
        let condition = self.require_bit("mux condition", at);
        let when_clear = when_set.require_shape("mux", when_clear, at);
        self.builder.operation(Op::Mux, when_set.shape(), &[condition, when_set, when_clear], at)
    }

    /// `items[self]`, or `default` where there are fewer items; all of one shape.
    #[track_caller]
    pub fn select(self, items: &[Self], default: Self) -> Self {
        let at = Source::caller();
        if self.shape().signed || (self.width() < 32 && items.len() as u64 > 1 << self.width()) {
            let problem = format!("{} items need an unsigned index that reaches them all", items.len());
            self.illegal("select", problem, at);
            return default;
        }
        let items: Vec<Self> = items.iter().map(|&item| default.require_shape("select", item, at)).collect();
        // A case block on a constant would never be evaluated by an event-driven simulator.
        if let Node::Constant(index) = &self.builder.state.borrow().signals[self.id.index()].node {
            let chosen = usize::try_from(index).ok().and_then(|index| items.get(index));
            return chosen.copied().unwrap_or(default);
        }
        // With an item for every index, the last item takes the place of the default.
        let complete = self.width() < 32 && items.len() as u64 == 1 << self.width();
        let mut operands = vec![self];
        operands.extend(items);
        if !complete {
            operands.push(default);
        }
        self.builder.operation(Op::Select, default.shape(), &operands, at)
    }

    /// `self` where `enable` is 1, else 0: keeps what follows from toggling.
    #[track_caller]
    pub fn gate(self, enable: Self) -> Self {
        let at = Source::caller();
        let enable = enable.require_bit("gate", at);
        let zero = self.builder.constant(self.shape(), 0);
        self.builder.operation(Op::Mux, self.shape(), &[enable, self, zero], at)
    }
}
