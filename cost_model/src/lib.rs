//! What hardware costs: area, delay and energy of each component, from the graph that is emitted.
//!
//! [`estimate`] walks a [`bitmill_hdl::Design`] and prices its cells and memories in a [`Technology`]. Where that has a
//! [`Calibration`], cells are priced by gates that are counted bit by bit, by their toggles and by the steps of paths, with
//! coefficients that were fitted to whole synthesised designs, and the errors on designs that the fit did not see are part of it. Elsewhere
//! operators that were measured one by one are added up, with an unknown error. [`energy`] joins the result with the activity that
//! the simulator counted. What is left out is told by [`Technology::limits`].
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

pub use calibration::{Calibration, ErrorStatistics, Fit, Sample, statistics};
pub use cost::{Component, Cost, DesignCost, LongestPath};
pub use energy::{ComponentEnergy, EnergyBreakdown, energy};
pub use error::CostError;
pub use estimate::{estimate, estimate_in_all};
pub use gates::{Circuits, Counts, Gates, KINDS as GATE_KINDS};
pub use technology::{Check, Figures, Source, Technology};
