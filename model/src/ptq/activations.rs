//! The quantization of each activation tensor: the range that the samples ask for, as far as the layers that make and
//! read the tensor leave a choice.

use super::PtqConfig;
use super::observe::Observations;
use crate::float::FloatNetwork;
use crate::network::{Network, Operation};
use crate::quantized::Quantization;
use crate::row::RowOperator;

/// What the readers of a tensor ask of its quantization.
#[derive(Clone, Copy, Default)]
struct Demand {
    /// A zero point of 0: sums of products of two activations, and functions of rows, have no term for another.
    is_symmetric: bool,
    /// The reader that takes few scales only.
    operator: Option<RowOperator>,
}

/// One quantization a tensor.
pub(super) fn quantizations(
    network: &FloatNetwork,
    observations: &Observations,
    config: &PtqConfig,
) -> Vec<Quantization> {
    let demands = demands(network.graph());
    let choose = |index: usize| {
        let samples = observations.samples(index);
        let is_symmetric = config.has_symmetric_activations || demands[index].is_symmetric;
        let chosen = config.activation_clipping.activation(samples, config.activations, is_symmetric);
        let scale = demands[index].operator.map_or(chosen.scale, |o| o.admitted_scale(chosen.scale));
        Quantization { scale, ..chosen }
    };
    let mut quantizations = vec![choose(0)];
    for layer in network.graph().layers() {
        let chosen = match layer.operation {
            Operation::MaxPool { .. } | Operation::Transpose => quantizations[layer.inputs[0].index()],
            _ => choose(layer.output.index()),
        };
        quantizations.push(chosen);
    }
    quantizations
}

/// The demands on every tensor, by tensor. What a layer only moves is demanded of its input too.
fn demands(graph: &Network) -> Vec<Demand> {
    let mut demands = vec![Demand::default(); graph.tensors().len()];
    for layer in graph.layers().iter().rev() {
        let of_output = demands[layer.output.index()];
        for id in &layer.inputs {
            let demand = &mut demands[id.index()];
            match layer.operation {
                Operation::MatrixMultiply { .. } => demand.is_symmetric = true,
                Operation::Row { operator } => {
                    *demand = Demand { is_symmetric: true, operator: Some(operator) };
                }
                Operation::Transpose | Operation::MaxPool { .. } => {
                    demand.is_symmetric |= of_output.is_symmetric;
                    demand.operator = demand.operator.or(of_output.operator);
                }
                _ => {}
            }
        }
    }
    demands
}
