//! Global average pooling with all rows of the array.
//!
//! A pooled tensor has one pixel, so one row would sum alone. Where only fully connected layers read it, its channel
//! blocks may as well be the pixels of a map one block wide: the order of its elements stays the same. Then each
//! row sums a block of its own, with [`Walk::over_blocks`].

use bitmill_accelerator::{Accelerator, Walk};
use bitmill_model::{Operation, QuantizedNetwork, Shape, TensorId};

use super::allocate::word_that_holds;

/// Taps of a row are an 8-bit field of a command.
const MOST_TAPS: usize = 255;

/// The shape in which `tensor` lies: channel blocks as pixels if it is pooled so, else its own.
pub(super) fn shape_in_place(
    accelerator: &Accelerator,
    network: &QuantizedNetwork,
    tensor: TensorId,
) -> Shape {
    let shape = network.graph().shape(tensor);
    blocks_as_pixels(accelerator, network, tensor).unwrap_or(shape)
}

fn blocks_as_pixels(
    accelerator: &Accelerator,
    network: &QuantizedNetwork,
    tensor: TensorId,
) -> Option<Shape> {
    let graph = network.graph();
    let (layer, parameters) = network.pairs().find(|(layer, _)| layer.output == tensor)?;
    let Operation::AveragePool { window } = layer.operation else { return None };
    let (source, shape) = (graph.shape(layer.inputs[0]), graph.shape(tensor));
    let word = word_that_holds(accelerator, &network.quantization(tensor).format.name())?;
    let lanes = word.channels as usize;
    let blocks = shape.channels / lanes;
    let readers = graph.layers().iter().filter(|reader| reader.inputs.contains(&tensor));
    let is_global = (window.kernel.height, window.kernel.width) == (source.height, source.width);
    let is_legal = is_global
        && shape.channels.is_multiple_of(lanes)
        && (2..=MOST_TAPS).contains(&blocks)
        && source.height * source.width + accelerator.rows() as usize - 1 <= MOST_TAPS;
    // A block's parameters serve all blocks.
    let is_uniform = parameters.bias.iter().all(|bias| *bias == parameters.bias[0])
        && parameters.multipliers.iter().all(|factor| *factor == parameters.multipliers[0]);
    let flattened =
        readers.clone().all(|reader| matches!(reader.operation, Operation::FullyConnected { .. }));
    (is_legal && is_uniform && flattened).then(|| Shape::new(1, blocks, lanes))
}

/// What the rows walk over for an input of `pixels`: taps, and the walk.
pub(super) fn taps_and_walk(accelerator: &Accelerator, pixels: u32) -> (u32, Walk) {
    let rows = accelerator.rows();
    (pixels + rows - 1, Walk::over_blocks(rows, pixels.div_ceil(rows)))
}
