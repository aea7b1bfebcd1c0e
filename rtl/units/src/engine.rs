//! Engines: units that work on whole rows or tensors.

pub mod deformable_convolution;
pub mod hadamard;
pub mod nonlinear;
pub mod radiance_field;
pub mod sparse_search;
