//! The hardware units and their catalogue.
//!
//! A unit is one file with its meaning, its timing and its circuit, see [`bitmill_hdl::unit`]. The
//! [`catalogue()`] lists every unit with its parameters and example settings; one test walks it over
//! {model, interpreter, Verilator}. Adding a unit is adding its file and one line in `catalogue.rs`.

mod catalogue;
pub mod common;
pub mod engine;
mod error;
pub mod format;
mod parameter;
pub mod pe;
mod settings;

pub use catalogue::{Entry, catalogue, find};
pub use error::UnitError;
pub use parameter::{Legal, Parameter};
pub use settings::Settings;
