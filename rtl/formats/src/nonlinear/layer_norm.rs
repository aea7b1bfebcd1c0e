//! Integer LayerNorm: a row less its mean, over its norm.

use super::M;

/// Steps of the reference's square root.
pub const NEWTON_ITERATIONS: u32 = 10;
/// Where the reference's square root starts.
pub const NEWTON_START: u64 = 1 << 16;

/// How the norm is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Root {
    /// Ten integer Newton steps from 2^16, as released. They do not arrive for small sums: √1024 comes out as
    /// 68 instead of 32, √10000 as 108; from √40000 on they are exact.
    #[default]
    TenIterations,
    /// The largest integer whose square is no more; at least 1.
    Floor,
}

impl Root {
    /// The integer square root of `sum_of_squares`, below 2^48; never 0.
    pub fn of(self, sum_of_squares: u64) -> u64 {
        match self {
            Root::TenIterations => {
                (0..NEWTON_ITERATIONS).fold(NEWTON_START, |k, _| (k + sum_of_squares / k) / 2)
            }
            Root::Floor => sum_of_squares.isqrt().max(1),
        }
    }
}

/// The mean of `row`, halves to even (as PyTorch's `round`); 0 for no elements.
pub fn rounded_mean(row: &[i64]) -> i64 {
    let (sum, count) = (row.iter().sum::<i64>(), row.len().max(1) as i64);
    let (floor, remainder) = (sum.div_euclid(count), sum.rem_euclid(count));
    let up = match (2 * remainder).cmp(&count) {
        std::cmp::Ordering::Less => false,
        std::cmp::Ordering::Equal => floor & 1 == 1,
        std::cmp::Ordering::Greater => true,
    };
    floor + i64::from(up)
}

/// `row`, normalised, in units of √N · 2^-30. Its magnitudes are below 2^30. [`layer_norm_bias`] and γ follow.
pub fn layer_norm(row: &[i64], root: Root) -> Vec<i64> {
    let mean = rounded_mean(row);
    let sum_of_squares: i64 = row.iter().map(|x| (x - mean) * (x - mean)).sum();
    let factor = (u64::from(M) / root.of(sum_of_squares as u64)) as i64;
    row.iter().map(|x| ((x - mean) * factor) >> 1).collect()
}

/// What is added to [`layer_norm`] for a channel with β/γ = `ratio`, in a row of `length`: ⌊ratio · 2^30 / √length⌋.
pub fn layer_norm_bias(ratio: f64, length: usize) -> i64 {
    (ratio / ((length as f64).sqrt() / 2f64.powi(30))).floor() as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_iterations_fall_short_of_small_roots() {
        // The paper's model, from the facts at hand: √V 32 → 68, 64 → 83, 100 → 108, 128 → 132, ≥ 200 exact.
        for (root, seen) in [(32u64, 68), (64, 83), (100, 108), (128, 132), (200, 200), (1000, 1000)] {
            assert_eq!(Root::TenIterations.of(root * root), seen);
            assert_eq!(Root::Floor.of(root * root), root);
        }
        assert_eq!((Root::TenIterations.of(0), Root::Floor.of(0)), (64, 1));
    }

    #[test]
    fn means_round_halves_to_even() {
        for (row, mean) in
            [([1, 2], 2), ([2, 3], 2), ([-1, -2], -2), ([-3, -2], -2), ([-1, 0], 0), ([0, 1], 0)]
        {
            assert_eq!(rounded_mean(&row), mean, "{row:?}");
        }
        assert_eq!(rounded_mean(&[-1, -1, -2]), -1);
        assert_eq!(rounded_mean(&[]), 0);
    }

    #[test]
    fn normalises() {
        let row = [100, -50, 30, 20, -100, 0, 0, 0];
        let unit = (row.len() as f64).sqrt() / 2f64.powi(30);
        let norm = row.iter().map(|x| (x * x) as f64).sum::<f64>().sqrt() / (row.len() as f64).sqrt();
        for (x, y) in row.iter().zip(layer_norm(&row, Root::Floor)) {
            assert!((y as f64 * unit - *x as f64 / norm).abs() < 0.01);
        }
        assert_eq!(layer_norm_bias(-0.5, 64), -(1 << 26));
    }
}
