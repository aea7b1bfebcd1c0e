//! Coefficients of an FPGA family, fitted to mapped designs, with their errors on designs that the fit did not see.

use bitmill_hdl::Design;
use serde::{Deserialize, Serialize};

use super::memory::{Built, MEMORY_PARTS, MEMORY_STEPS, MemoryRules};
use super::{FabricMeasurement, Resources};
use crate::calibration::{ErrorStatistics, Fit, dot, fit_paths, statistics};
use crate::gates::Circuits;
use crate::gates::fabric::{FABRIC_STEPS, FabricCounts, LUT_KINDS, Rules, TYPICAL_FABRIC_STEPS};
use crate::training::{is_held_out, training_design, unit_of};

/// Designs of fewer lookup tables take no part in the fit of these: a few more or less are a large share.
const LEAST_LUTS: f64 = 10.0;
/// Levels of lookup tables of a typical path.
const PATH_STEPS: f64 = 6.0;

/// What fits a family's resources and clock to mapped designs.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FabricCalibration {
    /// Lookup tables that come of one that was counted, by what is at its output.
    pub luts: Fit,
    /// Flip-flops that come of a bit of a register.
    pub flip_flops: Fit,
    /// Multipliers: they are counted by the mapper's rule.
    pub dsps: ErrorStatistics,
    /// Block RAMs of memories: so are they.
    pub block_rams: ErrorStatistics,
    /// Lookup tables in and around a memory, by what it is made of.
    pub memory_luts: Fit,
    /// Flip-flops around a memory.
    pub memory_flip_flops: Fit,
    /// Longest path in ns, by step; where a tool places and routes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay: Option<Fit>,
    /// From the clock to the data of a memory in ns, by what it is made of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_delay: Option<Fit>,
}

/// A fit, and its errors on each design that it did not see.
pub struct FittedFabric {
    /// The coefficients and their errors.
    pub calibration: FabricCalibration,
    /// Designs that the fit did not see: relative errors of lookup tables, flip-flops, multipliers and clock, where there are any.
    pub held_out: Vec<(String, [Option<f64>; 4])>,
}

impl FittedFabric {
    /// Absolute errors of held-out designs by unit: lookup tables, flip-flops, multipliers and clock.
    pub fn by_unit(&self) -> Vec<(&str, [ErrorStatistics; 4])> {
        let mut units: Vec<&str> = self.held_out.iter().map(|(name, _)| unit_of(name)).collect();
        units.sort_unstable();
        units.dedup();
        let of = |unit: &str, figure: usize| {
            let own = self.held_out.iter().filter(|(name, _)| unit_of(name) == unit);
            let errors = own.filter_map(|(_, errors)| errors[figure]);
            statistics(&errors.map(|error| (1.0 + error, 1.0)).collect::<Vec<_>>())
        };
        units.into_iter().map(|unit| (unit, std::array::from_fn(|figure| of(unit, figure)))).collect()
    }
}

/// A design that was measured, and what it is made of.
struct Sample<'d> {
    measured: &'d FabricMeasurement,
    circuits: Circuits<'d>,
    counts: FabricCounts,
}

impl FabricCalibration {
    /// The table with a coefficient that is missing, unknown, negative or not finite, and what is wrong with it.
    pub(crate) fn check(&self) -> Result<(), (&'static str, String)> {
        let delay = self.delay.as_ref().map(|fit| ("delay", fit, &FABRIC_STEPS[..]));
        let access = self.memory_delay.as_ref().map(|fit| ("memory_delay", fit, &MEMORY_STEPS[..]));
        let fits = [
            ("luts", &self.luts, &LUT_KINDS[..]),
            ("flip_flops", &self.flip_flops, &FLIP_FLOP[..]),
            ("memory_luts", &self.memory_luts, &MEMORY_PARTS[..]),
            ("memory_flip_flops", &self.memory_flip_flops, &MEMORY_PARTS[..]),
        ];
        fits.into_iter()
            .chain(delay)
            .chain(access)
            .try_for_each(|(table, fit, names)| fit.check(names).map_err(|e| (table, e)))
    }

    /// What so many lookup tables, registers and multipliers come to, memories left out.
    pub(crate) fn resources(&self, counts: &FabricCounts) -> Resources {
        Resources {
            luts: dot(&self.luts.all(&LUT_KINDS), &counts.luts),
            flip_flops: self.flip_flops.all(&FLIP_FLOP)[0] * counts.flip_flops,
            dsps: counts.dsps,
            block_rams: 0.0,
        }
    }

    /// What a memory takes, block RAMs by the mapper's rule.
    pub(crate) fn memory(&self, built: &Built) -> Resources {
        Resources {
            luts: dot(&self.memory_luts.all(&MEMORY_PARTS), &built.parts),
            flip_flops: dot(&self.memory_flip_flops.all(&MEMORY_PARTS), &built.parts),
            dsps: 0.0,
            block_rams: built.block_rams,
        }
    }

    /// From the clock to the data of a memory in ns; 0 where no clock is known.
    pub(crate) fn access_ns(&self, built: &Built) -> f64 {
        self.memory_delay.as_ref().map_or(0.0, |fit| dot(&fit.all(&MEMORY_STEPS), &built.steps))
    }

    /// What the steps of a path take, in ns.
    pub(crate) fn step_ns(&self) -> Option<[f64; FABRIC_STEPS.len()]> {
        self.delay.as_ref().map(|fit| fit.all(&FABRIC_STEPS))
    }
}

const FLIP_FLOP: [&str; 1] = ["flip_flop"];
/// About how the parts and steps of memories compare.
const TYPICAL_MEMORY_LUTS: [f64; MEMORY_PARTS.len()] = [1.0, 1.0, 1.0, 6.0, 1.0];
const TYPICAL_MEMORY_FLIP_FLOPS: [f64; MEMORY_PARTS.len()] = [2.0, 1.0, 0.1, 4.0, 0.1];
const TYPICAL_MEMORY_STEPS: [f64; MEMORY_STEPS.len()] = [6.0, 1.0, 2.0, 1.0];

/// Fits a family to measurements. Designs that this version does not know take no part.
pub fn fit_fabric(measurements: &[FabricMeasurement], rules: &Rules, memory: &MemoryRules) -> FittedFabric {
    let known: Vec<(&FabricMeasurement, Design)> =
        measurements.iter().filter_map(|found| Some((found, training_design(&found.design)?))).collect();
    let [training, held_out] = [false, true].map(|is_unseen| {
        let logic = known.iter().filter(|(_, design)| design.top.memories.is_empty());
        let part = logic.filter(|(found, _)| is_held_out(&found.design) == is_unseen);
        part.map(|(measured, design)| sample(measured, design, rules)).collect::<Vec<Sample>>()
    });
    let luts = |samples: &[Sample]| -> Vec<_> {
        let large = samples.iter().filter(|sample| sample.measured.resources.luts >= LEAST_LUTS);
        large.map(|sample| (sample.counts.luts, sample.measured.resources.luts)).collect()
    };
    let flip_flops = |samples: &[Sample]| -> Vec<_> {
        let with = samples.iter().filter(|sample| sample.measured.resources.flip_flops > 0.0);
        with.map(|sample| ([sample.counts.flip_flops], sample.measured.resources.flip_flops)).collect()
    };
    let with_dsps = held_out.iter().filter(|sample| sample.measured.resources.dsps > 0.0);
    let dsps: Vec<_> = with_dsps.map(|sample| (sample.counts.dsps, sample.measured.resources.dsps)).collect();
    let memories = Memories::of(&known, memory);
    let calibration = FabricCalibration {
        luts: Fit::linear(&LUT_KINDS, &[1.0; LUT_KINDS.len()], &luts(&training), &luts(&held_out)),
        flip_flops: Fit::linear(&FLIP_FLOP, &[1.0], &flip_flops(&training), &flip_flops(&held_out)),
        dsps: statistics(&dsps),
        block_rams: memories.block_rams(),
        memory_luts: memories
            .fit(&MEMORY_PARTS, &TYPICAL_MEMORY_LUTS, |built, found| (built.parts, found.resources.luts)),
        memory_flip_flops: memories.fit(&MEMORY_PARTS, &TYPICAL_MEMORY_FLIP_FLOPS, |built, found| {
            (built.parts, found.resources.flip_flops)
        }),
        delay: delay(&training, &held_out),
        memory_delay: memories.is_placed().then(|| {
            memories.fit(&MEMORY_STEPS, &TYPICAL_MEMORY_STEPS, |built, found| {
                (built.steps, if found.clock_mhz > 0.0 { 1e3 / found.clock_mhz } else { 0.0 })
            })
        }),
    };
    let held_out = held_out.iter().map(|s| (s.measured.design.clone(), errors(&calibration, s))).collect();
    FittedFabric { calibration, held_out }
}

fn sample<'d>(measured: &'d FabricMeasurement, design: &'d Design, rules: &Rules) -> Sample<'d> {
    let circuits = Circuits::on_whole(design, rules);
    Sample { measured, counts: circuits.fabric_count(), circuits }
}

/// The longest paths of what was placed and routed, if anything was.
fn delay(training: &[Sample], held_out: &[Sample]) -> Option<Fit> {
    let [training, held_out] = [training, held_out].map(|samples| {
        let placed = samples.iter().filter(|sample| sample.measured.clock_mhz > 0.0);
        placed.map(|sample| (&sample.circuits, 1e3 / sample.measured.clock_mhz)).collect::<Vec<_>>()
    });
    let is_known = !training.is_empty() && !held_out.is_empty();
    is_known.then(|| fit_paths(&FABRIC_STEPS, &TYPICAL_FABRIC_STEPS, PATH_STEPS, &training, &held_out))
}

/// Memories that were measured, each as it is built: those that fits see, and the others.
struct Memories<'m>([Vec<(Built, &'m FabricMeasurement)>; 2]);

impl<'m> Memories<'m> {
    fn of(known: &'m [(&FabricMeasurement, Design)], rules: &MemoryRules) -> Memories<'m> {
        Memories([false, true].map(|is_unseen| {
            let part = known.iter().filter(|(found, _)| is_held_out(&found.design) == is_unseen);
            let built = |(found, design): &'m (&FabricMeasurement, Design)| {
                Some((rules.build(design.top.memories.first()?), *found))
            };
            part.filter_map(built).collect()
        }))
    }

    fn is_placed(&self) -> bool {
        self.0.iter().all(|part| part.iter().any(|(_, found)| found.clock_mhz > 0.0))
    }

    fn block_rams(&self) -> ErrorStatistics {
        let all = self.0[1].iter().map(|(built, found)| (built.block_rams, found.resources.block_rams));
        statistics(&all.filter(|pair| pair.1 > 0.0).collect::<Vec<_>>())
    }

    /// Fits a figure of memories that have it.
    fn fit<const N: usize>(
        &self,
        names: &[&str; N],
        typical: &[f64; N],
        of: impl Fn(&Built, &FabricMeasurement) -> ([f64; N], f64),
    ) -> Fit {
        let [seen, unseen] = [0, 1].map(|part| {
            let rows = self.0[part].iter().map(|(built, found)| of(built, found));
            rows.filter(|row| row.1 > 0.0).collect::<Vec<_>>()
        });
        Fit::linear(names, typical, &seen, &unseen)
    }
}

/// Relative errors of lookup tables, flip-flops, multipliers and clock.
fn errors(calibration: &FabricCalibration, sample: &Sample) -> [Option<f64>; 4] {
    let (found, measured) = (calibration.resources(&sample.counts), sample.measured.resources);
    let error = |found: f64, measured: f64, least: f64| {
        (measured > 0.0 && measured >= least).then(|| found / measured - 1.0)
    };
    let ns = calibration.step_ns().map_or(0.0, |step_ns| sample.circuits.delay_ns(&step_ns));
    [
        error(found.luts, measured.luts, LEAST_LUTS),
        error(found.flip_flops, measured.flip_flops, 0.0),
        error(found.dsps, measured.dsps, 0.0),
        error(1e3 / ns, sample.measured.clock_mhz, 0.0).filter(|error| error.is_finite()),
    ]
}
