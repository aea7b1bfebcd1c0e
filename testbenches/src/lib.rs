//! Bitmill's circuits in the hands of other people's tools.
//!
//! * [`verilator`] builds a simulation from Verilog and a C++ main, once: builds are cached by content;
//! * [`cosim`] runs any number of modules on their own stimulus in one such simulation;
//! * [`formal`] proves two modules equal with Yosys;
//! * [`readers`] asks Verilator's linter, Yosys and Icarus Verilog whether they take what is emitted.
//!
//! Every tool is a process of its own: a `$fatal` or a crash of theirs is an error of ours, with their words.

pub mod accelerator;
pub mod cosim;
mod error;
pub mod formal;
pub mod readers;
mod tool;
pub mod verilator;

pub use error::TestbenchError;
pub use verilator::{Executable, Sources, Verilator, verilator_version};
