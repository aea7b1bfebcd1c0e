//! Quantized networks, and the integer arithmetic that the hardware performs. This page is the
//! specification: [`QuantizedNetwork::run`] is the golden model, and the accelerator must equal it bit for bit.
//!
//! **Activations** are integers of a format: `int2` to `int16`, `uint1` to `uint15`, or `binary`, which is ±1;
//! the real value is `scale · (q − zero_point)`, one scale and zero point a tensor. **Weights** have a format a
//! layer, any whose values are multiples of one power of two, and are held as the integer multiples of it
//! ([`WeightFormat`]), with zero point 0 and one scale an output channel. So FP4, ternary or posit weights are
//! summed as the integers that they are. Matrix layers (convolution, fully connected) have the layer's weight
//! format; lane layers (depthwise, pooling, addition) have `int8` whatever the others have.
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
//! | concatenation, nearest resize, transposition | `a + bias`, `bias = −z_a` of the input that the channel comes from |
//! | softmax, GELU, LayerNorm | [`RowOperator::integers`](crate::RowOperator) of the rows of `a − z_a`, `+ bias` |
//! | sample | what a tap reads of `a`, rounded ([`bitmill_formats::deformable`]), `+ bias`, `bias = −z_a` |
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
//! is `low = z_out`; ReLU6 lowers `high`. In `binary`, y becomes +1 unless it is negative.
//!
//! **Floating point.** Activations may be minifloats and posits, held as ordinals (`quantization.rs`), and weights
//! too wide for 16-bit integers as well. Sums of products are exact integers all the same, in units of 2^e
//! ([`QuantizedNetwork::sum_exponent`]), up to 96 bits; products are those of the layer's
//! [`Arithmetic`], which may be L-Mul's. A floating-point output is rounded once:
//!
//! ```text
//! y = clamp(nearest(accumulator · 2^e · m / 2^s), low, high)
//! ```
//!
//! with low and high as ordinals, and without a zero point. Channels in blocks (MX, NV, BFP) are bf16 ordinals, and
//! results are rounded to bf16, clamped, and then brought to the grids of their blocks; sums of matrix layers, which
//! are the only ones in blocks, are made of block sums (`blocks.rs`). The maximum of floating-point numbers is that of their
//! ordinals; concatenation, multiplication, resizing and lookup of them are refused.

mod blocks;
mod build;
mod convolution;
mod execute;
pub(crate) mod proof;
mod quantization;
mod rescale;
mod single_precision;
mod thresholds;
mod weight_format;
mod weights;
mod wide;

use bitmill_formats::{Multiplication, Multiplier, Ordered, Requantization, Rule};

use crate::ModelError;
use crate::network::{Layer, Network, Operation, TensorId};

pub(crate) use execute::Input;
pub use quantization::{ActivationFormat, Quantization};
pub use weight_format::WeightFormat;
pub use weights::QuantizedWeights;
pub(crate) use weights::{largest_integer, weight_channel};
pub use wide::{Arithmetic, MAX_BIAS_PLACES, MAX_WIDE_ACCUMULATOR_BITS};

/// Widest accumulator of integers that the requantizer takes.
pub const MAX_ACCUMULATOR_BITS: u32 = 47;

/// Integer parameters of one layer. What they mean stands at the head of this module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuantizedLayer {
    /// Format of the weights; [`WeightFormat::lane`] for lane layers, that of the output for a lookup.
    pub weight_format: WeightFormat,
    /// Weights as the format holds them, mostly in units of its last place, in the order of [`Operation`]; the two factors of an
    /// addition; the table of a lookup, from the smallest input on; else empty.
    pub weights: Vec<i16>,
    /// One for each output channel, in the arithmetic's unit.
    pub bias: Vec<i32>,
    /// One for each output channel.
    pub multipliers: Vec<Multiplier>,
    /// How scaled accumulators round.
    pub requantization: Requantization,
    /// Factors that bring the two inputs of an addition to one step, in place of its `weights`; else empty.
    pub input_multipliers: Vec<Multiplier>,
    /// How sums are made.
    pub arithmetic: Arithmetic,
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
    /// By layer, once its parameters are known to be legal: many ask, and all weights are summed for it.
    accumulator_bits: Vec<u32>,
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
        let mut network = Self { graph, quantizations, layers, accumulator_bits: Vec::new() };
        for (index, layer) in network.graph.layers().iter().enumerate() {
            if let Some(problem) = network.problem(index) {
                return Err(ModelError::layer(&layer.name, problem));
            }
        }
        network.accumulator_bits =
            (0..network.layers.len()).map(|index| network.measured_accumulator_bits(index)).collect();
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
        self.accumulator_bits[index]
    }

    fn measured_accumulator_bits(&self, index: usize) -> u32 {
        if self.is_wide(index) {
            return self.wide_accumulator_bits(index).unwrap_or(u32::MAX);
        }
        accumulator_bits(&self.graph, &self.graph.layers()[index], &self.layers[index], &self.quantizations)
    }

    /// Adds `shifts`, in units of the biases, to the biases of the layer at `index`.
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
        match self.problem(index) {
            Some(problem) => Err(ModelError::layer(&name, problem)),
            None => {
                self.accumulator_bits[index] = self.measured_accumulator_bits(index);
                Ok(())
            }
        }
    }

    /// In words, which rule the parameters of the layer at `index` break.
    fn problem(&self, index: usize) -> Option<String> {
        let (layer, parameters) = (&self.graph.layers()[index], &self.layers[index]);
        let QuantizedLayer {
            weight_format,
            weights,
            bias,
            multipliers,
            requantization,
            input_multipliers,
            arithmetic,
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
                Operation::Row { .. } => 0,
                Operation::Lookup { .. } => 1 << self.quantization(layer.inputs[0]).bits(),
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
        let is_table = matches!(layer.operation, Operation::Lookup { .. });
        if let Some(problem) = group_problem(layer, weight_format) {
            return Some(problem);
        }
        let input_channels = self.graph.input_shape(layer).channels;
        let row = [weights.len() / channels / input_channels, input_channels];
        if !layer.operation.is_matrix() && !is_table && !weight_format.is_lane() {
            return Some(format!("lane weights are int8, found {weight_format}"));
        }
        if let Some(bad) = weight_format.stranger(weights, row) {
            return Some(format!("weight {bad} is not one of {weight_format}"));
        }
        let mut factors = multipliers.iter().chain(input_multipliers);
        if let Some(problem) = factors.find_map(|factor| factor.problem(*requantization)) {
            return Some(problem);
        }
        if let Some(problem) = self.float_problem(layer, parameters) {
            return Some(problem);
        }
        if let Operation::Row { operator } = layer.operation
            && let Err(problem) = operator.setting(self.quantization(layer.inputs[0]).scale)
        {
            return Some(problem);
        }
        if let Operation::Sample { taps } = layer.operation {
            let inputs: Vec<_> = layer.inputs.iter().map(|&id| self.quantization(id)).collect();
            if let Err(problem) = taps.sampling(&inputs) {
                return Some(problem);
            }
        }
        let most_places = if self.is_wide(index) { MAX_BIAS_PLACES } else { 0 };
        if arithmetic.bias_places > most_places {
            return Some(format!(
                "biases {} places up: up to {most_places} are legal",
                arithmetic.bias_places
            ));
        }
        let bits = self.measured_accumulator_bits(index);
        let legal = if self.is_wide(index) { MAX_WIDE_ACCUMULATOR_BITS } else { MAX_ACCUMULATOR_BITS };
        if bits == u32::MAX {
            return Some(format!("sums may need more than 128 bits, the requantizer takes {legal}"));
        }
        if bits > legal {
            return Some(format!("sums may need {bits} bits, the requantizer takes {legal}"));
        }
        let output = self.quantization(layer.output);
        if output.format.float().is_some() && *offset != 0 {
            return Some(format!("offset {offset} with {}: floating point has none", output.format));
        }
        if *low > *high || *low < output.min() || *high > output.max() {
            return Some(format!("clamp {low}..={high} must be a range within {}", output.format));
        }
        (*offset < output.min() || *offset > output.max())
            .then(|| format!("offset {offset} does not fit {}", output.format))
    }
}

impl QuantizedNetwork {
    /// In words, what floating-point tensors do not allow.
    fn float_problem(&self, layer: &Layer, parameters: &QuantizedLayer) -> Option<String> {
        let QuantizedLayer { arithmetic, input_multipliers, .. } = parameters;
        let formats = |id: &TensorId| self.quantization(*id).format;
        let all = layer.inputs.iter().chain([&layer.output]);
        let float = all.map(formats).find(|format| format.float().is_some());
        let is_exact = arithmetic.multiplication == Multiplication::EXACT;
        if !is_exact && !layer.operation.is_matrix() {
            return Some("only a matrix layer has products of its own kind".to_owned());
        }
        if let Rule::LMul(l_mul) | Rule::LMulWide(l_mul) = arithmetic.multiplication.rule {
            let input = formats(&layer.inputs[0]);
            if input.float() != Some(Ordered::Minifloat(l_mul.format())) {
                return Some(format!("L-Mul of {} takes such activations, found {input}", l_mul.format()));
            }
        }
        if let Some(problem) = self.block_problem(layer, parameters) {
            return Some(problem);
        }
        let (first, float) = (formats(&layer.inputs[0]), float?);
        match layer.operation {
            Operation::Add if !input_multipliers.is_empty() => {
                Some(format!("only integers are added in one step, and {float} is none"))
            }
            Operation::Add if layer.inputs.iter().any(|id| formats(id) != first) => {
                Some(format!("an addition takes inputs of one format where one is {float}"))
            }
            Operation::MaxPool { .. } if formats(&layer.output) != first => {
                Some(format!("a max pool keeps its input's format, {first}"))
            }
            Operation::MaxPool { .. } => None,
            operation if operation.sums_values() => None,
            operation => Some(format!("{} has no meaning in {float}; integers are legal", operation.name())),
        }
    }
}

/// In words, why a layer cannot have weights in groups with scales, if they are.
fn group_problem(layer: &Layer, format: &WeightFormat) -> Option<String> {
    format.grouped()?;
    match layer.operation {
        Operation::Convolution { groups: 1, .. } | Operation::FullyConnected { .. } => None,
        Operation::Convolution { groups, .. } => Some(format!(
            "a convolution of {groups} groups has no {format} weights across channels; 1 group is legal"
        )),
        operation => {
            Some(format!("{} has no meaning with {format} weights; matrix layers have", operation.name()))
        }
    }
}

/// See [`QuantizedNetwork::accumulator_bits`].
fn accumulator_bits(
    graph: &Network,
    layer: &Layer,
    parameters: &QuantizedLayer,
    quantizations: &[Quantization],
) -> u32 {
    let largest_activation = |id: &TensorId| quantizations[id.index()].largest_magnitude();
    let activation = layer.inputs.iter().map(largest_activation).max().unwrap_or(1);
    let magnitude = |weights: &[i16]| -> u64 {
        // Narrow sums of what cannot overflow them, many at a time.
        let sum =
            |weights: &[i16]| weights.iter().map(|weight| u32::from(weight.unsigned_abs())).sum::<u32>();
        weights.chunks(1 << 16).map(|weights| u64::from(sum(weights))).sum()
    };
    let channels = parameters.bias.len();
    let weights = &parameters.weights;
    let largest_sum = (0..channels).map(|channel| {
        let weight_sum = match layer.operation {
            Operation::Convolution { .. } | Operation::FullyConnected { .. } => {
                let row = weights.len() / channels;
                magnitude(&weights[channel * row..][..row])
            }
            Operation::Depthwise { .. } => {
                let taps = weights[channel..].iter().step_by(channels);
                taps.map(|weight| u64::from(weight.unsigned_abs())).sum()
            }
            Operation::AveragePool { .. } => layer.operation.terms(graph.input_shape(layer)) as u64,
            Operation::MaxPool { .. }
            | Operation::Sample { .. }
            | Operation::Concatenate
            | Operation::ResizeNearest { .. }
            | Operation::Transpose => 1,
            // Differences have one bit more than their terms.
            Operation::Multiply | Operation::MatrixMultiply { .. } => {
                4 * activation * layer.operation.terms(graph.input_shape(layer)) as u64
            }
            // A table of results, with a factor of one unless a rescaling is wanted.
            Operation::Lookup { .. } => {
                return weights.iter().map(|entry| u64::from(entry.unsigned_abs())).max().unwrap_or(0)
                    + u64::from(parameters.bias[channel].unsigned_abs());
            }
            // Twice, since a zero point may lie anywhere.
            Operation::Row { operator } => {
                return operator.largest_result(2 * activation)
                    + u64::from(parameters.bias[channel].unsigned_abs());
            }
            Operation::Add => magnitude(weights),
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
