//! From a YAML configuration to a whole accelerator.
//!
//! A command-driven coprocessor: a fetch unit reads fixed-size commands ([`Command`]) from memory and feeds
//! three queues (load, compute, store), which run concurrently and are ordered by dependency tokens only.
//! [`Accelerator::new`] checks a [`Configuration`] and fixes the geometry that the hardware, the
//! lowering and the simulator share; [`Accelerator::module`] describes the circuit.

mod activity;
mod command;
mod configuration;
mod geometry;
mod hardware;
mod word;

pub use activity::Activity;
pub use command::{
    COMMAND_BYTES, COMMAND_WORDS, Command, CommandError, Compute, ComputeKind, Field, Queue, Target, Tokens,
    Transfer, Walk, fields,
};
pub use configuration::{
    Array, Configuration, ConfigurationError, Formats, MemoryPort, Pe, Precision, Scratchpads, Vector,
};
pub use geometry::{Accelerator, PARAMETER_BITS};
pub use hardware::{Event, timing};
pub use word::WordLayout;
