//! Exponents in hardware: a signal, an offset known to the generator, and the range that both can reach.
//!
//! The offset (a bias, the places of a fraction, …) costs no gate until an exponent is compared with
//! something, and the range keeps every exponent as narrow as it can be.

use bitmill_hdl::{ModuleBuilder, Signal, bits_for, unsigned};

/// The exponent of an unpacked number: `signal + offset`, in `low..=high` for every finite number.
#[derive(Clone, Copy)]
pub struct Exponent<'m> {
    signal: Option<Signal<'m>>,
    offset: i32,
    low: i32,
    high: i32,
}

impl<'m> Exponent<'m> {
    /// The same for every number: fixed point.
    pub fn constant(value: i32) -> Self {
        Self { signal: None, offset: value, low: value, high: value }
    }

    /// `signal` (unsigned) + `offset`. Outside `low..=high` the number must be zero or special.
    pub fn variable(signal: Signal<'m>, offset: i32, low: i32, high: i32) -> Self {
        Self { signal: Some(signal), offset, low, high }
    }

    /// Smallest exponent.
    pub fn low(&self) -> i32 {
        self.low
    }

    /// Largest exponent.
    pub fn high(&self) -> i32 {
        self.high
    }

    /// Whether it is the same for every number.
    pub fn is_constant(&self) -> bool {
        self.signal.is_none()
    }

    /// The exponent plus a number known to the generator: costs nothing.
    pub fn plus(self, places: i32) -> Self {
        Self { offset: self.offset + places, low: self.low + places, high: self.high + places, ..self }
    }

    /// The sum of two exponents.
    pub fn add(self, other: Self) -> Self {
        let sum = self.plus(other.offset);
        let high = self.high + other.high;
        let signal = match (self.signal, other.signal) {
            (Some(a), Some(b)) => {
                let width = bits_for((high - sum.offset) as u64);
                Some(a.resize(width).add_wrapping(b.resize(width)))
            }
            (a, b) => a.or(b),
        };
        Self { signal, offset: sum.offset, low: self.low + other.low, high }
    }

    /// The difference of two exponents of one format, as signals: signed, exact for zeros too.
    pub fn difference(self, m: &'m ModuleBuilder, other: Self) -> Signal<'m> {
        self.signal(m).sub(other.signal(m))
    }

    /// `when_set` where `condition` is 1, else `when_clear`: two exponents of one format.
    pub fn choose(m: &'m ModuleBuilder, condition: Signal<'m>, when_set: Self, when_clear: Self) -> Self {
        let signal = condition.mux(when_set.signal(m), when_clear.signal(m));
        Self { signal: Some(signal), ..when_set }
    }

    /// The signal, which orders the exponents of one format.
    pub fn signal(self, m: &'m ModuleBuilder) -> Signal<'m> {
        self.signal.unwrap_or_else(|| m.bit(false))
    }

    /// The same exponents, the signal passed through `pass`: a register, say.
    pub fn map(self, pass: impl FnOnce(Signal<'m>) -> Signal<'m>) -> Self {
        Self { signal: self.signal.map(pass), ..self }
    }

    /// How far the exponent lies above `base`: signed, just wide enough for its range.
    pub fn above(self, m: &'m ModuleBuilder, base: i32) -> Signal<'m> {
        let (low, high) = (self.low - base, self.high - base);
        let width = signed_bits(low.into()).max(signed_bits(high.into()));
        self.modulo(m, base, width).as_signed()
    }

    /// The exponent minus `moved` (unsigned, at most `most`): signed, just wide enough for its range.
    pub fn minus(self, m: &'m ModuleBuilder, moved: Signal<'m>, most: u32) -> Signal<'m> {
        if most == 0 {
            return self.above(m, 0);
        }
        let width = signed_bits(i64::from(self.low) - i64::from(most)).max(signed_bits(self.high.into()));
        self.modulo(m, 0, width).sub_wrapping(moved.resize(width)).as_signed()
    }

    /// How far the exponent lies above `base`, which is at most its smallest value: unsigned.
    pub fn above_low(self, m: &'m ModuleBuilder, base: i32) -> Signal<'m> {
        self.modulo(m, base, bits_for((self.high - base) as u64))
    }

    /// How far the exponent lies below `base`, which is at least its largest value: unsigned.
    pub fn below_high(self, m: &'m ModuleBuilder, base: i32) -> Signal<'m> {
        let width = bits_for((base - self.low) as u64);
        // −x − 1 is the complement of x.
        self.modulo(m, base + 1, width).not()
    }

    /// The exponent above `base`, modulo 2^`width`.
    fn modulo(self, m: &'m ModuleBuilder, base: i32, width: u32) -> Signal<'m> {
        let offset = i64::from(self.offset - base);
        match self.signal {
            None => m.lit(width, offset.rem_euclid(1 << width) as u64),
            Some(signal) => add_constant(m, signal.resize(width), offset),
        }
    }
}

/// `signal + addend` modulo 2^width. The trailing zeros of the addend let the low bits pass unchanged.
fn add_constant<'m>(m: &'m ModuleBuilder, signal: Signal<'m>, addend: i64) -> Signal<'m> {
    let width = signal.width();
    let addend = addend.rem_euclid(1 << width);
    if addend == 0 {
        return signal;
    }
    let zeros = addend.trailing_zeros();
    let high = signal.slice(zeros, width - zeros);
    let sum = if high.width() == 1 {
        high.not()
    } else {
        high.add_wrapping(m.constant(unsigned(high.width()), i128::from(addend >> zeros)))
    };
    if zeros == 0 { sum } else { m.concat(&[sum, signal.slice(0, zeros)]) }
}

/// Bits of the narrowest two's complement number that holds `value`.
pub(super) fn signed_bits(value: i64) -> u32 {
    let distinct = if value < 0 { !value } else { value };
    65 - distinct.leading_zeros()
}
