//! Commands and the memory they run on.

use bitmill_accelerator::{Accelerator, COMMAND_BYTES, Command};
use bitmill_model::TensorId;

use crate::layout::pack_tensor;
use crate::{SimulationError, TensorPlace, Unrolling};

/// A command and the layer it belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PlannedCommand {
    /// The command.
    pub command: Command,
    /// The layer; loading the input belongs to layer 0.
    pub layer: usize,
}

/// A tensor in memory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MemoryTensor {
    /// The tensor.
    pub tensor: TensorId,
    /// Its byte address.
    pub address: u32,
    /// Its layout.
    pub place: TensorPlace,
}

/// A lowered network.
#[derive(Clone, PartialEq, Debug)]
pub struct Program {
    /// Commands in the order in which they are fetched.
    pub commands: Vec<PlannedCommand>,
    /// Byte address of the first command.
    pub command_address: u32,
    /// Memory before the run, the input's place still zero.
    pub memory: Vec<u8>,
    /// The network's input, unrolled if it is.
    pub input: MemoryTensor,
    /// How the host unrolls the network's input before it packs it.
    pub unrolling: Option<Unrolling>,
    /// Tensors that are stored; the network's output is the last.
    pub outputs: Vec<MemoryTensor>,
}

impl Program {
    /// Memory before the run on `input`: the raw integers of the network's input, channels innermost.
    pub fn memory_with_input(&self, accelerator: &Accelerator, input: &[i32]) -> Vec<u8> {
        let bytes = match &self.unrolling {
            Some(unrolling) => pack_tensor(accelerator, &self.input.place, &unrolling.apply(input)),
            None => pack_tensor(accelerator, &self.input.place, input),
        };
        let mut memory = self.memory.clone();
        let start = self.input.address as usize;
        memory[start..start + bytes.len()].copy_from_slice(&bytes);
        memory
    }
}

/// Memory under construction: regions one after the other, each on a command's and on a beat's boundary.
pub(crate) struct MemoryBuilder {
    bytes: Vec<u8>,
    alignment_bytes: usize,
}

impl MemoryBuilder {
    pub fn new(beat_bytes: u32) -> MemoryBuilder {
        let alignment_bytes = (COMMAND_BYTES as usize).max(beat_bytes as usize);
        MemoryBuilder { bytes: Vec::new(), alignment_bytes }
    }

    /// Adds a region and returns its address.
    pub fn add(&mut self, region: &[u8]) -> Result<u32, SimulationError> {
        let address = self.bytes.len();
        self.bytes.extend_from_slice(region);
        self.bytes.resize(self.bytes.len().next_multiple_of(self.alignment_bytes), 0);
        u32::try_from(self.bytes.len())
            .map_err(|_| SimulationError::Memory { bytes: self.bytes.len() as u64 })?;
        Ok(address as u32)
    }

    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }
}
