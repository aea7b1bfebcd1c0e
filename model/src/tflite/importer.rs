//! The importer's state: the network built so far, and what each TFLite tensor stands for in it.

use std::collections::HashMap;

use bitmill_formats::{Multiplier, Requantization};

use super::schema::{ElementType, ModelInfo, OperatorInfo, TensorInfo};
use super::softmax::Softmax;
use crate::float::FloatLayer;
use crate::network::{Network, Operation, TensorId};
use crate::quantized::{Arithmetic, Quantization, QuantizedLayer, WeightFormat};
use crate::shape::{Padding, Shape};
use crate::{ModelError, Tensor};

/// A tensor of the network as a TFLite tensor sees it: with zeros around it that its reader takes in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    pub id: TensorId,
    pub padding: Padding,
}

/// The network built so far.
pub(super) struct Importer<'a> {
    pub model: &'a ModelInfo<'a>,
    pub graph: Network,
    pub real: Vec<FloatLayer>,
    pub integers: Vec<QuantizedLayer>,
    /// One entry a tensor.
    pub quantizations: Vec<Quantization>,
    pub softmax: Option<Softmax>,
    pub notes: Vec<String>,
    /// What each computed TFLite tensor stands for.
    values: HashMap<i32, Seen>,
    /// The tensor behind a dropped softmax.
    probabilities: Option<i32>,
}

/// An operator with its place, for messages.
#[derive(Clone, Copy)]
pub(super) struct Node<'a> {
    pub index: usize,
    pub name: &'static str,
    pub info: &'a OperatorInfo<'a>,
}

impl<'a> Node<'a> {
    /// An error of this operator.
    pub fn error(self, problem: impl Into<String>) -> ModelError {
        ModelError::Node { node: self.label(), operator: self.name.to_owned(), problem: problem.into() }
    }

    /// Fails with `problem` unless `condition` holds.
    pub fn require(self, condition: bool, problem: impl FnOnce() -> String) -> Result<(), ModelError> {
        if condition { Ok(()) } else { Err(self.error(problem())) }
    }

    /// The layer's name: place and kind.
    pub fn label(self) -> String {
        format!("op{:02}_{}", self.index, self.name.to_lowercase())
    }

    /// Reads option `field`; the schema's default is given to `read`.
    pub fn option<T: Default>(
        self,
        read: impl FnOnce(super::flatbuffer::Table<'a>) -> super::flatbuffer::Read<T>,
    ) -> Result<T, ModelError> {
        let Some(options) = self.info.options else { return Ok(T::default()) };
        read(options).map_err(|corrupt| self.error(format!("at byte {}: {}", corrupt.byte, corrupt.problem)))
    }
}

/// Height, width and channels of TFLite dimensions with batch 1.
fn shape_of(dims: &[i32]) -> Result<Shape, String> {
    let sizes: Option<Vec<usize>> = dims.iter().map(|&dim| usize::try_from(dim).ok()).collect();
    let shape = match sizes.as_deref() {
        Some(&[1, height, width, channels]) => Shape::new(height, width, channels),
        Some(&[1, width, channels]) => Shape::new(1, width, channels),
        Some(&[1, channels]) => Shape::vector(channels),
        _ => return Err(format!("has dimensions {dims:?}; 2 to 4 of them with batch 1 are supported")),
    };
    if shape.is_legal() {
        Ok(shape)
    } else {
        Err(format!("has dimensions {dims:?}, a zero or too many elements"))
    }
}

/// The quantization of an activation tensor.
fn quantization_of(tensor: &TensorInfo) -> Result<Quantization, String> {
    if tensor.element != ElementType::Int8 {
        return Err(format!("has elements of type {:?}; int8 is supported", tensor.element));
    }
    let (&[scale], &[zero_point]) = (&tensor.scales[..], &tensor.zero_points[..]) else {
        return Err("needs one scale and one zero point".to_owned());
    };
    if !scale.is_finite() || scale <= 0.0 || !(-128..=127).contains(&zero_point) {
        return Err(format!(
            "has scale {scale} and zero point {zero_point}; they must be positive and in -128..=127"
        ));
    }
    Ok(Quantization::int8(f64::from(scale), zero_point as i32))
}

impl<'a> Importer<'a> {
    /// A network with an input only.
    pub fn new(model: &'a ModelInfo<'a>) -> Result<Self, ModelError> {
        let (&[input], &[_]) = (&model.inputs[..], &model.outputs[..]) else {
            let (inputs, outputs) = (model.inputs.len(), model.outputs.len());
            return Err(ModelError::Model(format!(
                "one input and one output are supported, found {inputs} and {outputs}"
            )));
        };
        // The integers of a real input are those of the QUANTIZE that reads it.
        let quantize = |operator: &&OperatorInfo| operator.code == 114 && operator.inputs == [input];
        let first =
            model.operators.iter().find(quantize).and_then(|operator| operator.outputs.first().copied());
        let is_real = tensor_at(model, input)?.element == ElementType::Float32;
        let given = first.filter(|_| is_real).unwrap_or(input);
        let tensor = tensor_at(model, given)?;
        let illegal = |problem: String| ModelError::Model(format!("input `{}` {problem}", tensor.name));
        let quantization = quantization_of(tensor).map_err(illegal)?;
        let shape = shape_of(&tensor.dims).map_err(illegal)?;
        let seen = Seen { id: TensorId::INPUT, padding: Padding::default() };
        Ok(Self {
            model,
            graph: Network::new(&model.name, Tensor { name: tensor.name.clone(), shape })?,
            real: Vec::new(),
            integers: Vec::new(),
            quantizations: vec![quantization],
            softmax: None,
            notes: Vec::new(),
            values: HashMap::from([(input, seen), (given, seen)]),
            probabilities: None,
        })
    }

    /// The file's tensor at place `input` of an operator, constant or not; `None` where it is absent.
    pub fn info(&self, node: Node, input: usize) -> Result<Option<&'a TensorInfo<'a>>, ModelError> {
        match node.info.inputs.get(input) {
            None | Some(-1) => Ok(None),
            Some(&index) => tensor_at(self.model, index).map(Some),
        }
    }

    /// A constant at place `input`, of elements `element`.
    pub fn constant(
        &self,
        node: Node,
        input: usize,
        element: ElementType,
    ) -> Result<Option<&'a TensorInfo<'a>>, ModelError> {
        let Some(info) = self.info(node, input)? else { return Ok(None) };
        let count =
            info.dims.iter().try_fold(1usize, |count, &dim| count.checked_mul(usize::try_from(dim).ok()?));
        let size = match element {
            ElementType::Int8 => 1,
            _ => 4,
        };
        node.require(info.element == element, || {
            format!("input {input} must hold constants of type {element:?}, found {:?}", info.element)
        })?;
        node.require(count.and_then(|count| count.checked_mul(size)) == Some(info.data.len()), || {
            format!("input {input} of dimensions {:?} has {} bytes", info.dims, info.data.len())
        })?;
        Ok(Some(info))
    }

    /// The constant 32-bit integers at place `input`.
    pub fn integers_at(&self, node: Node, input: usize) -> Result<Option<Vec<i32>>, ModelError> {
        let constant = self.constant(node, input, ElementType::Int32)?;
        Ok(constant.map(|info| super::flatbuffer::elements(info.data, i32::from_le_bytes)))
    }

    /// The computed tensor at place `input`, with a padding that the caller takes in.
    pub fn padded(&self, node: Node, input: usize) -> Result<Seen, ModelError> {
        let index = node.info.inputs.get(input).copied().unwrap_or(-1);
        node.require(self.probabilities != Some(index), || {
            "reads a softmax, which may only stand last".to_owned()
        })?;
        let seen = self.values.get(&index).copied();
        seen.ok_or_else(|| node.error(format!("input {input} must be a tensor computed before it")))
    }

    /// The computed tensor at place `input`, its padding made real by a layer where there is one.
    pub fn activation(&mut self, node: Node, input: usize) -> Result<TensorId, ModelError> {
        let seen = self.padded(node, input)?;
        if seen.padding.is_none() {
            return Ok(seen.id);
        }
        super::operators::push_padding(self, node, seen)
    }

    /// Whether the operator only quantizes the network's real input, which import did at the start.
    pub fn is_quantized_input(&self, node: Node) -> bool {
        let output = node.info.outputs.first();
        let is_input = node.info.inputs == self.model.inputs;
        let seen = output.and_then(|output| self.values.get(output));
        is_input && seen.is_some_and(|seen| seen.id == TensorId::INPUT)
    }

    /// Quantization of the operator's output.
    pub fn output_quantization(&self, node: Node) -> Result<Quantization, ModelError> {
        quantization_of(self.output_info(node)?)
            .map_err(|problem| node.error(format!("its output {problem}")))
    }

    fn output_info(&self, node: Node) -> Result<&'a TensorInfo<'a>, ModelError> {
        match node.info.outputs[..] {
            [output] => tensor_at(self.model, output),
            _ => Err(node.error(format!("must have one output, found {}", node.info.outputs.len()))),
        }
    }

    /// Shape of the operator's output, as the file says.
    pub fn output_shape(&self, node: Node) -> Result<Shape, ModelError> {
        shape_of(&self.output_info(node)?.dims).map_err(|problem| node.error(format!("its output {problem}")))
    }

    /// Appends a layer whose output is quantized as `output`.
    pub fn push(
        &mut self,
        node: Node,
        operation: Operation,
        inputs: Vec<TensorId>,
        output: Quantization,
        (real, integers): (FloatLayer, QuantizedLayer),
    ) -> Result<TensorId, ModelError> {
        let id = self.graph.push(node.label(), operation, inputs).map_err(|error| match error {
            ModelError::Layer { problem, .. } => node.error(problem),
            other => other,
        })?;
        self.real.push(real);
        self.integers.push(integers);
        self.quantizations.push(output);
        Ok(id)
    }

    /// Lets the operator's output stand for `seen`, whatever its shape.
    pub fn define(&mut self, node: Node, seen: Seen) -> Result<(), ModelError> {
        let output = node.info.outputs.first().copied().unwrap_or(-1);
        node.require(!self.values.contains_key(&output), || format!("makes tensor {output} a second time"))?;
        self.values.insert(output, seen);
        Ok(())
    }

    /// Like [`Importer::define`], for a tensor seen as it is, whose shape must be the file's.
    pub fn define_whole(&mut self, node: Node, id: TensorId) -> Result<(), ModelError> {
        let (found, said) = (self.graph.shape(id), self.output_shape(node)?);
        node.require(found == said, || format!("makes {found} where the file says {said}"))?;
        self.define(node, Seen { id, padding: Padding::default() })
    }

    /// Remembers a softmax over tensor `id`.
    pub fn drop_softmax(&mut self, node: Node, softmax: Softmax, id: TensorId) -> Result<(), ModelError> {
        self.softmax = Some(softmax);
        self.probabilities = node.info.outputs.first().copied();
        self.notes.push(format!(
            "softmax `{}` is left to the host: the accelerator ends at the logits, the largest class is the same",
            node.label()
        ));
        self.define(node, Seen { id, padding: Padding::default() })
    }

    /// Checks that the file's output is what the last layer makes.
    pub fn check_output(&self) -> Result<(), ModelError> {
        let seen = self.model.outputs.first().and_then(|output| self.values.get(output));
        let is_last = seen.is_some_and(|seen| seen.id == self.graph.output() && seen.padding.is_none());
        if is_last && !self.integers.is_empty() {
            return Ok(());
        }
        Err(ModelError::Model("the output is not made by the last layer".to_owned()))
    }
}

/// Tensor `index` of the file.
fn tensor_at<'a>(model: &'a ModelInfo<'a>, index: i32) -> Result<&'a TensorInfo<'a>, ModelError> {
    let found = usize::try_from(index).ok().and_then(|index| model.tensors.get(index));
    found.ok_or_else(|| {
        ModelError::Model(format!("tensor {index} is named, but there are {}", model.tensors.len()))
    })
}

/// Parameters of a layer without weights: one bias and one factor for all of `channels`.
pub(super) fn lane(
    channels: usize,
    bias: i32,
    factor: Multiplier,
    requantization: Requantization,
    clamp: Clamp,
) -> (FloatLayer, QuantizedLayer) {
    let integers = QuantizedLayer {
        weight_format: WeightFormat::lane(),
        weights: Vec::new(),
        bias: vec![bias; channels],
        multipliers: vec![factor; channels],
        requantization,
        input_multipliers: Vec::new(),
        arithmetic: Arithmetic::default(),
        offset: clamp.zero_point,
        low: clamp.low,
        high: clamp.high,
    };
    (FloatLayer::plain().clamped(clamp.real.0, clamp.real.1), integers)
}

/// The range of an output after its fused activation.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clamp {
    pub low: i32,
    pub high: i32,
    pub zero_point: i32,
    /// The same in real numbers, infinite where nothing is clamped.
    pub real: (f32, f32),
}

impl Clamp {
    /// The clamp of fused activation `code` over an output of `quantization`.
    ///
    /// A bound becomes `zero_point + round(bound / scale)` in single precision, halves away from zero
    /// (`CalculateActivationRangeQuantized`).
    pub fn new(node: Node, code: u8, quantization: Quantization) -> Result<Self, ModelError> {
        let (low, high) = match code {
            0 => (f32::NEG_INFINITY, f32::INFINITY),
            1 => (0.0, f32::INFINITY),
            2 => (-1.0, 1.0),
            3 => (0.0, 6.0),
            other => {
                return Err(
                    node.error(format!("fused activation {other} is not supported; none, RELU, RELU6 are"))
                );
            }
        };
        let Quantization { scale, zero_point, .. } = quantization;
        // Saturating conversions: infinities end at the type's range.
        let integer = |bound: f32| zero_point.saturating_add((bound / scale as f32).round() as i32);
        let [low_integer, high_integer] =
            [low, high].map(|bound| integer(bound).clamp(quantization.min(), quantization.max()));
        Ok(Self { low: low_integer, high: high_integer, zero_point, real: (low, high) })
    }

    /// Outputs before the zero point is added.
    pub fn scaled(&self) -> std::ops::RangeInclusive<i64> {
        i64::from(self.low - self.zero_point)..=i64::from(self.high - self.zero_point)
    }
}
