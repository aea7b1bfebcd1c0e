//! Lookups that need no pass of their own: the results of the layer before go through the table on their way to the
//! scratchpad.

use bitmill_accelerator::Accelerator;
use bitmill_model::{Operation, QuantizedNetwork};

use super::Keep;
use super::allocate::word_that_holds;

/// Whether the lookup behind layer `index` is done with it: nothing else sees what goes into the table.
pub(super) fn takes_lookup(
    accelerator: &Accelerator,
    network: &QuantizedNetwork,
    keep: Keep,
    index: usize,
) -> bool {
    let layers = network.graph().layers();
    let [layer, behind, ..] = &layers[index..] else { return false };
    let is_lookup = |operation: &Operation| matches!(operation, Operation::Lookup { .. });
    let makes_sums = !is_lookup(&layer.operation) && !matches!(layer.operation, Operation::Row { .. });
    let readers = layers.iter().filter(|reader| reader.inputs.contains(&layer.output)).count();
    // The vector unit's words are looked up.
    let is_of_vector_unit = |tensor| {
        let word = word_that_holds(accelerator, &network.quantization(tensor).format.name());
        word.is_some() && word == accelerator.vector_word()
    };
    keep == Keep::Output
        && makes_sums
        && is_lookup(&behind.operation)
        && behind.inputs == [layer.output]
        && readers == 1
        && is_of_vector_unit(layer.output)
        && is_of_vector_unit(behind.output)
}
