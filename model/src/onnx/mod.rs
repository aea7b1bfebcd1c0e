//! ONNX import: from the bytes of a file to a [`FloatNetwork`] and, for QDQ models, the
//! [`QuantizedNetwork`] with the file's own scales.
//!
//! The path: protobuf (`proto`) → a checked, ordered graph (`graph`) → one handler a node (`operators`),
//! which builds the network in the importer's state (`importer`).

mod constant;
mod export;
mod graph;
mod importer;
mod node;
mod operators;
mod proto;
mod qlinear;
#[cfg(test)]
mod tests;

use constant::{Constant, IntegerType};
pub use export::{export_onnx, export_qonnx};
use graph::OrderedGraph;
use importer::{ImportedLayer, Importer, Layout, Value};
use node::Node;
use proto::{DimensionProto, GraphProto, ModelProto};

use crate::float::FloatNetwork;
use crate::network::{Operation, Tensor, TensorId};
use crate::quantized::{Quantization, QuantizedNetwork, QuantizedWeights, weight_channel};
use crate::shape::Shape;
use crate::tflite::Softmax;
use crate::{ModelError, WeightFormat};

/// Versions of ONNX's operator set that the handlers know.
const OPSETS: std::ops::RangeInclusive<i64> = 7..=27;

/// A model read from an ONNX file.
#[derive(Debug, Clone, PartialEq)]
pub struct Imported {
    /// The network with real parameters; a QDQ model's are its dequantized weights.
    pub float: FloatNetwork,
    /// For QDQ models, the network with the file's scales, zero points and integer weights.
    pub quantized: Option<QuantizedNetwork>,
    /// What is left to the host behind the last layer: the exact softmax of a TFLite model.
    pub softmax: Option<Softmax>,
    /// What was dropped or changed on the way, in whole sentences.
    pub notes: Vec<String>,
}

/// How the quantized network of an ONNX file rounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Rounding {
    /// As onnxruntime where the file has integer operators (`QLinearConv` and its kin), else dyadically.
    #[default]
    OfFile,
    /// Halves up, with the nearest 31-bit multipliers.
    Dyadic,
    /// As onnxruntime's integer kernels: in single precision, halves to even.
    Onnxruntime,
}

/// Reads an ONNX model from the bytes of its file, rounding as the file asks for: see [`import_onnx_with`].
///
/// # Errors
/// As [`import_onnx_with`].
pub fn import_onnx(bytes: &[u8]) -> Result<Imported, ModelError> {
    import_onnx_with(bytes, Rounding::OfFile)
}

/// Reads an ONNX model from the bytes of its file. Batch normalization is folded, clamps are fused, views
/// and constants are resolved; nodes that the output does not depend on are ignored.
///
/// # Errors
/// A [`ModelError`] that names the byte, the tensor or the node, what was found and what would be legal.
pub fn import_onnx_with(bytes: &[u8], rounding: Rounding) -> Result<Imported, ModelError> {
    let model = proto::decode(bytes)?;
    check_opset(&model)?;
    let graph = model.graph.as_ref();
    let graph = graph.ok_or_else(|| ModelError::Model("holds no graph; is this an ONNX file?".to_owned()))?;
    let expanded = qlinear::expanded(graph);
    let ordered = OrderedGraph::new(&expanded)?;
    let mut importer = begin(&expanded, &ordered)?;
    importer.is_single_precision = match rounding {
        Rounding::OfFile => qlinear::is_integer(graph),
        Rounding::Dyadic => false,
        Rounding::Onnxruntime => true,
    };
    for node in &ordered.nodes {
        operators::import_node(&mut importer, Node(node))?;
    }
    finish(importer, &ordered)
}

/// Checks the version of ONNX's own operator set.
fn check_opset(model: &ModelProto) -> Result<(), ModelError> {
    let own = model.opset_import.iter().find(|set| matches!(set.domain.as_str(), "" | "ai.onnx"));
    match own.map(|set| set.version) {
        Some(version) if OPSETS.contains(&version) => Ok(()),
        Some(version) => {
            Err(ModelError::Model(format!("operator set {version} is not supported; {OPSETS:?} are")))
        }
        None => {
            Err(ModelError::Model("names no operator set of ai.onnx; the file may be truncated".to_owned()))
        }
    }
}

/// An importer that knows the input and the initializers that are read.
fn begin<'a>(graph: &GraphProto, ordered: &OrderedGraph<'a>) -> Result<Importer<'a>, ModelError> {
    let name = &ordered.input.name;
    let error = |problem: String| ModelError::Model(format!("input `{name}` {problem}"));
    let tensor = ordered.input.r#type.as_ref().and_then(|kind| kind.tensor_type.as_ref());
    let tensor = tensor.ok_or_else(|| error("has no tensor type".to_owned()))?;
    let is_number = matches!(tensor.elem_type, 1 | 11) || IntegerType::from_code(tensor.elem_type).is_some();
    if !is_number {
        return Err(error(format!("has element type {}, use float or integers", tensor.elem_type)));
    }
    let dims = tensor.shape.as_ref().map(|shape| &shape.dim[..]);
    let dims = dims.ok_or_else(|| error("has no shape".to_owned()))?;
    let layout = if dims.len() == 2 { Layout::FlatChw } else { map_layout(ordered) };
    let shape = input_shape(dims, layout).map_err(error)?;
    let input = Tensor { name: name.clone(), shape };
    let mut importer = Importer::new(ordered.name, input, layout, ordered.readers.clone())?;
    for tensor in graph.initializer.iter().filter(|tensor| ordered.readers.contains_key(tensor.name.as_str()))
    {
        importer.define(&tensor.name, Value::Constant(Constant::read(tensor)?));
    }
    Ok(importer)
}

/// The layout of a four-axis input: channels last if all that is done with it is to bring them first.
fn map_layout(ordered: &OrderedGraph) -> Layout {
    let mut name = ordered.input.name.as_str();
    loop {
        let mut readers =
            ordered.nodes.iter().filter(|node| node.input.first().is_some_and(|input| input == name));
        let (Some(reader), None) = (readers.next(), readers.next()) else { return Layout::Nchw };
        let is_cast = matches!(reader.op_type.as_str(), "QuantizeLinear" | "DequantizeLinear");
        match reader.output.first() {
            Some(output) if is_cast => name = output,
            _ if reader.op_type == "Transpose" && Node(reader).ints("perm") == Some(&[0, 3, 1, 2]) => {
                return Layout::Nhwc;
            }
            _ => return Layout::Nchw,
        }
    }
}

/// Height, width and channels of the input.
fn input_shape(dims: &[DimensionProto], layout: Layout) -> Result<Shape, String> {
    let Some((batch, rest)) = dims.split_first() else {
        return Err("must have a batch axis".to_owned());
    };
    if let Some(size) = batch.dim_value.filter(|&size| size > 1) {
        return Err(format!("has batch {size}; export the model with batch 1 or a symbolic batch"));
    }
    let size = |dim: &DimensionProto| {
        let size = dim.dim_value.and_then(|size| usize::try_from(size).ok()).filter(|&size| size > 0);
        size.ok_or_else(|| {
            let found = dim.dim_param.clone().or(dim.dim_value.map(|size| size.to_string()));
            let found = found.unwrap_or_else(|| "nothing".to_owned());
            format!("needs positive sizes on all axes but the first, found {found}")
        })
    };
    let sizes = rest.iter().map(size).collect::<Result<Vec<_>, _>>()?;
    match (sizes.as_slice(), layout) {
        (&[features], _) => Ok(Shape::vector(features)),
        (&[height, width, channels], Layout::Nhwc) => Ok(Shape { height, width, channels }),
        (&[channels, height, width], _) => Ok(Shape { height, width, channels }),
        _ => {
            Err(format!("has {} axes; use batch and features, or batch, channels, height, width", dims.len()))
        }
    }
}

/// The network that the output's value names.
fn finish(mut importer: Importer, ordered: &OrderedGraph) -> Result<Imported, ModelError> {
    let error = |problem: &str| ModelError::Model(format!("output `{}` {problem}", ordered.output));
    let Some(Value::Activation(mut output)) = importer.value(ordered.output).cloned() else {
        return Err(error("does not depend on the input"));
    };
    output.is_probability = false;
    if let Some(last) = ordered.nodes.last() {
        output = importer.settled(Node(last), output)?;
    }
    if importer.layers.is_empty() || output.tensor != importer.graph.output() {
        return Err(error("is not made by the last layer"));
    }
    let is_single_precision = importer.is_single_precision;
    let Importer { graph, layers, mut quantizations, has_qonnx, bipolar, mut notes, .. } = importer;
    let (real, integers): (Vec<_>, Vec<_>) =
        layers.into_iter().map(|ImportedLayer { real, integers }| (real, integers)).unzip();
    let float = FloatNetwork::new(graph, real)?;
    if has_qonnx {
        qonnx_ends(&float, &integers, &mut quantizations, &mut notes);
    }
    let has_quantized = quantizations.iter().any(Option::is_some) || integers.iter().any(Option::is_some);
    let bare = quantizations.iter().position(Option::is_none).filter(|_| has_quantized);
    if let Some(bare) = bare {
        let name = &float.graph().tensors()[bare].name;
        notes.push(format!(
            "tensor `{name}` has no QuantizeLinear, so the model is taken as float: quantize it again, or \
             export it with all activations quantized, the output included"
        ));
    }
    let scales: Vec<Option<Vec<f64>>> =
        integers.iter().map(|weights| weights.as_ref().map(|weights| weights.scales.clone())).collect();
    let complete: Option<Vec<Quantization>> = quantizations.into_iter().collect();
    let exact = has_qonnx.then_some(&bipolar[..]);
    let quantized = complete.map(|complete| quantized(&float, complete, integers, exact)).transpose()?;
    let quantized = match quantized {
        Some(network) if is_single_precision => Some(network.in_single_precision(&scales)?),
        other => other,
    };
    Ok(Imported { float, quantized, softmax: None, notes })
}

/// Quantizations of the ends of a QONNX network, which has quantizers between them only: pixels at the input,
/// and at the output as many bits as its sums need.
fn qonnx_ends(
    float: &FloatNetwork,
    integers: &[Option<QuantizedWeights>],
    quantizations: &mut [Option<Quantization>],
    notes: &mut Vec<String>,
) {
    let graph = float.graph();
    if quantizations[0].is_none() {
        quantizations[0] = Some(Quantization::int8(1.0 / 255.0, -128));
        notes.push(format!(
            "input `{}` has no quantizer: it is taken as 8-bit pixels, 0 to 255 for reals 0 to 1",
            graph.tensors()[0].name
        ));
    }
    let (Some(last), Some(Some(weights))) = (graph.layers().last(), integers.last()) else { return };
    let (Some(input), None) = (quantizations[last.inputs[0].index()], quantizations[last.output.index()])
    else {
        return;
    };
    // The finest step of the channels is the output's, if the largest sums of all channels then fit 16 bits.
    let channels = weights.scales.len();
    let mut magnitudes = vec![0f64; channels];
    for (index, &weight) in weights.integers.iter().enumerate() {
        let channel = weight_channel(&last.operation, index, weights.integers.len(), channels);
        magnitudes[channel] +=
            f64::from(weight.abs()) * 2f64.powi(input.bits() as i32) * weights.scales[channel];
    }
    let biases = float.layers().last().map_or(&[][..], |layer| &layer.bias);
    let sums = magnitudes.iter().zip(biases).map(|(sum, &bias)| sum * input.scale + f64::from(bias.abs()));
    let most = sums.fold(0.0, f64::max);
    let finest = weights.scales.iter().copied().fold(f64::INFINITY, f64::min) * input.scale;
    let scale = finest.max(most / 32_000.0);
    if scale.is_finite() && scale > 0.0 {
        quantizations[last.output.index()] = Some(Quantization::of_bits(16, scale, 0));
        notes.push(format!("output `{}` has no quantizer: it is given 16 bits of its sums", last.name));
    }
}

/// The quantized network with the file's integers. Layers that import added, and real weights, are rounded
/// to 8 bits.
fn quantized(
    float: &FloatNetwork,
    quantizations: Vec<Quantization>,
    integers: Vec<Option<QuantizedWeights>>,
    bipolar: Option<&[TensorId]>,
) -> Result<QuantizedNetwork, ModelError> {
    let rounded =
        |((layer, real), given): ((&crate::Layer, &crate::FloatLayer), Option<QuantizedWeights>)| {
            let is_lane = matches!(layer.operation, Operation::Depthwise { .. });
            match given {
                Some(given) if is_lane => Some(QuantizedWeights { format: WeightFormat::lane(), ..given }),
                Some(given) => Some(given),
                None if real.weights.is_empty() => None,
                None => Some(QuantizedWeights::widest(&layer.operation, &real.weights, real.bias.len(), 8)),
            }
        };
    let weights: Vec<_> = float.pairs().zip(integers).map(rounded).collect();
    let mut network = QuantizedNetwork::from_float(float, quantizations, weights.clone())?;
    if let Some(bipolar) = bipolar {
        network.keep_steps(float, &weights, bipolar)?;
    }
    Ok(network)
}
