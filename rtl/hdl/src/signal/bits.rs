//! Operations that take bits apart, put them together, and move them.

use crate::module::Op;
use crate::{Shape, Signal, Source, unsigned};

impl<'m> Signal<'m> {
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
        if let Some(source) = self.builder.unsigned_behind(self) {
            return self.builder.operation(Op::Extend, unsigned(width), &[source], at).reinterpret(true, at);
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
}
