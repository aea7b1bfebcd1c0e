//! How much of the space of objectives a front dominates, exactly.
//!
//! The algorithm is WFG (While, Bradstreet, Barone, "A Fast Way of Calculating Exact Hypervolumes", IEEE TEVC 2012): the
//! volume of a set is the sum of what each point adds to those behind it, and what a point adds is its own box less the
//! volume of the others cut down to it.

/// The volume of the part of the unit box, between each point and the corner (1, …, 1), that `points` dominate. Every
/// coordinate is a cost from 0 to 1, less is better; coordinates above 1 dominate nothing.
pub fn hypervolume(points: &[Vec<f64>]) -> f64 {
    let mut front = undominated(points.to_vec());
    // What a point is cut down to is smallest where the others are worse than it in one objective already.
    front.sort_by(|a, b| b.first().partial_cmp(&a.first()).unwrap_or(std::cmp::Ordering::Equal));
    volume(&front)
}

fn volume(points: &[Vec<f64>]) -> f64 {
    let mut total = 0.0;
    for (index, point) in points.iter().enumerate() {
        let behind = &points[index + 1..];
        let worse = |other: &Vec<f64>| other.iter().zip(point).map(|(o, p)| o.max(*p)).collect();
        total += own(point) - volume(&undominated(behind.iter().map(worse).collect()));
    }
    total
}

/// The box of a point alone.
fn own(point: &[f64]) -> f64 {
    point.iter().map(|cost| (1.0 - cost).max(0.0)).product()
}

/// The points that no other point is as good as, one of equal ones.
fn undominated(points: Vec<Vec<f64>>) -> Vec<Vec<f64>> {
    let mut kept: Vec<Vec<f64>> = Vec::with_capacity(points.len());
    let covers = |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| a <= b);
    for point in points {
        if !kept.iter().any(|other| covers(other, &point)) {
            kept.retain(|other| !covers(&point, other));
            kept.push(point);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// Coordinates are multiples of 1/8, so that cells of a grid are dominated whole or not at all.
    fn by_counting(points: &[Vec<f64>], objectives: usize) -> f64 {
        let cells = 8usize.pow(objectives as u32);
        let is_dominated = |cell: usize| {
            let corner: Vec<f64> =
                (0..objectives).map(|i| (cell / 8usize.pow(i as u32) % 8) as f64 / 8.0).collect();
            points.iter().any(|point| point.iter().zip(&corner).all(|(p, c)| p <= c))
        };
        (0..cells).filter(|&cell| is_dominated(cell)).count() as f64 / cells as f64
    }

    #[test]
    fn the_volume_is_that_of_the_cells_that_are_dominated() {
        let mut random = ChaCha8Rng::seed_from_u64(11);
        for objectives in 1..=4 {
            for _ in 0..100 {
                let count = random.random_range(0..20);
                let mut coordinate = || f64::from(random.random_range(0..10u8)) / 8.0;
                let points: Vec<Vec<f64>> =
                    (0..count).map(|_| (0..objectives).map(|_| coordinate()).collect()).collect();
                let (found, expected) = (hypervolume(&points), by_counting(&points, objectives));
                assert!((found - expected).abs() < 1e-12, "{found} {expected} {points:?}");
            }
        }
    }

    #[test]
    fn known_volumes() {
        assert_eq!(hypervolume(&[]), 0.0);
        assert_eq!(hypervolume(&[vec![0.0, 0.0, 0.0]]), 1.0);
        assert_eq!(hypervolume(&[vec![0.0, 0.5], vec![0.5, 0.0]]), 0.75);
        assert_eq!(hypervolume(&[vec![0.25, 1.0], vec![2.0, 0.0]]), 0.0);
    }
}
