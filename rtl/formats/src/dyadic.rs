//! A finite real number ±significand·2^exponent: the unpacked form of every format.
//!
//! Decoding is exact, products of decoded numbers are exact, and sums are exact as long as the bits of
//! the two terms span at most 126 places. Wider sums and all quotients are *jammed* (rounded to odd at
//! more than 60 bits): the last kept bit says "something follows". No format here has more than 32
//! significant bits, so no later rounding can tell a jammed number from the exact one. That is the
//! sticky bit of the hardware, with many more bits before it. Sums of many terms stay exact in
//! [`ExactSum`](crate::ExactSum).

use std::cmp::Ordering;

use crate::rounding::Place;

/// A finite real number. Canonical: the significand is odd, or zero with exponent 0, so `==` compares
/// values. Zero keeps its sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Dyadic {
    negative: bool,
    significand: u128,
    exponent: i32,
}

impl Dyadic {
    /// Positive zero.
    pub const ZERO: Self = Self { negative: false, significand: 0, exponent: 0 };

    /// ±significand·2^exponent, brought to canonical form.
    pub fn new(negative: bool, significand: u128, exponent: i32) -> Self {
        if significand == 0 {
            return Self { negative, ..Self::ZERO };
        }
        let shift = significand.trailing_zeros();
        Self { negative, significand: significand >> shift, exponent: exponent + shift as i32 }
    }

    /// The integer `value`.
    pub fn from_integer(value: i64) -> Self {
        Self::new(value < 0, value.unsigned_abs().into(), 0)
    }

    /// The value of a finite `f64`, exactly; `None` for infinities and NaN.
    pub fn from_f64(value: f64) -> Option<Self> {
        if !value.is_finite() {
            return None;
        }
        let bits = value.to_bits();
        let field = (bits >> 52 & 0x7ff) as i32;
        let fraction = bits & ((1 << 52) - 1);
        let significand = if field == 0 { fraction } else { fraction | 1 << 52 };
        Some(Self::new(value.is_sign_negative(), significand.into(), field.max(1) - 1075))
    }

    /// Whether the sign is minus; zero has a sign too.
    pub fn is_negative(&self) -> bool {
        self.negative
    }

    /// Whether the number is zero of either sign.
    pub fn is_zero(&self) -> bool {
        self.significand == 0
    }

    /// The odd integer significand (0 for zero).
    pub fn significand(&self) -> u128 {
        self.significand
    }

    /// The weight of the significand's last bit, as a power of two.
    pub fn exponent(&self) -> i32 {
        self.exponent
    }

    /// ⌊log2 |x|⌋; `None` for zero.
    pub fn log2_floor(&self) -> Option<i32> {
        (!self.is_zero()).then(|| self.exponent + 127 - self.significand.leading_zeros() as i32)
    }

    /// −x.
    pub fn negate(self) -> Self {
        Self { negative: !self.negative, ..self }
    }

    /// |x|.
    pub fn magnitude(self) -> Self {
        Self { negative: false, ..self }
    }

    /// x·2^power, exactly.
    pub fn scale_by_power(self, power: i32) -> Self {
        if self.is_zero() { self } else { Self { exponent: self.exponent + power, ..self } }
    }

    /// x·y, exactly. Panics if the significands have more than 128 bits together, which decoded numbers
    /// (at most 53 bits each) never have.
    pub fn multiply(self, other: Self) -> Self {
        let significand =
            self.significand.checked_mul(other.significand).expect("significands of at most 64 bits");
        Self::new(self.negative != other.negative, significand, self.exponent + other.exponent)
    }

    /// x+y, exact while the bits of both span at most 126 places, else jammed (see the module).
    /// Like signs of zero are kept; x + (−x) is +0.
    pub fn add(self, other: Self) -> Self {
        let (Some(a_top), Some(b_top)) = (self.log2_floor(), other.log2_floor()) else {
            return match (self.is_zero(), other.is_zero()) {
                (true, true) => Self { negative: self.negative && other.negative, ..Self::ZERO },
                (true, false) => other,
                _ => self,
            };
        };
        let top = a_top.max(b_top);
        let lsb = self.exponent.min(other.exponent).max(top - 125);
        let (a, b) = (self.aligned(lsb), other.aligned(lsb));
        match (self.negative == other.negative, a.cmp(&b)) {
            (true, _) => Self::new(self.negative, a + b, lsb),
            (false, Ordering::Equal) => Self::ZERO,
            (false, Ordering::Greater) => Self::new(self.negative, a - b, lsb),
            (false, Ordering::Less) => Self::new(other.negative, b - a, lsb),
        }
    }

    /// x/y, jammed at 64 bits or more. Panics if `divisor` is zero or has more than 64 bits.
    pub fn divide(self, divisor: Self) -> Self {
        assert!(!divisor.is_zero() && divisor.significand < 1 << 64, "divisor of 1 to 64 bits");
        let negative = self.negative != divisor.negative;
        if self.is_zero() {
            return Self { negative, ..Self::ZERO };
        }
        let shift = self.significand.leading_zeros();
        let dividend = self.significand << shift;
        let sticky = u128::from(!dividend.is_multiple_of(divisor.significand));
        let quotient = (dividend / divisor.significand) | sticky;
        Self::new(negative, quotient, self.exponent - shift as i32 - divisor.exponent)
    }

    /// |x|/2^lsb_exponent as an integer (modulo 2^64: whoever clamps looks at [`Self::log2_floor`] first)
    /// and a remaining fraction in units of 2⁻¹²⁸, jammed.
    pub fn split_at(&self, lsb_exponent: i32) -> (u64, u128) {
        let drop = lsb_exponent - self.exponent;
        match drop {
            ..=-128 => (0, 0),
            -127..=0 => ((self.significand << -drop) as u64, 0),
            1..=127 => ((self.significand >> drop) as u64, self.significand << (128 - drop)),
            128 => (0, self.significand),
            _ => (0, shift_right_jamming(self.significand, drop as u32 - 128)),
        }
    }

    /// Where |x| lies on the number line of a binary floating-point format with unbounded range above:
    /// ordinals count the magnitudes from zero, subnormals first.
    pub fn place_in_binary(&self, minimum_exponent: i32, mantissa_bits: u32) -> Place {
        let Some(log2) = self.log2_floor() else { return Place::exactly(0) };
        let binade = (log2 - minimum_exponent).max(0);
        let (integer, fraction) = self.split_at(minimum_exponent + binade - mantissa_bits as i32);
        // The hidden bit of a normal number adds the 1 that tells its exponent field from the subnormals'.
        Place::on_magnitudes(((binade as u64) << mantissa_bits) + integer, fraction)
    }

    /// The nearest `f64`, ties to even.
    pub fn to_f64(&self) -> f64 {
        let ordinal = self.place_in_binary(-1022, 52).nearest().min(0x7ff << 52);
        f64::from_bits(ordinal | u64::from(self.negative) << 63)
    }

    /// The nearest `f32`, ties to even, rounded once.
    pub fn to_f32(&self) -> f32 {
        let ordinal = self.place_in_binary(-126, 23).nearest().min(0xff << 23);
        f32::from_bits(ordinal as u32 | u32::from(self.negative) << 31)
    }

    /// |x|/2^lsb as an integer of at most 127 bits, jammed where bits fall off.
    fn aligned(&self, lsb: i32) -> u128 {
        if self.exponent >= lsb {
            self.significand << (self.exponent - lsb)
        } else {
            shift_right_jamming(self.significand, (lsb - self.exponent) as u32)
        }
    }
}

impl PartialOrd for Dyadic {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The order of the real values, with −0 before +0 so that it agrees with `==`.
impl Ord for Dyadic {
    fn cmp(&self, other: &Self) -> Ordering {
        let magnitude = |x: &Self| (x.log2_floor(), x.significand << x.significand.leading_zeros().min(127));
        match (self.negative, other.negative) {
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            (false, false) => magnitude(self).cmp(&magnitude(other)),
            (true, true) => magnitude(other).cmp(&magnitude(self)),
        }
    }
}

/// value >> shift, with the last bit set if any bit fell off.
fn shift_right_jamming(value: u128, shift: u32) -> u128 {
    match shift {
        0 => value,
        1..=127 => value >> shift | u128::from(value << (128 - shift) != 0),
        _ => u128::from(value != 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn real(value: f64) -> Dyadic {
        Dyadic::from_f64(value).unwrap()
    }

    #[test]
    fn arithmetic_agrees_with_doubles_where_they_are_exact() {
        let values = [0.0, 1.0, -1.5, 0.375, 448.0, -57344.0, 2f64.powi(-16), 3.0 * 2f64.powi(-9)];
        for a in values {
            for b in values {
                assert_eq!(real(a).add(real(b)), real(a + b), "{a} + {b}");
                assert_eq!(real(a).multiply(real(b)), real(a * b), "{a} * {b}");
                if a != 0.0 && b != 0.0 {
                    assert_eq!(real(a).cmp(&real(b)), a.total_cmp(&b), "{a} <=> {b}");
                }
            }
        }
    }

    #[test]
    fn distant_terms_leave_a_sticky_bit_on_the_right_side() {
        let tiny = Dyadic::new(false, 1, -500);
        let one = Dyadic::from_integer(1);
        assert!(one.add(tiny) > one);
        assert!(one.add(tiny.negate()) < one);
        assert_eq!(one.add(tiny).to_f64(), 1.0);
    }

    #[test]
    fn zero_signs_follow_ieee() {
        let (plus, minus) = (Dyadic::ZERO, Dyadic::ZERO.negate());
        assert_eq!(minus.add(minus), minus);
        assert_eq!(minus.add(plus), plus);
        assert_eq!(real(1.5).add(real(-1.5)), plus);
        assert_eq!(minus.multiply(real(2.0)), minus);
    }

    #[test]
    fn floats_round_trip_and_round_once() {
        for value in [1.0, -0.0, f64::MIN_POSITIVE, 5e-324, f64::MAX, std::f64::consts::PI] {
            assert_eq!(real(value).to_f64().to_bits(), value.to_bits());
        }
        assert_eq!(Dyadic::new(false, 1, 1024).to_f64(), f64::INFINITY);
        assert_eq!(Dyadic::new(false, (1 << 25) + 3, 0).to_f32(), 33_554_436.0);
    }

    #[test]
    fn quotients_keep_what_a_rounder_needs() {
        assert_eq!(real(7.0).divide(real(2.0)), real(3.5));
        assert_eq!(real(1.0).divide(real(3.0)).to_f64(), 1.0 / 3.0);
        assert_eq!(real(-10.0).divide(real(7.0)).to_f32(), -10.0f32 / 7.0);
    }
}
