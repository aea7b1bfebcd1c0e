//! Exact sums: the golden big-integer sum, and the fixed-width register that hardware builds for it.
//!
//! Every finite code of a format is an integer multiple of one power of two, and so is every product of
//! two. A register wide enough for the largest sum of such products (Kulisch's accumulator, the posit
//! standard's quire) never rounds, so a dot product does not depend on the order of its terms.

use num_bigint::{BigInt, BigUint, Sign};
use num_traits::{One, Signed, ToPrimitive, Zero};

use crate::family::Family;
use crate::{Dyadic, FormatError, Scalar, Value};

/// A sum of any number of values and products, exact whatever their exponents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExactSum {
    /// The sum of the finite terms in units of 2^lsb_exponent.
    units: BigInt,
    lsb_exponent: i32,
    /// The sum of the infinities and NaNs met so far; zero if there were none.
    special: Value,
}

impl ExactSum {
    /// The empty sum, 0.
    pub fn new() -> Self {
        Self { units: BigInt::zero(), lsb_exponent: 0, special: Value::ZERO }
    }

    /// Adds a value.
    pub fn add(&mut self, value: &Value) {
        match value {
            Value::Finite(x) => self.add_finite(x),
            special => self.special = self.special.add(*special),
        }
    }

    /// Adds a·b, exactly.
    pub fn add_product(&mut self, a: &Value, b: &Value) {
        self.add(&a.multiply(*b));
    }

    /// The sum, ready for the one rounding: exact up to 128 significant bits, jammed beyond. A zero sum is
    /// +0, as the register does not know the signs of the zeros it added.
    pub fn value(&self) -> Value {
        if self.special != Value::ZERO {
            return self.special;
        }
        let magnitude = self.units.magnitude();
        let drop = magnitude.bits().saturating_sub(128);
        let kept = (magnitude >> drop).to_u128().unwrap_or(u128::MAX);
        let sticky = u128::from(magnitude.trailing_zeros().is_some_and(|zeros| zeros < drop));
        Value::Finite(Dyadic::new(self.units.is_negative(), kept | sticky, self.lsb_exponent + drop as i32))
    }

    /// |sum of the finite terms| in units of 2^lsb_exponent, which must divide it.
    pub(crate) fn magnitude_in_units_of(&self, lsb_exponent: i32) -> BigUint {
        let shift = self.lsb_exponent - lsb_exponent;
        if shift >= 0 { self.units.magnitude() << shift } else { self.units.magnitude() >> -shift }
    }

    fn add_finite(&mut self, x: &Dyadic) {
        if x.is_zero() {
            return;
        }
        if x.exponent() < self.lsb_exponent {
            self.units <<= self.lsb_exponent - x.exponent();
            self.lsb_exponent = x.exponent();
        }
        let sign = if x.is_negative() { Sign::Minus } else { Sign::Plus };
        let units = BigInt::from_biguint(sign, x.significand().into());
        self.units += units << (x.exponent() - self.lsb_exponent);
    }
}

impl Default for ExactSum {
    fn default() -> Self {
        Self::new()
    }
}

/// The fixed-point register that holds a dot product exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AccumulatorShape {
    /// Weight of the last bit, as a power of two.
    pub lsb_exponent: i32,
    /// Width in bits, two's complement. Infinities and NaN need flags beside it.
    pub width_bits: u32,
}

impl AccumulatorShape {
    /// The narrowest register for `length` products of codes of `a` and `b`, in any order and with any
    /// signs: every partial sum fits, and one bit less would not do.
    pub fn for_products(a: &Scalar, b: &Scalar, length: usize) -> Self {
        let (a, b) = (a.extremes(), b.extremes());
        let ends = |x: &Dyadic, y: &Dyadic| x.multiply(*y);
        let products =
            [(a.lowest, b.lowest), (a.lowest, b.highest), (a.highest, b.lowest), (a.highest, b.highest)]
                .map(|(x, y)| ends(&x, &y));
        Self::for_terms(&products, a.lsb_exponent + b.lsb_exponent, length)
    }

    /// The narrowest register for `length` codes of `format`.
    pub fn for_sums(format: &Scalar, length: usize) -> Self {
        let extremes = format.extremes();
        Self::for_terms(&[extremes.lowest, extremes.highest], extremes.lsb_exponent, length)
    }

    fn for_terms(terms: &[Dyadic], lsb_exponent: i32, length: usize) -> Self {
        let sums = terms.iter().map(|term| {
            let mut sum = ExactSum::new();
            sum.add(&Value::Finite(*term));
            let units = sum.magnitude_in_units_of(lsb_exponent) * length;
            BigInt::from_biguint(if term.is_negative() { Sign::Minus } else { Sign::Plus }, units)
        });
        Self { lsb_exponent, width_bits: sums.map(|sum| twos_complement_bits(&sum)).max().unwrap_or(1) }
    }
}

/// The golden model of the fixed-width register: it wraps as hardware would, and so proves the width.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FixedAccumulator {
    shape: AccumulatorShape,
    register: BigInt,
    special: Value,
}

impl FixedAccumulator {
    /// A cleared register.
    pub fn new(shape: AccumulatorShape) -> Self {
        Self { shape, register: BigInt::zero(), special: Value::ZERO }
    }

    /// Adds a·b, modulo 2^width. Errors if the product has bits below the register's last one.
    pub fn add_product(&mut self, a: &Value, b: &Value) -> Result<(), FormatError> {
        let product = a.multiply(*b);
        let Value::Finite(x) = product else {
            self.special = self.special.add(product);
            return Ok(());
        };
        if x.is_zero() {
            return Ok(());
        }
        if x.exponent() < self.shape.lsb_exponent {
            return Err(FormatError::Unsupported {
                operation: "the accumulator",
                needs: "products that are multiples of its last bit",
                format: format!("2^{}", x.exponent()),
            });
        }
        let sign = if x.is_negative() { Sign::Minus } else { Sign::Plus };
        self.register +=
            BigInt::from_biguint(sign, x.significand().into()) << (x.exponent() - self.shape.lsb_exponent);
        self.wrap();
        Ok(())
    }

    /// The register, in units of its last bit.
    pub fn register(&self) -> &BigInt {
        &self.register
    }

    /// What the register holds.
    pub fn value(&self) -> Value {
        ExactSum {
            units: self.register.clone(),
            lsb_exponent: self.shape.lsb_exponent,
            special: self.special,
        }
        .value()
    }

    fn wrap(&mut self) {
        let half = BigInt::one() << (self.shape.width_bits - 1);
        let modulus = BigInt::one() << self.shape.width_bits;
        let shifted = &self.register + &half;
        let wrapped = ((shifted % &modulus) + &modulus) % &modulus;
        self.register = wrapped - half;
    }
}

/// Bits of the narrowest two's complement register that holds `value`.
fn twos_complement_bits(value: &BigInt) -> u32 {
    let distinct = if value.is_negative() { value + 1u8 } else { value.clone() };
    distinct.bits() as u32 + 1
}
