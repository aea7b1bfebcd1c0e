//! Runs a whole accelerator on a program, under Verilator or the built-in interpreter, with the memory model
//! that the simulator charges, and compares what happened with what the simulator predicts.

mod compare;
mod execution;
mod host;
mod interpreted;
mod locate;
mod memory;
mod random;
mod session;
mod verify;
mod verilated;

pub use compare::{Difference, Verdict, compare};
pub use execution::{Answer, Execution, TimedEvent};
pub use interpreted::interpret;
pub use session::{Conditions, MemoryFault, Session, Step, outcome_registers, run_once, start_and_wait};
pub use verify::{Engine, MOST_RECORDED_CYCLES, Span, Verification, VerificationError};
pub use verilated::{Window, sources, verilate};
