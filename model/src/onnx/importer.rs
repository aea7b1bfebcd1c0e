//! The importer's state: the network built so far, and what each ONNX value stands for in it.
//!
//! The trick that keeps layers few: an [`Activation`] is a tensor seen through a view. Flattening,
//! transposing between channel orders, subsampling and zero padding only change the view; the layer that
//! reads it takes them in. What it cannot take in is made real by an extra layer ([`Importer::settled`]).

use std::collections::HashMap;

use super::constant::Constant;
use super::node::Node;
use crate::float::FloatLayer;
use crate::network::{Layer, Network, Operation, TensorId};
use crate::quantized::{Quantization, QuantizedWeights, WeightFormat, weight_channel};
use crate::shape::{Extent, Padding, Shape, Window};
use crate::{ModelError, Tensor};

/// How the axes of an ONNX tensor map to height, width and channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// [batch, channels, height, width], ONNX's own.
    Nchw,
    /// [batch, height, width, channels].
    Nhwc,
    /// [batch, features], the features in channel, row, column order.
    FlatChw,
    /// [batch, features], the features in row, column, channel order.
    FlatHwc,
}

impl Layout {
    /// Whether there are two axes only.
    pub fn is_flat(self) -> bool {
        matches!(self, Self::FlatChw | Self::FlatHwc)
    }
}

/// A tensor of the network as an ONNX value sees it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Activation {
    pub tensor: TensorId,
    pub layout: Layout,
    /// Only every stride-th row and column is seen.
    pub stride: Extent,
    /// Zeros seen around the tensor, after striding.
    pub padding: Padding,
    /// Whether another value may see the tensor, so that nothing may be fused into its layer.
    pub is_shared: bool,
    /// Whether a softmax was dropped here: nothing but the output may follow.
    pub is_probability: bool,
}

impl Activation {
    fn plain(tensor: TensorId, layout: Layout) -> Self {
        let stride = Extent::square(1);
        let padding = Padding::default();
        Self { tensor, layout, stride, padding, is_shared: false, is_probability: false }
    }

    /// Whether the tensor is seen as it is.
    pub fn is_whole(&self) -> bool {
        self.stride == Extent::square(1) && self.padding.is_none()
    }
}

/// What an ONNX value stands for.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    Constant(Constant),
    Activation(Activation),
}

/// A layer as imported: real parameters, and integer weights where the file has them.
#[derive(Debug)]
pub(crate) struct ImportedLayer {
    pub real: FloatLayer,
    pub integers: Option<QuantizedWeights>,
}

impl ImportedLayer {
    /// Puts `x · factors + shifts` of each channel behind the layer. Integer weights keep their magnitude: the
    /// factor goes to their scale, its sign to them.
    pub fn then(&mut self, operation: &Operation, factors: &[f32], shifts: &[f32]) {
        let (channels, count) = (factors.len(), self.real.weights.len());
        let channel_of = |index| weight_channel(operation, index, count, channels);
        for (index, weight) in self.real.weights.iter_mut().enumerate() {
            *weight *= factors[channel_of(index)];
        }
        for (channel, bias) in self.real.bias.iter_mut().enumerate() {
            *bias = *bias * factors[channel] + shifts[channel];
        }
        let Some(QuantizedWeights { integers, scales, format, .. }) = &mut self.integers else { return };
        // The most negative integer has no counterpart of its width.
        let (lowest, _) = format.range();
        if let Some(bits) = format.signed_bits().filter(|_| integers.contains(&lowest))
            && let Ok(wider) = WeightFormat::signed(bits + 1)
        {
            *format = wider;
        }
        for (index, weight) in integers.iter_mut().enumerate() {
            let factor = factors[channel_of(index)];
            *weight = match factor.partial_cmp(&0.0) {
                Some(std::cmp::Ordering::Less) => weight.saturating_neg(),
                Some(std::cmp::Ordering::Greater) => *weight,
                _ => 0,
            };
        }
        for (scale, &factor) in scales.iter_mut().zip(factors) {
            *scale = if factor == 0.0 { 1.0 } else { *scale * f64::from(factor.abs()) };
        }
    }
}

/// The network built so far.
pub(crate) struct Importer<'a> {
    pub graph: Network,
    pub layers: Vec<ImportedLayer>,
    /// One entry a tensor.
    pub quantizations: Vec<Option<Quantization>>,
    /// Whether QONNX operators quantize it: its steps are then kept exactly.
    pub has_qonnx: bool,
    /// Whether it rounds as onnxruntime's integer kernels do.
    pub is_single_precision: bool,
    /// Tensors of −1 and 1.
    pub bipolar: Vec<TensorId>,
    /// What was dropped or changed, for the user.
    pub notes: Vec<String>,
    values: HashMap<String, Value>,
    readers: HashMap<&'a str, usize>,
}

impl<'a> Importer<'a> {
    /// A network with an input only.
    pub fn new(
        name: &str,
        input: Tensor,
        layout: Layout,
        readers: HashMap<&'a str, usize>,
    ) -> Result<Self, ModelError> {
        let value = Value::Activation(Activation::plain(TensorId::INPUT, layout));
        let values = HashMap::from([(input.name.clone(), value)]);
        let graph = Network::new(name, input)?;
        Ok(Self {
            graph,
            layers: vec![],
            quantizations: vec![None],
            has_qonnx: false,
            is_single_precision: false,
            bipolar: vec![],
            notes: vec![],
            values,
            readers,
        })
    }

    /// What `name` stands for. A computed tensor that several nodes read is marked as shared.
    pub fn value(&self, name: &str) -> Option<&Value> {
        self.values.get(name)
    }

    /// Lets `name` stand for `value`.
    pub fn define(&mut self, name: &str, value: Value) {
        let is_read_often = self.readers.get(name).is_some_and(|&count| count > 1);
        let value = match value {
            Value::Activation(seen) => {
                Value::Activation(Activation { is_shared: seen.is_shared || is_read_often, ..seen })
            }
            Value::Constant(_) => value,
        };
        self.values.insert(name.to_owned(), value);
    }

    /// Shape of the tensor behind `activation`, its view not applied.
    pub fn shape(&self, activation: Activation) -> Shape {
        self.graph.shape(activation.tensor)
    }

    /// Appends a layer that reads `inputs` whole.
    pub fn push(
        &mut self,
        node: Node,
        operation: Operation,
        inputs: &[Activation],
        layout: Layout,
        layer: ImportedLayer,
    ) -> Result<Activation, ModelError> {
        self.push_named(node, node.name(), operation, inputs, layout, layer)
    }

    /// The same under another name: of several layers for one node, the last has the node's.
    pub fn push_named(
        &mut self,
        node: Node,
        name: &str,
        operation: Operation,
        inputs: &[Activation],
        layout: Layout,
        layer: ImportedLayer,
    ) -> Result<Activation, ModelError> {
        let tensors: Vec<TensorId> = inputs.iter().map(|input| input.tensor).collect();
        // A max pool hands its input's integers on, and samples are of them.
        let hands_on = matches!(operation, Operation::MaxPool { .. } | Operation::Sample { .. });
        let inherited = hands_on.then(|| tensors[0]);
        let quantization = inherited.and_then(|id| self.quantizations[id.index()]);
        let pushed = self.graph.push(name, operation, tensors).map_err(|error| match error {
            ModelError::Layer { problem, .. } => node.error(problem),
            other => other,
        })?;
        self.layers.push(layer);
        self.quantizations.push(quantization);
        Ok(Activation::plain(pushed, layout))
    }

    /// Appends a layer without weights.
    pub fn push_plain(
        &mut self,
        node: Node,
        operation: Operation,
        inputs: &[Activation],
        layout: Layout,
    ) -> Result<Activation, ModelError> {
        let layer = ImportedLayer { real: FloatLayer::plain(), integers: None };
        self.push(node, operation, inputs, layout, layer)
    }

    /// `activation` as a tensor seen whole: a subsampling view becomes a 1×1 depthwise layer of weight 1.
    pub fn settled(&mut self, node: Node, activation: Activation) -> Result<Activation, ModelError> {
        node.require(!activation.is_probability, || {
            "reads a softmax; Bitmill ends at the logits, so a softmax may only stand last".to_owned()
        })?;
        node.require(activation.padding.is_none(), || {
            "reads a padded tensor; only a convolution may follow zero padding".to_owned()
        })?;
        if activation.is_whole() {
            return Ok(activation);
        }
        let window = Window { stride: activation.stride, ..Window::square(1) };
        let channels = self.shape(activation).channels;
        let whole = Activation { stride: Extent::square(1), ..activation };
        let settled = self.push_depthwise(node, window, whole, vec![1.0; channels], vec![0.0; channels])?;
        self.quantizations[settled.tensor.index()] = self.quantizations[activation.tensor.index()];
        Ok(settled)
    }

    /// Appends a depthwise layer with real weights.
    pub fn push_depthwise(
        &mut self,
        node: Node,
        window: Window,
        input: Activation,
        weights: Vec<f32>,
        bias: Vec<f32>,
    ) -> Result<Activation, ModelError> {
        let layer = ImportedLayer { real: FloatLayer::weighted(weights, bias), integers: None };
        self.push(node, Operation::Depthwise { window }, &[input], input.layout, layer)
    }

    /// Appends a layer that hands every element on: a mean over one. It can clamp and rescale.
    pub fn push_identity(&mut self, node: Node, input: Activation) -> Result<Activation, ModelError> {
        let operation = Operation::AveragePool { window: Window::square(1) };
        self.push_plain(node, operation, &[input], input.layout)
    }

    /// The layer that makes `activation`, if something may still be fused into it: nothing else sees its
    /// tensor and no quantization stands in between.
    pub fn open_layer(&mut self, activation: Activation) -> Option<(Operation, &mut ImportedLayer)> {
        let tensor = activation.tensor.index();
        let is_open = !activation.is_shared && self.quantizations[tensor].is_none();
        let index = tensor.checked_sub(1).filter(|_| is_open)?;
        Some((self.graph.layers()[index].operation, &mut self.layers[index]))
    }

    /// The layer that makes `activation`, if it is the last and nothing else sees its tensor, which has no quantization:
    /// it may be taken back.
    pub fn last_layer(&self, activation: Activation) -> Option<(&Layer, &FloatLayer)> {
        let tensor = activation.tensor;
        let is_free = !activation.is_shared && self.quantizations[tensor.index()].is_none();
        let layer = self.graph.layers().last().filter(|layer| is_free && layer.output == tensor)?;
        Some((layer, &self.layers.last()?.real))
    }

    /// Takes the last layer back, and returns what it read first.
    pub fn take_back(&mut self) -> Option<Activation> {
        let layer = self.graph.pop()?;
        self.layers.pop();
        self.quantizations.pop();
        Some(Activation { is_shared: true, ..Activation::plain(layer.inputs[0], Layout::Nchw) })
    }

    /// Like [`Importer::open_layer`], for a layer with real weights and no clamp: an affine map may be
    /// folded into it.
    pub fn open_affine_layer(&mut self, activation: Activation) -> Option<(Operation, &mut ImportedLayer)> {
        let (operation, layer) = self.open_layer(activation)?;
        let is_affine = !layer.real.weights.is_empty()
            && layer.real.low == f32::NEG_INFINITY
            && layer.real.high == f32::INFINITY;
        is_affine.then_some((operation, layer))
    }
}
