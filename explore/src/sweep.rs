//! Evaluates every point of a space: quantize, simulate, price, and find the front.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use bitmill_accelerator::{Accelerator, Configuration};
use bitmill_cost_model::{Technology, energy, estimate};
use bitmill_formats::{Format, Multiplication};
use bitmill_hdl::Design;
use bitmill_model::QuantizedNetwork;
use bitmill_sim::simulate;
use rayon::prelude::*;
use serde::Serialize;

use crate::pareto::{Goal, front};
use crate::workload::arithmetic;
use crate::{ExploreError, Space, Workload};

/// One configuration with what it does and costs.
#[derive(Clone, PartialEq, Debug, Serialize)]
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
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Refusal {
    /// Name of the point.
    pub name: String,
    /// Why.
    pub reason: String,
}

/// What points are compared by.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
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
#[derive(Clone, PartialEq, Debug, Serialize)]
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
}

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
    let configurations = space.points();
    let accelerators: Vec<Result<Accelerator, Refusal>> =
        configurations.iter().map(|c| Accelerator::new(c.clone()).map_err(|e| refused(c, e))).collect();
    let networks = networks(accelerators.iter().flatten(), workload)?;
    let done = AtomicUsize::new(0);
    let results: Vec<Result<Point, Refusal>> = accelerators
        .into_par_iter()
        .map(|accelerator| {
            let result = accelerator.and_then(|accelerator| {
                let (network, accuracy) = &networks[&owned(arithmetic(&accelerator))];
                evaluate(&accelerator, network, *accuracy, technology)
                    .map_err(|reason| refused(accelerator.configuration(), reason))
            });
            progress(done.fetch_add(1, Ordering::Relaxed) + 1, configurations.len());
            result
        })
        .collect();
    let (mut points, mut refusals) = (Vec::new(), Vec::new());
    for result in results {
        match result {
            Ok(point) => points.push(point),
            Err(refusal) => refusals.push(refusal),
        }
    }
    if points.is_empty() {
        let Refusal { name, reason } = refusals.swap_remove(0);
        return Err(ExploreError::NoLegalPoint { name, reason });
    }
    let mut objectives = vec![Objective::Latency, Objective::Energy, Objective::Area];
    if !workload.test.is_empty() {
        objectives.push(Objective::Accuracy);
    }
    let goals: Vec<Goal> = objectives.iter().map(|o| o.goal()).collect();
    let values: Vec<Vec<f64>> = points.iter().map(|p| objectives.iter().map(|o| o.of(p)).collect()).collect();
    let front = front(&values, &goals)?;
    Ok(Sweep { technology: technology.name.clone(), objectives, points, refused: refusals, front })
}

fn refused(configuration: &Configuration, reason: impl ToString) -> Refusal {
    Refusal { name: configuration.name.clone(), reason: reason.to_string() }
}

/// What a network is quantized for: formats of activations and weights, and their products.
type Arithmetic = (Format, Format, Multiplication);

fn owned((activation, weight, multiplication): (&Format, &Format, Multiplication)) -> Arithmetic {
    (activation.clone(), weight.clone(), multiplication)
}

/// The network for every arithmetic of the space, with its accuracy: they do not depend on the array. All layers have
/// the first format of the weights, all tensors the first of the activations.
fn networks<'a>(
    accelerators: impl Iterator<Item = &'a Accelerator>,
    workload: &Workload,
) -> Result<HashMap<Arithmetic, (QuantizedNetwork, Option<f64>)>, ExploreError> {
    let mut all: Vec<Arithmetic> = Vec::new();
    for accelerator in accelerators {
        let arithmetic = owned(arithmetic(accelerator));
        if !all.contains(&arithmetic) {
            all.push(arithmetic);
        }
    }
    let quantize = |arithmetic: Arithmetic| -> Result<_, ExploreError> {
        let network = workload.quantized(&arithmetic.0, &arithmetic.1, arithmetic.2)?;
        let accuracy = workload.quantized_accuracy_percent(&network)?;
        Ok((arithmetic, (network, accuracy)))
    };
    all.into_par_iter().map(quantize).collect()
}

fn evaluate(
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
