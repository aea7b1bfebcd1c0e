//! The workload graph: which layers a network has, on which tensors, with which shapes.
//!
//! A [`Network`] holds no numbers. [`FloatNetwork`](crate::FloatNetwork) and
//! [`QuantizedNetwork`](crate::QuantizedNetwork) put parameters beside the same graph, one entry a layer.
//!
//! Invariants: tensor 0 is the input; layer i makes tensor i + 1 and reads earlier tensors only, so the
//! layers stand in an order that can be run; the last layer makes the output.

use std::ops::RangeInclusive;

use crate::ModelError;
use crate::deformable::Taps;
use crate::row::{RowArithmetic, RowOperator};
use crate::shape::{Extent, Shape, Window};

/// A tensor of a [`Network`]: 0 is the input, i + 1 the output of layer i.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TensorId(u32);

impl TensorId {
    /// The network's input.
    pub const INPUT: Self = Self(0);

    /// Position among the network's tensors.
    pub fn index(self) -> usize {
        self.0 as usize
    }

    /// The tensor at `index`.
    pub(crate) fn at(index: usize) -> Self {
        Self(u32::try_from(index).expect("a network has fewer than 2^32 tensors"))
    }
}

/// Name and shape of an activation tensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tensor {
    /// Name, for reports.
    pub name: String,
    /// Height, width and channels.
    pub shape: Shape,
}

/// What a layer computes. A clamp (ReLU, ReLU6) may follow each of them; it stands with the parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Output channel o sums over the window and the input channels of its group. Weights:
    /// `[out_channels][kernel height][kernel width][in_channels / groups]`.
    Convolution {
        /// Kernel, stride, dilation and padding.
        window: Window,
        /// Channels of the output.
        out_channels: usize,
        /// Groups; divides the channels of input and output.
        groups: usize,
    },
    /// Output channel c sums over the window of input channel c alone. Weights:
    /// `[kernel height][kernel width][channels]`.
    Depthwise {
        /// Kernel, stride, dilation and padding.
        window: Window,
    },
    /// Every output sums over every element of the input. Weights:
    /// `[out_features][in height][in width][in channels]`.
    FullyConnected {
        /// Length of the output vector.
        out_features: usize,
    },
    /// The largest element of each window; padding never wins.
    MaxPool {
        /// Kernel, stride, dilation and padding.
        window: Window,
    },
    /// The mean of each window. It has no padding.
    AveragePool {
        /// Kernel, stride and dilation.
        window: Window,
    },
    /// The sum of two tensors of one shape.
    Add,
    /// The product, element by element, of two tensors of one shape.
    Multiply,
    /// Tensors of one height and width behind each other along the channels.
    Concatenate,
    /// Every position repeated `factor` times in each direction.
    ResizeNearest {
        /// Outputs for each input position.
        factor: Extent,
    },
    /// The matrix product of two activations for each row of the map (a batch, or an attention head): position
    /// j, channel k of the first times position k, channel j of the second.
    MatrixMultiply {
        /// Whether the second holds its matrices transposed: position j, channel k.
        is_transposed: bool,
    },
    /// The matrix of each row of the map turned: position j, channel k becomes position k, channel j.
    Transpose,
    /// A function of each element alone.
    Lookup {
        /// The function.
        function: Function,
    },
    /// A function of the channels of each position together. Weights of a LayerNorm: γ, one a channel; its bias is β.
    Row {
        /// The function.
        operator: RowOperator,
    },
    /// What the taps of a deformable convolution read, each where its offsets tell: of an image, its offsets and, where
    /// there is modulation, its masks. The samples of a position stand side by side in a row, nine times as wide.
    Sample {
        /// Where they look.
        taps: Taps,
    },
}

impl Operation {
    /// The operation's name in reports.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Convolution { .. } => "convolution",
            Self::Depthwise { .. } => "depthwise",
            Self::FullyConnected { .. } => "fully_connected",
            Self::MaxPool { .. } => "max_pool",
            Self::AveragePool { .. } => "average_pool",
            Self::Add => "add",
            Self::Multiply => "multiply",
            Self::Concatenate => "concatenate",
            Self::ResizeNearest { .. } => "resize_nearest",
            Self::MatrixMultiply { .. } => "matrix_multiply",
            Self::Transpose => "transpose",
            Self::Lookup { .. } => "lookup",
            Self::Row { operator } => operator.name(),
            Self::Sample { .. } => "sample",
        }
    }

    /// The sliding window, where there is one.
    pub fn window(&self) -> Option<&Window> {
        match self {
            Self::Convolution { window, .. }
            | Self::Depthwise { window }
            | Self::MaxPool { window }
            | Self::AveragePool { window } => Some(window),
            _ => None,
        }
    }

    /// Number of input tensors.
    pub fn arity(&self) -> RangeInclusive<usize> {
        match self {
            Self::Add | Self::Multiply | Self::MatrixMultiply { .. } => 2..=2,
            Self::Concatenate => 2..=MOST_INPUTS,
            Self::Sample { taps } => taps.inputs()..=taps.inputs(),
            _ => 1..=1,
        }
    }

    /// Whether the layer mixes channels (weights on the matrix unit, at the network's weight width).
    /// The others work lane by lane, with 8-bit weights.
    pub fn is_matrix(&self) -> bool {
        matches!(self, Self::Convolution { .. } | Self::FullyConnected { .. })
    }

    /// Whether outputs are sums of inputs, each times a weight or 1: what floating-point tensors can do.
    pub fn sums_values(&self) -> bool {
        let lanes = matches!(self, Self::Depthwise { .. } | Self::AveragePool { .. } | Self::Add);
        lanes || self.is_matrix()
    }

    /// Number of trained weights (without bias) over an input of `input`: 0 for layers that train none.
    pub fn weight_count(&self, input: Shape) -> usize {
        match self {
            Self::Convolution { window, out_channels, groups } => {
                window.kernel.area() * out_channels * (input.channels / groups)
            }
            Self::Depthwise { window } => window.kernel.area() * input.channels,
            Self::FullyConnected { out_features } => out_features * input.elements(),
            Self::Row { operator } if operator.is_affine() => input.channels,
            _ => 0,
        }
    }

    /// Multiply-accumulates behind one output element: the terms of its sum. Comparisons of a maximum
    /// are none.
    pub fn terms(&self, input: Shape) -> usize {
        match self {
            Self::Convolution { window, groups, .. } => window.kernel.area() * (input.channels / groups),
            Self::Depthwise { window } | Self::AveragePool { window } => window.kernel.area(),
            Self::FullyConnected { .. } => input.elements(),
            Self::Add => 2,
            Self::Multiply => 1,
            Self::MatrixMultiply { .. } => input.channels,
            Self::MaxPool { .. }
            | Self::Concatenate
            | Self::ResizeNearest { .. }
            | Self::Transpose
            | Self::Lookup { .. }
            | Self::Row { .. }
            | Self::Sample { .. } => 0,
        }
    }

    /// Shape of the output over inputs of `shapes`, or in words why there is none.
    fn output_shape(&self, shapes: &[Shape]) -> Result<Shape, String> {
        let &[input, ..] = shapes else {
            return Err("a layer needs an input".to_owned());
        };
        let (least, most) = self.arity().into_inner();
        if !self.arity().contains(&shapes.len()) {
            let legal = if least == most { least.to_string() } else { format!("{least} to {most}") };
            return Err(format!("{} takes {legal} inputs, found {}", self.name(), shapes.len()));
        }
        let slide = |window: &Window, channels| {
            let positions = window.output(input.height, input.width)?;
            Ok(Shape::new(positions.height, positions.width, channels))
        };
        match self {
            Self::Convolution { window, out_channels, groups } => {
                let divides = |channels: usize| *groups > 0 && channels.is_multiple_of(*groups);
                if !divides(input.channels) || !divides(*out_channels) {
                    return Err(format!(
                        "groups {groups} must divide {} input and {out_channels} output channels",
                        input.channels
                    ));
                }
                slide(window, *out_channels)
            }
            Self::AveragePool { window } if !window.padding.is_none() => {
                Err("average pooling takes no padding: its mean would depend on the border".to_owned())
            }
            Self::Depthwise { window } | Self::MaxPool { window } | Self::AveragePool { window } => {
                slide(window, input.channels)
            }
            Self::FullyConnected { out_features } => Ok(Shape::vector(*out_features)),
            Self::Add | Self::Multiply if shapes[0] != shapes[1] => {
                Err(format!("{} needs equal shapes, found {} and {}", self.name(), shapes[0], shapes[1]))
            }
            Self::Add | Self::Multiply | Self::Lookup { .. } | Self::Row { .. } => Ok(input),
            Self::Sample { taps } => taps.output_shape(shapes),
            Self::Transpose => Ok(Shape { width: input.channels, channels: input.width, ..input }),
            Self::Concatenate => {
                let is_like = |shape: &Shape| (shape.height, shape.width) == (input.height, input.width);
                if let Some(other) = shapes.iter().find(|shape| !is_like(shape)) {
                    return Err(format!("concatenate needs maps of one size, found {input} and {other}"));
                }
                let channels = shapes.iter().try_fold(0usize, |sum, shape| sum.checked_add(shape.channels));
                let channels = channels.ok_or("concatenate makes too many channels")?;
                Ok(Shape { channels, ..input })
            }
            Self::ResizeNearest { factor } => {
                let grown = |size: usize, factor: usize| size.checked_mul(factor).filter(|_| factor > 0);
                match (grown(input.height, factor.height), grown(input.width, factor.width)) {
                    (Some(height), Some(width)) => Ok(Shape { height, width, ..input }),
                    _ => Err(format!("resizes {input} by {}x{}", factor.height, factor.width)),
                }
            }
            Self::MatrixMultiply { is_transposed } => {
                let other = shapes[1];
                let (inner, columns) = match is_transposed {
                    true => (other.channels, other.width),
                    false => (other.width, other.channels),
                };
                if other.height != input.height || inner != input.channels {
                    return Err(format!("{input} cannot be multiplied by {other}"));
                }
                Ok(Shape { channels: columns, ..input })
            }
        }
    }
}

/// Most inputs of a concatenation: far above any network's, so that a corrupt file is refused.
const MOST_INPUTS: usize = 1 << 12;

/// A function of one number, which the hardware looks up in a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Function {
    /// 1/(1 + exp(−x)).
    Sigmoid,
    /// The hyperbolic tangent.
    Tanh,
    /// x/2 · (1 + erf(x/√2)), Hendrycks and Gimpel, 2016; erf to 1.5e-7.
    Gelu,
    /// x/(1 + exp(−x)).
    Silu,
    /// x · clamp(x + 3, 0, 6)/6, of MobileNetV3.
    HardSwish,
}

impl Function {
    /// Its value at `x`.
    pub fn at(self, x: f64) -> f64 {
        match self {
            Self::Sigmoid => 1.0 / (1.0 + (-x).exp()),
            Self::Tanh => x.tanh(),
            Self::Gelu => 0.5 * x * (1.0 + error_function(x / std::f64::consts::SQRT_2)),
            Self::Silu => x / (1.0 + (-x).exp()),
            Self::HardSwish => x * (x + 3.0).clamp(0.0, 6.0) / 6.0,
        }
    }
}

/// erf(x) to 1.5e-7 (Abramowitz and Stegun, 7.1.26).
fn error_function(x: f64) -> f64 {
    const TERMS: [f64; 5] = [1.061_405_429, -1.453_152_027, 1.421_413_741, -0.284_496_736, 0.254_829_592];
    let t = 1.0 / (1.0 + 0.327_591_1 * x.abs());
    let polynomial = TERMS.iter().fold(0.0, |sum, term| (sum + term) * t);
    (1.0 - polynomial * (-x * x).exp()).copysign(x)
}

/// One layer: an operation on earlier tensors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// Name, unique in a well-made model, for reports.
    pub name: String,
    /// What is computed.
    pub operation: Operation,
    /// Tensors read, as many as the operation's [`Operation::arity`].
    pub inputs: Vec<TensorId>,
    /// Tensor made.
    pub output: TensorId,
}

/// A network's layers and tensors, in an order that can be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    name: String,
    tensors: Vec<Tensor>,
    layers: Vec<Layer>,
}

impl Network {
    /// A network without layers over an input tensor.
    ///
    /// # Errors
    /// When the input's shape has a zero or is beyond [`MAX_TENSOR_ELEMENTS`](crate::MAX_TENSOR_ELEMENTS).
    pub fn new(name: impl Into<String>, input: Tensor) -> Result<Self, ModelError> {
        if !input.shape.is_legal() {
            return Err(ModelError::Input(format!(
                "input `{}` of shape {} has a zero dimension or more than 2^28 elements",
                input.name, input.shape
            )));
        }
        Ok(Self { name: name.into(), tensors: vec![input], layers: Vec::new() })
    }

    /// Appends a layer, infers the shape of its output and returns that tensor.
    ///
    /// # Errors
    /// When an input does not exist yet, or the shapes do not suit the operation.
    pub fn push(
        &mut self,
        name: impl Into<String>,
        operation: Operation,
        inputs: Vec<TensorId>,
    ) -> Result<TensorId, ModelError> {
        let name = name.into();
        if let Some(late) = inputs.iter().find(|id| id.index() >= self.tensors.len()) {
            return Err(ModelError::layer(&name, format!("reads tensor {} before it is made", late.index())));
        }
        let shapes: Vec<Shape> = inputs.iter().map(|id| self.tensors[id.index()].shape).collect();
        let shape = operation.output_shape(&shapes).map_err(|problem| ModelError::layer(&name, problem))?;
        if !shape.is_legal() {
            let problem = format!("output shape {shape} has a zero dimension or more than 2^28 elements");
            return Err(ModelError::layer(&name, problem));
        }
        let output = TensorId::at(self.tensors.len());
        self.tensors.push(Tensor { name: name.clone(), shape });
        self.layers.push(Layer { name, operation, inputs, output });
        Ok(output)
    }

    /// Has the functions of rows computed by `arithmetic`.
    pub(crate) fn compute_rows_by(&mut self, arithmetic: RowArithmetic) {
        for layer in &mut self.layers {
            if let Operation::Row { operator } = &mut layer.operation {
                *operator = operator.by(arithmetic);
            }
        }
    }

    /// Takes the last layer back, with its tensor.
    pub(crate) fn pop(&mut self) -> Option<Layer> {
        let layer = self.layers.pop()?;
        self.tensors.pop();
        Some(layer)
    }

    /// The model's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// All tensors: the input, then one for each layer.
    pub fn tensors(&self) -> &[Tensor] {
        &self.tensors
    }

    /// All layers, in an order that can be run.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// One tensor.
    pub fn tensor(&self, id: TensorId) -> &Tensor {
        &self.tensors[id.index()]
    }

    /// Shape of one tensor.
    pub fn shape(&self, id: TensorId) -> Shape {
        self.tensor(id).shape
    }

    /// The tensor that the network returns: the last layer's.
    pub fn output(&self) -> TensorId {
        TensorId::at(self.tensors.len() - 1)
    }

    /// Shape of a layer's first input.
    pub fn input_shape(&self, layer: &Layer) -> Shape {
        self.shape(layer.inputs[0])
    }

    /// Multiply-accumulates of one layer.
    pub fn macs(&self, layer: &Layer) -> u64 {
        (self.shape(layer.output).elements() * layer.operation.terms(self.input_shape(layer))) as u64
    }

    /// Position of the last layer that reads `id`, or `None` where none does (the output).
    pub fn last_reader(&self, id: TensorId) -> Option<usize> {
        self.layers.iter().rposition(|layer| layer.inputs.contains(&id))
    }
}
