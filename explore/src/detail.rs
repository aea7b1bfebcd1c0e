//! A closer look at points of a sweep: their runs command by command, their circuits component by component, and
//! how far their figures may be off.

use bitmill_accelerator::{Accelerator, Configuration};
use bitmill_cost_model::{DesignCost, EnergyBreakdown, Technology, energy};
use bitmill_model::QuantizedNetwork;
use bitmill_sim::{Program, Report, Trace, activity_by_layer, time};
use rayon::prelude::*;

use crate::{Candidate, Evaluator, ExploreError, Objective, Point};

/// All that stands behind the figures of a point.
pub struct Detail<'e> {
    /// The accelerator.
    pub accelerator: Accelerator,
    /// The network at its precision.
    pub network: &'e QuantizedNetwork,
    /// The commands of a run.
    pub program: Program,
    /// When each of them started and ended.
    pub trace: Trace,
    /// What the run took, layer by layer.
    pub report: Report,
    /// Process and cell library.
    pub technology: &'e Technology,
    /// What the circuit costs.
    pub cost: DesignCost,
    /// Energy of the run by component.
    pub energy: EnergyBreakdown,
    /// Energy of each layer in nJ; they add up to the run's.
    pub layers_nj: Vec<f64>,
}

impl<'e> Detail<'e> {
    fn of(
        accelerator: Accelerator,
        known: (&'e QuantizedNetwork, &'e DesignCost),
        technology: &'e Technology,
        (program, trace, report): (Program, Trace, Report),
    ) -> Detail<'e> {
        let network = known.0;
        // The circuit was priced for all points that have it.
        let top = format!("bitmill_{}", accelerator.configuration().name);
        let cost = DesignCost { top, ..known.1.clone() };
        let clock_mhz = cost.clock_within_mhz(accelerator.configuration().clock_mhz);
        let layers = activity_by_layer(&accelerator, &program, &trace, &report);
        let layers_nj =
            layers.iter().map(|layer| energy(&cost, layer, clock_mhz).total_pj() * 1e-3).collect();
        let energy = energy(&cost, &report.activity, clock_mhz);
        Detail { accelerator, network, program, trace, report, technology, cost, energy, layers_nj }
    }

    /// Between which values the objective lies, by the errors of half of the designs that the calibration did not see;
    /// `None` for what is exact. Areas of memories are macros' data and taken as exact,
    /// energies of memories are not told apart.
    pub fn range(&self, objective: Objective) -> Option<(f64, f64)> {
        let calibration = &self.technology.calibration;
        let around = |value: f64, error: f64| (value - error, value + error);
        match objective {
            Objective::Accuracy => None,
            Objective::Area => {
                let error_um2 = calibration.area.held_out.median * self.cost.total.cells_um2();
                let (low_um2, high_um2) = around(self.cost.total.area_um2(), error_um2);
                Some((low_um2 * 1e-6, high_um2 * 1e-6))
            }
            Objective::Energy => {
                let energy_uj = self.energy.total_pj() * 1e-6;
                Some(around(energy_uj, calibration.energy.held_out.median * energy_uj))
            }
            Objective::Latency => {
                let wished_mhz = f64::from(self.accelerator.configuration().clock_mhz);
                let error = calibration.delay.held_out.median;
                let latency_us =
                    |path: f64| self.report.cycles as f64 / wished_mhz.min(self.cost.clock_mhz() / path);
                Some((latency_us(1.0 - error), latency_us(1.0 + error)))
            }
        }
    }
}

impl Evaluator<'_> {
    /// Looks closer at points of the space, in the order in which they are given.
    ///
    /// # Errors
    /// A network that cannot be quantized, or a point that is refused: it was evaluated with another network.
    pub fn examine(&mut self, points: &[&Point]) -> Result<Vec<Detail<'_>>, ExploreError> {
        let candidate = |point: &&Point| Candidate {
            configuration: point.configuration.clone(),
            technology: point.technology.clone(),
        };
        let circuits = self.by_circuit(points.iter().map(candidate).enumerate())?;
        let this = &*self;
        let details = circuits.into_par_iter().flat_map_iter(|(circuit, members)| {
            members.into_iter().map(move |(position, candidate)| {
                let name = candidate.configuration.name.clone();
                let detail = this.detail(&circuit, candidate);
                detail.map(|detail| (position, detail)).map_err(|reason| ExploreError::Point { name, reason })
            })
        });
        let mut details = details.collect::<Result<Vec<(usize, Detail<'_>)>, ExploreError>>()?;
        details.sort_by_key(|(position, _)| *position);
        Ok(details.into_iter().map(|(_, detail)| detail).collect())
    }

    fn detail(&self, circuit: &Configuration, candidate: Candidate) -> Result<Detail<'_>, String> {
        let accelerator = Accelerator::new(candidate.configuration).map_err(|e| e.to_string())?;
        let technology = self.technologies.iter().find(|known| known.name == candidate.technology);
        let technology = technology.ok_or("the space does not have its technology")?;
        let known = self.known_of(&accelerator, circuit, &technology.name)?;
        let run = time(&accelerator, known.0, self.thoroughness.effort).map_err(|e| e.to_string())?;
        Ok(Detail::of(accelerator, known, technology, run))
    }
}
