//! From a YAML configuration to a whole accelerator.
//!
//! A command-driven coprocessor: a fetch unit reads fixed-size commands ([`Command`]) from memory and feeds
//! three queues (load, compute, store), which run concurrently and are ordered by dependency tokens only.
//! [`Accelerator::new`] checks a [`Configuration`] and fixes the geometry that the hardware, the
//! lowering and the simulator share; [`Accelerator::module`] describes the circuit.

mod activity;
mod command;
mod configuration;
mod fault;
mod geometry;
mod hardware;
mod register_map;
mod rows;
mod sampler;
mod word;

pub use activity::Activity;
pub use command::{
    COMMAND_BYTES, COMMAND_WORDS, Command, CommandError, Compute, ComputeKind, Field, Opcode, PairOperation,
    Queue, Residual, RowOperator, Rows, Sample, Target, Tokens, Transfer, Walk, WeightOrder, decode, fields,
};
pub use configuration::{
    Array, Configuration, ConfigurationError, Deformable, Formats, MemoryPort, Nonlinear, NormRoot,
    OffsetKind, Pe, Precision, Scratchpads, Vector,
};
pub use fault::Fault;
pub use geometry::Accelerator;
pub use hardware::{Event, RUN_DONE_PORT, RUN_START_PORT, timing};
pub use register_map::{Access, Bits, Counters, MAGIC, REGISTER_ADDRESS_BITS, Register, VERSION, registers};
pub use rows::RowUnits;
pub use sampler::Sampler;
pub use word::WordLayout;
