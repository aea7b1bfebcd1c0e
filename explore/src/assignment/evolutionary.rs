//! The choice by a genetic algorithm: the better of two parents each, each layer from either, about one changed, and back
//! into the budget by layers that chance picks. There is one seed: the same problem has the same answer.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::Problem;

const SEED: u64 = 1;
const MEMBERS: usize = 64;
const GENERATIONS: usize = 200;

/// A choice within the budget, which allows some.
pub(super) fn solve(problem: &Problem) -> Vec<usize> {
    let mut random = ChaCha8Rng::seed_from_u64(SEED);
    let layers = problem.costs.len();
    let formats = |layer: usize| problem.costs[layer].len();
    let mut population = vec![problem.cheapest(), within(problem, problem.finest(), &mut random)];
    while population.len() < MEMBERS {
        let choice = (0..layers).map(|layer| random.random_range(0..formats(layer))).collect();
        population.push(within(problem, choice, &mut random));
    }
    for _ in 0..GENERATIONS {
        for _ in 0..MEMBERS {
            // From the best on, but for what this generation has added: the first of two is the better.
            let mut parent = || random.random_range(0..MEMBERS).min(random.random_range(0..MEMBERS));
            let (a, b) = (parent(), parent());
            let mut child: Vec<usize> = (0..layers)
                .map(|layer| population[if random.random_bool(0.5) { a } else { b }][layer])
                .collect();
            for (layer, format) in child.iter_mut().enumerate() {
                if random.random_bool(1.0 / layers as f64) {
                    *format = random.random_range(0..formats(layer));
                }
            }
            population.push(within(problem, child, &mut random));
        }
        population.sort_by(|a, b| problem.sensitivity(a).total_cmp(&problem.sensitivity(b)).then(a.cmp(b)));
        population.dedup();
        // Where there are few choices, some stand there more than once.
        population = population.into_iter().cycle().take(MEMBERS).collect();
    }
    population.swap_remove(0)
}

/// `choice`, where the budget does not allow it with layers in cheaper formats.
fn within(problem: &Problem, mut choice: Vec<usize>, random: &mut ChaCha8Rng) -> Vec<usize> {
    let cheapest = problem.cheapest();
    while !problem.keeps(&choice) {
        let layer = random.random_range(0..choice.len());
        let costs = &problem.costs[layer];
        let cheaper: Vec<usize> =
            (0..costs.len()).filter(|&other| costs[other] < costs[choice[layer]]).collect();
        choice[layer] =
            if cheaper.is_empty() { cheapest[layer] } else { cheaper[random.random_range(0..cheaper.len())] };
    }
    choice
}
