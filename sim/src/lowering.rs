//! From layers to commands.
//!
//! Activations stay in their scratchpad for as long as a later layer reads them. Weights and parameters are
//! streamed: each compute command works on a chunk of output channels whose weights lie in one half of the
//! weight scratchpad, while the next chunk is loaded into the other half.

mod allocate;
mod layer;
mod matrix;

use bitmill_accelerator::{Accelerator, Command, Queue, Target, Tokens, Transfer};
use bitmill_formats::requantize::ADDITION_SHIFT;
use bitmill_model::{
    Extent, Multiplier, Operation, QuantizedLayer, QuantizedNetwork, Requantization, TensorId,
};

use crate::layout::pack_tensor;
use crate::program::{MemoryBuilder, MemoryTensor};
use crate::{PlannedCommand, Program, SimulationError, TensorPlace};
use layer::Chunk;

/// Which tensors are stored to memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Keep {
    /// The network's output.
    Output,
    /// Every layer's output: slower, for verification.
    Every,
}

/// Lowers `network` to commands for `accelerator`.
///
/// # Errors
/// A network whose formats are not the accelerator's, or that does not fit its scratchpads.
pub fn lower(
    accelerator: &Accelerator,
    network: &QuantizedNetwork,
    keep: Keep,
) -> Result<Program, SimulationError> {
    check_widths(accelerator, network)?;
    let places = allocate::allocate(accelerator, network)?;
    let mut memory = MemoryBuilder::new(accelerator.beat_bytes());
    let input = memory_tensor(accelerator, &mut memory, TensorId::INPUT, places[0].clone())?;
    let mut plan = Plan { accelerator, commands: Vec::new(), chunks: 0 };
    plan.load_input(&input);
    let mut outputs = Vec::new();
    let layers = network.graph().layers().len();
    for index in 0..layers {
        let chunks = layer::chunks(accelerator, network, index, &places)?;
        let output = network.graph().layers()[index].output;
        let stored = keep == Keep::Every || index + 1 == layers;
        let count = chunks.len();
        for (number, chunk) in chunks.into_iter().enumerate() {
            let starts_after_store = number == 0 && index > 0 && keep == Keep::Every;
            let feeds_store = stored && number + 1 == count;
            plan.chunk(index, chunk, starts_after_store, feeds_store, &mut memory)?;
        }
        if stored {
            let tensor = memory_tensor(accelerator, &mut memory, output, places[output.index()].clone())?;
            plan.store(index, &tensor, index + 1 < layers);
            outputs.push(tensor);
        }
    }
    let commands = plan.finish();
    let mut bytes = Vec::new();
    for planned in &commands {
        let name = || network.graph().layers()[planned.layer].name.clone();
        let words =
            planned.command.encode().map_err(|source| SimulationError::Command { layer: name(), source })?;
        bytes.extend(words.iter().flat_map(|word| word.to_le_bytes()));
    }
    let command_address = memory.add(&bytes)?;
    Ok(Program { commands, command_address, memory: memory.finish(), input, outputs })
}

fn memory_tensor(
    accelerator: &Accelerator,
    memory: &mut MemoryBuilder,
    tensor: TensorId,
    place: TensorPlace,
) -> Result<MemoryTensor, SimulationError> {
    let address = memory.add(&pack_tensor(accelerator, &place, &[]))?;
    Ok(MemoryTensor { tensor, address, place })
}

fn check_widths(accelerator: &Accelerator, network: &QuantizedNetwork) -> Result<(), SimulationError> {
    for (index, (layer, parameters)) in network.pairs().enumerate() {
        if let Some(what) = missing(accelerator, &layer.operation, parameters) {
            return Err(SimulationError::Unsupported { layer: layer.name.clone(), what });
        }
        let shift = layer::mode(accelerator, network, index)?.map_or(0, |mode| mode.result_shift());
        let bits = network.accumulator_bits(index) + shift;
        if bits > accelerator.accumulator_bits() {
            let (layer, legal) = (layer.name.clone(), accelerator.accumulator_bits());
            return Err(SimulationError::Sum { layer, found: bits, legal });
        }
    }
    Ok(())
}

/// What the accelerator's vector unit lacks for a layer.
fn missing(accelerator: &Accelerator, operation: &Operation, parameters: &QuantizedLayer) -> Option<String> {
    if operation.window().is_some_and(|window| window.input_dilation != Extent::square(1)) {
        return Some("input dilation (transposed convolution)".to_owned());
    }
    let mode = parameters.requantization;
    if !accelerator.requantizer().roundings().contains(mode) {
        return Some(format!("requantization by {}: add it to vector.rounding", mode.name()));
    }
    let is_pair = matches!(operation, Operation::Multiply) || !parameters.input_multipliers.is_empty();
    if is_pair && accelerator.pair().is_none() {
        return Some("pair units: set vector.elementwise to true".to_owned());
    }
    if let [left, right] = parameters.input_multipliers[..] {
        let is_half = |factor: Multiplier| factor.real() == 0.5;
        let is_small = |factor: Multiplier| factor.real() <= 0.5 && factor.shift >= ADDITION_SHIFT;
        if !(is_half(left) && is_small(right) || is_half(right) && is_small(left)) {
            let factors = [left, right].map(|factor| factor.real());
            return Some(format!("addition by {factors:?}: the larger factor must be 1/2"));
        }
        if mode == Requantization::SinglePrecision {
            return Some("addition in single precision".to_owned());
        }
    }
    None
}

/// Commands under construction.
struct Plan<'a> {
    accelerator: &'a Accelerator,
    commands: Vec<PlannedCommand>,
    /// Chunks planned so far: they alternate between the halves of the scratchpads.
    chunks: u32,
}

const fn bit(queue: Queue) -> u8 {
    1 << queue as u8
}

impl Plan<'_> {
    fn push(&mut self, layer: usize, command: Command) {
        self.commands.push(PlannedCommand { command, layer });
    }

    fn load_input(&mut self, input: &MemoryTensor) {
        let transfer = Transfer {
            tokens: Tokens::default(),
            target: Target::Activations,
            address: input.address,
            line: input.place.line,
            beats: input.place.beats(self.accelerator),
        };
        self.push(0, Command::Load(transfer));
    }

    /// Loads a chunk's weights and parameters and computes on them.
    fn chunk(
        &mut self,
        layer: usize,
        chunk: Chunk,
        after_store: bool,
        feeds_store: bool,
        memory: &mut MemoryBuilder,
    ) -> Result<(), SimulationError> {
        let half = self.chunks % 2;
        let line_of = |target| half * (self.accelerator.lines(target) / 2);
        let mut loads = Vec::new();
        for (target, lines) in
            [(Target::Weights, chunk.weights), (Target::Parameters, Some(chunk.parameters))]
        {
            let Some(lines) = lines else { continue };
            let beats = lines.beats();
            let address = memory.add(&lines.into_bytes())?;
            loads.push(Transfer { tokens: Tokens::default(), target, address, line: line_of(target), beats });
        }
        // The half is free once the compute command before the last has read it.
        if self.chunks >= 2 {
            loads[0].tokens.wait = bit(Queue::Compute);
        }
        let last = loads.len() - 1;
        loads[last].tokens.post = bit(Queue::Compute);
        for load in loads {
            self.push(layer, Command::Load(load));
        }
        let mut compute = chunk.compute;
        compute.weight_line = line_of(Target::Weights);
        compute.parameter_line = line_of(Target::Parameters);
        compute.tokens = Tokens {
            wait: bit(Queue::Load) | if after_store { bit(Queue::Store) } else { 0 },
            post: bit(Queue::Load) | if feeds_store { bit(Queue::Store) } else { 0 },
        };
        self.push(layer, Command::Compute(compute));
        self.chunks += 1;
        Ok(())
    }

    fn store(&mut self, layer: usize, tensor: &MemoryTensor, compute_follows: bool) {
        let transfer = Transfer {
            tokens: Tokens {
                wait: bit(Queue::Compute),
                post: if compute_follows { bit(Queue::Compute) } else { 0 },
            },
            target: Target::Activations,
            address: tensor.address,
            line: tensor.place.line,
            beats: tensor.place.beats(self.accelerator),
        };
        self.push(layer, Command::Store(transfer));
    }

    /// The last two compute commands free halves that nobody waits for: they post no token.
    fn finish(mut self) -> Vec<PlannedCommand> {
        let computes = self.commands.iter_mut().rev().filter_map(|planned| match &mut planned.command {
            Command::Compute(compute) => Some(compute),
            _ => None,
        });
        for compute in computes.take(2) {
            compute.tokens.post &= !bit(Queue::Load);
        }
        self.commands
    }
}
