//! Networks for Bitmill: reading them, quantizing them, and the exact integers they compute.
//!
//! The crate is pure: it takes bytes and returns values, and touches no files, clock or environment.
//!
//! | module | what |
//! |---|---|
//! | [`network`] | the workload graph: layers, tensors, shapes |
//! | [`quantized`] | integer parameters, and the arithmetic that the hardware performs |

mod error;
pub mod network;
pub mod quantized;
mod shape;

pub use error::ModelError;
pub use network::{Layer, Network, Operation, Tensor, TensorId};
pub use quantized::{LANE_WEIGHT_BITS, Multiplier, Quantization, QuantizedLayer, QuantizedNetwork};
pub use shape::{Extent, MAX_TENSOR_ELEMENTS, Padding, Shape, Window};
