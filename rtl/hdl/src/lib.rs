//! Hardware description with run-time widths: one graph, several readers.
//!
//! A [`ModuleBuilder`] grows an arena of nodes, each with an explicit width and signedness. Nothing
//! widens, narrows or changes sign on its own: additions return the full-width sum, truncation is a call.
//! [`ModuleBuilder::finish`] checks the module (widths, undriven, multiply driven, unused signals and
//! combinational loops across the hierarchy) and freezes it into a [`Module`], which is then read by
//!
//! * [`verilog::emit`] – Verilog-2001 that reads as handwritten, one file a module;
//! * [`Interpreter`] – the same graph, executed cycle by cycle;
//! * cost models and test harnesses, through the public fields of [`Module`].
//!
//! This crate knows no number format.

mod builder;
mod check;
mod design;
mod error;
mod interpreter;
mod module;
mod shape;
mod signal;
pub mod unit;
pub mod verilog;

pub use builder::{InstanceHandle, Memory, ModuleBuilder, RamPorts, Register, Wire};
pub use design::Design;
pub use error::{HdlError, Source};
pub use interpreter::{Interpreter, Slot};
pub use module::{
    Direction, Instance, Item, MemoryData, Module, Node, Op, Port, RegisterData, SignalData, SignalId,
};
pub use num_bigint::BigUint;
pub use shape::{Shape, bits_for, signed, unsigned};
pub use signal::Signal;
