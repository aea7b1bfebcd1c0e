//! An FPGA family: what it is made of, how a mapper fills it, and coefficients with measured errors.
//!
//! A family is no [`crate::Technology`]: it has neither areas nor energies. It counts resources, and a clock where a tool places and
//! routes. The files under `technologies/` are written by `bitmill technology fit-fpga`.

mod calibration;
mod estimate;
mod measurements;
mod memory;
mod resources;

use std::collections::BTreeMap;

use bitmill_hdl::MemoryData;
use serde::{Deserialize, Serialize};

use crate::gates::fabric::Rules;
use crate::{CostError, ErrorStatistics};

pub use calibration::{FabricCalibration, FittedFabric, fit_fabric};
pub use estimate::estimate_on;
pub use measurements::{FabricMeasurement, fabric_measurements_from_text, fabric_measurements_to_text};
pub use memory::{Block, MemoryRules};
pub use resources::Resources;

/// An FPGA family.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fabric {
    /// Name, as in `--technology NAME`.
    pub name: String,
    /// Family, tools and what is counted, in a line.
    pub summary: String,
    /// How designs are mapped and measured.
    pub mapper: Mapper,
    /// What each kind of cell of a mapped netlist takes; others take nothing.
    pub cells: BTreeMap<String, Resources>,
    /// How the mapper fills it.
    pub rules: Rules,
    /// How it builds memories.
    pub memory: MemoryRules,
    /// What there is to fill.
    pub devices: Vec<Device>,
    /// Coefficients that were fitted to mapped designs.
    pub calibration: FabricCalibration,
}

/// A device of a family.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Device {
    /// Its name.
    pub name: String,
    /// What it has.
    pub has: Resources,
}

/// The tools of a family.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mapper {
    /// Yosys's command, without the name of the top module.
    pub synthesis: String,
    /// The command that places and routes, without netlist and report; empty if there is none, and then no clock is known.
    pub place_and_route: Vec<String>,
    /// The version of Yosys.
    pub version: String,
}

const EMBEDDED: [&str; 2] =
    [include_str!("../technologies/ecp5.toml"), include_str!("../technologies/xcup.toml")];

impl Fabric {
    /// Reads a family from TOML.
    ///
    /// # Errors
    /// [`CostError::Toml`] with the line and what was expected; [`CostError::IllegalTable`] for a coefficient that is
    /// missing, unknown, negative or not finite.
    pub fn from_toml(text: &str) -> Result<Fabric, CostError> {
        let family: Fabric = toml::from_str(text).map_err(|e| CostError::Toml(e.to_string()))?;
        family.calibration.check().map_err(|(table, problem)| CostError::IllegalTable {
            technology: family.name.clone(),
            table: format!("calibration.{table}"),
            problem,
        })?;
        Ok(family)
    }

    /// The text that [`Fabric::from_toml`] reads.
    ///
    /// # Errors
    /// [`CostError::Toml`] only on our own bugs.
    pub fn to_toml(&self) -> Result<String, CostError> {
        let text = toml::to_string(self).map_err(|e| CostError::Toml(e.to_string()))?;
        Ok(format!("{HEADER}{text}"))
    }

    /// The families that are part of the program.
    ///
    /// # Errors
    /// Only on our own bugs: the tests read every embedded file.
    pub fn embedded() -> Result<Vec<Fabric>, CostError> {
        EMBEDDED.iter().map(|text| Fabric::from_toml(text)).collect()
    }

    /// The embedded family called `name`; `None` if there is none.
    ///
    /// # Errors
    /// As [`Fabric::embedded`].
    pub fn named(name: &str) -> Result<Option<Fabric>, CostError> {
        Ok(Fabric::embedded()?.into_iter().find(|family| family.name == name))
    }

    /// What figures of this family are worth, and what they leave out, in words for a report.
    pub fn limits(&self) -> String {
        let error = |figure: &str, found: &ErrorStatistics| {
            let [half, most] = [found.median, found.percentile_90].map(|share| 100.0 * share);
            format!("{figure} ± {half:.1} % ({most:.0} %)")
        };
        let FabricCalibration { luts, flip_flops, dsps, block_rams, memory_luts, delay, .. } =
            &self.calibration;
        let mut errors = vec![
            error("LUTs", &luts.held_out),
            error("flip-flops", &flip_flops.held_out),
            error("DSPs", dsps),
            error("block RAMs", block_rams),
            error("LUTs of memories", &memory_luts.held_out),
        ];
        errors.extend(delay.as_ref().map(|fit| error("longest path", &fit.held_out)));
        let clock = match delay {
            Some(_) => "paths are placed and routed, each design by itself, in an empty device",
            None => "no clock, since no tool at hand places and routes for it",
        };
        format!(
            "error of half (nine in ten) of the designs that the fit did not see: {}; {clock}; no energy and no area: an FPGA's \
             are those of the device, which these tools do not tell",
            errors.join(", ")
        )
    }

    /// What a memory takes.
    pub(crate) fn memory(&self, memory: &MemoryData) -> Resources {
        self.calibration.memory(&self.memory.build(memory))
    }

    /// From the clock to the data of a memory in ns; 0 where no clock is known.
    pub(crate) fn access_ns(&self, memory: &MemoryData) -> f64 {
        self.calibration.access_ns(&self.memory.build(memory))
    }

    /// What the cells of a mapped netlist take, by their kind.
    pub fn resources(&self, cells: &BTreeMap<String, u64>) -> Resources {
        cells.iter().filter_map(|(kind, count)| Some(*self.cells.get(kind)? * *count as f64)).sum()
    }
}

const HEADER: &str = "\
# Written by `bitmill technology fit-fpga`; docs/cost_model.md tells how.
# Coefficients are lookup tables and flip-flops of one that is counted, and ns a step of a path.

";
