//! How a processing element multiplies: what it makes of an activation and a weight before it sums.
//!
//! Most multiply exactly. L-Mul adds codes instead, and a fixed-point register may leave out the lowest places of
//! each product, or of each block's sum. Whoever computes what a processing element computes asks here.

use std::fmt;

use crate::family::Family;
use crate::{Dyadic, LMul, Rounding, Value};

/// The rule of a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Rule {
    /// The product.
    #[default]
    Exact,
    /// L-Mul, whose products are codes of the operands' format.
    LMul(LMul),
    /// L-Mul with one more bit of exponent: no product of normal numbers is lost.
    LMulWide(LMul),
}

/// What a processing element makes of two numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Multiplication {
    /// How the numbers are multiplied.
    pub rule: Rule,
    /// The product's magnitude is cut below 2^this, towards zero; `None` for a product kept whole.
    pub cut: Option<i32>,
    /// Products are summed in blocks first, whose sums are cut.
    pub blocks: Option<BlockSums>,
}

/// Exact sums over blocks of channels, cut towards minus infinity where they meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BlockSums {
    /// Channels of a block.
    pub size: u32,
    /// A block's sum is cut below 2^this.
    pub lsb_exponent: i32,
}

impl Multiplication {
    /// The product, whole.
    pub const EXACT: Self = Self { rule: Rule::Exact, cut: None, blocks: None };

    /// Every product (every sum of a block) is a multiple of 2^this, where activations and weights are multiples of 2^their own.
    pub fn lsb_exponent(&self, activation: i32, weight: i32) -> i32 {
        if let Some(blocks) = self.blocks {
            return blocks.lsb_exponent;
        }
        let whole = match self.rule {
            Rule::Exact => activation + weight,
            Rule::LMul(l_mul) => l_mul.format().extremes().lsb_exponent,
            Rule::LMulWide(l_mul) => l_mul.unbounded_lsb_exponent(),
        };
        self.cut.map_or(whole, |cut| whole.max(cut))
    }

    /// What becomes of two numbers. L-Mul takes numbers of its own format only.
    pub fn product(&self, activation: &Value, weight: &Value) -> Value {
        let product = match self.rule {
            Rule::Exact => activation.multiply(*weight),
            Rule::LMul(l_mul) => {
                let [a, b] = codes(&l_mul, [activation, weight]);
                l_mul.format().decode(l_mul.multiply(a, b))
            }
            Rule::LMulWide(l_mul) => {
                let [a, b] = codes(&l_mul, [activation, weight]);
                l_mul.unbounded(a, b)
            }
        };
        match (self.cut, product) {
            (Some(cut), Value::Finite(x)) => Value::Finite(cut_below(&x, cut)),
            _ => product,
        }
    }

    /// [`Multiplication::product`] of finite numbers, in units of 2^`lsb_exponent`, which must divide it.
    /// `None` where it is no finite number or does not fit 128 bits.
    pub fn units(&self, activation: &Value, weight: &Value, lsb_exponent: i32) -> Option<i128> {
        let product = self.product(activation, weight).finite()?;
        let places = u32::try_from(product.exponent() - lsb_exponent).ok();
        if product.is_zero() {
            return Some(0);
        }
        let magnitude = i128::try_from(product.significand()).ok()?;
        let shifted = places.filter(|&places| places < magnitude.leading_zeros()).map(|p| magnitude << p)?;
        Some(if product.is_negative() { -shifted } else { shifted })
    }
}

impl fmt::Display for Multiplication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.rule {
            Rule::Exact => f.write_str("exact")?,
            Rule::LMul(l_mul) => write!(f, "by L-Mul in {}", l_mul.format())?,
            Rule::LMulWide(l_mul) => write!(f, "by L-Mul beyond the range of {}", l_mul.format())?,
        }
        if let Some(BlockSums { size, lsb_exponent }) = self.blocks {
            write!(f, ", summed in blocks of {size} that are cut below 2^{lsb_exponent}")?;
        }
        self.cut.map_or(Ok(()), |cut| write!(f, ", cut below 2^{cut}"))
    }
}

fn codes(l_mul: &LMul, values: [&Value; 2]) -> [u32; 2] {
    values.map(|value| Family::encode(&l_mul.format(), value, Rounding::NearestEven, 0))
}

/// The number without what its magnitude has below 2^`lsb_exponent`.
fn cut_below(x: &Dyadic, lsb_exponent: i32) -> Dyadic {
    let below = (lsb_exponent - x.exponent()).max(0);
    let significand = if below < 128 { x.significand() >> below } else { 0 };
    Dyadic::new(x.is_negative(), significand, x.exponent() + below)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Minifloat, Scalar};

    #[test]
    fn every_rule_makes_multiples_of_its_last_place() {
        let fp8: Scalar = "fp8_e4m3".parse().unwrap();
        let l_mul = LMul::new(Minifloat::new(4, 3).unwrap()).unwrap();
        let lsb = fp8.extremes().lsb_exponent;
        for rule in [Rule::Exact, Rule::LMul(l_mul), Rule::LMulWide(l_mul)] {
            for cut in [None, Some(-6)] {
                let multiplication = Multiplication { rule, cut, blocks: None };
                let unit = multiplication.lsb_exponent(lsb, lsb);
                for (a, b) in (0..=0xffu32).flat_map(|a| (0..=0xffu32).map(move |b| (a, b))) {
                    let [x, y] = [a, b].map(|code| fp8.decode(code));
                    let product = multiplication.product(&x, &y);
                    let units = multiplication.units(&x, &y, unit);
                    assert_eq!(units.is_some(), product.finite().is_some(), "{a:#x} {b:#x}");
                    if let (Some(units), Some(product)) = (units, product.finite()) {
                        assert_eq!(units as f64 * 2f64.powi(unit), product.to_f64(), "{a:#x} {b:#x}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_cut_goes_towards_zero() {
        let cut = Multiplication { cut: Some(0), ..Multiplication::EXACT };
        let of = |a, b| cut.units(&Value::from_f64(a), &Value::from_f64(b), 0);
        assert_eq!(
            [of(1.5, 1.5), of(-1.5, 1.5), of(0.5, 0.5), of(-0.75, 1.0)].map(Option::unwrap),
            [2, -2, 0, 0]
        );
        assert_eq!(of(f64::INFINITY, 1.0), None);
        assert_eq!(of(2f64.powi(100), 2f64.powi(100)), None, "it does not fit");
    }
}
