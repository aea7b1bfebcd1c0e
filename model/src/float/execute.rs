//! Runs a network in single precision.
//!
//! Output channels stand innermost in the sums and in the transposed weights, so that the loops vectorise
//! although floating-point addition must keep its order.

use super::{FloatLayer, FloatNetwork};
use crate::ModelError;
use crate::moves::{MatrixPairs, moved_elements};
use crate::network::{Operation, TensorId};
use crate::shape::{Shape, Window};

/// What a network computes for one input.
pub(crate) struct FloatRun {
    /// The input, then the output of each layer.
    pub tensors: Vec<Vec<f32>>,
    /// Output of each layer before its clamp.
    pub sums: Vec<Vec<f32>>,
}

impl FloatNetwork {
    /// Runs the network on an input in `[height][width][channels]` order and returns every tensor: the
    /// input, then one for each layer.
    ///
    /// # Errors
    /// When `input` has another length than the input tensor.
    pub fn run(&self, input: &[f32]) -> Result<Vec<Vec<f32>>, ModelError> {
        self.run_with_sums(input).map(|run| run.tensors)
    }

    /// The output of this network where all layers before `first` are those of a network that computed `tensors`, as
    /// [`FloatNetwork::run`] returns them.
    pub fn resume(&self, first: usize, tensors: &[Vec<f32>]) -> Vec<f32> {
        let mut tensors = tensors[..=first].to_vec();
        for index in first..self.layers().len() {
            let FloatLayer { low, high, .. } = self.layers()[index];
            tensors.push(self.sums(index, &tensors).iter().map(|sum| sum.max(low).min(high)).collect());
        }
        tensors.pop().unwrap_or_default()
    }

    /// Like [`FloatNetwork::run`]; also returns every layer's output before its clamp.
    pub(crate) fn run_with_sums(&self, input: &[f32]) -> Result<FloatRun, ModelError> {
        let elements = self.graph().shape(TensorId::INPUT).elements();
        if input.len() != elements {
            return Err(ModelError::Input(format!(
                "the input has {elements} elements, found {}",
                input.len()
            )));
        }
        let mut tensors = vec![input.to_vec()];
        let mut all_sums = Vec::new();
        for index in 0..self.layers().len() {
            let FloatLayer { low, high, .. } = self.layers()[index];
            let sums = self.sums(index, &tensors);
            tensors.push(sums.iter().map(|sum| sum.max(low).min(high)).collect());
            all_sums.push(sums);
        }
        Ok(FloatRun { tensors, sums: all_sums })
    }

    /// Output of layer `index` before its clamp. `tensors` holds all earlier tensors.
    pub(crate) fn sums(&self, index: usize, tensors: &[Vec<f32>]) -> Vec<f32> {
        let layer = &self.graph().layers()[index];
        let input_id = layer.inputs[0];
        let map = Map {
            values: &tensors[input_id.index()],
            shape: self.graph().shape(input_id),
            output: self.graph().shape(layer.output),
        };
        let parameters = &self.layers()[index];
        match layer.operation {
            Operation::Convolution { window, groups, .. } => map.convolution(parameters, &window, groups),
            Operation::FullyConnected { .. } => {
                let vector = Map { shape: Shape::vector(map.shape.elements()), ..map };
                vector.convolution(parameters, &Window::square(1), 1)
            }
            Operation::Depthwise { window } => {
                let channels = map.shape.channels;
                let mut sums = map.fold(&window, 0.0, |sum, value, tap, channel| {
                    sum + value * parameters.weights[tap * channels + channel]
                });
                for position in sums.chunks_exact_mut(channels) {
                    for (sum, bias) in position.iter_mut().zip(&parameters.bias) {
                        *sum += bias;
                    }
                }
                sums
            }
            Operation::MaxPool { window } => {
                map.fold(&window, f32::NEG_INFINITY, |most, value, _, _| most.max(value))
            }
            Operation::AveragePool { window } => {
                let taps = window.kernel.area() as f32;
                let sums = map.fold(&window, 0.0, |sum, value, _, _| sum + value);
                sums.into_iter().map(|sum| sum / taps).collect()
            }
            Operation::Add => {
                let other = &tensors[layer.inputs[1].index()];
                map.values.iter().zip(other).map(|(a, b)| a + b).collect()
            }
            Operation::Multiply => {
                let other = &tensors[layer.inputs[1].index()];
                map.values.iter().zip(other).map(|(a, b)| a * b).collect()
            }
            Operation::Concatenate | Operation::ResizeNearest { .. } | Operation::Transpose => {
                moved_elements(self.graph(), layer)
                    .map(|(input, offset)| tensors[input.index()][offset])
                    .collect()
            }
            Operation::MatrixMultiply { is_transposed } => {
                let other = &tensors[layer.inputs[1].index()];
                let pairs = MatrixPairs::new(self.graph(), layer, is_transposed);
                let dot = |pairs: &mut dyn Iterator<Item = (usize, usize)>| {
                    pairs.map(|(a, b)| map.values[a] * other[b]).sum()
                };
                pairs.map(dot)
            }
            Operation::Lookup { function } => {
                map.values.iter().map(|&x| function.at(f64::from(x)) as f32).collect()
            }
            Operation::Sample { taps } => {
                let inputs: Vec<&[f32]> = layer.inputs.iter().map(|id| &tensors[id.index()][..]).collect();
                taps.real(map.shape, &inputs)
            }
            Operation::Row { operator } => {
                let rows = map.values.chunks_exact(map.shape.channels);
                let mut results: Vec<f32> = rows.flat_map(|row| operator.real(row)).collect();
                for row in results.chunks_exact_mut(map.shape.channels) {
                    let affine = parameters.weights.iter().zip(&parameters.bias);
                    row.iter_mut().zip(affine).for_each(|(y, (gamma, beta))| *y = *y * gamma + beta);
                }
                results
            }
        }
    }
}

/// The input of a layer, and the shape of its output.
#[derive(Clone, Copy)]
struct Map<'a> {
    values: &'a [f32],
    shape: Shape,
    output: Shape,
}

impl Map<'_> {
    /// Output positions (row, column) in order.
    fn positions(&self) -> impl Iterator<Item = (usize, usize)> {
        let Shape { height, width, .. } = self.output;
        (0..height).flat_map(move |row| (0..width).map(move |column| (row, column)))
    }

    /// Folds `step(sum, value, tap, channel)` over the taps of each output that lie inside the input.
    fn fold(&self, window: &Window, initial: f32, step: impl Fn(f32, f32, usize, usize) -> f32) -> Vec<f32> {
        let channels = self.shape.channels;
        let mut sums = vec![initial; self.output.elements()];
        for (position, at) in sums.chunks_exact_mut(channels).zip(self.positions()) {
            for tap in 0..window.kernel.area() {
                let tap_position = (tap / window.kernel.width, tap % window.kernel.width);
                let Some((row, column)) = window.position(at, tap_position, self.shape) else { continue };
                let values = &self.values[self.shape.offset(row, column, 0)..][..channels];
                for (channel, (sum, &value)) in position.iter_mut().zip(values).enumerate() {
                    *sum = step(*sum, value, tap, channel);
                }
            }
        }
        sums
    }

    /// Sums of a (grouped) convolution with its bias.
    fn convolution(&self, parameters: &FloatLayer, window: &Window, groups: usize) -> Vec<f32> {
        let out_channels = self.output.channels;
        let (group_channels, group_outputs) = (self.shape.channels / groups, out_channels / groups);
        let terms = window.kernel.area() * group_channels;
        // [group][term][output], from [output][term].
        let mut transposed = vec![0.0f32; parameters.weights.len()];
        for (output, row) in parameters.weights.chunks_exact(terms).enumerate() {
            let (group, place) = (output / group_outputs, output % group_outputs);
            for (term, &weight) in row.iter().enumerate() {
                transposed[(group * terms + term) * group_outputs + place] = weight;
            }
        }
        let mut sums = vec![0.0f32; self.output.elements()];
        for (position, at) in sums.chunks_exact_mut(out_channels).zip(self.positions()) {
            position.copy_from_slice(&parameters.bias);
            for (tap, group) in (0..window.kernel.area()).flat_map(|tap| (0..groups).map(move |g| (tap, g))) {
                let tap_position = (tap / window.kernel.width, tap % window.kernel.width);
                let Some((row, column)) = window.position(at, tap_position, self.shape) else { continue };
                let start = self.shape.offset(row, column, group * group_channels);
                let first_term = group * terms + tap * group_channels;
                let outputs = &mut position[group * group_outputs..][..group_outputs];
                for (channel, &value) in self.values[start..][..group_channels].iter().enumerate() {
                    let weights = &transposed[(first_term + channel) * group_outputs..][..group_outputs];
                    for (sum, weight) in outputs.iter_mut().zip(weights) {
                        *sum += value * weight;
                    }
                }
            }
        }
        sums
    }
}
