//! The mode of the processing elements that runs a layer.

use bitmill_accelerator::{Accelerator, WordLayout};
use bitmill_formats::Format;
use bitmill_model::{QuantizedNetwork, TensorId, WeightFormat};
use bitmill_units::pe::Mode;

use super::allocate::word_that_holds;
use super::product;
use crate::SimulationError;

/// The mode of the PEs that runs layer `index`; `None` for the vector unit's layers. Integer weights run in the
/// narrowest mode that holds them.
pub(super) fn mode<'a>(
    accelerator: &'a Accelerator,
    network: &QuantizedNetwork,
    index: usize,
) -> Result<Option<&'a Mode>, SimulationError> {
    let layer = &network.graph().layers()[index];
    let held = |tensor: TensorId| {
        let format = network.quantization(tensor).format.name();
        word_that_holds(accelerator, &format).map_or(format, WordLayout::name)
    };
    let activation = held(layer.inputs[0]);
    let of_tensor = product::weight_tensor(&layer.operation, &layer.inputs)
        .map(|tensor| WeightFormat::new(held(tensor)))
        .transpose()
        .map_err(|what| SimulationError::Unsupported { layer: layer.name.clone(), what })?;
    if !layer.operation.is_matrix() && of_tensor.is_none() {
        return Ok(None);
    }
    let weight = of_tensor.as_ref().unwrap_or(&network.layers()[index].weight_format);
    let exact = accelerator.mode(&activation, weight.format());
    let bits =
        |format: &Format| WeightFormat::new(format.clone()).ok().and_then(|format| format.signed_bits());
    let wider = || {
        let modes = accelerator.modes().iter().filter(|mode| mode.activation == activation);
        let needed = weight.signed_bits()?;
        modes.filter(|mode| bits(&mode.weight) >= Some(needed)).min_by_key(|mode| bits(&mode.weight))
    };
    let mode = exact.or_else(wider).ok_or_else(|| SimulationError::Format {
        layer: layer.name.clone(),
        what: "a pair of activations and weights",
        found: format!("{activation} and {weight}"),
        legal: {
            let pairs: Vec<String> = accelerator
                .modes()
                .iter()
                .map(|mode| format!("{} and {}", mode.activation, mode.weight))
                .collect();
            pairs.join("; ")
        },
    })?;
    let (found, legal) =
        (network.layers()[index].arithmetic.multiplication, accelerator.pe().multiplication(mode));
    if found != legal {
        return Err(SimulationError::Multiplication { layer: layer.name.clone(), found, legal });
    }
    Ok(Some(mode))
}
