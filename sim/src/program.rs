//! Commands, and the map of the memory they run on.

use bitmill_accelerator::{COMMAND_BYTES, Command};
use bitmill_model::{QuantizedNetwork, TensorId};

use crate::lowering::{ChunkContent, Places};
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
    /// Bytes of memory that it uses, from address 0.
    pub memory_bytes: u32,
    /// The network's input, unrolled if it is.
    pub input: MemoryTensor,
    /// How the host unrolls the network's input before it packs it.
    pub unrolling: Option<Unrolling>,
    /// Tensors that are stored; the network's output is the last.
    pub outputs: Vec<MemoryTensor>,
    /// Where everything lies in the activation scratchpad.
    pub places: Places,
    /// Addresses of the unit matrices.
    pub(crate) unit_matrices: Vec<u32>,
    /// What the loads of weights and parameters bring.
    pub(crate) chunks: Vec<ChunkContent>,
}

impl Program {
    /// The commands as they lie in memory.
    pub(crate) fn command_bytes(&self, network: &QuantizedNetwork) -> Result<Vec<u8>, SimulationError> {
        let mut bytes = Vec::with_capacity(self.commands.len() * COMMAND_BYTES as usize);
        for planned in &self.commands {
            let words = planned.command.encode().map_err(|source| {
                let layer = network.graph().layers()[planned.layer].name.clone();
                SimulationError::Command { layer, source }
            })?;
            bytes.extend(words.iter().flat_map(|word| word.to_le_bytes()));
        }
        Ok(bytes)
    }
}

/// Memory under construction: regions one after the other, each on a command's and on a beat's boundary.
pub(crate) struct MemoryBuilder {
    bytes: u64,
    alignment_bytes: u64,
}

impl MemoryBuilder {
    pub fn new(beat_bytes: u32) -> MemoryBuilder {
        MemoryBuilder { bytes: 0, alignment_bytes: COMMAND_BYTES.max(u64::from(beat_bytes)) }
    }

    /// Adds a region of `bytes` and returns its address.
    pub fn add(&mut self, bytes: u64) -> Result<u32, SimulationError> {
        let address = self.bytes as u32;
        self.bytes = (address as u64 + bytes).next_multiple_of(self.alignment_bytes);
        match u32::try_from(self.bytes) {
            Ok(_) => Ok(address),
            Err(_) => Err(SimulationError::Memory { bytes: self.bytes }),
        }
    }

    /// Bytes of all regions.
    pub fn bytes(&self) -> u32 {
        self.bytes as u32
    }
}
