//! The memory that a program runs on: commands, the input, and every chunk's weights and parameters.
//!
//! Lowering only counts lines, because no time depends on what they hold; here they are packed.

use bitmill_accelerator::{Accelerator, Target};
use bitmill_model::{Operation, QuantizedNetwork};

use super::chunk::Slice;
use super::layer::{Context, Mapping};
use super::matrix::Matrix;
use super::unroll::unroll;
use crate::layout::{Lines, pack_tensor};
use crate::{Program, SimulationError};

/// A chunk's output channels, and where in memory the lines for them lie.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct ChunkContent {
    pub layer: usize,
    pub slice: Slice,
    /// Address of the weights, where it has some.
    pub weights: Option<u32>,
    /// The lookup layer whose table it needs, and the table's address.
    pub table: Option<(usize, u32)>,
    /// Address of the parameters.
    pub parameters: u32,
}

impl Program {
    /// Memory before the run on `input`: the raw integers of the network's input, channels innermost. `network` is the
    /// one that was lowered.
    ///
    /// # Errors
    /// Weights that no word of the processing elements stands for, or parameters that do not fit theirs.
    pub fn memory_image(
        &self,
        accelerator: &Accelerator,
        network: &QuantizedNetwork,
        input: &[i32],
    ) -> Result<Vec<u8>, SimulationError> {
        let mut image = vec![0; self.memory_bytes as usize];
        let mut put = |address: u32, bytes: &[u8]| {
            image[address as usize..][..bytes.len()].copy_from_slice(bytes);
        };
        let packed = match &self.unrolling {
            Some(unrolling) => pack_tensor(accelerator, &self.input.place, &unrolling.apply(input)),
            None => pack_tensor(accelerator, &self.input.place, input),
        };
        put(self.input.address, &packed);
        for (address, place) in self.unit_matrices.iter().zip(&self.places.unit_matrices) {
            put(*address, &pack_tensor(accelerator, place, &unit_matrix(place.shape.channels)));
        }
        put(self.command_address, &self.command_bytes(network)?);
        self.pack(accelerator, network, &mut put)?;
        Ok(image)
    }

    /// Whether all weights and parameters can be packed.
    ///
    /// # Errors
    /// As [`Program::memory_image`].
    pub fn check_contents(
        &self,
        accelerator: &Accelerator,
        network: &QuantizedNetwork,
    ) -> Result<(), SimulationError> {
        self.pack(accelerator, network, &mut |_, _| ())
    }

    /// Packs weights and parameters and hands them over with their addresses.
    fn pack(
        &self,
        accelerator: &Accelerator,
        network: &QuantizedNetwork,
        put: &mut dyn FnMut(u32, &[u8]),
    ) -> Result<(), SimulationError> {
        let unrolled = self.unrolling.and_then(|_| unroll(accelerator, network));
        let network = unrolled.as_ref().map_or(network, |(network, _)| network);
        for ChunkContent { layer, slice, weights, table, parameters } in &self.chunks {
            let context = Context::new(accelerator, network, *layer, &self.places, slice.source)?;
            let mut corrections = Vec::new();
            if let Some(address) = weights
                && let Some(lines) = context.weight_lines(&context.mapping()?, *slice, &mut corrections)?
            {
                put(*address, &lines.into_bytes());
            }
            if let Some((layer, address)) = table {
                let lookup = Context::new(accelerator, network, *layer, &self.places, 0)?;
                put(*address, &lookup.table_line().into_bytes());
            }
            let lines = context.parameter_lines(slice.output_block, slice.blocks, &corrections)?;
            put(*parameters, &lines.into_bytes());
        }
        Ok(())
    }
}

/// Rows of a map with 1 in one channel each.
fn unit_matrix(channels: usize) -> Vec<i32> {
    (0..channels * channels).map(|i| i32::from(i / channels == i % channels)).collect()
}

impl Context<'_> {
    /// The weights of a slice of the output. `corrections` receives what biases must take back.
    fn weight_lines(
        &self,
        mapping: &Mapping,
        slice: Slice,
        corrections: &mut Vec<i64>,
    ) -> Result<Option<Lines>, SimulationError> {
        let Slice { first_block, blocks, .. } = slice;
        let lanes = self.output().word.channels;
        let new = |lines| Lines::new(self.accelerator, Target::Weights, lines);
        let weights = &self.parameters.weights;
        if let Some(mode) = self.mode {
            let matrix = Matrix::new(self, mapping, mode);
            return matrix.lines(first_block, blocks, corrections).map(Some);
        }
        Ok(match self.layer.operation {
            Operation::Depthwise { .. } => {
                let mut lines = new(blocks * mapping.tile_lines);
                let channels = self.input().shape.channels;
                for (block, tap, lane) in indices([blocks, mapping.tile_lines, lanes]) {
                    let channel = ((first_block + block) * lanes + lane) as usize;
                    if channel < channels {
                        let weight = weights[tap as usize * channels + channel];
                        lines.put(block * mapping.tile_lines + tap, lane * 8, 8, weight.into());
                    }
                }
                Some(lines)
            }
            Operation::AveragePool { .. } | Operation::ResizeNearest { .. } => {
                let mut lines = new(1);
                (0..lanes).for_each(|lane| lines.put(0, lane * 8, 8, 1));
                Some(lines)
            }
            Operation::Add if !weights.is_empty() => {
                let mut lines = new(2);
                for (line, &factor) in (0..2).zip(weights) {
                    (0..lanes).for_each(|lane| lines.put(line, lane * 8, 8, factor.into()));
                }
                Some(lines)
            }
            _ => None,
        })
    }
}

/// Every index triple below `bounds`.
fn indices([a, b, c]: [u32; 3]) -> impl Iterator<Item = (u32, u32, u32)> {
    (0..a).flat_map(move |i| (0..b).flat_map(move |j| (0..c).map(move |k| (i, j, k))))
}
