//! From a quantized network to commands, cycles and tensors.
//!
//! [`lower`] turns a network into a [`Program`]: commands and an image of the memory they run on.
//! [`run`] predicts the start and end of every command, event by event, with the timing that stands beside
//! the circuits; [`simulate`] does both and reports layer by layer. Tensors come from the network's golden
//! integer arithmetic, which the circuits equal bit for bit: `verify` compares every byte.

mod error;
mod layout;
mod lowering;
mod machine;
mod program;
pub mod radiance_field;
mod report;

pub use error::SimulationError;
pub use layout::{TensorPlace, pack_tensor, tensor_bits, unpack_tensor};
pub use lowering::{Effort, Keep, Places, Unrolling, has_formats, lower, lower_with};
pub use machine::{CommandTrace, Trace, run, run_on};
pub use program::{MemoryTensor, PlannedCommand, Program};
pub use report::{Bound, LayerReport, Report, Stall, activity_by_layer, report};

use bitmill_accelerator::Accelerator;
use bitmill_model::{Layer, Operation, QuantizedNetwork};

/// Lowers `network` to `accelerator` and predicts its run.
///
/// # Errors
/// A network that does not fit the accelerator, with the layer and what is missing, or weights that it has no
/// words for.
pub fn simulate(
    accelerator: &Accelerator,
    network: &QuantizedNetwork,
) -> Result<(Program, Trace, Report), SimulationError> {
    let simulated = time(accelerator, network, Effort::Search)?;
    simulated.0.check_contents(accelerator, network)?;
    Ok(simulated)
}

/// The same on an input: where deformable convolutions sample, time depends on it.
///
/// # Errors
/// As [`simulate`], or an input that is not the network's.
pub fn simulate_on(
    accelerator: &Accelerator,
    network: &QuantizedNetwork,
    input: &[i32],
) -> Result<(Program, Trace, Report), SimulationError> {
    let samples = |layer: &Layer| matches!(layer.operation, Operation::Sample { .. });
    if !network.graph().layers().iter().any(samples) {
        return simulate(accelerator, network);
    }
    let program = lower(accelerator, network, Keep::Output)?;
    program.check_contents(accelerator, network)?;
    let tensors = network.run(input)?;
    let trace = run_on(accelerator, &program, network, &tensors);
    let report = report(accelerator, network, &program, &trace);
    Ok((program, trace, report))
}

/// The same without a look at the weights, which no time depends on, nor at an input.
///
/// # Errors
/// A network that does not fit the accelerator, with the layer and what is missing.
pub fn time(
    accelerator: &Accelerator,
    network: &QuantizedNetwork,
    effort: Effort,
) -> Result<(Program, Trace, Report), SimulationError> {
    let program = lower_with(accelerator, network, Keep::Output, effort)?;
    let trace = run(accelerator, &program);
    let report = report(accelerator, network, &program, &trace);
    Ok((program, trace, report))
}
