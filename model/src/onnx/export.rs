//! ONNX export: a [`QuantizedNetwork`] of integers as a QDQ file, which onnxruntime runs and import reads back to the
//! same integers, or as a QONNX file, whose activations have any width.
//!
//! Every activation stands between a QuantizeLinear and a DequantizeLinear, weights are integer initializers behind a
//! DequantizeLinear with a scale for each output channel, biases are 32-bit integers. Weights narrower than ONNX's
//! types stand in the next wider one: int4 for up to 4 bits, int8, int16. Operator set 21 is the first with int4. Maps
//! are `[batch, channels, height, width]`.

mod qonnx;

use prost::Message;

use super::proto::{
    AttributeProto, DimensionProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto,
    TensorShapeProto, TensorTypeProto, TypeProto, ValueInfoProto,
};
use crate::ModelError;
use crate::network::{Layer, Operation, TensorId};
use crate::quantized::{Quantization, QuantizedLayer, QuantizedNetwork, weight_channel};
use crate::shape::{Shape, Window};

/// The first operator set with 4-bit integers, and the file version that belongs to it.
const OPSET: i64 = 21;
const IR_VERSION: i64 = 10;

const FLOAT: i32 = 1;
const UINT8: i32 = 2;
const INT8: i32 = 3;
const UINT16: i32 = 4;
const INT16: i32 = 5;
const INT32: i32 = 6;
const INT4: i32 = 22;

/// The bytes of a QDQ file. The tensor called `NAME` in the network has its integers in `NAME_quantized`.
///
/// # Errors
/// A layer that ONNX has no plain form for, or activations that are no integers of 8 or 16 bits.
pub fn export_onnx(network: &QuantizedNetwork) -> Result<Vec<u8>, ModelError> {
    export(network, Dialect::Qdq)
}

/// The bytes of a QONNX file, for one input at a time. The tensor called `NAME` in the network has its numbers in
/// `NAME_dequantized`.
///
/// # Errors
/// A layer that ONNX has no plain form for, or activations or weights that are no whole numbers of up to 16 bits.
pub fn export_qonnx(network: &QuantizedNetwork) -> Result<Vec<u8>, ModelError> {
    export(network, Dialect::Qonnx)
}

/// How numbers are quantized in a file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Dialect {
    Qdq,
    Qonnx,
}

fn export(network: &QuantizedNetwork, dialect: Dialect) -> Result<Vec<u8>, ModelError> {
    let graph = network.graph();
    let mut writer = Writer::new(network, dialect);
    writer.quantize(TensorId::INPUT, writer.names[0].clone())?;
    for (index, (layer, parameters)) in network.pairs().enumerate() {
        writer.layer(index, layer, parameters).map_err(|problem| ModelError::layer(&layer.name, problem))?;
    }
    let output = graph.output();
    let value = |id: TensorId, name: String| {
        let Shape { height, width, channels } = graph.shape(id);
        let sizes = if writer.is_flat[id.index()] { vec![channels] } else { vec![channels, height, width] };
        let size = |size: usize| DimensionProto { dim_value: Some(size as i64), ..Default::default() };
        let batch = match dialect {
            Dialect::Qdq => DimensionProto { dim_param: Some("batch".to_owned()), ..Default::default() },
            // The qonnx package takes no sizes that are open.
            Dialect::Qonnx => size(1),
        };
        let dim = std::iter::once(batch).chain(sizes.into_iter().map(size)).collect();
        let tensor = TensorTypeProto { elem_type: FLOAT, shape: Some(TensorShapeProto { dim }) };
        ValueInfoProto { name, r#type: Some(TypeProto { tensor_type: Some(tensor) }) }
    };
    let input = vec![value(TensorId::INPUT, writer.names[0].clone())];
    let output = vec![value(output, writer.dequantized(output))];
    let Writer { node, initializer, .. } = writer;
    let graph = GraphProto { node, name: graph.name().to_owned(), initializer, input, output };
    let opset = |(domain, version): (&str, i64)| OperatorSetIdProto { domain: domain.to_owned(), version };
    let mut opset_import = vec![opset(("", OPSET))];
    opset_import.extend((dialect == Dialect::Qonnx).then(|| opset(qonnx::DOMAIN)));
    let model = ModelProto {
        ir_version: IR_VERSION,
        producer_name: "bitmill".to_owned(),
        graph: Some(graph),
        opset_import,
    };
    Ok(model.encode_to_vec())
}

/// The tensors' names, numbered where two are the same.
fn names(network: &QuantizedNetwork) -> Vec<String> {
    let tensors = network.graph().tensors();
    let is_twice = |name: &str| tensors.iter().filter(|tensor| tensor.name == name).count() > 1;
    let name = |(index, name): (usize, &str)| match is_twice(name) || name.is_empty() {
        true => format!("{name}_{index}"),
        false => name.to_owned(),
    };
    tensors.iter().map(|tensor| tensor.name.as_str()).enumerate().map(name).collect()
}

/// Nodes and initializers under construction.
struct Writer<'a> {
    network: &'a QuantizedNetwork,
    dialect: Dialect,
    names: Vec<String>,
    /// Tensors of two axes, batch and features.
    is_flat: Vec<bool>,
    node: Vec<NodeProto>,
    initializer: Vec<TensorProto>,
}

impl<'a> Writer<'a> {
    fn new(network: &'a QuantizedNetwork, dialect: Dialect) -> Self {
        let graph = network.graph();
        let mut is_flat = vec![false; graph.tensors().len()];
        let is_dense = |layer: &Layer| matches!(layer.operation, Operation::FullyConnected { .. });
        let first_reader = graph.layers().iter().find(|layer| layer.inputs.contains(&TensorId::INPUT));
        is_flat[0] = graph.shape(TensorId::INPUT).height * graph.shape(TensorId::INPUT).width == 1
            && first_reader.is_some_and(is_dense);
        for layer in graph.layers() {
            is_flat[layer.output.index()] = match layer.operation {
                Operation::FullyConnected { .. } => true,
                _ => is_flat[layer.inputs[0].index()],
            };
        }
        let (node, initializer) = (Vec::new(), Vec::new());
        Writer { network, dialect, names: names(network), is_flat, node, initializer }
    }

    fn push(&mut self, operator: &str, inputs: &[&str], output: &str, attribute: Vec<AttributeProto>) {
        self.push_in("", operator, inputs, output, attribute);
    }

    /// Adds a node with an operator of a domain.
    fn push_in(
        &mut self,
        domain: &str,
        operator: &str,
        inputs: &[&str],
        output: &str,
        attribute: Vec<AttributeProto>,
    ) {
        self.node.push(NodeProto {
            input: inputs.iter().map(|&input| input.to_owned()).collect(),
            output: vec![output.to_owned()],
            name: output.to_owned(),
            op_type: operator.to_owned(),
            attribute,
            domain: domain.to_owned(),
        });
    }

    fn constant(&mut self, name: &str, dims: &[usize], data_type: i32, raw: Vec<u8>) {
        self.initializer.push(TensorProto {
            dims: dims.iter().map(|&dim| dim as i64).collect(),
            data_type,
            name: name.to_owned(),
            raw_data: Some(raw),
            ..Default::default()
        });
    }

    fn floats(&mut self, name: &str, dims: &[usize], values: &[f32]) {
        self.constant(name, dims, FLOAT, values.iter().flat_map(|value| value.to_le_bytes()).collect());
    }

    /// The name of what is read of a tensor.
    fn dequantized(&self, id: TensorId) -> String {
        format!("{}_dequantized", self.names[id.index()])
    }

    /// Brings the real tensor called `real` to the integers of tensor `id`, and back.
    fn quantize(&mut self, id: TensorId, real: String) -> Result<(), ModelError> {
        if self.dialect == Dialect::Qonnx {
            return self.quant_activation(id, &real);
        }
        let name = self.names[id.index()].clone();
        let quantization = self.network.quantization(id);
        let kind = activation_type(&quantization).map_err(|problem| ModelError::layer(&name, problem))?;
        let [scale, zero_point] = ["scale", "zero_point"].map(|what| format!("{name}_{what}"));
        self.floats(&scale, &[], &[quantization.scale as f32]);
        self.constant(&zero_point, &[], kind, packed(&[quantization.zero_point], kind));
        let integers = format!("{name}_quantized");
        self.push("QuantizeLinear", &[&real, &scale, &zero_point], &integers, Vec::new());
        let back = self.dequantized(id);
        self.push("DequantizeLinear", &[&integers, &scale, &zero_point], &back, Vec::new());
        Ok(())
    }

    /// A layer, its clamp, and the quantization of its output.
    fn layer(&mut self, index: usize, layer: &Layer, parameters: &QuantizedLayer) -> Result<(), String> {
        let inputs: Vec<String> = layer.inputs.iter().map(|&id| self.dequantized(id)).collect();
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        let name = self.names[layer.output.index()].clone();
        let plain =
            |writer: &mut Self, operator, attributes| writer.push(operator, &inputs, &name, attributes);
        let is_flat = self.is_flat[layer.inputs[0].index()];
        if is_flat && layer.operation.window().is_some() {
            return Err(
                "a window over the output of a fully connected layer has no plain form in ONNX".to_owned()
            );
        }
        match layer.operation {
            Operation::Convolution { .. }
            | Operation::Depthwise { .. }
            | Operation::FullyConnected { .. } => {
                self.weighted(index, layer, parameters, inputs[0])?;
            }
            Operation::MaxPool { window } => plain(self, "MaxPool", window_attributes(&window, true)?),
            Operation::AveragePool { window } => {
                plain(self, "AveragePool", window_attributes(&window, true)?)
            }
            Operation::Add => plain(self, "Add", Vec::new()),
            Operation::Multiply => plain(self, "Mul", Vec::new()),
            Operation::Concatenate => plain(self, "Concat", vec![integer("axis", 1)]),
            operation => {
                return Err(format!(
                    "{} is not written to ONNX files; simulate it without one",
                    operation.name()
                ));
            }
        }
        let real = self.clamp(layer.output, name, parameters)?;
        self.quantize(layer.output, real).map_err(|error| error.to_string())
    }

    /// A clamp that the output's integers do not do by themselves. Returns the name of what it makes.
    fn clamp(&mut self, id: TensorId, name: String, parameters: &QuantizedLayer) -> Result<String, String> {
        let output = self.network.quantization(id);
        let QuantizedLayer { low, high, .. } = *parameters;
        if (low, high) == (output.min(), output.max()) {
            return Ok(name);
        }
        let clamped = format!("{name}_clamped");
        if low == output.zero_point && high == output.max() {
            self.push("Relu", &[&name], &clamped, Vec::new());
            return Ok(clamped);
        }
        let bounds = [("low", low), ("high", high)].map(|(what, bound)| {
            let bound_name = format!("{name}_{what}");
            self.floats(&bound_name, &[], &[output.dequantize(bound) as f32]);
            bound_name
        });
        self.push("Clip", &[&name, &bounds[0], &bounds[1]], &clamped, Vec::new());
        Ok(clamped)
    }

    /// A convolution or a fully connected layer with its weights and biases.
    fn weighted(
        &mut self,
        index: usize,
        layer: &Layer,
        parameters: &QuantizedLayer,
        input: &str,
    ) -> Result<(), String> {
        let name = self.names[layer.output.index()].clone();
        let channels = parameters.bias.len();
        let source_scale = self.network.quantization(layer.inputs[0]).scale as f32;
        let [weights, bias] = match self.dialect {
            Dialect::Qdq => self.dequantized_weights(index, layer, parameters, source_scale)?,
            Dialect::Qonnx => self.quant_weights(index, layer, parameters, source_scale)?,
        };
        let (operator, attributes, input) = match layer.operation {
            Operation::Convolution { window, groups, .. } => {
                let mut attributes = window_attributes(&window, false)?;
                attributes.push(integer("group", groups as i64));
                ("Conv", attributes, input.to_owned())
            }
            Operation::Depthwise { window } => {
                let mut attributes = window_attributes(&window, false)?;
                attributes.push(integer("group", channels as i64));
                ("Conv", attributes, input.to_owned())
            }
            _ if self.is_flat[layer.inputs[0].index()] => {
                ("Gemm", vec![integer("transB", 1)], input.to_owned())
            }
            _ => {
                let flat = format!("{name}_flat");
                self.push("Flatten", &[input], &flat, vec![integer("axis", 1)]);
                ("Gemm", vec![integer("transB", 1)], flat)
            }
        };
        self.push(operator, &[&input, &weights, &bias], &name, attributes);
        Ok(())
    }

    /// The integers of a layer's weights and biases, and what dequantizes them; returns the names of what is read.
    fn dequantized_weights(
        &mut self,
        index: usize,
        layer: &Layer,
        parameters: &QuantizedLayer,
        source_scale: f32,
    ) -> Result<[String; 2], String> {
        let name = self.names[layer.output.index()].clone();
        let channels = parameters.bias.len();
        let (scales, biases) = self.affine(index, layer)?;
        let [weights, scale, weight_real, bias, bias_scale, bias_real] =
            ["weights", "weights_scale", "weights_dequantized", "bias", "bias_scale", "bias_dequantized"]
                .map(|what| format!("{name}_{what}"));
        let kind = weight_type(parameters)?;
        let (dims, ordered) = self.ordered_weights(layer, &parameters.weights);
        self.constant(&weights, &dims, kind, packed(&ordered, kind));
        self.floats(&scale, &[channels], &scales);
        self.push("DequantizeLinear", &[&weights, &scale], &weight_real, vec![integer("axis", 0)]);
        let bias_scales: Vec<f32> = scales.iter().map(|scale| scale * source_scale).collect();
        self.constant(&bias, &[channels], INT32, packed(&biases, INT32));
        self.floats(&bias_scale, &[channels], &bias_scales);
        self.push("DequantizeLinear", &[&bias, &bias_scale], &bias_real, vec![integer("axis", 0)]);
        Ok([weight_real, bias_real])
    }

    /// Scales of the weights, and biases without what stands for the input's zero point, for each output channel.
    fn affine(&self, index: usize, layer: &Layer) -> Result<(Vec<f32>, Vec<i32>), String> {
        let parameters = &self.network.layers()[index];
        let channels = parameters.bias.len();
        let (input, output) =
            (self.network.quantization(layer.inputs[0]), self.network.quantization(layer.output));
        let mut biases: Vec<i64> = parameters.bias.iter().map(|&bias| bias.into()).collect();
        for (place, &weight) in parameters.weights.iter().enumerate() {
            let channel = weight_channel(&layer.operation, place, parameters.weights.len(), channels);
            biases[channel] += i64::from(input.zero_point) * i64::from(weight);
        }
        let narrow = |bias: i64| i32::try_from(bias).map_err(|_| format!("bias {bias} does not fit 32 bits"));
        let biases = biases.into_iter().map(narrow).collect::<Result<_, _>>()?;
        // Multipliers are good to 2^-31: the single-precision scale that they were made of is the nearest one.
        let scale = |multiplier: &crate::Multiplier| {
            let scale = (multiplier.real() * output.scale / input.scale) as f32;
            (scale > 0.0).then_some(scale).ok_or("a channel's weights are too small to have a scale")
        };
        let scales = parameters.multipliers.iter().map(scale).collect::<Result<_, _>>()?;
        Ok((scales, biases))
    }

    /// Weights in ONNX's order, output channels first, and its dimensions.
    fn ordered_weights(&self, layer: &Layer, weights: &[i16]) -> (Vec<usize>, Vec<i32>) {
        let input = self.network.graph().input_shape(layer);
        let (dims, taps, inside) = match layer.operation {
            Operation::Convolution { window, groups, out_channels } => {
                let Window { kernel, .. } = window;
                let inside = input.channels / groups;
                (vec![out_channels, inside, kernel.height, kernel.width], kernel.area(), inside)
            }
            Operation::Depthwise { window } => {
                let Window { kernel, .. } = window;
                let channels = input.channels;
                let turned = |place: usize| weights[place % kernel.area() * channels + place / kernel.area()];
                let dims = vec![channels, 1, kernel.height, kernel.width];
                return (dims, (0..weights.len()).map(|place| turned(place).into()).collect());
            }
            _ => {
                let rows = weights.len() / input.elements();
                (vec![rows, input.elements()], input.height * input.width, input.channels)
            }
        };
        let row = taps * inside;
        let at = |place: usize| {
            let (channel, tap) = (place % row / taps, place % taps);
            weights[place / row * row + tap * inside + channel].into()
        };
        (dims, (0..weights.len()).map(at).collect())
    }
}

/// ONNX's type for a tensor's integers.
fn activation_type(quantization: &Quantization) -> Result<i32, String> {
    match (quantization.min(), quantization.max()) {
        (-128, 127) => Ok(INT8),
        (0, 255) => Ok(UINT8),
        (-32_768, 32_767) => Ok(INT16),
        (0, 65_535) => Ok(UINT16),
        _ => Err(format!(
            "QuantizeLinear makes integers of 8 and 16 bits, found {} activations",
            quantization.format
        )),
    }
}

/// ONNX's type that holds a layer's weights.
fn weight_type(parameters: &QuantizedLayer) -> Result<i32, String> {
    match parameters.weight_format.whole_bits() {
        Some(..=4) => Ok(INT4),
        Some(..=8) => Ok(INT8),
        Some(_) => Ok(INT16),
        None => {
            Err(format!("QDQ files hold weights that are whole numbers, found {}", parameters.weight_format))
        }
    }
}

/// Integers as raw data of a type: little-endian, two of four bits a byte, the first in the low half.
fn packed(integers: &[i32], kind: i32) -> Vec<u8> {
    match kind {
        INT4 => {
            let nibble = |integer: i32| (integer as u8) & 15;
            integers.chunks(2).map(|pair| nibble(pair[0]) | nibble(*pair.get(1).unwrap_or(&0)) << 4).collect()
        }
        INT8 | UINT8 => integers.iter().map(|&integer| integer as u8).collect(),
        INT16 | UINT16 => integers.iter().flat_map(|&integer| (integer as u16).to_le_bytes()).collect(),
        _ => integers.iter().flat_map(|integer| integer.to_le_bytes()).collect(),
    }
}

fn integer(name: &str, value: i64) -> AttributeProto {
    AttributeProto { name: name.to_owned(), i: Some(value), r#type: 2, ..Default::default() }
}

fn integers(name: &str, values: Vec<usize>) -> AttributeProto {
    let ints = values.into_iter().map(|value| value as i64).collect();
    AttributeProto { name: name.to_owned(), ints, r#type: 7, ..Default::default() }
}

/// Kernel, strides, padding and dilations of a node. Pools tell their kernel, and average pools know no dilation.
fn window_attributes(window: &Window, is_pool: bool) -> Result<Vec<AttributeProto>, String> {
    let Window { kernel, stride, dilation, padding, input_dilation } = *window;
    if input_dilation.area() != 1 {
        return Err(
            "transposed convolutions are not written to ONNX files; simulate them without one".to_owned()
        );
    }
    let mut attributes = vec![
        integers("strides", vec![stride.height, stride.width]),
        integers("pads", vec![padding.top, padding.left, padding.bottom, padding.right]),
    ];
    if is_pool {
        attributes.push(integers("kernel_shape", vec![kernel.height, kernel.width]));
    }
    if !is_pool || dilation.area() != 1 {
        attributes.push(integers("dilations", vec![dilation.height, dilation.width]));
    }
    Ok(attributes)
}
