//! Evaluates every point of a space: quantize, simulate, price, and find the front.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

use bitmill_accelerator::{Accelerator, Configuration};
use bitmill_cost_model::{Technology, energy, estimate};
use bitmill_hdl::Design;
use bitmill_model::QuantizedNetwork;
use bitmill_sim::simulate;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::pareto::{Goal, Scale, front};
use crate::workload::Arithmetic;
use crate::{ExploreError, Space, Workload};

/// One configuration with what it does and costs.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Point {
    /// The configuration.
    pub configuration: Configuration,
    /// Cycles of one inference.
    pub cycles: u64,
    /// Multiply-accumulates over those that the whole array could have done.
    pub utilization: f64,
    /// The configuration's clock, or the fastest that the estimated longest path allows, in MHz.
    pub clock_mhz: f64,
    /// Time of one inference in µs.
    pub latency_us: f64,
    /// Energy of one inference in µJ; memory outside the accelerator is not in it. Uncalibrated.
    pub energy_uj: f64,
    /// Area in mm². Uncalibrated.
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

/// What points are compared by.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Objective {
    /// Time of one inference; less is better.
    Latency,
    /// Energy of one inference; less is better.
    Energy,
    /// Area; less is better.
    Area,
    /// Right answers; more is better.
    Accuracy,
}

impl Objective {
    /// Which way is better.
    pub fn goal(self) -> Goal {
        if self == Objective::Accuracy { Goal::Maximise } else { Goal::Minimise }
    }

    /// The point's value; NaN where it has none.
    pub fn of(self, point: &Point) -> f64 {
        match self {
            Objective::Latency => point.latency_us,
            Objective::Energy => point.energy_uj,
            Objective::Area => point.area_mm2,
            Objective::Accuracy => point.accuracy_percent.unwrap_or(f64::NAN),
        }
    }
}

/// A space with all its points evaluated.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Sweep {
    /// The technology of areas, energies and clocks.
    pub technology: String,
    /// What points were compared by: accuracy only where there are test inputs.
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
}

fn values(points: &[Point], objectives: &[Objective]) -> Vec<Vec<f64>> {
    points.iter().map(|point| objectives.iter().map(|objective| objective.of(point)).collect()).collect()
}

/// What became of a point.
pub type Outcome = Result<Point, Refusal>;

/// Evaluates every point of `space` with `workload` in `technology`. `progress` hears how many points are done, of
/// how many, from several threads.
///
/// # Errors
/// A network that cannot be quantized or run, or a space without any legal point.
pub fn sweep(
    space: &Space,
    workload: &Workload,
    technology: &Technology,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<Sweep, ExploreError> {
    let all: Vec<usize> = (0..space.points().len()).collect();
    let outcomes = Mutex::new(BTreeMap::new());
    evaluate(space, workload, technology, &all, &|position, outcome| {
        let mut outcomes = outcomes.lock().unwrap_or_else(PoisonError::into_inner);
        outcomes.insert(position, outcome);
        progress(outcomes.len(), all.len());
        Ok::<(), ExploreError>(())
    })?;
    let outcomes = outcomes.into_inner().unwrap_or_else(PoisonError::into_inner);
    summarize(outcomes.into_values(), &technology.name, !workload.test.is_empty())
}

/// Evaluates the points of `space` that stand at `positions`. `found` hears what became of each as soon as it is
/// known, from several threads; when it fails, the rest is left.
///
/// # Errors
/// A network that cannot be quantized or run, or what `found` fails with.
pub fn evaluate<E: From<ExploreError> + Send>(
    space: &Space,
    workload: &Workload,
    technology: &Technology,
    positions: &[usize],
    found: &(dyn Fn(usize, Outcome) -> Result<(), E> + Sync),
) -> Result<(), E> {
    let configurations = space.points();
    let accelerator = |&position: &usize| {
        let configuration = &configurations[position];
        (position, Accelerator::new(configuration.clone()).map_err(|e| refused(configuration, e)))
    };
    let accelerators: Vec<(usize, Result<Accelerator, Refusal>)> =
        positions.iter().map(accelerator).collect();
    let legal = accelerators.iter().filter_map(|(_, accelerator)| accelerator.as_ref().ok());
    let networks = networks(legal, workload)?;
    accelerators.into_par_iter().try_for_each(|(position, accelerator)| {
        let outcome = accelerator.and_then(|accelerator| {
            let (network, accuracy) = &networks[&Arithmetic::of(&accelerator)];
            point(&accelerator, network, *accuracy, technology)
                .map_err(|reason| refused(accelerator.configuration(), reason))
        });
        found(position, outcome)
    })
}

/// The front of what became of all points, which come in the order of the space. `has_accuracy` says whether accuracy is
/// an objective.
///
/// # Errors
/// No legal point.
pub fn summarize(
    outcomes: impl Iterator<Item = Outcome>,
    technology: &str,
    has_accuracy: bool,
) -> Result<Sweep, ExploreError> {
    let (mut points, mut refusals) = (Vec::new(), Vec::new());
    for outcome in outcomes {
        match outcome {
            Ok(point) => points.push(point),
            Err(refusal) => refusals.push(refusal),
        }
    }
    if points.is_empty() {
        let first = refusals.into_iter().next().map(|Refusal { name, reason }| (name, reason));
        let (name, reason) = first.unwrap_or_else(|| ("none".to_owned(), "there are no points".to_owned()));
        return Err(ExploreError::NoLegalPoint { name, reason });
    }
    let mut objectives = vec![Objective::Latency, Objective::Energy, Objective::Area];
    if has_accuracy {
        objectives.push(Objective::Accuracy);
    }
    let goals: Vec<Goal> = objectives.iter().map(|o| o.goal()).collect();
    let values = values(&points, &objectives);
    let front = front(&values, &goals)?;
    let scale = Scale::of(values.iter(), &goals);
    let on_front = || front.iter().map(|&index| &values[index]);
    let hypervolume = scale.hypervolume(on_front());
    let knee = front[scale.knee(on_front()).unwrap_or_default()];
    let technology = technology.to_owned();
    Ok(Sweep { technology, objectives, points, refused: refusals, front, knee, hypervolume })
}

fn refused(configuration: &Configuration, reason: impl ToString) -> Refusal {
    Refusal { name: configuration.name.clone(), reason: reason.to_string() }
}

/// The network for every arithmetic of the space, with its accuracy: they do not depend on the array. All layers have
/// the first format of the weights, all tensors the first of the activations.
fn networks<'a>(
    accelerators: impl Iterator<Item = &'a Accelerator>,
    workload: &Workload,
) -> Result<HashMap<Arithmetic, (QuantizedNetwork, Option<f64>)>, ExploreError> {
    let mut all: Vec<Arithmetic> = Vec::new();
    for accelerator in accelerators {
        let arithmetic = Arithmetic::of(accelerator);
        if !all.contains(&arithmetic) {
            all.push(arithmetic);
        }
    }
    let quantize = |arithmetic: Arithmetic| -> Result<_, ExploreError> {
        let network = workload.quantized(&arithmetic)?;
        let accuracy = workload.quantized_accuracy_percent(&network)?;
        Ok((arithmetic, (network, accuracy)))
    };
    all.into_par_iter().map(quantize).collect()
}

fn point(
    accelerator: &Accelerator,
    network: &QuantizedNetwork,
    accuracy_percent: Option<f64>,
    technology: &Technology,
) -> Result<Point, String> {
    let configuration = accelerator.configuration();
    let (_, _, report) = simulate(accelerator, network).map_err(|e| e.to_string())?;
    let design = accelerator.module().and_then(|top| Design::new(&top)).map_err(|e| e.to_string())?;
    let cost = estimate(&design, technology);
    let clock_mhz = f64::from(configuration.clock_mhz).min(cost.clock_mhz());
    let energy = energy(&cost, &report.activity, clock_mhz);
    Ok(Point {
        configuration: configuration.clone(),
        cycles: report.cycles,
        utilization: report.utilization,
        clock_mhz,
        latency_us: report.cycles as f64 / clock_mhz,
        energy_uj: energy.total_pj() * 1e-6,
        area_mm2: cost.total.area_um2() * 1e-6,
        accuracy_percent,
    })
}
