//! TFLite import: from the bytes of an 8-bit quantized model to a [`QuantizedNetwork`] that equals TFLite's
//! reference kernels bit for bit, and the [`FloatNetwork`] of its dequantized weights.
//!
//! The path: FlatBuffers (`flatbuffer`) → the part of the schema that is read (`schema`) → one handler an
//! operator (`operators`), which builds the network in the importer's state (`importer`). How each kernel
//! rounds is written where its handler chooses the layer's [`Requantization`](crate::Requantization).

mod fixed_point;
mod flatbuffer;
mod importer;
mod keyword_transformer;
mod operators;
mod schema;
mod softmax;

pub use keyword_transformer::{FrontEnd, KeywordTransformer};
pub use softmax::Softmax;

use importer::Importer;

use crate::float::FloatNetwork;
use crate::quantized::QuantizedNetwork;
use crate::{Imported, ModelError};

/// Whether `bytes` announce themselves as a TFLite model.
pub(crate) fn is_tflite(bytes: &[u8]) -> bool {
    bytes.get(4..8) == Some(b"TFL3")
}

/// Reads a TFLite model from the bytes of its file: signed 8-bit activations and weights, one input, one
/// output, batch 1. A softmax at the end goes to [`Imported::softmax`]; quantization of a real input and
/// dequantization of the output are dropped. Of real-valued models a [`KeywordTransformer`] is read, without its front
/// end.
///
/// # Errors
/// A [`ModelError`] that names the byte, the tensor or the operator, what was found and what would be legal.
pub fn import_tflite(bytes: &[u8]) -> Result<Imported, ModelError> {
    let model = schema::read(bytes)?;
    if is_real(&model) {
        let float = KeywordTransformer::of(&model)?.encoder(crate::RowArithmetic::default())?;
        let note = "the audio front end stays on the host: the input is what it makes, a token a position";
        return Ok(Imported { float, quantized: None, softmax: None, notes: vec![note.to_owned()] });
    }
    let mut importer = Importer::new(&model)?;
    for index in 0..model.operators.len() {
        operators::import(&mut importer, index)?;
    }
    importer.check_output()?;
    let Importer { graph, real, integers, quantizations, softmax, notes, .. } = importer;
    let float = FloatNetwork::new(graph.clone(), real)?;
    let quantized = QuantizedNetwork::new(graph, quantizations, integers)?;
    Ok(Imported { float, quantized: Some(quantized), softmax, notes })
}

/// Whether the model takes real numbers and nothing quantizes them.
fn is_real(model: &schema::ModelInfo) -> bool {
    const QUANTIZE: i32 = 114;
    let input = model.inputs.first().and_then(|&index| model.tensors.get(usize::try_from(index).ok()?));
    input.is_some_and(|tensor| tensor.element == schema::ElementType::Float32)
        && model.operators.iter().all(|operator| operator.code != QUANTIZE)
}
