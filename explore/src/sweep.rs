//! A space with all its points evaluated, and the front among them.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use bitmill_accelerator::Configuration;
use bitmill_cost_model::{CostError, Technology, limits};
use serde::{Deserialize, Serialize};

use crate::evaluate::{Evaluator, Thoroughness};
use crate::pareto::{Goal, Scale, front};
use crate::{ExploreError, Objective, Space, Workload};

/// One configuration with what it does and costs.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Point {
    /// The configuration.
    pub configuration: Configuration,
    /// Process and cell library.
    pub technology: String,
    /// Cycles of one inference.
    pub cycles: u64,
    /// Multiply-accumulates over those that the whole array could have done.
    pub utilization: f64,
    /// The configuration's clock, or the fastest that the estimated longest path allows, in MHz.
    pub clock_mhz: f64,
    /// Time of one inference in µs.
    pub latency_us: f64,
    /// Energy of one inference in µJ; memory outside the accelerator is not in it.
    pub energy_uj: f64,
    /// Area of cells and memories in mm²; for its error, and that of the energy and of the clock, see [`Sweep::limits`].
    pub area_mm2: f64,
    /// Right answers of the test inputs in percent; `None` without test inputs.
    pub accuracy_percent: Option<f64>,
}

/// A point that is not legal or that the network does not fit.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Refusal {
    /// Name of the point.
    pub name: String,
    /// Why.
    pub reason: String,
}

/// What became of a point.
pub type Outcome = Result<Point, Refusal>;

/// A space with all its points evaluated.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Sweep {
    /// The technologies of areas, energies and clocks.
    pub technologies: Vec<String>,
    /// What points were compared by.
    pub objectives: Vec<Objective>,
    /// Legal points, in the order of the space.
    pub points: Vec<Point>,
    /// Points that were refused.
    pub refused: Vec<Refusal>,
    /// Positions in `points` of those that no other point beats.
    pub front: Vec<usize>,
    /// Position in `points` of the front's knee: the point that is nearest to the best values of all objectives, each on
    /// a scale from the best to the worst of all points.
    pub knee: usize,
    /// The share of the space between the best and the worst values of all points that the front dominates.
    pub hypervolume: f64,
}

impl Sweep {
    /// The values of every point, one for each objective.
    pub fn values(&self) -> Vec<Vec<f64>> {
        values(&self.points, &self.objectives)
    }

    /// Positions of the front's points, the knee first: the nearer to the best values of all objectives, the earlier.
    pub fn front_from_knee(&self) -> Vec<usize> {
        let (values, goals) = (self.values(), goals(&self.objectives));
        let scale = Scale::of(values.iter(), &goals);
        let mut front = self.front.clone();
        front.sort_by(|&a, &b| scale.distance(&values[a]).total_cmp(&scale.distance(&values[b])));
        front
    }

    /// What the figures of the points are worth, in a whole sentence.
    ///
    /// # Errors
    /// Only on our own bugs: the technologies have priced the points.
    pub fn limits(&self) -> Result<String, CostError> {
        let technologies =
            self.technologies.iter().map(|name| Technology::named(name)).collect::<Result<Vec<_>, _>>()?;
        Ok(format!("Costs in {}: {}.", self.technologies.join(", "), limits(&technologies)))
    }
}

fn goals(objectives: &[Objective]) -> Vec<Goal> {
    objectives.iter().map(|objective| objective.goal()).collect()
}

fn values(points: &[Point], objectives: &[Objective]) -> Vec<Vec<f64>> {
    points.iter().map(|point| objectives.iter().map(|objective| objective.of(point)).collect()).collect()
}

/// The objectives that points of a sweep of `workload` have: accuracy where there are test inputs that are
/// run.
pub fn objectives(workload: &Workload, thoroughness: Thoroughness) -> Vec<Objective> {
    let has_accuracy = !workload.test.is_empty() && !thoroughness.timing_only;
    let mut objectives = Objective::ALL.to_vec();
    objectives.retain(|&objective| objective != Objective::Accuracy || has_accuracy);
    objectives
}

/// Evaluates every point of `space` with `workload`. `progress` hears how many points are done, of how many,
/// from several threads.
///
/// # Errors
/// A network that cannot be quantized or run, or a space without any legal point.
pub fn sweep(
    space: &Space,
    workload: &Workload,
    thoroughness: Thoroughness,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<Sweep, ExploreError> {
    let all: Vec<usize> = (0..space.points().count()).collect();
    let outcomes = Mutex::new(BTreeMap::new());
    Evaluator::new(space, workload, thoroughness)?.evaluate(&all, &|position, outcome| {
        let mut outcomes = outcomes.lock().unwrap_or_else(PoisonError::into_inner);
        outcomes.insert(position, outcome);
        progress(outcomes.len(), all.len());
        Ok::<(), ExploreError>(())
    })?;
    let outcomes = outcomes.into_inner().unwrap_or_else(PoisonError::into_inner);
    summarize(outcomes.into_values(), space, objectives(workload, thoroughness))
}

/// The front of what became of points of `space`, which come in its order.
///
/// # Errors
/// No legal point, or an objective that a point has no number for.
pub fn summarize(
    outcomes: impl Iterator<Item = Outcome>,
    space: &Space,
    objectives: Vec<Objective>,
) -> Result<Sweep, ExploreError> {
    let (mut points, mut refused) = (Vec::new(), Vec::new());
    for outcome in outcomes {
        match outcome {
            Ok(point) => points.push(point),
            Err(refusal) => refused.push(refusal),
        }
    }
    if points.is_empty() {
        let first = refused.into_iter().next().map(|Refusal { name, reason }| (name, reason));
        let (name, reason) = first.unwrap_or_else(|| ("none".to_owned(), "there are no points".to_owned()));
        return Err(ExploreError::NoLegalPoint { name, reason });
    }
    let goals = goals(&objectives);
    let values = values(&points, &objectives);
    let front = front(&values, &goals)?;
    let scale = Scale::of(values.iter(), &goals);
    let on_front = || front.iter().map(|&index| &values[index]);
    let hypervolume = scale.hypervolume(on_front());
    let knee = front[scale.knee(on_front()).unwrap_or_default()];
    Ok(Sweep {
        technologies: space.technologies().to_vec(),
        objectives,
        points,
        refused,
        front,
        knee,
        hypervolume,
    })
}
