//! Engines: units that work on whole rows or tensors.

pub mod nonlinear;
