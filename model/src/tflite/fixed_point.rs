//! The 32-bit fixed-point functions of TFLite's reference kernels (gemmlowp's `fixedpoint.h`): exponential,
//! reciprocal, logistic and hyperbolic tangent. A number in Q`n` has `n` integer bits and 31 − n of fraction.
//!
//! The exponential splits its argument: a Taylor polynomial of fourth order around −1/8 for the part in
//! [−1/4, 0), and one factor exp(−2^k) for each further bit. Quotients are three Newton steps from 48/17 − 32/17·d.

use bitmill_formats::{Multiplier, Requantization};

/// One in Q0: the largest number below it.
const ONE: i32 = i32::MAX;
/// exp(−2^k) in Q0 for k = −2..=4.
const EXPONENTIALS: [(i32, i32); 7] = [
    (-2, 1_672_461_947),
    (-1, 1_302_514_674),
    (0, 790_015_084),
    (1, 290_630_308),
    (2, 39_332_535),
    (3, 720_401),
    (4, 242),
];

/// Product of two fractions: the high word of twice the product, halves up.
fn multiply(a: i32, b: i32) -> i32 {
    let product = i64::from(a) * i64::from(b);
    i32::try_from((product + (1 << 30)) >> 31).unwrap_or(i32::MAX)
}

/// value / 2^shift, halves away from zero.
pub(super) fn divide_by_power(value: i32, shift: u8) -> i32 {
    let exact = Multiplier { multiplier: 1, shift };
    Requantization::HalfAwayFromZero.scale(value.into(), exact) as i32
}

/// value · 2^shift, saturated.
fn multiply_by_power(value: i32, shift: u8) -> i32 {
    (i64::from(value) << shift).clamp(i32::MIN.into(), i32::MAX.into()) as i32
}

/// exp(a) in Q0 for a ≤ 0 in Q`integer_bits`.
pub(super) fn exponential(a: i32, integer_bits: u8) -> i32 {
    let fraction_bits = 31 - i32::from(integer_bits);
    let quarter = 1i32 << (fraction_bits - 2);
    // In [−1/4, 0).
    let rest = (a & (quarter - 1)) - quarter;
    let mut result = exponential_near_zero(multiply_by_power(rest, integer_bits));
    let remainder = rest.wrapping_sub(a);
    for (exponent, factor) in EXPONENTIALS {
        let place = fraction_bits + exponent;
        if i32::from(integer_bits) > exponent && remainder & 1 << place != 0 {
            result = multiply(result, factor);
        }
    }
    if a == 0 { ONE } else { result }
}

/// exp(a) in Q0 for a in [−1/4, 0) in Q0.
fn exponential_near_zero(a: i32) -> i32 {
    const EXP_MINUS_EIGHTH: i32 = 1_895_147_668;
    const THIRD: i32 = 715_827_883;
    let x = a + (1 << 28);
    let x2 = multiply(x, x);
    let x3 = multiply(x2, x);
    let x4 = multiply(x2, x2);
    let quartic = divide_by_power(x4, 2);
    let tail = divide_by_power(multiply(quartic.wrapping_add(x3), THIRD).wrapping_add(x2), 1);
    EXP_MINUS_EIGHTH.saturating_add(multiply(EXP_MINUS_EIGHTH, x.wrapping_add(tail)))
}

/// 2/(1 + a) in Q2 for a in [0, 1) in Q0.
fn twice_reciprocal_of_one_plus(a: i32) -> i32 {
    const Q2_48_OVER_17: i32 = 1_515_870_810;
    const Q2_MINUS_32_OVER_17: i32 = -1_010_580_540;
    const Q2_ONE: i32 = 1 << 29;
    let half_denominator = ((i64::from(a) + i64::from(ONE) + 1) / 2) as i32;
    let mut x = Q2_48_OVER_17.wrapping_add(multiply(half_denominator, Q2_MINUS_32_OVER_17));
    for _ in 0..3 {
        let error = Q2_ONE.wrapping_sub(multiply(half_denominator, x));
        x = x.wrapping_add(multiply_by_power(multiply(x, error), 2));
    }
    x
}

/// 1/(1 + a) in Q0 for a in [0, 1) in Q0.
pub(super) fn reciprocal_of_one_plus(a: i32) -> i32 {
    // Half of a number in Q2 is the same bits in Q1.
    multiply_by_power(twice_reciprocal_of_one_plus(a), 1)
}

/// 1/(1 + exp(−a)) in Q0 for a in Q4.
pub(super) fn logistic(a: i32) -> i32 {
    let positive = reciprocal_of_one_plus(exponential(-a.saturating_abs(), 4));
    match a {
        0 => 1 << 30,
        1.. => positive,
        _ => ONE - positive,
    }
}

/// tanh(a) in Q0 for a in Q4: (1 − e)/(1 + e) with e = exp(−2|a|).
pub(super) fn hyperbolic_tangent(a: i32) -> i32 {
    // Twice a number in Q4 is the same bits in Q5.
    let e = exponential(-a.saturating_abs(), 5);
    let magnitude = multiply_by_power(twice_reciprocal_of_one_plus(e).wrapping_sub(1 << 29), 2);
    if a == 0 { 0 } else { magnitude * a.signum() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_functions_are_near_the_real_ones() {
        let real = |raw: i32| f64::from(raw) / 2f64.powi(31);
        for step in 0..4000 {
            let x = -f64::from(step) / 250.0;
            let q5 = (x * 2f64.powi(26)) as i32;
            assert!((real(exponential(q5, 5)) - x.exp()).abs() < 1e-6, "exp {x}");
            for x in [x, -x] {
                let q4 = (x * 2f64.powi(27)).clamp(-2147483647.0, 2147483647.0) as i32;
                assert!((real(logistic(q4)) - 1.0 / (1.0 + (-x).exp())).abs() < 1e-6, "logistic {x}");
                assert!((real(hyperbolic_tangent(q4)) - x.tanh()).abs() < 1e-6, "tanh {x}");
            }
            let fraction = f64::from(step) / 4000.0;
            let found = real(reciprocal_of_one_plus((fraction * 2f64.powi(31)) as i32));
            assert!((found - 1.0 / (1.0 + fraction)).abs() < 1e-6, "1/(1+{fraction})");
        }
    }
}
