//! What hardware costs: area, delay and energy of each component, from the graph that is emitted.
//!
//! [`estimate`] walks a [`bitmill_hdl::Design`] and prices every operator, register and memory with a
//! [`Technology`]: operators that were measured one by one, at a few widths, by mapping them to a cell
//! library. [`energy`] joins the result with the activity that the simulator counted.
//!
//! The component estimate is **uncalibrated**: no coefficient was fitted to whole designs, and its error on them is not
//! part of the answer. What it leaves out is listed in [`LIMITS`].
//!
//! [`Calibration`] prices area another way: by gates that are counted bit by bit and coefficients that were fitted to
//! whole synthesised designs, with the error on designs that the fit did not see.
//!
//! This crate touches no files; technologies are embedded, or parsed from text.

mod analysis;
mod calibration;
mod cost;
mod energy;
mod error;
mod estimate;
mod gates;
pub mod liberty;
mod technology;

pub use calibration::{Calibration, ErrorStatistics, Sample, statistics};
pub use cost::{Component, Cost, DesignCost, LongestPath};
pub use energy::{ComponentEnergy, EnergyBreakdown, energy};
pub use error::CostError;
pub use estimate::estimate;
pub use gates::{Counts, KINDS as GATE_KINDS, count as count_gates};
pub use technology::{Check, Figures, Source, Technology};

/// What an estimate leaves out, in words for a report.
pub const LIMITS: &str = "uncalibrated: operators measured one by one and added up; before layout (no wires, \
                          no clock tree, no fan-out buffers), uniformly random operands, glitches not counted";
