//! Layers that need no pass of their own: lookups, where the results of the layer before go through the table on their
//! way to the scratchpad, and pairs, where they are joined with another tensor on that way.

use bitmill_accelerator::{Accelerator, Residual, Tokens};
use bitmill_model::{Operation, QuantizedNetwork, TensorId};

use super::allocate::{Places, tensor_word};
use super::chunk::Slice;
use super::deformable;
use super::layer::Context;
use super::{Keep, SimulationError};

/// Whether layer `index` is done with the one behind it, and nothing else sees what lies between them.
pub(super) fn takes_next(
    accelerator: &Accelerator,
    network: &QuantizedNetwork,
    keep: Keep,
    index: usize,
) -> bool {
    let layers = network.graph().layers();
    let [layer, behind, ..] = &layers[index..] else { return false };
    let readers = layers.iter().filter(|reader| reader.inputs.contains(&layer.output)).count();
    let inputs = behind.inputs.iter().filter(|input| **input == layer.output).count();
    // The vector unit's words are looked up and joined.
    let mut tensors = behind.inputs.iter().chain([&behind.output]);
    let are_of_vector_unit = tensors.all(|&tensor| {
        let word = tensor_word(accelerator, network, tensor).ok();
        word.is_some_and(|(word, _)| Some(&word) == accelerator.vector_word())
    });
    keep == Keep::Output
        && (readers, inputs) == (1, 1)
        && are_of_vector_unit
        && match behind.operation {
            Operation::Lookup { .. } => {
                !matches!(layer.operation, Operation::Lookup { .. } | Operation::Row { .. })
            }
            Operation::Add | Operation::Multiply => {
                accelerator.residual().is_some()
                    && layer.operation.is_matrix()
                    && !is_sliced(network, index)
                    && joins_alike(accelerator, network, index + 1)
            }
            _ => false,
        }
}

/// Whether a layer joins its inputs as pairs do, all channels by one factor.
fn joins_alike(accelerator: &Accelerator, network: &QuantizedNetwork, index: usize) -> bool {
    let (layer, parameters) = (&network.graph().layers()[index], &network.layers()[index]);
    let is_pair = layer.operation == Operation::Multiply || !parameters.input_multipliers.is_empty();
    let has_no_bias = parameters.bias.iter().all(|bias| *bias == 0);
    // What is joined in the channels beyond the last stands for zero then.
    let has_zero = |tensor: &TensorId| {
        let word = tensor_word(accelerator, network, *tensor);
        word.is_ok_and(|(_, idle)| idle == network.quantization(*tensor).zero_point)
    };
    is_pair
        && has_no_bias
        && parameters.multipliers.windows(2).all(|pair| pair[0] == pair[1])
        && network.sum_exponent(index) == 0
        && layer.inputs.iter().all(has_zero)
}

/// Whether a layer's output is made in slices of pixels: it sums samples.
fn is_sliced(network: &QuantizedNetwork, index: usize) -> bool {
    index > 0 && deformable::convolution_over(network, index - 1) == Some(index)
}

/// What the results of a slice of the layer before are joined with by layer `index`; `sum` is what that layer makes.
pub(super) fn residual(
    accelerator: &Accelerator,
    network: &QuantizedNetwork,
    places: &Places,
    index: usize,
    (sum, slice): (TensorId, Slice),
) -> Result<Residual, SimulationError> {
    let context = Context::new(accelerator, network, index, places, 0)?;
    let (inputs, pair) = context.pair_operation();
    let sum_is_second = inputs[1] == sum;
    let other = context.place(inputs[usize::from(!sum_is_second)]);
    let parameters = context.parameters;
    Ok(Residual {
        tokens: Tokens::default(),
        pair,
        sum_is_second,
        multiplier: parameters.multipliers[0],
        rounding: parameters.requantization,
        zero_point: parameters.offset,
        low: parameters.low,
        high: parameters.high,
        input_line: other.line + slice.output_block * other.groups(accelerator),
    })
}
