//! Sums of numbers that are no 16-bit integers: floating-point activations, weights held as ordinals, and products
//! that a processing element makes its own way.
//!
//! Every product is a multiple of one power of two, so that sums are exact integers here too, of up to 96 bits.

use bitmill_formats::{Multiplication, Value};

use super::execute::Input;
use super::{QuantizedLayer, QuantizedNetwork};
use crate::network::{Layer, Operation, TensorId};
use crate::shape::{Shape, Window};

/// Most bits of a sum, bias included.
pub const MAX_WIDE_ACCUMULATOR_BITS: u32 = 96;

/// Most places that biases stand higher than sums.
pub const MAX_BIAS_PLACES: u8 = 63;

/// How the sums of a layer are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Arithmetic {
    /// What becomes of an activation and a weight.
    pub multiplication: Multiplication,
    /// The layer's biases count in units of the sum times 2^this, up to [`MAX_BIAS_PLACES`]; 0 for sums of
    /// integers. Wide sums reach further than 32 bits.
    pub bias_places: u8,
}

impl QuantizedNetwork {
    /// Whether the layer sums numbers, not 16-bit integers.
    pub(super) fn is_wide(&self, index: usize) -> bool {
        let (layer, parameters) = (&self.graph().layers()[index], &self.layers()[index]);
        let is_float = |id: &TensorId| self.quantization(*id).format.float().is_some();
        layer.operation.sums_values()
            && (layer.inputs.iter().any(is_float)
                || parameters.weight_format.is_ordered()
                || parameters.arithmetic.multiplication != Multiplication::EXACT)
    }

    /// The sums of the layer at `index` count in 2^this, where factors and biases are meant for weights as
    /// [`crate::WeightFormat::real`] counts them: 0 for integers.
    pub fn sum_exponent(&self, index: usize) -> i32 {
        if !self.is_wide(index) {
            return 0;
        }
        self.sum_lsb_exponent(index) - self.layers()[index].weight_format.unit_exponent()
    }

    /// One in a wide sum stands for 2^this in the product of the two formats.
    pub fn sum_lsb_exponent(&self, index: usize) -> i32 {
        let (layer, parameters) = (&self.graph().layers()[index], &self.layers()[index]);
        let activation = self.quantization(layer.inputs[0]).format.lsb_exponent();
        let weight = parameters.weight_format.format().lsb_exponent();
        parameters.arithmetic.multiplication.lsb_exponent(activation, weight)
    }

    /// Bits of the layer's sums, as [`QuantizedNetwork::accumulator_bits`]; none if no integer is wide enough.
    pub(super) fn wide_accumulator_bits(&self, index: usize) -> Option<u32> {
        if let Some(blocks) = self.layers()[index].arithmetic.multiplication.blocks {
            return Some(self.block_accumulator_bits(index, blocks));
        }
        let (layer, parameters) = (&self.graph().layers()[index], &self.layers()[index]);
        let lsb_exponent = self.sum_lsb_exponent(index);
        let multiplication = parameters.arithmetic.multiplication;
        let weights = self.weight_values(index);
        let quantization = self.quantization(layer.inputs[0]);
        let largest = quantization.max().max(-quantization.min());
        let largest = [quantization.max(), quantization.min()].into_iter().find(|x| x.abs() == largest)?;
        let largest = quantization.value(largest);
        let magnitude =
            |weight: &Value| multiplication.units(&largest, weight, lsb_exponent).map(i128::unsigned_abs);
        let total = |weights: &[Value], step: usize| {
            let mut taken = weights.iter().step_by(step);
            taken.try_fold(0u128, |sum, weight| sum.checked_add(magnitude(weight)?))
        };
        let channels = parameters.bias.len();
        let count = weights.len();
        let mut most = 0u128;
        for (channel, &bias) in parameters.bias.iter().enumerate() {
            let sum = match layer.operation {
                Operation::Depthwise { .. } => total(&weights[channel..], channels),
                Operation::AveragePool { .. } => {
                    let terms = layer.operation.terms(self.graph().input_shape(layer)) as u128;
                    magnitude(&Value::from_integer(1)).and_then(|one| one.checked_mul(terms))
                }
                Operation::Add => total(&weights, 1),
                _ => total(&weights[channel * (count / channels)..][..count / channels], 1),
            }?;
            let bias = u128::from(bias.unsigned_abs()) << parameters.arithmetic.bias_places;
            most = sum.checked_add(bias)?.max(most);
        }
        Some(u128::BITS - most.leading_zeros() + 1)
    }

    pub(super) fn weight_values(&self, index: usize) -> Vec<Value> {
        let QuantizedLayer { weights, weight_format, .. } = &self.layers()[index];
        weights.iter().map(|&weight| weight_format.value(weight)).collect()
    }

    /// Sums of the layer at `index`, without bias. Exact products of numbers that fit 64 bits are machine products.
    pub(super) fn accumulate_wide(&self, index: usize, tensors: &[Vec<i32>]) -> Vec<i128> {
        if let Some(blocks) = self.layers()[index].arithmetic.multiplication.blocks {
            return self.accumulate_blocks(index, tensors, blocks);
        }
        let layer = &self.graph().layers()[index];
        let quantization = self.quantization(layer.inputs[0]);
        let inputs: Vec<Vec<Value>> = layer
            .inputs
            .iter()
            .map(|id| tensors[id.index()].iter().map(|&raw| quantization.value(raw)).collect())
            .collect();
        let padding = quantization.value(quantization.zero_point);
        let (weights, one) = (self.weight_values(index), Value::from_integer(1));
        let multiplication = self.layers()[index].arithmetic.multiplication;
        if multiplication == Multiplication::EXACT {
            let format = self.layers()[index].weight_format.format();
            let [activation, weight] = [quantization.format.lsb_exponent(), format.lsb_exponent()];
            let all = |values: &[Value], lsb| values.iter().map(|value| narrow(value, lsb)).collect();
            let inputs: Option<Vec<Vec<i64>>> = inputs.iter().map(|values| all(values, activation)).collect();
            if let (Some(inputs), Some(weights), Some(padding), Some(one)) =
                (inputs, all(&weights, weight), narrow(&padding, activation), narrow(&one, weight))
            {
                let product = |a: i64, w: i64| i128::from(a) * i128::from(w);
                return self.sums(layer, &inputs, padding, &weights, one, product);
            }
        }
        let lsb_exponent = self.sum_lsb_exponent(index);
        let product = |a: Value, w: Value| {
            // `QuantizedNetwork::new` bounds all sums.
            multiplication.units(&a, &w, lsb_exponent).expect("products of legal layers fit their sums")
        };
        self.sums(layer, &inputs, padding, &weights, one, product)
    }

    fn sums<T: Copy>(
        &self,
        layer: &Layer,
        inputs: &[Vec<T>],
        padding: T,
        weights: &[T],
        one: T,
        product: impl Fn(T, T) -> i128,
    ) -> Vec<i128> {
        let [shape, output] = [layer.inputs[0], layer.output].map(|id| self.graph().shape(id));
        let input = Input { elements: &inputs[0][..], shape, padding, output };
        match layer.operation {
            Operation::Convolution { window, groups, .. } => {
                convolution(&input, weights, &window, groups, product)
            }
            Operation::FullyConnected { .. } => {
                let features = Input { shape: Shape::vector(shape.elements()), ..input };
                convolution(&features, weights, &Window::square(1), 1, product)
            }
            Operation::Depthwise { window } => input.fold(&window, 0, |sum, element, tap, channel| {
                sum + product(element, weights[tap * shape.channels + channel])
            }),
            Operation::AveragePool { window } => {
                input.fold(&window, 0, |sum, element, _, _| sum + product(element, one))
            }
            _ => {
                let pairs = inputs[0].iter().zip(&inputs[1]);
                pairs.map(|(&a, &b)| product(a, weights[0]) + product(b, weights[1])).collect()
            }
        }
    }
}

/// The number in units of 2^`lsb_exponent`, if it fits 64 bits.
fn narrow(value: &Value, lsb_exponent: i32) -> Option<i64> {
    let units = Multiplication::EXACT.units(value, &Value::from_integer(1), lsb_exponent)?;
    i64::try_from(units).ok()
}

fn convolution<T: Copy>(
    input: &Input<T>,
    weights: &[T],
    window: &Window,
    groups: usize,
    product: impl Fn(T, T) -> i128,
) -> Vec<i128> {
    let out_channels = input.output.channels;
    let (channels, outputs) = (input.shape.channels / groups, out_channels / groups);
    let taps = window.kernel.area();
    let mut sums = vec![0; input.output.elements()];
    for (position, at) in sums.chunks_exact_mut(out_channels).zip(input.positions()) {
        for (output, sum) in position.iter_mut().enumerate() {
            for tap in 0..taps {
                let row = &weights[(output * taps + tap) * channels..][..channels];
                let start = input.start(window, at, tap, output / outputs * channels);
                let read = |channel| start.map_or(input.padding, |start| input.elements[start + channel]);
                *sum += row.iter().enumerate().map(|(channel, &w)| product(read(channel), w)).sum::<i128>();
            }
        }
    }
    sums
}
