//! The choice step by step: from the least sensitive formats, each time the step of one layer to a cheaper format that
//! loses least for what it saves, until the budget is kept.

use super::Problem;

/// A choice within the budget, which allows some.
pub(super) fn solve(problem: &Problem) -> Vec<usize> {
    let mut choice = problem.finest();
    while !problem.keeps(&choice) {
        let (mut best, mut least) = (None, f64::INFINITY);
        for (layer, &format) in choice.iter().enumerate() {
            let (losses, costs) = (&problem.sensitivities[layer], &problem.costs[layer]);
            for cheaper in (0..costs.len()).filter(|&other| costs[other] < costs[format]) {
                let price = (losses[cheaper] - losses[format]) / (costs[format] - costs[cheaper]);
                if price < least {
                    (best, least) = (Some((layer, cheaper)), price);
                }
            }
        }
        let Some((layer, cheaper)) = best else { return problem.cheapest() };
        choice[layer] = cheaper;
    }
    choice
}
