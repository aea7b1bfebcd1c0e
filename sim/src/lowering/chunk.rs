//! What a layer becomes: commands, each for a part of its output, and how much must be loaded for them.

use bitmill_accelerator::{Command, Compute, Residual, Rows, Sample};

use super::product::Tiles;

/// A part of a layer's output blocks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Slice {
    /// The input that it is made of, where the layer takes one after the other.
    pub source: usize,
    /// First output block of those that come from that input.
    pub first_block: u32,
    /// First output block of all.
    pub output_block: u32,
    pub blocks: u32,
}

/// A command and how much must be loaded for it.
pub(super) struct Chunk {
    /// The layer, by its place in the network.
    pub layer: usize,
    pub slice: Slice,
    pub command: ChunkCommand,
    pub weights: ChunkWeights,
    pub parameter_lines: u32,
    /// The lookup layer through whose table its results go.
    pub lookup: Option<usize>,
    /// What its results are joined with.
    pub residual: Option<Residual>,
}

/// A command of the compute queue.
pub(super) enum ChunkCommand {
    Compute(Compute),
    Rows(Rows),
    /// Needs neither weights nor parameters.
    Sample(Sample),
}

impl ChunkCommand {
    /// The command, with its weights and parameters from these lines on, and its lookup table.
    pub fn placed(self, weight_line: u32, parameter_line: u32, lookup: Option<u32>) -> Command {
        match self {
            ChunkCommand::Compute(compute) => {
                Command::Compute(Compute { weight_line, parameter_line, lookup, ..compute })
            }
            ChunkCommand::Rows(rows) => Command::Rows(Rows { parameter_line, ..rows }),
            ChunkCommand::Sample(sample) => Command::Sample(sample),
        }
    }
}

/// Weights of a command.
pub(super) enum ChunkWeights {
    None,
    /// Lines as the array takes them.
    Lines(u32),
    /// Activations that serve as weights.
    Tiles(Tiles),
}
