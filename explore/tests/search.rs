//! Searches beside the grid, on a space of the digits network whose points are all known.

mod common;

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Mutex;

use bitmill_explore::{
    Evaluator, ExploreError, Goal, Objective, Outcome, Scale, Search, Space, Thoroughness, objectives,
};
use common::workload;

/// 1296 points: 144 circuits, some of which are not legal, each with three paces of the memory and three clocks.
const SPACE: &str = "
base:
  name: digits
  precision: {activations: int8, weights: int8}
  pe: {kind: integer, lanes: 4}
  array: {rows: 4, columns: 8}
  scratchpads: {activations_kib: 16, weights_kib: 16}
vary:
  precision:
    - {activations: int8, weights: int8}
    - {activations: int8, weights: int4}
    - {activations: int4, weights: int4}
    - {activations: int3, weights: int3}
  array:
    - {rows: 2, columns: 4}
    - {rows: 4, columns: 4}
    - {rows: 4, columns: 8}
    - {rows: 8, columns: 8}
    - {rows: 16, columns: 8}
    - {rows: 16, columns: 16}
  pe_lanes: [2, 4, 8]
  memory_width_bits: [64, 128]
  memory_beat_interval_cycles: [1, 2, 4]
  clock_mhz: [25, 50, 200]
";

const SEEDS: u64 = 9;

/// A tenth of the points.
const BUDGET: usize = 129;

struct Known {
    objectives: Vec<Objective>,
    outcomes: HashMap<usize, Outcome>,
}

impl Known {
    fn of(space: &Space) -> Known {
        let (workload, thoroughness) = (workload(), Thoroughness::default());
        let outcomes = Mutex::new(HashMap::new());
        let all: Vec<usize> = (0..space.points().count()).collect();
        let found = |position, outcome| {
            outcomes.lock().expect("a lock").insert(position, outcome);
            Ok::<(), ExploreError>(())
        };
        Evaluator::new(space, &workload, thoroughness)
            .expect("a technology")
            .evaluate(&all, &found)
            .expect("outcomes");
        Known {
            objectives: objectives(&workload, thoroughness),
            outcomes: outcomes.into_inner().expect("a lock"),
        }
    }

    fn costs(&self, position: usize) -> Option<Vec<f64>> {
        let point = self.outcomes[&position].as_ref().ok()?;
        Some(self.objectives.iter().map(|objective| objective.cost(point)).collect())
    }

    /// Costs of all legal points that `search` asks for.
    fn found(&self, search: Search, shape: &[usize]) -> Vec<Vec<f64>> {
        let mut found = Vec::new();
        let mut evaluate = |positions: &[usize]| -> Result<_, Infallible> {
            let costs: Vec<Option<Vec<f64>>> = positions.iter().map(|&p| self.costs(p)).collect();
            found.extend(costs.iter().flatten().cloned());
            Ok(costs)
        };
        search.run(shape, &mut evaluate).expect("nothing fails");
        found
    }
}

#[test]
fn the_genetic_search_finds_nearly_all_of_the_front_with_a_tenth_of_the_points() {
    let space = Space::from_yaml(SPACE).unwrap();
    let shape = space.points().shape();
    let known = Known::of(&space);
    let all = known.found(Search::Grid, &shape);
    let goals = vec![Goal::Minimise; known.objectives.len()];
    let scale = Scale::of(all.iter(), &goals);
    let volume = |search| scale.hypervolume(known.found(search, &shape).iter());
    let whole = volume(Search::Grid);
    println!("{} legal points of {}; hypervolume {whole:.4}", all.len(), space.points().count());
    let mut shares = [Vec::new(), Vec::new()];
    for seed in 1..=SEEDS {
        let searches = [Search::Nsga2 { budget: BUDGET, seed }, Search::Random { budget: BUDGET, seed }];
        for (shares, search) in shares.iter_mut().zip(searches) {
            let share = volume(search) / whole;
            println!("{search}: {:.1} % of the grid's", 100.0 * share);
            shares.push(share);
        }
    }
    let [genetic, random] = shares.map(|mut shares| {
        shares.sort_by(f64::total_cmp);
        shares[shares.len() / 2]
    });
    println!(
        "{BUDGET} points, median of {SEEDS} seeds: NSGA-II {:.1} %, random {:.1} %",
        100.0 * genetic,
        100.0 * random
    );
    assert!(genetic >= 0.95 && genetic > random);
}
