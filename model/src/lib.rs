//! Networks for Bitmill: reading them, quantizing them, and the exact integers they compute.
//!
//! The crate is pure: it takes bytes and returns values, and touches no files, clock or environment.
//!
//! | module | what |
//! |---|---|
//! | [`network`] | the workload graph: layers, tensors, shapes |
//! | [`onnx`] | import of ONNX files, float and QDQ |
//! | [`npy`] | NumPy arrays: test sets, calibration sets |
//! | [`float`] | real parameters, run in single precision |
//! | [`ptq`] | post-training quantization of float networks |
//! | [`quantized`] | integer parameters, and the arithmetic that the hardware performs |

mod error;
pub mod float;
mod moves;
pub mod network;
pub mod npy;
pub mod onnx;
pub mod ptq;
pub mod quantized;
mod shape;

pub use bitmill_formats::{Multiplier, Requantization};
pub use error::ModelError;
pub use float::{FloatLayer, FloatNetwork};
pub use network::{Function, Layer, Network, Operation, Tensor, TensorId};
pub use onnx::{Imported, import};
pub use ptq::{Clipping, PtqConfig, quantize};
pub use quantized::{LANE_WEIGHT_BITS, Quantization, QuantizedLayer, QuantizedNetwork, QuantizedWeights};
pub use shape::{Extent, MAX_TENSOR_ELEMENTS, Padding, Shape, Window};
