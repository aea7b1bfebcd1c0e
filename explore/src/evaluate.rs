//! What becomes of points: quantize, simulate, price.
//!
//! Most points of a space differ in little, and each part of the work depends on a part of the configuration
//! only: the network's integers and its accuracy on the arithmetic, the circuit on all but the clock and the
//! memory behind the bus, the cycles on all but the clock and the technology. So points are put into groups
//! that have a circuit in common, and those into groups that have a run in common, and each part is done once
//! a group.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::OnceLock;

use bitmill_accelerator::{Accelerator, Configuration};
use bitmill_cost_model::{DesignCost, Technology, energy, estimate_in_all};
use bitmill_hdl::Design;
use bitmill_model::QuantizedNetwork;
use bitmill_sim::{Effort, Program, Report, time};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::workload::Arithmetic;
use crate::{Candidate, ExploreError, Outcome, Point, Refusal, Space, Workload};

/// How thoroughly points are evaluated.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Thoroughness {
    /// How long to look for the best way to cut layers.
    pub effort: Effort,
    /// Leave out what depends on the values of weights and inputs: accuracy, and whether weights fit their
    /// words.
    pub timing_only: bool,
}

/// Evaluates points of a space. What was quantized or priced once is kept.
pub struct Evaluator<'a> {
    space: &'a Space,
    workload: &'a Workload,
    pub(crate) thoroughness: Thoroughness,
    pub(crate) technologies: Vec<Technology>,
    networks: HashMap<Arithmetic, Network>,
    circuits: HashMap<Configuration, Circuit>,
}

/// A network's integers, with their accuracy.
struct Network {
    quantized: QuantizedNetwork,
    accuracy_percent: Option<f64>,
}

/// Points, by position, that have a part in common, and what that part depends on.
pub(crate) type Group = (Configuration, Vec<(usize, Candidate)>);

impl<'a> Evaluator<'a> {
    /// An evaluator of points of `space` with `workload`.
    ///
    /// # Errors
    /// A technology that there is none of.
    pub fn new(
        space: &'a Space,
        workload: &'a Workload,
        thoroughness: Thoroughness,
    ) -> Result<Evaluator<'a>, ExploreError> {
        let technologies = space.technologies().iter().map(|name| Technology::named(name));
        let technologies = technologies.collect::<Result<_, _>>()?;
        let (networks, circuits) = (HashMap::new(), HashMap::new());
        Ok(Evaluator { space, workload, thoroughness, technologies, networks, circuits })
    }

    /// Evaluates the points that stand at `positions`. `found` hears what became of each as soon as it is
    /// known, from several threads; when it fails, the rest is left.
    ///
    /// # Errors
    /// A network that cannot be quantized or run, or what `found` fails with.
    pub fn evaluate<E: From<ExploreError> + Send>(
        &mut self,
        positions: &[usize],
        found: &(dyn Fn(usize, Outcome) -> Result<(), E> + Sync),
    ) -> Result<(), E> {
        let points = self.space.points();
        let candidates = positions.iter().map(|&position| (position, points.at(position)));
        let circuits = self.by_circuit(candidates)?;
        circuits.into_par_iter().try_for_each(|(circuit, points)| {
            let circuit = &self.circuits[&circuit];
            let runs: Vec<Group> = groups(points.into_iter(), |candidate| of_run(&candidate.configuration));
            runs.into_par_iter().try_for_each(|(_, points)| self.points_of_run(points, circuit, found))
        })
    }

    /// Puts points into groups that have a circuit in common, and sees to it that the circuits and the network's
    /// integers for them are known.
    pub(crate) fn by_circuit(
        &mut self,
        candidates: impl Iterator<Item = (usize, Candidate)>,
    ) -> Result<Vec<Group>, ExploreError> {
        let circuits: Vec<Group> = groups(candidates, |candidate| of_circuit(&candidate.configuration));
        self.quantize(&circuits)?;
        for (circuit, _) in &circuits {
            self.circuits.entry(circuit.clone()).or_default();
        }
        Ok(circuits)
    }

    /// The network's integers for an accelerator of a group, and what the group's circuit costs in a technology.
    pub(crate) fn known_of(
        &self,
        accelerator: &Accelerator,
        circuit: &Configuration,
        technology: &str,
    ) -> Result<(&QuantizedNetwork, &DesignCost), String> {
        let costs = self.circuits[circuit].costs(accelerator, &self.technologies)?;
        Ok((&self.networks[&Arithmetic::of(accelerator)].quantized, &costs[technology]))
    }

    /// Quantizes the network to what is not known yet of the arithmetic of these points, and measures its
    /// accuracy.
    fn quantize(&mut self, circuits: &[Group]) -> Result<(), ExploreError> {
        let mut missing: Vec<Arithmetic> = Vec::new();
        for (configuration, _) in circuits {
            // What is refused is heard of where its points are evaluated.
            let Ok(accelerator) = Accelerator::new(configuration.clone()) else { continue };
            let arithmetic = Arithmetic::of(&accelerator);
            if !self.networks.contains_key(&arithmetic) && !missing.contains(&arithmetic) {
                missing.push(arithmetic);
            }
        }
        let quantize = |arithmetic: Arithmetic| -> Result<_, ExploreError> {
            let quantized = self.workload.quantized(&arithmetic)?;
            let accuracy_percent = match self.thoroughness.timing_only {
                true => None,
                false => self.workload.quantized_accuracy_percent(&quantized)?,
            };
            Ok((arithmetic, Network { quantized, accuracy_percent }))
        };
        let found: Vec<_> = missing.into_par_iter().map(quantize).collect::<Result<_, _>>()?;
        self.networks.extend(found);
        Ok(())
    }

    /// Evaluates points that have their run in common.
    fn points_of_run<E>(
        &self,
        points: Vec<(usize, Candidate)>,
        circuit: &Circuit,
        found: &(dyn Fn(usize, Outcome) -> Result<(), E> + Sync),
    ) -> Result<(), E> {
        let mut run: Option<Result<Run<'_>, String>> = None;
        for (position, candidate) in points {
            let accelerator = match Accelerator::new(candidate.configuration.clone()) {
                Ok(accelerator) => accelerator,
                Err(error) => {
                    found(position, Err(refused(&candidate.configuration, error)))?;
                    continue;
                }
            };
            let run = run.get_or_insert_with(|| self.run(&accelerator, circuit));
            let priced = run.as_ref().map_err(Clone::clone).and_then(|run| {
                let cost = circuit.costs(&accelerator, &self.technologies)?;
                Ok(run.priced(&candidate, &cost[&candidate.technology]))
            });
            found(position, priced.map_err(|reason| refused(&candidate.configuration, reason)))?;
        }
        Ok(())
    }

    fn run(&self, accelerator: &Accelerator, circuit: &Circuit) -> Result<Run<'_>, String> {
        let network = &self.networks[&Arithmetic::of(accelerator)];
        let (program, _, report) =
            time(accelerator, &network.quantized, self.thoroughness.effort).map_err(|e| e.to_string())?;
        if !self.thoroughness.timing_only {
            circuit.check_contents(&program, accelerator, &network.quantized)?;
        }
        Ok(Run { report, network })
    }
}

/// What points with one circuit have in common, once it is known.
#[derive(Default)]
struct Circuit {
    costs: OnceLock<Result<HashMap<String, DesignCost>, String>>,
    contents: OnceLock<Result<(), String>>,
}

impl Circuit {
    /// What it costs in each technology: that of the circuit of [`of_circuit`], since
    /// each holds the hash of its whole configuration, and what that folds to differs by a gate or two.
    fn costs(
        &self,
        accelerator: &Accelerator,
        technologies: &[Technology],
    ) -> Result<&HashMap<String, DesignCost>, String> {
        let costs = self.costs.get_or_init(|| {
            let configuration = of_circuit(accelerator.configuration());
            let accelerator = Accelerator::new(configuration).map_err(|e| e.to_string())?;
            let design = accelerator.module().and_then(|top| Design::new(&top)).map_err(|e| e.to_string())?;
            let costs = estimate_in_all(&design, technologies);
            Ok(costs.into_iter().map(|cost| (cost.technology.clone(), cost)).collect())
        });
        costs.as_ref().map_err(Clone::clone)
    }

    /// Whether the network's weights and parameters fit its words, however layers are cut.
    fn check_contents(
        &self,
        program: &Program,
        accelerator: &Accelerator,
        network: &QuantizedNetwork,
    ) -> Result<(), String> {
        let check = || program.check_contents(accelerator, network).map_err(|e| e.to_string());
        self.contents.get_or_init(check).clone()
    }
}

/// A run of the network.
struct Run<'a> {
    report: Report,
    network: &'a Network,
}

impl Run<'_> {
    fn priced(&self, candidate: &Candidate, cost: &DesignCost) -> Point {
        let (configuration, report) = (&candidate.configuration, &self.report);
        let clock_mhz = cost.clock_within_mhz(configuration.clock_mhz);
        Point {
            configuration: configuration.clone(),
            technology: candidate.technology.clone(),
            cycles: report.cycles,
            utilization: report.utilization,
            clock_mhz,
            latency_us: report.cycles as f64 / clock_mhz,
            energy_uj: energy(cost, &report.activity, clock_mhz).total_pj() * 1e-6,
            area_mm2: cost.total.area_um2() * 1e-6,
            accuracy_percent: self.network.accuracy_percent,
        }
    }
}

fn refused(configuration: &Configuration, reason: impl ToString) -> Refusal {
    Refusal { name: configuration.name.clone(), reason: reason.to_string() }
}

/// All that a run's cycles depend on: the same for configurations that differ in nothing else.
fn of_run(configuration: &Configuration) -> Configuration {
    Configuration { name: "run".to_owned(), clock_mhz: 1, ..configuration.clone() }
}

/// All that a circuit depends on.
fn of_circuit(configuration: &Configuration) -> Configuration {
    let mut circuit = of_run(configuration);
    (circuit.memory.latency_cycles, circuit.memory.beat_interval_cycles) = (1, 1);
    circuit
}

/// `candidates` by `key`, in the order in which keys first appear.
fn groups<K: Clone + Eq + Hash>(
    candidates: impl Iterator<Item = (usize, Candidate)>,
    key: impl Fn(&Candidate) -> K,
) -> Vec<(K, Vec<(usize, Candidate)>)> {
    let mut groups: Vec<(K, Vec<(usize, Candidate)>)> = Vec::new();
    let mut places = HashMap::new();
    for candidate in candidates {
        let key = key(&candidate.1);
        let place = *places.entry(key.clone()).or_insert_with(|| {
            groups.push((key, Vec::new()));
            groups.len() - 1
        });
        groups[place].1.push(candidate);
    }
    groups
}
