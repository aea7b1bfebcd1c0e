//! The exact product of two unpacked numbers.

use bitmill_hdl::{ModuleBuilder, Signal};

use super::product::{Reduction, product};
use super::unpacked::{Unpacked, either};

/// a·b, exactly: nothing is rounded, and the special values follow [`crate::Value::multiply`]. Partial
/// products are added by rows.
pub fn multiply<'m>(m: &'m ModuleBuilder, a: &Unpacked<'m>, b: &Unpacked<'m>) -> Unpacked<'m> {
    multiply_by(m, a, b, Reduction::Rows)
}

/// As [`multiply`], with the choice of how partial products are added.
pub fn multiply_by<'m>(
    m: &'m ModuleBuilder,
    a: &Unpacked<'m>,
    b: &Unpacked<'m>,
    reduction: Reduction,
) -> Unpacked<'m> {
    let (significand, leading) = match (a.is_power_of_two(), b.is_power_of_two()) {
        (true, _) => (b.significand, b.leading),
        (_, true) => (a.significand, a.leading),
        _ => significands(m, a, b, reduction),
    };
    let negative = match (a.negative, b.negative) {
        (Some(a), Some(b)) => Some(a.xor(b)),
        (a, b) => a.or(b),
    };
    // Zero times infinity is NaN.
    let lost = either(
        a.infinite.map(|infinite| infinite.and(b.is_zero())),
        b.infinite.map(|infinite| infinite.and(a.is_zero())),
    );
    Unpacked {
        negative,
        significand,
        exponent: a.exponent.add(b.exponent),
        leading,
        infinite: either(a.infinite, b.infinite),
        nan: either(either(a.nan, b.nan), lost),
    }
}

/// The product of the significands at full width, and its leading zeros or copies of the sign.
fn significands<'m>(
    m: &'m ModuleBuilder,
    a: &Unpacked<'m>,
    b: &Unpacked<'m>,
    reduction: Reduction,
) -> (Signal<'m>, u32) {
    let signed = a.is_signed() || b.is_signed();
    let (x, y) = if signed { (a.to_signed(m), b.to_signed(m)) } else { (*a, *b) };
    // A factor of one bit only decides.
    let product = match (signed, x.significand.width(), y.significand.width()) {
        (false, 1, _) => y.significand.gate(x.significand),
        (false, _, 1) => x.significand.gate(y.significand),
        _ => product(m, x.significand, y.significand, reduction),
    };
    // 1.x · 1.y lies in [1, 4), and (−2)·(−2) = 4 in two's complement: one or two places for the top.
    let leading = x.leading + y.leading + product.width() + 1 - x.significand.width() - y.significand.width();
    (product, (leading + u32::from(signed)).min(product.width() - 1))
}
