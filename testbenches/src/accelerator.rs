//! Runs a whole accelerator on a program, under Verilator or the built-in interpreter, with the memory model
//! that the simulator charges, and compares what happened with what the simulator predicts.

mod compare;
mod execution;
mod interpreted;
mod locate;
mod memory;
mod verify;
mod verilated;

pub use compare::{Difference, Verdict, compare};
pub use execution::{Execution, TimedEvent};
pub use interpreted::interpret;
pub use verify::{Engine, Verification, VerificationError};
pub use verilated::{Window, sources, verilate};
