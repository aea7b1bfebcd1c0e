//! The choice by an integer linear program, solved by branch and bound (good_lp over microlp).
//!
//! For each layer and format a variable that is 0 or 1; those of a layer add up to 1, costs to the budget at most. Formats
//! that another of the layer beats in both numbers are left out first.

use good_lp::{Expression, ProblemVariables, Solution, SolverModel, Variable, constraint, microlp, variable};

use super::Problem;
use crate::ExploreError;

/// The best choice. The budget allows some.
pub(super) fn solve(problem: &Problem) -> Result<Vec<usize>, ExploreError> {
    // Numbers about 1, since the solver takes what is below 1e-8 for zero.
    let largest =
        |table: &[Vec<f64>]| table.iter().flatten().fold(f64::MIN_POSITIVE, |most, v| v.abs().max(most));
    let [sensitivity_unit, cost_unit] = [&problem.sensitivities, &problem.costs].map(|table| largest(table));
    let mut variables = ProblemVariables::new();
    let mut choices: Vec<Vec<(usize, Variable)>> = Vec::new();
    let (mut loss, mut cost) = (Expression::default(), Expression::default());
    for layer in 0..problem.costs.len() {
        let mut of_layer = Vec::new();
        for format in
            (0..problem.costs[layer].len()).filter(|&format| is_worth_a_look(problem, layer, format))
        {
            let chosen = variables.add(variable().binary());
            loss.add_mul(problem.sensitivities[layer][format] / sensitivity_unit, chosen);
            cost.add_mul(problem.costs[layer][format] / cost_unit, chosen);
            of_layer.push((format, chosen));
        }
        choices.push(of_layer);
    }
    let mut model =
        variables.minimise(loss).using(microlp).with(constraint!(cost <= problem.budget / cost_unit));
    for of_layer in &choices {
        let sum: Expression = of_layer.iter().map(|&(_, chosen)| chosen).sum();
        model = model.with(constraint!(sum == 1));
    }
    let failed =
        |error| ExploreError::Assignment(format!("the integer linear program has no answer: {error}"));
    let solution = model.solve().map_err(failed)?;
    let of_layer = |of_layer: &Vec<(usize, Variable)>| {
        let value = |(_, variable): &&(usize, Variable)| solution.value(*variable);
        of_layer.iter().max_by(|a, b| value(a).total_cmp(&value(b))).map_or(0, |&(format, _)| format)
    };
    Ok(choices.iter().map(of_layer).collect())
}

/// Whether no other format of the layer is as good in both numbers; of equal ones the first is.
fn is_worth_a_look(problem: &Problem, layer: usize, format: usize) -> bool {
    let (losses, costs) = (&problem.sensitivities[layer], &problem.costs[layer]);
    let beats = |other: usize| {
        let as_good = losses[other] <= losses[format] && costs[other] <= costs[format];
        let is_equal = losses[other] == losses[format] && costs[other] == costs[format];
        as_good && (!is_equal || other < format)
    };
    !(0..costs.len()).any(|other| other != format && beats(other))
}
