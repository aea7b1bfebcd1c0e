//! Operations on signals. Each states the width it returns; operands never change width by themselves.

use crate::module::{Item, Node, Op};
use crate::{HdlError, ModuleBuilder, Shape, SignalId, Source, signed, unsigned};

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

    // Bits.

    /// Bits `lsb .. lsb + width`, unsigned.
    #[track_caller]
    pub fn slice(self, lsb: u32, width: u32) -> Self {
        let at = Source::caller();
        if width == 0 || u64::from(lsb) + u64::from(width) > u64::from(self.width()) {
            self.illegal("slice", format!("bits {lsb}..{} are not there", lsb + width), at);
            return self.builder.lit(width.max(1), 0);
        }
        if width == self.width() {
            return self.reinterpret(false, at);
        }
        self.builder.operation(Op::Slice { lsb }, unsigned(width), &[self], at)
    }

    /// Bit `index`.
    #[track_caller]
    pub fn bit(self, index: u32) -> Self {
        self.slice(index, 1)
    }

    /// The highest bit: the sign of a signed signal.
    #[track_caller]
    pub fn msb(self) -> Self {
        self.slice(self.width() - 1, 1)
    }

    /// All bits, lowest first.
    #[track_caller]
    pub fn bits(self) -> Vec<Self> {
        (0..self.width()).map(|i| self.bit(i)).collect()
    }

    /// The lowest `width` bits, signedness kept.
    #[track_caller]
    pub fn truncate(self, width: u32) -> Self {
        let at = Source::caller();
        if width == self.width() {
            return self;
        }
        if width == 0 || width > self.width() {
            self.illegal("truncate", format!("{width} bits is no narrower; use extend"), at);
            return self.builder.constant(Shape { width: width.max(1), ..self.shape() }, 0);
        }
        let low = self.builder.operation(Op::Slice { lsb: 0 }, unsigned(width), &[self], at);
        low.reinterpret(self.shape().signed, at)
    }

    /// Zero or sign extension to `width` bits, by the signal's signedness.
    #[track_caller]
    pub fn extend(self, width: u32) -> Self {
        let at = Source::caller();
        let shape = Shape { width, ..self.shape() };
        if width == self.width() {
            return self;
        }
        if width < self.width() {
            self.illegal("extend", format!("{width} bits is narrower; use truncate"), at);
            return self.builder.constant(shape, 0);
        }
        self.builder.operation(Op::Extend, shape, &[self], at)
    }

    /// `extend` or `truncate` to `width`.
    #[track_caller]
    pub fn resize(self, width: u32) -> Self {
        if width < self.width() { self.truncate(width) } else { self.extend(width) }
    }

    /// The same value, signed: an unsigned signal grows by a zero bit.
    #[track_caller]
    pub fn to_signed(self) -> Self {
        let at = Source::caller();
        if self.shape().signed { self } else { self.extend(self.width() + 1).reinterpret(true, at) }
    }

    /// The same bits, read as two's complement.
    #[track_caller]
    pub fn as_signed(self) -> Self {
        self.reinterpret(true, Source::caller())
    }

    /// The same bits, read as unsigned.
    #[track_caller]
    pub fn as_unsigned(self) -> Self {
        self.reinterpret(false, Source::caller())
    }

    /// The signal `count` times side by side, unsigned.
    #[track_caller]
    pub fn replicate(self, count: u32) -> Self {
        let at = Source::caller();
        match count {
            0 => {
                self.illegal("replicate", "a count of at least 1 is needed".to_owned(), at);
                self
            }
            1 => self.reinterpret(false, at),
            _ => self.builder.operation(Op::Replicate, unsigned(self.width() * count), &[self], at),
        }
    }

    /// Shifted left by a constant, `amount` bits wider.
    #[track_caller]
    pub fn shl(self, amount: u32) -> Self {
        let at = Source::caller();
        if amount == 0 {
            return self;
        }
        let zeros = self.builder.lit(amount, 0);
        let shape = unsigned(self.width() + amount);
        let shifted = self.builder.operation(Op::Concat, shape, &[self, zeros], at);
        shifted.reinterpret(self.shape().signed, at)
    }

    /// Shifted right by a constant (towards minus infinity), `amount` bits narrower.
    #[track_caller]
    pub fn shr(self, amount: u32) -> Self {
        let at = Source::caller();
        if amount == 0 {
            return self;
        }
        if amount >= self.width() {
            self.illegal("shr", format!("a shift by {amount} leaves no bit"), at);
            return self;
        }
        self.slice(amount, self.width() - amount).reinterpret(self.shape().signed, at)
    }

    /// Shifted left by an unsigned signal, width kept, zeros entering.
    #[track_caller]
    pub fn shift_left(self, amount: Self) -> Self {
        self.shift(Op::ShiftLeft, "shift_left", amount, Source::caller())
    }

    /// Shifted right by an unsigned signal, width kept; sign bits enter when the signal is signed.
    #[track_caller]
    pub fn shift_right(self, amount: Self) -> Self {
        self.shift(Op::ShiftRight, "shift_right", amount, Source::caller())
    }

    // Shared parts of the above.

    fn bitwise(self, op: Op, operation: &'static str, other: Self, at: Source) -> Self {
        let other = self.require_shape(operation, other, at);
        self.builder.operation(op, self.shape(), &[self, other], at)
    }

    fn compare(self, op: Op, operation: &'static str, other: Self, at: Source) -> Self {
        let other = self.require_shape(operation, other, at);
        self.builder.operation(op, unsigned(1), &[self, other], at)
    }

    fn reduce(self, op: Op, at: Source) -> Self {
        if self.width() == 1 {
            return self.reinterpret(false, at);
        }
        self.builder.operation(op, unsigned(1), &[self], at)
    }

    fn arithmetic(self, op: Op, operation: &'static str, other: Self, shape: Shape, at: Source) -> Self {
        if self.shape().signed != other.shape().signed {
            let advice = "signedness differs; use to_signed on the unsigned one";
            self.mismatch(operation, other, advice, at);
            return self.builder.constant(shape, 0);
        }
        self.builder.operation(op, shape, &[self, other], at)
    }

    fn shift(self, op: Op, operation: &'static str, amount: Self, at: Source) -> Self {
        if amount.shape().signed {
            self.mismatch(operation, amount, "a shift amount is unsigned", at);
            return self;
        }
        self.builder.operation(op, self.shape(), &[self, amount], at)
    }

    fn reinterpret(self, signed: bool, at: Source) -> Self {
        let shape = self.shape();
        if shape.signed == signed {
            return self;
        }
        self.builder.operation(Op::Reinterpret, Shape { signed, ..shape }, &[self], at)
    }

    pub(crate) fn require_shape(self, operation: &'static str, other: Self, at: Source) -> Self {
        if self.shape() == other.shape() {
            return other;
        }
        let advice = if self.width() == other.width() {
            "signedness differs; use as_signed or as_unsigned"
        } else {
            "widths differ; use extend or truncate"
        };
        self.mismatch(operation, other, advice, at);
        self.builder.constant(self.shape(), 0)
    }

    pub(crate) fn require_to_be(self, operation: &'static str, shape: Shape, at: Source) -> Self {
        if self.shape() == shape {
            return self;
        }
        self.illegal(operation, format!("{shape} is needed"), at);
        self.builder.constant(shape, 0)
    }

    pub(crate) fn require_bit(self, operation: &'static str, at: Source) -> Self {
        self.require_to_be(operation, unsigned(1), at)
    }

    fn mismatch(self, operation: &'static str, other: Self, advice: &'static str, at: Source) {
        let mut state = self.builder.state.borrow_mut();
        let describe = |id| crate::builder::describe(&state.signals, id);
        let error = HdlError::ShapeMismatch {
            module: state.name.clone(),
            operation,
            left: describe(self.id),
            left_shape: state.signals[self.id.index()].shape,
            right: describe(other.id),
            right_shape: state.signals[other.id.index()].shape,
            advice,
            at,
        };
        state.fail(error);
    }

    pub(crate) fn illegal(self, operation: &'static str, problem: String, at: Source) {
        let mut state = self.builder.state.borrow_mut();
        let error = HdlError::IllegalOperation {
            module: state.name.clone(),
            operation,
            signal: crate::builder::describe(&state.signals, self.id),
            shape: state.signals[self.id.index()].shape,
            problem,
            at,
        };
        state.fail(error);
    }
}
