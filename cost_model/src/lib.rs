//! What hardware costs: area, delay and energy of each component, from the graph that is emitted.
//!
//! [`estimate`] walks a [`bitmill_hdl::Design`] and prices its cells and memories in a [`Technology`]: cells by gates that are
//! counted bit by bit, by their toggles and by the steps of paths, with coefficients that were fitted to whole synthesised designs
//! ([`Calibration`]). The errors on designs that the fit did not see are part of it. [`energy`] joins the result with the activity that
//! the simulator counted. What is left out is told by [`Technology::limits`].
//!
//! [`training_designs`] names what is synthesised for a fit, [`liberty`] prices the netlists, and [`fit_measurements`] fits.
//!
//! This crate touches no files; technologies are embedded, or parsed from text.

mod analysis;
mod calibration;
mod cost;
mod energy;
mod error;
mod estimate;
mod fabric;
mod gates;
pub mod liberty;
mod measurements;
mod technology;
mod training;
mod tree;

pub use calibration::{Calibration, ErrorStatistics, Fit, Sample, statistics};
pub use cost::{Component, Cost, DesignCost, LongestPath};
pub use energy::{ComponentEnergy, EnergyBreakdown, energy};
pub use error::CostError;
pub use estimate::{MemoryCost, estimate, estimate_in_all, memory_cost};
pub use fabric::{
    Block, Device, Fabric, FabricCalibration, FabricMeasurement, FittedFabric, Mapper, MemoryRules,
    Resources, estimate_on, fabric_measurements_from_text, fabric_measurements_to_text, fit_fabric,
};
pub use gates::fabric::{Multiplier, Rules};
pub use gates::{Circuits, Counts, Gates, KINDS as GATE_KINDS};
pub use measurements::{Fitted, Measurement, fit_measurements, measurements_from_text, measurements_to_text};
pub use technology::{
    FROM_130_NM, MemoryModel, Process, Reference, SCALING_CAVEAT, Source, Technology, limits,
};
pub use training::{fabric_designs, is_held_out, training_design, training_designs, unit_of};

/// Four significant digits: more would claim what no measurement holds.
fn significant(value: f64) -> f64 {
    format!("{value:.3e}").parse().unwrap_or(value)
}
