//! ShiftGELU: x · sigmoid(1.702 x) on a row of integers.

use super::{PROBABILITY_BITS, ShiftExp, normalise};

/// GELU(x) ≈ x · sigmoid(1.702 · x), Hendrycks and Gimpel's approximation.
pub const GELU_SLOPE: f64 = 1.702;

/// GELU of `row` in units of 2^-7 of its scale. `exp` is of [`GELU_SLOPE`] times that scale, in the reference with
/// [`ShiftExp::GELU_N`]. The row's maximum takes part in the rounding, so a row is the unit of the meaning.
pub fn shift_gelu(row: &[i64], exp: &ShiftExp) -> Vec<i64> {
    let Some(max) = row.iter().max() else { return Vec::new() };
    let of_zero = exp.exp(-max);
    row.iter().map(|x| x * normalise(&[exp.exp(x - max), of_zero], PROBABILITY_BITS)[0]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn approximates_gelu() {
        let scale = 1.0 / 16.0;
        let exp = ShiftExp::of_scale(GELU_SLOPE * scale, ShiftExp::GELU_N).unwrap();
        let row: Vec<i64> = (-80..=80).collect();
        for (x, y) in row.iter().zip(shift_gelu(&row, &exp)) {
            let x = *x as f64 * scale;
            let gelu = x / (1.0 + (-GELU_SLOPE * x).exp());
            // ShiftExp errs by 6 %; the reciprocal, here as small as 53, and the sigmoid are rounded down.
            let tolerance = 0.04 * (1.0 + x.abs());
            assert!((y as f64 * scale / 128.0 - gelu).abs() < tolerance, "GELU({x}) = {gelu}");
        }
    }

    #[test]
    fn of_a_row_far_below_zero_is_zero() {
        let exp = ShiftExp::new(1, ShiftExp::GELU_N).unwrap();
        assert_eq!(shift_gelu(&[-128, -127], &exp), [0, 0]);
    }
}
