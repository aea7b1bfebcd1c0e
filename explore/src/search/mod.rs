//! Which points of a space are evaluated: all of them, or as many as a budget allows, chosen by a search.
//!
//! A search asks for points and is told their costs. What it asks for depends on the space, the budget, the seed and these
//! costs alone, so that one that was stopped and is told again what it was told before goes on as if it had not been.

mod nsga2;

use std::collections::BTreeSet;
use std::fmt;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// What a point costs, one number an objective, less is better; `None` for a point that is refused.
pub type Costs = Option<Vec<f64>>;

/// What tells the costs of points by their positions, in the order in which it is asked.
pub type Evaluate<'a, E> = dyn FnMut(&[usize]) -> Result<Vec<Costs>, E> + 'a;

/// How points are chosen.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Search {
    /// Every point.
    #[default]
    Grid,
    /// As many points as the budget says, each as likely as any other.
    Random {
        /// Most points.
        budget: usize,
        /// What chance starts from.
        seed: u64,
    },
    /// By the genetic algorithm NSGA-II (Deb et al., IEEE TEVC 2002).
    Nsga2 {
        /// Most points.
        budget: usize,
        /// What chance starts from.
        seed: u64,
    },
}

impl Search {
    /// How many points are evaluated of a space of `points`.
    pub fn count(self, points: usize) -> usize {
        match self {
            Search::Grid => points,
            Search::Random { budget, .. } | Search::Nsga2 { budget, .. } => budget.min(points),
        }
    }

    /// Asks `evaluate` for the costs of points, by position, until [`Search::count`] are known; for none twice. The space
    /// has keys that take `shape` values each, outermost first.
    ///
    /// # Errors
    /// What `evaluate` fails with.
    pub fn run<E>(self, shape: &[usize], evaluate: &mut Evaluate<'_, E>) -> Result<(), E> {
        let points = shape.iter().product();
        let count = self.count(points);
        match self {
            Search::Grid => evaluate(&(0..points).collect::<Vec<_>>()).map(drop),
            Search::Random { seed, .. } => {
                evaluate(&distinct(&mut ChaCha8Rng::seed_from_u64(seed), points, count)).map(drop)
            }
            Search::Nsga2 { seed, .. } => nsga2::run(shape, count, ChaCha8Rng::seed_from_u64(seed), evaluate),
        }
    }
}

impl fmt::Display for Search {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Search::Grid => write!(f, "grid"),
            Search::Random { seed, .. } => write!(f, "random search (seed {seed})"),
            Search::Nsga2 { seed, .. } => write!(f, "NSGA-II (seed {seed})"),
        }
    }
}

/// `count` of the numbers below `points`, in rising order, every choice as likely as any other (Floyd's algorithm: Bentley,
/// Communications of the ACM, September 1987).
fn distinct(random: &mut ChaCha8Rng, points: usize, count: usize) -> Vec<usize> {
    let mut chosen = BTreeSet::new();
    for last in points - count..points {
        let drawn = random.random_range(0..=last);
        if !chosen.insert(drawn) {
            chosen.insert(last);
        }
    }
    chosen.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;
    use crate::pareto::hypervolume;

    /// Every point that `search` asks for, in order.
    fn asked(search: Search, shape: &[usize], costs: &dyn Fn(usize) -> Costs) -> Vec<usize> {
        let mut asked = Vec::new();
        let mut evaluate = |positions: &[usize]| -> Result<Vec<Costs>, Infallible> {
            asked.extend_from_slice(positions);
            Ok(positions.iter().map(|&position| costs(position)).collect())
        };
        search.run(shape, &mut evaluate).expect("nothing fails");
        asked
    }

    /// Two objectives with a front along one edge of the space; every seventh point is refused.
    fn costs(position: usize) -> Costs {
        let [x, y, z] = [position / 256, position / 16 % 16, position % 16].map(|v| v as f64 / 15.0);
        (!position.is_multiple_of(7)).then(|| vec![x + 0.3 * y, 1.0 - x + 0.3 * z])
    }

    #[test]
    fn searches_ask_for_as_many_points_as_they_may_and_for_none_twice() {
        for (shape, budget) in [(&[16, 16, 16][..], 300), (&[16, 16, 16], 7), (&[3, 2], 100), (&[], 5)] {
            let points: usize = shape.iter().product();
            for search in [
                Search::Grid,
                Search::Random { budget, seed: 1 },
                Search::Nsga2 { budget, seed: 1 },
                Search::Nsga2 { budget: 1, seed: 2 },
            ] {
                let all = asked(search, shape, &costs);
                let once: BTreeSet<usize> = all.iter().copied().collect();
                assert_eq!(
                    (all.len(), once.len()),
                    (search.count(points), search.count(points)),
                    "{search:?}"
                );
                assert!(once.iter().all(|&position| position < points));
                assert_eq!(asked(search, shape, &costs), all, "{search:?}");
            }
        }
        let random = |seed| asked(Search::Random { budget: 50, seed }, &[16, 16, 16], &costs);
        assert_ne!(random(1), random(2));
    }

    #[test]
    fn a_search_that_only_hears_of_refusals_ends() {
        assert_eq!(asked(Search::Nsga2 { budget: 90, seed: 3 }, &[10, 10], &|_| None).len(), 90);
    }

    #[test]
    fn the_genetic_search_is_ahead_of_chance() {
        let volume = |search| {
            let found: Vec<Vec<f64>> =
                asked(search, &[16, 16, 16], &costs).into_iter().filter_map(costs).collect();
            // Costs reach from 0 to 1.3.
            hypervolume(&found.into_iter().map(|c| c.iter().map(|v| v / 1.3).collect()).collect::<Vec<_>>())
        };
        let whole = volume(Search::Grid);
        for seed in 0..10 {
            let genetic = volume(Search::Nsga2 { budget: 400, seed });
            let random = volume(Search::Random { budget: 400, seed });
            assert!(genetic > 0.98 * whole && genetic > random, "seed {seed}: {genetic} {random} of {whole}");
        }
    }
}
