//! The form that every format is decoded to and every operation works on.

use bitmill_hdl::{ModuleBuilder, Signal};

use super::exponent::Exponent;

/// A number in hardware: significand · 2^exponent, or one of the special values.
///
/// The shape of the significand tells the convention. Unsigned, it is a magnitude with its sign apart, as
/// in minifloats; signed, it is two's complement, as in integers and posits, whose negation then costs
/// nothing. A zero has significand 0; its exponent is open. With a special flag set, all else is open
/// except the sign of an infinity.
#[derive(Clone, Copy)]
pub struct Unpacked<'m> {
    /// The sign; `None` if the number is never negative. It tells a negative zero from zero.
    pub negative: Option<Signal<'m>>,
    /// The significand, an integer.
    pub significand: Signal<'m>,
    /// The weight of the significand's last bit, as a power of two.
    pub exponent: Exponent<'m>,
    /// At most this many bits of a nonzero significand are leading zeros, or copies of the sign bit.
    pub leading: u32,
    /// Whether it is an infinity; `None` if it never is.
    pub infinite: Option<Signal<'m>>,
    /// Whether it is NaN or NaR; `None` if it never is.
    pub nan: Option<Signal<'m>>,
}

impl<'m> Unpacked<'m> {
    /// A finite number in fixed point, `significand` · 2^`exponent`.
    pub fn fixed(significand: Signal<'m>, exponent: i32) -> Self {
        let signed = significand.shape().signed;
        Self {
            negative: signed.then(|| significand.msb()),
            significand,
            exponent: Exponent::constant(exponent),
            leading: significand.width() - 1,
            infinite: None,
            nan: None,
        }
    }

    /// The same number, its significand called `name` in Verilog.
    pub fn named(self, name: &str) -> Self {
        Self { significand: self.significand.named(name), ..self }
    }

    /// Whether the significand is two's complement.
    pub fn is_signed(&self) -> bool {
        self.significand.shape().signed
    }

    /// Whether every finite number is a positive power of two, so that the significand is 1.
    pub fn is_power_of_two(&self) -> bool {
        self.significand.width() == 1 && self.negative.is_none() && !self.exponent.is_constant()
    }

    /// Whether the number is zero, if it is not special.
    pub fn is_zero(&self) -> Signal<'m> {
        self.significand.any().not()
    }

    /// The sign as a signal.
    pub fn sign(&self, m: &'m ModuleBuilder) -> Signal<'m> {
        self.negative.unwrap_or_else(|| m.bit(false))
    }

    /// The exponent of the significand's highest bit that is not the sign.
    pub fn top(&self) -> Exponent<'m> {
        let magnitude_bits = self.significand.width() - u32::from(self.is_signed());
        self.exponent.plus(magnitude_bits as i32 - 1)
    }

    /// The number with a two's complement significand, one bit wider than the magnitude.
    pub fn to_signed(self, m: &'m ModuleBuilder) -> Self {
        if self.is_signed() {
            return self;
        }
        let widened = self.significand.to_signed();
        let significand = match self.negative {
            Some(negative) => negate_if(negative, widened),
            None => widened,
        };
        // The negative of a power of two has one more copy of the sign than its magnitude has zeros.
        let leading = (self.leading + u32::from(self.negative.is_some())).min(significand.width() - 1);
        Self { negative: Some(self.sign(m)), significand, leading, ..self }
    }

    /// The number with its sign apart. A magnitude has as many bits as the two's complement number.
    pub fn to_magnitude(self) -> Self {
        if !self.is_signed() {
            return self;
        }
        let sign = self.significand.msb();
        let significand = negate_if(sign, self.significand).as_unsigned();
        let leading = (self.leading + 1).min(significand.width() - 1);
        Self { significand, leading, ..self }
    }
}

/// `value`, or −`value` modulo 2^width where `negative` is set.
pub(super) fn negate_if<'m>(negative: Signal<'m>, value: Signal<'m>) -> Signal<'m> {
    let width = value.width();
    let flipped = value.as_unsigned().xor(negative.replicate(width));
    let sum = flipped.add_wrapping(negative.resize(width));
    if value.shape().signed { sum.as_signed() } else { sum }
}

/// Or of two flags that may be absent.
pub(super) fn either<'m>(a: Option<Signal<'m>>, b: Option<Signal<'m>>) -> Option<Signal<'m>> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.or(b)),
        (a, b) => a.or(b),
    }
}
