//! Networks for Bitmill: reading them, quantizing them, and the exact integers they compute.
//!
//! The crate is pure: it takes bytes and returns values, and touches no files, clock or environment.
//!
//! | module | what |
//! |---|---|
//! | [`network`] | the workload graph: layers, tensors, shapes |
//! | [`onnx`] | import of ONNX files, float and QDQ; export as QDQ |
//! | [`tflite`] | import of TFLite files with 8-bit integers, bit-exact with the reference kernels |
//! | [`shapes`] | layers without numbers, for timing: SCALE-Sim's topologies, well-known networks |
//! | [`npy`], [`npz`] | NumPy arrays: test sets, calibration sets, results |
//! | [`llama`] | small Llamas in real numbers, and their perplexity |
//! | [`float`] | real parameters, run in single precision |
//! | [`radiance_field`] | scenes of plane and line factors, cameras, and images of them |
//! | [`ptq`] | post-training quantization of float networks |
//! | [`quantized`] | integer parameters, and the arithmetic that the hardware performs |

mod deformable;
mod error;
pub mod float;
pub mod llama;
mod moves;
pub mod network;
pub mod npy;
pub mod npz;
pub mod onnx;
pub mod ptq;
pub mod quantized;
pub mod radiance_field;
mod row;
mod shape;
pub mod shapes;
pub mod tflite;
pub mod transformer;

pub use bitmill_formats::deformable::{Bound, Offsets};
pub use bitmill_formats::nonlinear::{Exponential, Root};
pub use bitmill_formats::{Multiplication, Multiplier, Requantization};
pub use deformable::Taps;
pub use error::ModelError;
pub use float::{FloatLayer, FloatNetwork};
pub use network::{Function, Layer, Network, Operation, Tensor, TensorId};
pub use onnx::{Imported, Rounding, export_onnx, export_qonnx, import_onnx, import_onnx_with};
pub use ptq::{
    Clipping, InputMoments, InputTransform, MatrixRecipe, PtqConfig, Rotation, RoundedMatrix, Salient,
    Sparsity, WeightMethods, WeightRounding, WeightScales, quantize, round_layer, round_matrix,
    round_weights, walsh_hadamard,
};
pub use quantized::{
    ActivationFormat, Arithmetic, MAX_BIAS_PLACES, Quantization, QuantizedLayer, QuantizedNetwork,
    QuantizedWeights, WeightFormat,
};
pub use row::{RowArithmetic, RowOperator};
pub use shape::{Extent, MAX_TENSOR_ELEMENTS, Padding, Shape, Window};

/// Reads a model from the bytes of its file: TFLite where they say so, ONNX otherwise.
///
/// # Errors
/// A [`ModelError`] that names the place, what was found and what would be legal.
pub fn import(bytes: &[u8]) -> Result<Imported, ModelError> {
    if tflite::is_tflite(bytes) { tflite::import_tflite(bytes) } else { import_onnx(bytes) }
}
