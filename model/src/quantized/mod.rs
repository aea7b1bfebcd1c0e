//! Quantized networks, and the integer arithmetic that the hardware performs. This page is the
//! specification: [`QuantizedNetwork::run`] is the golden model, and the accelerator must equal it bit for bit.
//!
//! **Activations** are signed integers of 2 to 16 bits; the real value is `scale · (q − zero_point)`, one
//! scale and zero point a tensor. **Weights** are symmetric signed integers (zero point 0) with one scale an
//! output channel. Matrix layers (convolution, fully connected) hold them at the layer's weight width; lane
//! layers (depthwise, pooling, addition) at 8 bits whatever the network's width is.
//!
//! **Accumulation** is exact. With raw activations `a` (zero point not subtracted):
//!
//! | layer | accumulator |
//! |---|---|
//! | convolution, depthwise, fully connected | `Σ a·w + bias`, a tap in the padding reads `a = z_in` |
//! | average pool | `Σ a + bias`, `bias = −z_in · taps` |
//! | max pool | `max a + bias`, `bias = −z_in`; a tap in the padding is skipped (it reads the minimum) |
//! | addition | `a·w[0] + b·w[1] + bias`, `bias = −(z_a·w[0] + z_b·w[1])` |
//!
//! so the accumulator is the real sum over its scale, and the correction for the zero point is part of `bias`.
//!
//! | multiplication | `(a − z_a)(b − z_b)` |
//! | matrix multiplication | `Σ (a − z_a)(b − z_b)` |
//! | concatenation, nearest resize | `a + bias`, `bias = −z_a` of the input that the channel comes from |
//! | lookup | `weights[a − min]`: the table holds the result |
//! | addition in one step | `scale((a − z_a) · 2^20, M[0]) + scale((b − z_b) · 2^20, M[1])`, M the input multipliers |
//!
//! **Requantization**, with the channel's multiplier m and shift s ([`Multiplier`]) and the layer's rounding
//! ([`Requantization`], where each `scale` is spelled out):
//!
//! ```text
//! y = clamp(scale(accumulator) + offset, low, high)
//! ```
//!
//! `offset` is the output's zero point, unless the layer works on raw integers (TFLite's average pool). A ReLU
//! is `low = z_out`; ReLU6 lowers `high`.

mod build;
mod execute;
pub(crate) mod proof;
mod thresholds;
mod weights;

use bitmill_formats::{Multiplier, Requantization};

use crate::ModelError;
use crate::network::{Layer, Network, Operation, TensorId};

pub use weights::QuantizedWeights;
pub(crate) use weights::{largest_integer, weight_channel};

/// Weight width of lane layers (depthwise, pooling, addition), in bits.
pub const LANE_WEIGHT_BITS: u8 = 8;

/// Widest accumulator that the requantizer takes.
pub const MAX_ACCUMULATOR_BITS: u32 = 47;

/// How an activation tensor's integers stand for real numbers: `real = scale · (integer − zero_point)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quantization {
    /// Width of the signed integers, 2..=16.
    pub bits: u8,
    /// Real step between neighbouring integers, finite and positive.
    pub scale: f64,
    /// Integer that stands for 0.0.
    pub zero_point: i32,
}

impl Quantization {
    /// Smallest integer, −2^(bits−1).
    pub fn min(&self) -> i32 {
        -(1 << (self.bits - 1))
    }

    /// Largest integer, 2^(bits−1) − 1.
    pub fn max(&self) -> i32 {
        (1 << (self.bits - 1)) - 1
    }

    /// The nearest integer for `real`, halves to even as ONNX's QuantizeLinear does, saturated to the width.
    pub fn quantize(&self, real: f64) -> i32 {
        let integer = (real / self.scale).round_ties_even() + f64::from(self.zero_point);
        integer.clamp(f64::from(self.min()), f64::from(self.max())) as i32
    }

    /// The real number that `integer` stands for.
    pub fn dequantize(&self, integer: i32) -> f64 {
        self.scale * f64::from(integer - self.zero_point)
    }

    /// In words, what is wrong with the width, the scale or the zero point.
    fn problem(&self) -> Option<String> {
        if !(2..=16).contains(&self.bits) {
            return Some(format!("activation width must lie in 2..=16 bits, found {}", self.bits));
        }
        if !self.scale.is_finite() || self.scale <= 0.0 {
            return Some(format!("activation scale must be finite and positive, found {}", self.scale));
        }
        let legal = self.min()..=self.max();
        (!legal.contains(&self.zero_point))
            .then(|| format!("zero point must lie in {legal:?}, found {}", self.zero_point))
    }
}

/// Integer parameters of one layer. What they mean stands at the head of this module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuantizedLayer {
    /// Width of the weights in bits, 2..=16; [`LANE_WEIGHT_BITS`] for lane layers.
    pub weight_bits: u8,
    /// Weights in the order of [`Operation`]; the two factors of an addition; the table of a lookup, from the
    /// smallest input on; else empty.
    pub weights: Vec<i16>,
    /// One for each output channel.
    pub bias: Vec<i32>,
    /// One for each output channel.
    pub multipliers: Vec<Multiplier>,
    /// How scaled accumulators round.
    pub requantization: Requantization,
    /// Factors that bring the two inputs of an addition to one step, in place of its `weights`; else empty.
    pub input_multipliers: Vec<Multiplier>,
    /// Added to the scaled accumulator: the output's zero point, but for a mean of raw integers.
    pub offset: i32,
    /// Smallest output.
    pub low: i32,
    /// Largest output.
    pub high: i32,
}

/// A network with integer parameters: what the accelerator runs.
#[derive(Debug, Clone, PartialEq)]
pub struct QuantizedNetwork {
    graph: Network,
    quantizations: Vec<Quantization>,
    layers: Vec<QuantizedLayer>,
}

impl QuantizedNetwork {
    /// Joins a graph with one quantization a tensor and one set of parameters a layer.
    ///
    /// # Errors
    /// When a count does not match the graph, or a number lies outside its width.
    pub fn new(
        graph: Network,
        quantizations: Vec<Quantization>,
        layers: Vec<QuantizedLayer>,
    ) -> Result<Self, ModelError> {
        if quantizations.len() != graph.tensors().len() || layers.len() != graph.layers().len() {
            return Err(ModelError::Input(format!(
                "a graph of {} tensors and {} layers needs as many quantizations and parameters, found {} and {}",
                graph.tensors().len(),
                graph.layers().len(),
                quantizations.len(),
                layers.len()
            )));
        }
        for (tensor, quantization) in graph.tensors().iter().zip(&quantizations) {
            if let Some(problem) = quantization.problem() {
                return Err(ModelError::layer(&tensor.name, problem));
            }
        }
        let network = Self { graph, quantizations, layers };
        for (layer, parameters) in network.pairs() {
            if let Some(problem) = network.problem(layer, parameters) {
                return Err(ModelError::layer(&layer.name, problem));
            }
        }
        Ok(network)
    }

    /// The workload graph.
    pub fn graph(&self) -> &Network {
        &self.graph
    }

    /// How the integers of tensor `id` are meant.
    pub fn quantization(&self, id: TensorId) -> Quantization {
        self.quantizations[id.index()]
    }

    /// The layers' integer parameters, in the graph's order.
    pub fn layers(&self) -> &[QuantizedLayer] {
        &self.layers
    }

    /// Every layer of the graph with its integer parameters.
    pub fn pairs(&self) -> impl Iterator<Item = (&Layer, &QuantizedLayer)> {
        self.graph.layers().iter().zip(&self.layers)
    }

    /// Bits that hold the accumulator of the layer at `index` for every input and at every step of the sum,
    /// in whatever order its terms are added: signed, bias included.
    pub fn accumulator_bits(&self, index: usize) -> u32 {
        accumulator_bits(&self.graph, &self.graph.layers()[index], &self.layers[index], &self.quantizations)
    }

    /// Adds `shifts` to the biases of the layer at `index`.
    ///
    /// # Errors
    /// When a bias leaves its 32 bits, or the sums their width.
    pub(crate) fn shift_bias(&mut self, index: usize, shifts: &[i64]) -> Result<(), ModelError> {
        let name = self.graph.layers()[index].name.clone();
        for (bias, &shift) in self.layers[index].bias.iter_mut().zip(shifts) {
            let shifted = i32::try_from(i64::from(*bias).saturating_add(shift));
            *bias =
                shifted.map_err(|_| ModelError::layer(&name, "its corrected bias does not fit 32 bits"))?;
        }
        match self.problem(&self.graph.layers()[index], &self.layers[index]) {
            Some(problem) => Err(ModelError::layer(&name, problem)),
            None => Ok(()),
        }
    }

    /// In words, which rule the parameters of `layer` break.
    fn problem(&self, layer: &Layer, parameters: &QuantizedLayer) -> Option<String> {
        let QuantizedLayer {
            weight_bits,
            weights,
            bias,
            multipliers,
            requantization,
            input_multipliers,
            offset,
            low,
            high,
        } = parameters;
        let channels = self.graph.shape(layer.output).channels;
        let is_add = layer.operation == Operation::Add;
        let has_one_step = is_add && input_multipliers.len() == 2;
        let count = match is_add {
            true if has_one_step => 0,
            true => 2,
            false => match layer.operation {
                Operation::Lookup { .. } => 1 << self.quantization(layer.inputs[0]).bits,
                _ => layer.operation.weight_count(self.graph.input_shape(layer)),
            },
        };
        if !has_one_step && !input_multipliers.is_empty() {
            return Some(format!(
                "only an addition has input multipliers, two of them; found {}",
                input_multipliers.len()
            ));
        }
        if weights.len() != count || bias.len() != channels || multipliers.len() != channels {
            return Some(format!(
                "needs {count} weights and {channels} biases and multipliers, found {}, {} and {}",
                weights.len(),
                bias.len(),
                multipliers.len()
            ));
        }
        if !(2..=16).contains(weight_bits) {
            return Some(format!("weight width must lie in 2..=16 bits, found {weight_bits}"));
        }
        let is_table = matches!(layer.operation, Operation::Lookup { .. });
        if !layer.operation.is_matrix() && !is_table && *weight_bits != LANE_WEIGHT_BITS {
            return Some(format!("lane weights have {LANE_WEIGHT_BITS} bits, found {weight_bits}"));
        }
        let limit = 1i32 << (weight_bits - 1);
        if let Some(bad) = weights.iter().find(|&&weight| !(-limit..limit).contains(&i32::from(weight))) {
            return Some(format!("weight {bad} does not fit {weight_bits} bits"));
        }
        let mut factors = multipliers.iter().chain(input_multipliers);
        if let Some(problem) = factors.find_map(|factor| factor.problem(*requantization)) {
            return Some(problem);
        }
        let bits = accumulator_bits(&self.graph, layer, parameters, &self.quantizations);
        if bits > MAX_ACCUMULATOR_BITS {
            return Some(format!("sums may need {bits} bits, the requantizer takes {MAX_ACCUMULATOR_BITS}"));
        }
        let output = self.quantization(layer.output);
        if *low > *high || *low < output.min() || *high > output.max() {
            return Some(format!("clamp {low}..={high} must be a range within {} bits", output.bits));
        }
        (*offset < output.min() || *offset > output.max())
            .then(|| format!("offset {offset} does not fit {} bits", output.bits))
    }
}

/// See [`QuantizedNetwork::accumulator_bits`].
fn accumulator_bits(
    graph: &Network,
    layer: &Layer,
    parameters: &QuantizedLayer,
    quantizations: &[Quantization],
) -> u32 {
    let largest_activation = |id: &TensorId| 1u64 << (quantizations[id.index()].bits - 1);
    let activation = layer.inputs.iter().map(largest_activation).max().unwrap_or(1);
    let magnitude = |weights: &mut dyn Iterator<Item = i16>| -> u64 {
        weights.map(|weight| u64::from(weight.unsigned_abs())).sum()
    };
    let channels = parameters.bias.len();
    let weights = &parameters.weights;
    let largest_sum = (0..channels).map(|channel| {
        let weight_sum = match layer.operation {
            Operation::Convolution { .. } | Operation::FullyConnected { .. } => {
                let row = weights.len() / channels;
                magnitude(&mut weights[channel * row..][..row].iter().copied())
            }
            Operation::Depthwise { .. } => {
                magnitude(&mut weights[channel..].iter().copied().step_by(channels))
            }
            Operation::AveragePool { .. } => layer.operation.terms(graph.input_shape(layer)) as u64,
            Operation::MaxPool { .. } | Operation::Concatenate | Operation::ResizeNearest { .. } => 1,
            // Differences have one bit more than their terms.
            Operation::Multiply | Operation::MatrixMultiply { .. } => {
                4 * activation * layer.operation.terms(graph.input_shape(layer)) as u64
            }
            // A table of results, with a factor of one unless a rescaling is wanted.
            Operation::Lookup { .. } => {
                return weights.iter().map(|entry| u64::from(entry.unsigned_abs())).max().unwrap_or(0)
                    + u64::from(parameters.bias[channel].unsigned_abs());
            }
            Operation::Add => magnitude(&mut weights.iter().copied()),
        };
        if let [left, right] = parameters.input_multipliers[..] {
            // A difference of two integers has one bit more than they; the scaled sides round outwards.
            let side =
                |factor: Multiplier| (2.0 * activation as f64 * 2f64.powi(20) * factor.real()).ceil() as u64;
            return side(left).saturating_add(side(right)).saturating_add(2);
        }
        weight_sum * activation + u64::from(parameters.bias[channel].unsigned_abs())
    });
    // A magnitude of m needs the bits of m and a sign.
    u64::BITS - largest_sum.max().unwrap_or(0).leading_zeros() + 1
}
