//! The quantization of each activation tensor: the range that the samples ask for, as far as the layers that make and
//! read the tensor leave a choice.

use super::PtqConfig;
use super::observe::Observations;
use crate::deformable::Taps;
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
    /// What it tells the taps of a deformable convolution.
    tells: Option<Tells>,
}

/// What a tensor tells the taps of a deformable convolution.
#[derive(Clone, Copy)]
enum Tells {
    /// Where they look.
    Offsets(Taps),
    /// How much they count.
    Masks,
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
        let ends = [samples[0], samples[samples.len() - 1]].map(f64::from);
        let format = config.activations;
        let chosen = match demands[index].tells {
            Some(Tells::Offsets(taps)) => {
                taps.offset_quantization(ends, format, config.offset_fraction_bits, is_symmetric)
            }
            Some(Tells::Masks) => Taps::mask_quantization(format),
            None => config.activation_clipping.activation(samples, format, is_symmetric),
        };
        let scale = demands[index].operator.map_or(chosen.scale, |o| o.admitted_scale(chosen.scale));
        Quantization { scale, ..chosen }
    };
    let mut quantizations = vec![choose(0)];
    for layer in network.graph().layers() {
        let chosen = match layer.operation {
            Operation::MaxPool { .. } | Operation::Transpose | Operation::Sample { .. } => {
                quantizations[layer.inputs[0].index()]
            }
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
                    *demand = Demand { is_symmetric: true, operator: Some(operator), tells: None };
                }
                Operation::Sample { taps } if *id == layer.inputs[1] => {
                    demand.tells = Some(Tells::Offsets(taps));
                }
                Operation::Sample { .. } if Some(id) == layer.inputs.get(2) => {
                    demand.tells = Some(Tells::Masks);
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
