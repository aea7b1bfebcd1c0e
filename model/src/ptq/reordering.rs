//! Channel reordering before block grouping (Accurate Block Quantization, known by its abstract): input channels are sorted by
//! the magnitude of their weights, so that a block or a group, which has one scale, holds like values.
//!
//! What makes the channels may make them in that order at once. That is done where the layer before has no other reader
//! ([`reordered`]); elsewhere a matrix has a list of the channels that it reads ([`by_magnitude`]).

use std::cmp::Ordering;

use crate::float::FloatNetwork;
use crate::network::{Network, Operation};

/// The channels in the order of the root mean square of their weights, the smallest first; equal ones keep theirs.
/// Weights stand in rows of any number of taps, channels innermost.
pub(super) fn by_magnitude(weights: &[f32], channels: usize) -> Vec<usize> {
    order(weights.iter().enumerate().map(|(index, &weight)| (index % channels, weight)), channels)
}

fn order(weights: impl Iterator<Item = (usize, f32)>, channels: usize) -> Vec<usize> {
    let mut squares = vec![0f64; channels];
    weights.for_each(|(channel, weight)| squares[channel] += f64::from(weight).powi(2));
    let mut order: Vec<usize> = (0..channels).collect();
    order.sort_by(|&a, &b| squares[a].partial_cmp(&squares[b]).unwrap_or(Ordering::Equal));
    order
}

/// The same function with the channels between two layers in the order that suits the second, wherever nothing else reads them
/// and what lies between (depthwise convolution, pooling, functions of single elements) keeps channels apart.
pub(super) fn reordered(network: &FloatNetwork) -> FloatNetwork {
    let mut sorted = network.clone();
    let graph = network.graph();
    for (second, reads) in graph.layers().iter().enumerate() {
        let Some(chain) = chain(graph, second) else { continue };
        let channels = graph.input_shape(reads).channels;
        let read = &sorted.layers()[second].weights;
        let of_input = |(index, &weight): (usize, &f32)| (index % channels, weight);
        let order = order(read.iter().enumerate().map(of_input), channels);
        for layer in chain {
            let count = sorted.layers()[layer].bias.len();
            let parameters = sorted.layer_mut(layer);
            permute(&mut parameters.bias, &order, 1);
            match graph.layers()[layer].operation {
                // Channels stand innermost.
                Operation::Depthwise { .. } => {
                    parameters.weights.chunks_exact_mut(count).for_each(|tap| permute(tap, &order, 1));
                }
                _ => {
                    let row = parameters.weights.len() / channels;
                    permute(&mut parameters.weights, &order, row);
                }
            }
        }
        let weights = &mut sorted.layer_mut(second).weights;
        weights.chunks_exact_mut(channels).for_each(|tap| permute(tap, &order, 1));
    }
    sorted
}

/// Puts row `order[n]` of `length` at place `n`. Layers without weights have no rows.
fn permute(values: &mut [f32], order: &[usize], length: usize) {
    if values.is_empty() {
        return;
    }
    let old = values.to_vec();
    for (place, &from) in order.iter().enumerate() {
        values[place * length..][..length].copy_from_slice(&old[from * length..][..length]);
    }
}

/// The layers from the one that mixes channels into those that `second` reads, `second` left out; `None` where there is none.
fn chain(graph: &Network, second: usize) -> Option<Vec<usize>> {
    let mixes = |operation: &Operation| match operation {
        Operation::Convolution { groups, .. } => *groups == 1,
        operation => operation.is_matrix(),
    };
    let layers = graph.layers();
    if !mixes(&layers[second].operation) {
        return None;
    }
    let (mut reader, mut chain) = (second, Vec::new());
    loop {
        let made = layers[reader].inputs[0];
        let readers = layers.iter().filter(|layer| layer.inputs.contains(&made)).count();
        let first = layers.iter().position(|layer| layer.output == made).filter(|_| readers == 1)?;
        chain.push(first);
        match layers[first].operation {
            Operation::Depthwise { .. }
            | Operation::MaxPool { .. }
            | Operation::AveragePool { .. }
            | Operation::Lookup { .. } => reader = first,
            operation => return mixes(&operation).then_some(chain),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_go_from_small_to_large() {
        // Two rows of two taps of three channels.
        let weights = [3.0, 0.1, 1.0, -3.0, 0.0, 1.0, 3.0, 0.1, -1.0, 3.0, 0.2, 1.0];
        assert_eq!(by_magnitude(&weights, 3), [1, 2, 0]);
        assert_eq!(by_magnitude(&[1.0; 6], 3), [0, 1, 2]);
    }
}
