//! The golden executor: what the accelerator must compute, in plain loops over exact integers.
//!
//! Numbers that are no 16-bit integers are summed in `wide.rs`, convolutions of integers in `convolution.rs`.

use bitmill_formats::{Multiplier, requantize};

use super::convolution::Convolution;
use super::rescale::{Addition, Rescaling, Sums};
use super::{QuantizedLayer, QuantizedNetwork};
use crate::ModelError;
use crate::moves::{MatrixPairs, moved_elements};
use crate::network::{Layer, Operation, TensorId};
use crate::shape::{Shape, Window};

impl QuantizedNetwork {
    /// Runs the network on raw integers of the input tensor, in `[height][width][channels]` order, and
    /// returns every tensor: the input, then one for each layer.
    ///
    /// # Errors
    /// When `input` has another length than the input tensor, or an element lies outside its width.
    pub fn run(&self, input: &[i32]) -> Result<Vec<Vec<i32>>, ModelError> {
        let quantization = self.quantization(TensorId::INPUT);
        let elements = self.graph().shape(TensorId::INPUT).elements();
        if input.len() != elements {
            return Err(ModelError::Input(format!(
                "the input has {elements} elements, found {}",
                input.len()
            )));
        }
        if let Some(bad) = quantization.first_foreign(input) {
            let format = &quantization.format;
            return Err(ModelError::Input(format!("input element {bad} is not one of {format}")));
        }
        let mut settled = input.to_vec();
        quantization.settle(&mut settled, self.graph().shape(TensorId::INPUT).channels);
        if let Some(index) = settled.iter().zip(input).position(|(a, b)| a != b) {
            let format = &quantization.format;
            return Err(ModelError::Input(format!(
                "input element {index} is not on the grid of its block of {format}"
            )));
        }
        let mut tensors = vec![settled];
        for index in 0..self.layers().len() {
            tensors.push(self.run_layer(index, &tensors));
        }
        Ok(tensors)
    }

    /// What the layer at `index` makes of earlier tensors, which may be anybody's: how one layer of ours compares with
    /// one of another program.
    ///
    /// # Panics
    /// When a tensor that it reads is missing or has another length.
    pub fn run_layer(&self, index: usize, tensors: &[Vec<i32>]) -> Vec<i32> {
        if self.is_wide(index) || self.has_float_output(index) {
            self.requantize(index, &self.accumulate(index, tensors))
        } else {
            self.requantize_integers(index, &self.accumulate_integers(index, tensors))
        }
    }

    /// The nearest input integers for real values in `[height][width][channels]` order.
    pub fn quantize_input(&self, input: &[f32]) -> Vec<i32> {
        let quantization = self.quantization(TensorId::INPUT);
        let mut integers: Vec<i32> =
            input.iter().map(|&real| quantization.quantize(f64::from(real))).collect();
        quantization.settle(&mut integers, self.graph().shape(TensorId::INPUT).channels);
        integers
    }

    /// The real values that the integers of tensor `id` stand for.
    pub fn dequantize(&self, id: TensorId, integers: &[i32]) -> Vec<f64> {
        let quantization = self.quantization(id);
        integers.iter().map(|&integer| quantization.dequantize(integer)).collect()
    }

    /// Accumulators of layer `index`, bias included, in the order of its output tensor. `tensors` holds all
    /// earlier tensors.
    pub(crate) fn accumulate(&self, index: usize, tensors: &[Vec<i32>]) -> Vec<i128> {
        let parameters = &self.layers()[index];
        let mut sums: Vec<i128> = if self.is_wide(index) {
            self.accumulate_wide(index, tensors)
        } else {
            self.accumulate_integers(index, tensors).wide().into_iter().map(i128::from).collect()
        };
        for position in sums.chunks_exact_mut(parameters.bias.len()) {
            for (sum, &bias) in position.iter_mut().zip(&parameters.bias) {
                *sum += i128::from(bias) << parameters.arithmetic.bias_places;
            }
        }
        sums
    }

    /// Sums of products of 16-bit integers, without bias.
    fn accumulate_integers(&self, index: usize, tensors: &[Vec<i32>]) -> Sums {
        let (layer, parameters) = (&self.graph().layers()[index], &self.layers()[index]);
        let input_id = layer.inputs[0];
        let input = &Input {
            elements: &tensors[input_id.index()][..],
            shape: self.graph().shape(input_id),
            padding: self.quantization(input_id).zero_point,
            output: self.graph().shape(layer.output),
        };
        match layer.operation {
            Operation::Convolution { window, groups, .. } => {
                self.convolution(index, &window, groups).sums(input)
            }
            Operation::FullyConnected { .. } => {
                let features = Input { shape: Shape::vector(input.shape.elements()), ..*input };
                self.convolution(index, &Window::square(1), 1).sums(&features)
            }
            Operation::Depthwise { window } => {
                let weight = |tap, channel| parameters.weights[tap * input.shape.channels + channel];
                if self.accumulator_bits(index) <= 32 {
                    return Sums::Narrow(input.fold(&window, 0, |sum: i32, raw, tap, channel| {
                        sum.wrapping_add(raw.wrapping_mul(weight(tap, channel).into()))
                    }));
                }
                Sums::Wide(input.fold(&window, 0, |sum, raw, tap, channel| {
                    sum + i64::from(raw) * i64::from(weight(tap, channel))
                }))
            }
            Operation::AveragePool { window } => {
                Sums::Wide(input.fold(&window, 0, |sum, raw, _, _| sum + i64::from(raw)))
            }
            Operation::MaxPool { window } => {
                let lowest = self.quantization(input_id).min();
                let padded = Input { padding: lowest, ..*input };
                let most = |most: i64, raw, _, _| most.max(i64::from(raw));
                Sums::Wide(padded.fold(&window, i64::from(lowest), most))
            }
            Operation::Add if !parameters.input_multipliers.is_empty() => {
                let (other, zero_point) = self.second(layer, tensors);
                let addition = Addition {
                    inputs: [input.elements, other],
                    zero_points: [input.padding, zero_point],
                    factors: [parameters.input_multipliers[0], parameters.input_multipliers[1]],
                    mode: parameters.requantization,
                    input_bits: layer
                        .inputs
                        .iter()
                        .map(|&id| self.quantization(id).bits())
                        .max()
                        .unwrap_or(32),
                };
                addition.sums()
            }
            Operation::Multiply => {
                let (other, zero_point) = self.second(layer, tensors);
                let pairs = input.elements.iter().zip(other);
                let centred = |a: i32, zero_point: i32| i64::from(a) - i64::from(zero_point);
                pairs.map(|(&a, &b)| centred(a, input.padding) * centred(b, zero_point)).collect()
            }
            Operation::Concatenate | Operation::ResizeNearest { .. } | Operation::Transpose => {
                let moved = moved_elements(self.graph(), layer);
                moved.map(|(from, offset)| i64::from(tensors[from.index()][offset])).collect()
            }
            Operation::MatrixMultiply { is_transposed } => {
                let (other, zero_point) = self.second(layer, tensors);
                let centred = |a: i32, zero_point: i32| i64::from(a) - i64::from(zero_point);
                Sums::Wide(MatrixPairs::new(self.graph(), layer, is_transposed).map(|pairs| {
                    let product = |(a, b): (usize, usize)| {
                        centred(input.elements[a], input.padding) * centred(other[b], zero_point)
                    };
                    pairs.map(product).sum()
                }))
            }
            Operation::Lookup { .. } => {
                let lowest = self.quantization(input_id).min();
                let entry = |&raw: &i32| i64::from(parameters.weights[(raw - lowest) as usize]);
                input.elements.iter().map(entry).collect()
            }
            Operation::Sample { taps } => {
                let integers: Vec<&[i32]> = layer.inputs.iter().map(|id| &tensors[id.index()][..]).collect();
                let quantizations: Vec<_> = layer.inputs.iter().map(|&id| self.quantization(id)).collect();
                Sums::Wide(taps.integers(input.shape, &integers, &quantizations))
            }
            Operation::Row { operator } => {
                let scale = self.quantization(input_id).scale;
                let centred = |&raw: &i32| i64::from(raw) - i64::from(input.padding);
                let rows = input.elements.chunks_exact(input.shape.channels);
                rows.flat_map(|row| operator.integers(&row.iter().map(centred).collect::<Vec<_>>(), scale))
                    .collect()
            }
            Operation::Add => {
                let [left, right] = [parameters.weights[0], parameters.weights[1]].map(i64::from);
                let other = &tensors[layer.inputs[1].index()];
                let pairs = input.elements.iter().zip(other);
                pairs.map(|(&a, &b)| i64::from(a) * left + i64::from(b) * right).collect()
            }
        }
    }

    fn convolution<'a>(&'a self, index: usize, window: &'a Window, groups: usize) -> Convolution<'a> {
        let input = self.quantization(self.graph().layers()[index].inputs[0]);
        Convolution {
            weights: &self.layers()[index].weights,
            window,
            groups,
            largest_activation: input.largest_magnitude(),
            sum_bits: self.accumulator_bits(index),
        }
    }

    /// Integers and zero point of a layer's second input.
    fn second<'a>(&self, layer: &Layer, tensors: &'a [Vec<i32>]) -> (&'a [i32], i32) {
        let id = layer.inputs[1];
        (&tensors[id.index()], self.quantization(id).zero_point)
    }

    /// Whether the layer at `index` makes numbers in floating point of its sums.
    fn has_float_output(&self, index: usize) -> bool {
        let layer = &self.graph().layers()[index];
        self.quantization(layer.output).format.float().is_some() && layer.operation.sums_values()
    }

    /// The output integers of layer `index` for its accumulators.
    pub(crate) fn requantize(&self, index: usize, accumulators: &[i128]) -> Vec<i32> {
        let exponent = self.sum_exponent(index);
        let QuantizedLayer { multipliers, requantization, offset, low, high, .. } = &self.layers()[index];
        let id = self.graph().layers()[index].output;
        let output = self.quantization(id);
        let channels = multipliers.iter().cycle();
        if let Some(format) = output.format.float().filter(|_| self.has_float_output(index)) {
            let encode = |(&sum, &factor)| requantize::encode(sum, exponent, factor, format);
            let clamped = accumulators.iter().zip(channels).map(encode).map(|y| y.clamp(*low, *high));
            let mut integers: Vec<i32> = clamped.collect();
            output.settle(&mut integers, self.graph().shape(id).channels);
            return integers;
        }
        let scale = |(&sum, &factor): (&i128, &Multiplier)| match i64::try_from(sum) {
            Ok(narrow) if exponent == 0 => requantization.scale(narrow, factor),
            _ => requantization.scale_wide(sum, exponent, factor),
        };
        let [offset, low, high] = [*offset, *low, *high].map(i64::from);
        let clamp = |value: i64| value.saturating_add(offset).clamp(low, high) as i32;
        self.admitted(index, accumulators.iter().zip(channels).map(scale).map(clamp).collect())
    }

    /// The same for sums of integers, without bias.
    fn requantize_integers(&self, index: usize, sums: &Sums) -> Vec<i32> {
        let parameters = &self.layers()[index];
        let rescaling = Rescaling {
            bias: &parameters.bias,
            multipliers: &parameters.multipliers,
            mode: parameters.requantization,
            offset: parameters.offset,
            low: parameters.low,
            high: parameters.high,
            is_narrow: self.accumulator_bits(index) <= 32,
        };
        self.admitted(index, rescaling.outputs(sums))
    }

    /// What a lookup layer makes of each integer of its input's format, from the smallest to the largest. Its channels
    /// share bias and factor.
    pub fn lookup_results(&self, index: usize) -> Vec<i32> {
        let QuantizedLayer { weights, bias, multipliers, requantization, offset, low, high, .. } =
            &self.layers()[index];
        let entries = Sums::Narrow(weights.iter().map(|&entry| entry.into()).collect());
        let rescaling = Rescaling {
            bias: &bias[..1],
            multipliers: &multipliers[..1],
            mode: *requantization,
            offset: *offset,
            low: *low,
            high: *high,
            is_narrow: self.accumulator_bits(index) <= 32,
        };
        self.admitted(index, rescaling.outputs(&entries))
    }

    /// Outputs of layer `index` as their format has them: a binary one has no zero.
    fn admitted(&self, index: usize, outputs: Vec<i32>) -> Vec<i32> {
        let output = self.quantization(self.graph().layers()[index].output);
        if !output.is_binary() {
            return outputs;
        }
        outputs.into_iter().map(|value| output.admitted(value)).collect()
    }
}

/// The input of a windowed layer, integers or numbers, and the shape of its output.
#[derive(Clone, Copy)]
pub(crate) struct Input<'a, T = i32> {
    pub elements: &'a [T],
    pub shape: Shape,
    /// What a tap in the padding reads.
    pub padding: T,
    pub output: Shape,
}

impl<T: Copy> Input<'_, T> {
    /// Output positions (row, column) in order.
    pub fn positions(&self) -> impl Iterator<Item = (usize, usize)> {
        let Shape { height, width, .. } = self.output;
        (0..height).flat_map(move |row| (0..width).map(move |column| (row, column)))
    }

    /// Folds `step(sum, element, tap, channel)` over the taps of each output, channel by channel.
    pub fn fold<S: Copy>(
        &self,
        window: &Window,
        initial: S,
        step: impl Fn(S, T, usize, usize) -> S,
    ) -> Vec<S> {
        let channels = self.shape.channels;
        let mut sums = vec![initial; self.output.elements()];
        for (position, at) in sums.chunks_exact_mut(channels).zip(self.positions()) {
            for tap in 0..window.kernel.area() {
                let start = self.start(window, at, tap, 0);
                for (channel, sum) in position.iter_mut().enumerate() {
                    let element = start.map_or(self.padding, |start| self.elements[start + channel]);
                    *sum = step(*sum, element, tap, channel);
                }
            }
        }
        sums
    }

    /// Where tap `tap` of output position `at` reads, from `channel` on; `None` in the padding.
    pub fn start(&self, window: &Window, at: (usize, usize), tap: usize, channel: usize) -> Option<usize> {
        let tap_position = (tap / window.kernel.width, tap % window.kernel.width);
        let source = window.position(at, tap_position, self.shape);
        source.map(|(row, column)| self.shape.offset(row, column, channel))
    }
}
