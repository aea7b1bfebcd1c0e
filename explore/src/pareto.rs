//! The exact set of points that no other point beats.
//!
//! A point beats another when it is at least as good in every objective and better in one. Points with equal
//! values do not beat each other: ties are kept.

mod hypervolume;
mod scale;

use std::cmp::Ordering;

use crate::ExploreError;

pub use hypervolume::hypervolume;
pub use scale::Scale;

/// Which way an objective is better.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Goal {
    /// Less is better.
    Minimise,
    /// More is better.
    Maximise,
}

/// Positions of the points that no other point beats, in rising order. Every point has one value for each
/// goal; infinities are legal.
///
/// Points are visited from the best in the first objective on (the next objectives break ties), so that no
/// point can beat one that was visited before it, and each is compared with the front so far only.
///
/// # Errors
/// [`ExploreError::NotANumber`] for a value that is NaN or missing: it is neither better nor worse.
pub fn front(points: &[Vec<f64>], goals: &[Goal]) -> Result<Vec<usize>, ExploreError> {
    let mut costs = Vec::with_capacity(points.len());
    for (point, values) in points.iter().enumerate() {
        let value = |objective: usize| values.get(objective).copied().unwrap_or(f64::NAN);
        if let Some(objective) = (0..goals.len()).find(|&objective| value(objective).is_nan()) {
            return Err(ExploreError::NotANumber { point, objective });
        }
        let cost = |(objective, goal): (usize, &Goal)| match goal {
            Goal::Minimise => value(objective),
            Goal::Maximise => -value(objective),
        };
        costs.push(goals.iter().enumerate().map(cost).collect::<Vec<f64>>());
    }
    let mut order: Vec<usize> = (0..points.len()).collect();
    order.sort_by(|&a, &b| lexicographic(&costs[a], &costs[b]).then(a.cmp(&b)));
    let mut front: Vec<usize> = Vec::new();
    for candidate in order {
        if !front.iter().any(|&member| beats(&costs[member], &costs[candidate])) {
            front.push(candidate);
        }
    }
    front.sort_unstable();
    Ok(front)
}

fn lexicographic(a: &[f64], b: &[f64]) -> Ordering {
    let differing = a.iter().zip(b).map(|(a, b)| a.partial_cmp(b).unwrap_or(Ordering::Equal));
    differing.fold(Ordering::Equal, Ordering::then)
}

fn beats(a: &[f64], b: &[f64]) -> bool {
    a.iter().zip(b).all(|(a, b)| a <= b) && a.iter().zip(b).any(|(a, b)| a < b)
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    const GOALS: [Goal; 4] = [Goal::Minimise, Goal::Maximise, Goal::Minimise, Goal::Maximise];

    /// The definition, by comparing every pair.
    fn by_definition(points: &[Vec<f64>], goals: &[Goal]) -> Vec<usize> {
        let at_least = |goal: Goal, a: f64, b: f64| if goal == Goal::Minimise { a <= b } else { a >= b };
        let beats = |a: &[f64], b: &[f64]| {
            goals.iter().enumerate().all(|(i, &goal)| at_least(goal, a[i], b[i]))
                && goals.iter().enumerate().any(|(i, &goal)| !at_least(goal, b[i], a[i]))
        };
        (0..points.len()).filter(|&p| !points.iter().any(|other| beats(other, &points[p]))).collect()
    }

    /// Few distinct values, so that ties and equal points are common.
    fn random_points(random: &mut ChaCha8Rng, objectives: usize) -> Vec<Vec<f64>> {
        let (count, values) = (random.random_range(0..60), random.random_range(1..9));
        let mut value = || f64::from(random.random_range(0..values));
        (0..count).map(|_| (0..objectives).map(|_| value()).collect()).collect()
    }

    #[test]
    fn the_front_is_the_definition() {
        let mut random = ChaCha8Rng::seed_from_u64(9);
        for objectives in 1..=4 {
            for _ in 0..200 {
                let points = random_points(&mut random, objectives);
                let goals = &GOALS[..objectives];
                assert_eq!(front(&points, goals).unwrap(), by_definition(&points, goals), "{points:?}");
            }
        }
    }

    #[test]
    fn the_front_does_not_depend_on_scale_or_order_and_is_its_own_front() {
        let mut random = ChaCha8Rng::seed_from_u64(10);
        for _ in 0..100 {
            let points = random_points(&mut random, 3);
            let found = front(&points, &GOALS[..3]).unwrap();
            let scaled: Vec<Vec<f64>> =
                points.iter().map(|p| p.iter().map(|v| v * 0.125 - 40.0).collect()).collect();
            assert_eq!(front(&scaled, &GOALS[..3]).unwrap(), found);
            let reversed: Vec<Vec<f64>> = points.iter().rev().cloned().collect();
            let mut back: Vec<usize> =
                front(&reversed, &GOALS[..3]).unwrap().into_iter().map(|i| points.len() - 1 - i).collect();
            back.sort_unstable();
            assert_eq!(back, found);
            let only: Vec<Vec<f64>> = found.iter().map(|&i| points[i].clone()).collect();
            assert_eq!(front(&only, &GOALS[..3]).unwrap().len(), only.len());
        }
    }

    #[test]
    fn ties_stay_and_what_is_not_a_number_is_refused() {
        let goals = [Goal::Minimise, Goal::Maximise];
        let points = [vec![1.0, 5.0], vec![1.0, 5.0], vec![0.0, f64::NEG_INFINITY], vec![2.0, 5.0]];
        assert_eq!(front(&points, &goals).unwrap(), [0, 1, 2]);
        assert_eq!(front(&[], &goals).unwrap(), [0usize; 0]);
        for bad in [vec![1.0, f64::NAN], vec![1.0]] {
            let refused = front(&[vec![0.0, 0.0], bad], &goals).unwrap_err();
            assert_eq!(refused, ExploreError::NotANumber { point: 1, objective: 1 });
        }
    }
}
