//! From layers to commands.
//!
//! Activations stay in their scratchpad for as long as a later layer reads them. Weights and parameters are
//! streamed: each compute command works on a chunk of output channels, and the next chunks, of this layer or of
//! those that follow, are loaded behind it as soon as there is room.

mod allocate;
mod image;
mod layer;
mod matrix;
mod parameters;
mod pooling;
mod ring;
mod unroll;

use bitmill_accelerator::timing::TOKEN_BITS;
use bitmill_accelerator::{Accelerator, COMMAND_BYTES, Command, Queue, Target, Tokens, Transfer};
use bitmill_formats::requantize::ADDITION_SHIFT;
use bitmill_model::{
    Extent, Multiplier, Operation, QuantizedLayer, QuantizedNetwork, Requantization, TensorId,
};

use crate::program::{MemoryBuilder, MemoryTensor};
use crate::{PlannedCommand, Program, SimulationError, TensorPlace};
pub(crate) use image::ChunkContent;
use layer::Chunk;
use ring::Ring;
pub use unroll::Unrolling;

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
/// Weights are packed by [`Program::memory_image`]: no command and no time depends on them.
///
/// # Errors
/// A network whose formats are not the accelerator's, or that does not fit its scratchpads.
pub fn lower(
    accelerator: &Accelerator,
    network: &QuantizedNetwork,
    keep: Keep,
) -> Result<Program, SimulationError> {
    check_widths(accelerator, network)?;
    let unrolled = unroll::unroll(accelerator, network);
    let unrolling = unrolled.as_ref().map(|(_, unrolling)| *unrolling);
    let network = unrolled.as_ref().map_or(network, |(network, _)| network);
    let places = allocate::allocate(accelerator, network)?;
    let mut memory = MemoryBuilder::new(accelerator.beat_bytes());
    let input = memory_tensor(accelerator, &mut memory, TensorId::INPUT, places[0].clone())?;
    let mut plan = Plan::new(accelerator);
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
    let Plan { commands, chunks, .. } = plan;
    let command_address = memory.add(commands.len() as u64 * COMMAND_BYTES)?;
    let memory_bytes = memory.bytes();
    let program =
        Program { commands, command_address, memory_bytes, input, unrolling, outputs, places, chunks };
    // Every number must fit its field.
    program.command_bytes(network)?;
    Ok(program)
}

fn memory_tensor(
    accelerator: &Accelerator,
    memory: &mut MemoryBuilder,
    tensor: TensorId,
    place: TensorPlace,
) -> Result<MemoryTensor, SimulationError> {
    let address = memory.add(place.bytes(accelerator) as u64)?;
    Ok(MemoryTensor { tensor, address, place })
}

/// Whether the accelerator has words for every tensor of `network` and a mode for every matrix layer: its formats, or
/// wider ones that hold them.
pub fn has_formats(accelerator: &Accelerator, network: &QuantizedNetwork) -> bool {
    let graph = network.graph();
    let mut tensors = graph
        .layers()
        .iter()
        .map(|layer| layer.output)
        .chain([TensorId::INPUT])
        .map(|id| network.quantization(id).format.name());
    tensors.all(|format| allocate::word_that_holds(accelerator, &format).is_some())
        && (0..graph.layers().len()).all(|layer| layer::mode(accelerator, network, layer).is_ok())
}

fn check_widths(accelerator: &Accelerator, network: &QuantizedNetwork) -> Result<(), SimulationError> {
    for (index, (layer, parameters)) in network.pairs().enumerate() {
        if let Some(what) = missing(accelerator, &layer.operation, parameters) {
            return Err(SimulationError::Unsupported { layer: layer.name.clone(), what });
        }
        let mode = layer::mode(accelerator, network, index)?;
        let shift = mode.map_or(0, |mode| accelerator.pe().result_shift(mode));
        let bits = network.accumulator_bits(index) + shift;
        let legal =
            if mode.is_some() { accelerator.accumulator_bits() } else { accelerator.lane_accumulator_bits() };
        if bits > legal {
            let layer = layer.name.clone();
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
    weights: Ring,
    parameters: Ring,
    /// The compute command of each chunk, by its place among the commands.
    computes: Vec<usize>,
    chunks: Vec<ChunkContent>,
    /// Chunks that have been computed on when the next load starts: a load has waited for the last of them.
    computed: usize,
}

const fn bit(queue: Queue) -> u8 {
    1 << queue as u8
}

/// A load waits for the chunk that many before its own at the latest, so that a token counter does not overflow.
const MOST_CHUNKS_AHEAD: usize = (1 << TOKEN_BITS) - 1;

impl Plan<'_> {
    fn new(accelerator: &Accelerator) -> Plan<'_> {
        Plan {
            accelerator,
            commands: Vec::new(),
            weights: Ring::new(accelerator.lines(Target::Weights)),
            parameters: Ring::new(accelerator.lines(Target::Parameters)),
            computes: Vec::new(),
            chunks: Vec::new(),
            computed: 0,
        }
    }

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
        let number = self.computes.len();
        let mut compute = chunk.compute;
        let mut loads = Vec::new();
        let mut needed = (number + 1).saturating_sub(MOST_CHUNKS_AHEAD);
        for (target, ring, lines, first_line) in [
            (Target::Weights, &mut self.weights, chunk.weight_lines, &mut compute.weight_line),
            (Target::Parameters, &mut self.parameters, chunk.parameter_lines, &mut compute.parameter_line),
        ] {
            if lines == 0 {
                continue;
            }
            let (line, freed) = ring.place(lines, number);
            *first_line = line;
            needed = needed.max(freed.map_or(0, |chunk| chunk + 1));
            let beats = lines * self.accelerator.beats_per_line(target);
            let address = memory.add(u64::from(beats) * u64::from(self.accelerator.beat_bytes()))?;
            loads.push(Transfer { tokens: Tokens::default(), target, address, line, beats });
        }
        let loaded = |target| loads.iter().find(|load| load.target == target).map(|load| load.address);
        let parameters = loaded(Target::Parameters).expect("every chunk has parameters");
        self.chunks.push(ChunkContent {
            layer,
            slice: chunk.slice,
            weights: loaded(Target::Weights),
            parameters,
        });
        if needed > self.computed {
            loads[0].tokens.wait = bit(Queue::Compute);
            self.post_to_load(needed - 1);
            self.computed = needed;
        }
        let last = loads.len() - 1;
        loads[last].tokens.post = bit(Queue::Compute);
        for load in loads {
            self.push(layer, Command::Load(load));
        }
        compute.tokens = Tokens {
            wait: bit(Queue::Load) | if after_store { bit(Queue::Store) } else { 0 },
            post: if feeds_store { bit(Queue::Store) } else { 0 },
        };
        self.computes.push(self.commands.len());
        self.push(layer, Command::Compute(compute));
        Ok(())
    }

    /// The compute command of `chunk` tells the load queue when it has ended.
    fn post_to_load(&mut self, chunk: usize) {
        let Command::Compute(compute) = &mut self.commands[self.computes[chunk]].command else {
            unreachable!("a chunk's command computes")
        };
        compute.tokens.post |= bit(Queue::Load);
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
}
