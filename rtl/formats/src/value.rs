//! What a code stands for: a finite number, an infinity or "not a number", and their exact arithmetic.

use crate::Dyadic;

/// The value of a code. Posit's NaR is [`Value::Nan`]: it behaves the same in every operation here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Value {
    /// A real number; zero has a sign.
    Finite(Dyadic),
    /// ±∞.
    Infinite {
        /// Whether it is −∞.
        negative: bool,
    },
    /// Not a number, or NaR. Payloads and signs of NaN carry no meaning and are not kept.
    Nan,
}

impl Value {
    /// Positive zero.
    pub const ZERO: Self = Self::Finite(Dyadic::ZERO);

    /// The value of an `f64`, exactly.
    pub fn from_f64(value: f64) -> Self {
        match Dyadic::from_f64(value) {
            Some(finite) => Self::Finite(finite),
            None if value.is_nan() => Self::Nan,
            None => Self::Infinite { negative: value < 0.0 },
        }
    }

    /// The value of an `f32`, exactly.
    pub fn from_f32(value: f32) -> Self {
        Self::from_f64(value.into())
    }

    /// The integer `value`.
    pub fn from_integer(value: i64) -> Self {
        Self::Finite(Dyadic::from_integer(value))
    }

    /// The nearest `f64`, ties to even. Exact for every code of every format in this crate whose exponents
    /// lie in the range of `f64`.
    pub fn to_f64(&self) -> f64 {
        match self {
            Self::Finite(x) => x.to_f64(),
            Self::Infinite { negative: false } => f64::INFINITY,
            Self::Infinite { negative: true } => f64::NEG_INFINITY,
            Self::Nan => f64::NAN,
        }
    }

    /// The nearest `f32`, ties to even, rounded once.
    pub fn to_f32(&self) -> f32 {
        match self {
            Self::Finite(x) => x.to_f32(),
            _ => self.to_f64() as f32,
        }
    }

    /// The finite number, if it is one.
    pub fn finite(&self) -> Option<Dyadic> {
        match self {
            Self::Finite(x) => Some(*x),
            _ => None,
        }
    }

    /// a·b. NaN if either is NaN, or for 0·∞.
    pub fn multiply(self, other: Self) -> Self {
        match (self, other) {
            (Self::Finite(a), Self::Finite(b)) => Self::Finite(a.multiply(b)),
            (Self::Nan, _) | (_, Self::Nan) => Self::Nan,
            (Self::Finite(x), Self::Infinite { .. }) | (Self::Infinite { .. }, Self::Finite(x))
                if x.is_zero() =>
            {
                Self::Nan
            }
            _ => Self::Infinite { negative: self.is_negative() != other.is_negative() },
        }
    }

    /// a+b. NaN if either is NaN, or for ∞−∞.
    pub fn add(self, other: Self) -> Self {
        match (self, other) {
            (Self::Finite(a), Self::Finite(b)) => Self::Finite(a.add(b)),
            (Self::Nan, _) | (_, Self::Nan) => Self::Nan,
            (Self::Infinite { negative: a }, Self::Infinite { negative: b }) if a != b => Self::Nan,
            (Self::Infinite { .. }, _) => self,
            _ => other,
        }
    }

    /// Whether the sign is minus; false for NaN.
    pub fn is_negative(&self) -> bool {
        match self {
            Self::Finite(x) => x.is_negative(),
            Self::Infinite { negative } => *negative,
            Self::Nan => false,
        }
    }

    /// Whether this is NaN or NaR.
    pub fn is_nan(&self) -> bool {
        matches!(self, Self::Nan)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The hardware's own doubles are the oracle for every special case.
    #[test]
    fn special_values_follow_ieee() {
        let values = [0.0, -0.0, 1.5, -2.0, f64::INFINITY, f64::NEG_INFINITY, f64::NAN];
        for a in values {
            for b in values {
                let (x, y) = (Value::from_f64(a), Value::from_f64(b));
                assert_eq!(x.multiply(y), Value::from_f64(a * b), "{a} * {b}");
                assert_eq!(x.add(y), Value::from_f64(a + b), "{a} + {b}");
            }
        }
    }
}
