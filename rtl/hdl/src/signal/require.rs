//! What operations share: the checks of their operands, and the errors when these fail.

use crate::module::Op;
use crate::{HdlError, Shape, Signal, Source, unsigned};

impl<'m> Signal<'m> {
    pub(super) fn bitwise(self, op: Op, operation: &'static str, other: Self, at: Source) -> Self {
        let other = self.require_shape(operation, other, at);
        self.builder.operation(op, self.shape(), &[self, other], at)
    }

    pub(super) fn compare(self, op: Op, operation: &'static str, other: Self, at: Source) -> Self {
        let other = self.require_shape(operation, other, at);
        self.builder.operation(op, unsigned(1), &[self, other], at)
    }

    pub(super) fn reduce(self, op: Op, at: Source) -> Self {
        if self.width() == 1 {
            return self.reinterpret(false, at);
        }
        self.builder.operation(op, unsigned(1), &[self], at)
    }

    pub(super) fn arithmetic(
        self,
        op: Op,
        operation: &'static str,
        other: Self,
        shape: Shape,
        at: Source,
    ) -> Self {
        if self.shape().signed != other.shape().signed {
            let advice = "signedness differs; use to_signed on the unsigned one";
            self.mismatch(operation, other, advice, at);
            return self.builder.constant(shape, 0);
        }
        self.builder.operation(op, shape, &[self, other], at)
    }

    pub(super) fn shift(self, op: Op, operation: &'static str, amount: Self, at: Source) -> Self {
        if amount.shape().signed {
            self.mismatch(operation, amount, "a shift amount is unsigned", at);
            return self;
        }
        self.builder.operation(op, self.shape(), &[self, amount], at)
    }

    pub(super) fn reinterpret(self, signed: bool, at: Source) -> Self {
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
