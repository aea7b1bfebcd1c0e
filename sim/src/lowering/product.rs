//! Products of two activations: the second one serves as weights. It goes to memory and comes back into the weight
//! scratchpad as it lies, all pixels of a channel block one after the other, a pixel for each column; the compute
//! command strides over the blocks. So Q·Kᵀ needs no copy but that one.
//!
//! A transposition is such a product too, the unit matrix times the tensor: its rows are then the tensor's channels.
//! The unit matrix is loaded once, before the run.

use bitmill_accelerator::{Accelerator, Target, Tokens, Transfer};
use bitmill_hdl::BigUint;
use bitmill_model::{Network, Operation, TensorId};
use bitmill_units::pe::Mode;

use super::layer::Context;
use crate::SimulationError;
use crate::program::MemoryTensor;

/// The tensor that `operation` on `inputs` takes as weights.
pub(super) fn weight_tensor(operation: &Operation, inputs: &[TensorId]) -> Option<TensorId> {
    match operation {
        Operation::MatrixMultiply { .. } => Some(inputs[1]),
        Operation::Transpose => Some(inputs[0]),
        _ => None,
    }
}

/// Whether some layer takes `tensor` as weights, so that it must be stored.
pub(super) fn is_weight(graph: &Network, tensor: TensorId) -> bool {
    graph.layers().iter().any(|layer| weight_tensor(&layer.operation, &layer.inputs) == Some(tensor))
}

/// Tiles of a tensor's pixels as weights.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tiles {
    /// The tensor.
    pub tensor: TensorId,
    /// First of them.
    pub first: u32,
    /// How many.
    pub count: u32,
}

impl Tiles {
    /// What loads them from line 0 on: a transfer for each channel block, which may end within a line.
    pub fn loads(&self, accelerator: &Accelerator, tensor: &MemoryTensor) -> Vec<Transfer> {
        let per_tile = accelerator.beats_per_line(Target::Weights);
        let per_block = tensor.place.groups(accelerator) * accelerator.beats_per_line(Target::Activations);
        let first = self.first * per_tile;
        let load = |block: u32| Transfer {
            tokens: Tokens::default(),
            target: Target::Weights,
            address: tensor.address + (block * per_block + first) * accelerator.beat_bytes(),
            line: block * self.count,
            beats: (self.count * per_tile).min(per_block - first),
        };
        (0..tensor.place.blocks()).map(load).collect()
    }
}

impl Context<'_> {
    /// Checks that the layer's second tensor can serve as weights.
    pub fn check_product(&self, tensor: TensorId) -> Result<(), SimulationError> {
        let unsupported = |what: String| {
            let layer = self.layer.name.clone();
            Err(SimulationError::Unsupported { layer, what })
        };
        let (accelerator, operation) = (self.accelerator, &self.layer.operation);
        if let Operation::MatrixMultiply { is_transposed: false } = operation {
            let what = "product with a matrix that is not transposed: put a transposition before it";
            return unsupported(what.to_owned());
        }
        let shapes = self.layer.inputs.iter().map(|&id| self.network.graph().shape(id));
        if let Some(height) = shapes.map(|shape| shape.height).find(|&height| height != 1) {
            return unsupported(format!(
                "product of {height} pairs of matrices at once: make it a layer each"
            ));
        }
        if !matches!(operation, Operation::Transpose) {
            for &id in &self.layer.inputs {
                let zero_point = self.network.quantization(id).zero_point;
                if zero_point != 0 || self.place(id).idle != 0 {
                    return unsupported(format!(
                        "product of activations with zero point {zero_point}: 0 is legal, symmetric activations"
                    ));
                }
            }
        }
        let mode = self.mode.expect("a product has a mode");
        if !holds_activations(accelerator, mode) || self.place(tensor).word.name() != mode.activation {
            return unsupported(format!(
                "words of {} activations that serve as weights: lines of activations and of weights must be whole beats of \
                 {} bits, and processing elements must take such weights one behind the other",
                mode.activation,
                accelerator.beat_bits()
            ));
        }
        Ok(())
    }
}

/// Whether a word of activations is a word of weights as well, and lines of both are whole beats without gaps.
fn holds_activations(accelerator: &Accelerator, mode: &Mode) -> bool {
    let word_bits = accelerator.word_bits();
    let is_whole = |words: u32| (words * word_bits).is_multiple_of(accelerator.beat_bits());
    let fills = accelerator.word_slot_bits() == word_bits
        && accelerator.line_bits(Target::Weights) == accelerator.columns() * word_bits
        && accelerator.pe().results() == 1;
    fills
        && is_whole(accelerator.rows())
        && is_whole(accelerator.columns())
        && mode.activation == mode.weight
        && packs_plainly(accelerator, mode)
}

/// Whether weights lie in their word as activations do in theirs: tried with one weight that is not 0 in each channel.
fn packs_plainly(accelerator: &Accelerator, mode: &Mode) -> bool {
    let Some(word) = accelerator.word(&mode.activation) else { return false };
    let packer = accelerator.pe().weight_packer(mode);
    (0..word.channels as usize).all(|channel| {
        [1i32, -1, 5].into_iter().all(|value| {
            let mut weights = vec![vec![Some(0i64); word.channels as usize]];
            weights[0][channel] = Some(value.into());
            let code = BigUint::from(word.code(value)) << (channel * word.bits() as usize);
            packer(&mut weights) == Some(code)
        })
    })
}
