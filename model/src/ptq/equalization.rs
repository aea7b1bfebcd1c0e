//! Cross-layer equalization (Nagel et al., 2019, section 4.1): what a layer makes of a channel may be divided by any
//! positive number if the next layer multiplies by it, and nothing is lost where only ReLU or no clamp lies between.
//! The number that gives both layers' weights of the channel like ranges suits scales for whole tensors.

use crate::float::FloatNetwork;
use crate::network::{Layer, Network, Operation};

/// Times that all pairs are visited: each pair disturbs its neighbours.
const ROUNDS: usize = 8;

/// The same function with evened ranges.
pub(super) fn equalized(network: &FloatNetwork) -> FloatNetwork {
    let mut even = network.clone();
    let pairs = pairs(network);
    for _ in 0..ROUNDS {
        for &(first, second) in &pairs {
            equalize(&mut even, first, second);
        }
    }
    even
}

/// Layers that make what one layer with weights alone reads.
fn pairs(network: &FloatNetwork) -> Vec<(usize, usize)> {
    let layers = network.graph().layers();
    let sole_reader = |first: usize| {
        let mut readers =
            (first + 1..layers.len()).filter(|&next| layers[next].inputs.contains(&layers[first].output));
        let (Some(second), None) = (readers.next(), readers.next()) else { return None };
        let parameters = &network.layers()[first];
        let is_homogeneous = parameters.high == f32::INFINITY
            && (parameters.low == 0.0 || parameters.low == f32::NEG_INFINITY);
        let has_weights = has_weights(&layers[first]) && has_weights(&layers[second]);
        (is_homogeneous && has_weights).then_some((first, second))
    };
    (0..layers.len()).filter_map(sole_reader).collect()
}

fn has_weights(layer: &Layer) -> bool {
    layer.operation.is_matrix() || matches!(layer.operation, Operation::Depthwise { .. })
}

fn equalize(network: &mut FloatNetwork, first: usize, second: usize) {
    let graph = network.graph().clone();
    let (makes, reads) = (&graph.layers()[first], &graph.layers()[second]);
    let channels = graph.shape(makes.output).channels;
    let of_output = |index: usize, count: usize| output_channel(makes, index, count, channels);
    let of_input = |index: usize, count: usize| input_channel(&graph, reads, index, count);
    let made = ranges(&network.layers()[first].weights, channels, of_output);
    let read = ranges(&network.layers()[second].weights, channels, of_input);
    let factor = |(made, read): (&f32, &f32)| (made / read).sqrt();
    let factors: Vec<f32> = made
        .iter()
        .zip(&read)
        .map(factor)
        .map(|factor| if factor.is_normal() { factor } else { 1.0 })
        .collect();
    let parameters = network.layer_mut(first);
    let count = parameters.weights.len();
    for (index, weight) in parameters.weights.iter_mut().enumerate() {
        *weight /= factors[of_output(index, count)];
    }
    parameters.bias.iter_mut().zip(&factors).for_each(|(bias, factor)| *bias /= factor);
    let parameters = network.layer_mut(second);
    for (index, weight) in parameters.weights.iter_mut().enumerate() {
        *weight *= factors[of_input(index, count_of(&graph, reads))];
    }
}

/// Largest magnitude of the weights of each channel.
fn ranges(weights: &[f32], channels: usize, channel_of: impl Fn(usize, usize) -> usize) -> Vec<f32> {
    let mut most = vec![0f32; channels];
    for (index, weight) in weights.iter().enumerate() {
        let most = &mut most[channel_of(index, weights.len())];
        *most = most.max(weight.abs());
    }
    most
}

fn count_of(graph: &Network, layer: &Layer) -> usize {
    layer.operation.weight_count(graph.input_shape(layer))
}

fn output_channel(layer: &Layer, index: usize, count: usize, channels: usize) -> usize {
    crate::quantized::weight_channel(&layer.operation, index, count, channels)
}

/// The input channel that weight `index` of `count` meets.
fn input_channel(graph: &Network, layer: &Layer, index: usize, count: usize) -> usize {
    let channels = graph.input_shape(layer).channels;
    let Operation::Convolution { groups, out_channels, .. } = layer.operation else {
        return index % channels;
    };
    let (inside, row) = (channels / groups, count / out_channels);
    let group = index / row / (out_channels / groups);
    group * inside + index % inside
}
