//! The choice as a problem: of every layer one format, for the least sum of sensitivities within a budget.

use std::str::FromStr;

use super::{evolutionary, greedy, ilp};
use crate::ExploreError;

/// What costs of floating point may be above the budget by, relatively: rounding of their sums.
const ROUNDING: f64 = 1e-9;

/// Sensitivities and costs of every layer in every format; costs add up to what is limited.
#[derive(Clone, PartialEq, Debug)]
pub struct Problem {
    /// What is lost, by layer and format: less is better.
    pub sensitivities: Vec<Vec<f64>>,
    /// What it costs, by layer and format.
    pub costs: Vec<Vec<f64>>,
    /// What the layers that choose may cost together.
    pub budget: f64,
}

/// How a problem is solved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Method {
    /// By an integer linear program: the best there is.
    Ilp,
    /// From the least sensitive formats down, each time by the step that loses least for what it saves.
    Greedy,
    /// By a genetic algorithm.
    Evolutionary,
}

impl Method {
    /// All of them.
    pub const ALL: [Method; 3] = [Method::Ilp, Method::Greedy, Method::Evolutionary];

    /// Its name, as in `--method`.
    pub fn name(self) -> &'static str {
        match self {
            Method::Ilp => "ilp",
            Method::Greedy => "greedy",
            Method::Evolutionary => "evolutionary",
        }
    }
}

impl FromStr for Method {
    type Err = String;

    fn from_str(text: &str) -> Result<Method, String> {
        let found = Method::ALL.into_iter().find(|method| method.name() == text);
        found.ok_or_else(|| {
            format!("no method is called `{text}`; there are {}", Method::ALL.map(Method::name).join(", "))
        })
    }
}

impl Problem {
    /// The format of every layer, by position.
    ///
    /// # Errors
    /// A budget that no choice keeps, or a number that is none.
    pub fn solve(&self, method: Method) -> Result<Vec<usize>, ExploreError> {
        let all = self.sensitivities.iter().chain(&self.costs).flatten();
        if let Some(bad) = all.chain([&self.budget]).find(|value| !value.is_finite()) {
            return Err(ExploreError::Assignment(format!(
                "sensitivities, costs and the budget must be finite, found {bad}"
            )));
        }
        let cheapest = self.cheapest();
        if !self.keeps(&cheapest) {
            return Err(ExploreError::Assignment(format!(
                "a budget of {} is below {}, what the cheapest choice costs",
                self.budget,
                self.cost(&cheapest)
            )));
        }
        match method {
            Method::Ilp => ilp::solve(self),
            Method::Greedy => Ok(greedy::solve(self)),
            Method::Evolutionary => Ok(evolutionary::solve(self)),
        }
    }

    /// The sum of the sensitivities of a choice.
    pub fn sensitivity(&self, choice: &[usize]) -> f64 {
        choice.iter().zip(&self.sensitivities).map(|(&format, of_layer)| of_layer[format]).sum()
    }

    /// The sum of the costs of a choice.
    pub fn cost(&self, choice: &[usize]) -> f64 {
        choice.iter().zip(&self.costs).map(|(&format, of_layer)| of_layer[format]).sum()
    }

    /// Whether a choice is within the budget.
    pub(super) fn keeps(&self, choice: &[usize]) -> bool {
        self.cost(choice) <= self.budget + ROUNDING * self.budget.abs()
    }

    /// Every layer in its cheapest format, the least sensitive of equal ones.
    pub(super) fn cheapest(&self) -> Vec<usize> {
        self.least(|layer, format| (self.costs[layer][format], self.sensitivities[layer][format]))
    }

    /// Every layer in its least sensitive format, the cheapest of equal ones.
    pub(super) fn finest(&self) -> Vec<usize> {
        self.least(|layer, format| (self.sensitivities[layer][format], self.costs[layer][format]))
    }

    fn least(&self, key: impl Fn(usize, usize) -> (f64, f64)) -> Vec<usize> {
        let of_layer = |layer: usize| {
            let by_key = |&a: &usize, &b: &usize| {
                let (a, b) = (key(layer, a), key(layer, b));
                a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1))
            };
            (0..self.costs[layer].len()).min_by(by_key).unwrap_or_default()
        };
        (0..self.costs.len()).map(of_layer).collect()
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// Formats by falling cost; sensitivities rise, with exceptions.
    fn random_problem(random: &mut ChaCha8Rng, layers: usize, formats: usize) -> Problem {
        let (mut sensitivities, mut costs) = (Vec::new(), Vec::new());
        for _ in 0..layers {
            let (size, weight) = (random.random_range(1..1000u32), random.random_range(0.0..1.0f64).powi(4));
            costs.push((0..formats).map(|format| f64::from(size * (8 - format as u32))).collect::<Vec<_>>());
            let loss = |format: usize| weight * 4f64.powi(format as i32) * random.random_range(0.5..2.0);
            sensitivities.push((0..formats).map(loss).collect::<Vec<_>>());
        }
        let total = |format: usize| costs.iter().map(|of_layer| of_layer[format]).sum::<f64>();
        let budget = total(formats - 1) + random.random_range(0.0..1.0) * (total(0) - total(formats - 1));
        Problem { sensitivities, costs, budget }
    }

    /// The best of all choices.
    fn by_trying_all(problem: &Problem) -> f64 {
        let formats = problem.costs[0].len();
        let choice = |number: usize| -> Vec<usize> {
            (0..problem.costs.len()).map(|layer| number / formats.pow(layer as u32) % formats).collect()
        };
        let all = (0..formats.pow(problem.costs.len() as u32)).map(choice);
        all.filter(|choice| problem.keeps(choice))
            .map(|choice| problem.sensitivity(&choice))
            .fold(f64::INFINITY, f64::min)
    }

    #[test]
    fn the_program_finds_the_best_and_no_method_leaves_the_budget() {
        let mut random = ChaCha8Rng::seed_from_u64(12);
        for _ in 0..40 {
            let problem = random_problem(&mut random, 5, 4);
            let best = by_trying_all(&problem);
            for method in Method::ALL {
                let choice = problem.solve(method).unwrap();
                let found = problem.sensitivity(&choice);
                assert!(problem.keeps(&choice), "{method:?}");
                assert!(found >= best - 1e-12, "{method:?}: {found} below the best, {best}");
                // Within what the solver takes for zero.
                assert!(
                    method != Method::Ilp || found <= best + 1e-6 * (1.0 + best),
                    "{found} {best} {problem:?}"
                );
            }
        }
    }

    #[test]
    fn the_program_is_never_behind_the_others_on_networks_of_many_layers() {
        let mut random = ChaCha8Rng::seed_from_u64(13);
        for _ in 0..5 {
            let problem = random_problem(&mut random, 40, 5);
            let [ilp, greedy, evolutionary] =
                Method::ALL.map(|method| problem.sensitivity(&problem.solve(method).unwrap()));
            assert!(
                ilp <= greedy + 1e-6 * (1.0 + greedy) && ilp <= evolutionary + 1e-6 * (1.0 + evolutionary)
            );
            assert!(greedy < 1.5 * ilp && evolutionary < 1.5 * ilp, "{ilp} {greedy} {evolutionary}");
        }
    }

    #[test]
    fn what_has_no_answer_is_refused() {
        let problem =
            Problem { sensitivities: vec![vec![0.0, 1.0]; 2], costs: vec![vec![8.0, 4.0]; 2], budget: 7.0 };
        for method in Method::ALL {
            let refused = problem.solve(method).unwrap_err().to_string();
            assert_eq!(refused, "a budget of 7 is below 8, what the cheapest choice costs");
            let at_least = Problem { budget: 8.0, ..problem.clone() };
            assert_eq!(at_least.solve(method).unwrap(), [1, 1]);
            let plenty = Problem { budget: 99.0, ..problem.clone() };
            assert_eq!(plenty.solve(method).unwrap(), [0, 0]);
        }
        let bad = Problem { budget: f64::NAN, ..problem };
        assert!(bad.solve(Method::Ilp).unwrap_err().to_string().contains("found NaN"));
        assert!("milp".parse::<Method>().unwrap_err().contains("ilp, greedy, evolutionary"));
    }
}
