//! From layers to commands.
//!
//! Activations stay in their scratchpad for as long as a later layer reads them. Weights and parameters are
//! streamed: each compute command works on a chunk of output channels, and the next chunks, of this layer or of
//! those that follow, are loaded behind it as soon as there is room.

mod allocate;
mod chunk;
mod deformable;
mod dilation;
mod fusion;
mod image;
mod layer;
mod lookup;
mod matrix;
mod mode;
mod parameters;
mod pooling;
mod product;
mod ring;
mod rows;
mod tiling;
mod unroll;

use bitmill_accelerator::timing::TOKEN_BITS;
use bitmill_accelerator::{Accelerator, COMMAND_BYTES, Command, Queue, Target, Tokens, Transfer};
use bitmill_formats::requantize::ADDITION_SHIFT;
use bitmill_model::{Multiplier, Operation, QuantizedLayer, QuantizedNetwork, Requantization, TensorId};

use crate::program::{MemoryBuilder, MemoryTensor};
use crate::{PlannedCommand, Program, SimulationError, TensorPlace};
pub use allocate::Places;
use chunk::{Chunk, ChunkCommand, ChunkWeights};
pub(crate) use deformable::offsets;
pub(crate) use image::ChunkContent;
use ring::Ring;
pub use tiling::Effort;
use tiling::Tiling;
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
    lower_with(accelerator, network, keep, Effort::Search)
}

/// The same with some effort to cut layers well.
///
/// # Errors
/// As [`lower`].
pub fn lower_with(
    accelerator: &Accelerator,
    network: &QuantizedNetwork,
    keep: Keep,
    effort: Effort,
) -> Result<Program, SimulationError> {
    check_widths(accelerator, network)?;
    let unrolled = unroll::unroll(accelerator, network);
    let unrolling = unrolled.as_ref().map(|(_, unrolling)| *unrolling);
    let network = unrolled.as_ref().map_or(network, |(network, _)| network);
    let takes_next = |layer: usize| fusion::takes_next(accelerator, network, keep, layer);
    let places = allocate::allocate(accelerator, network, &takes_next)?;
    let allocated = Allocated { accelerator, network, unrolling, keep, places };
    let layers = network.graph().layers().len();
    tiling::fewest_cycles(accelerator, layers, effort, |tiling| allocated.program(tiling))
}

/// A network whose tensors have their places.
struct Allocated<'a> {
    accelerator: &'a Accelerator,
    network: &'a QuantizedNetwork,
    unrolling: Option<Unrolling>,
    keep: Keep,
    places: Places,
}

impl Allocated<'_> {
    /// The commands for layers cut so.
    fn program(&self, tiling: &Tiling) -> Result<Program, SimulationError> {
        let Allocated { accelerator, network, keep, ref places, .. } = *self;
        let takes_next = |layer: usize| fusion::takes_next(accelerator, network, keep, layer);
        let mut memory = MemoryBuilder::new(accelerator.beat_bytes());
        let input = memory_tensor(accelerator, &mut memory, TensorId::INPUT, places.tensors[0].clone())?;
        let mut plan = Plan::new(accelerator);
        plan.load_activations(input.address, &input.place);
        let mut unit_matrices = Vec::new();
        for place in &places.unit_matrices {
            let address = memory.add(place.bytes(accelerator) as u64)?;
            plan.load_activations(address, place);
            unit_matrices.push(address);
        }
        let mut outputs: Vec<MemoryTensor> = Vec::new();
        let mut was_stored = false;
        let layers = network.graph().layers().len();
        let mut next = 0;
        while next < layers {
            let index = next;
            // Samples are there slice by slice only, and what sums them up comes with them.
            let made = deformable::convolution_over(network, index).unwrap_or(index);
            // The layer whose results leave the requantizers.
            let last = if takes_next(made) { made + 1 } else { made };
            next = last + 1;
            let mut chunks = layer::chunks(accelerator, network, index, places, tiling)?;
            if last > made {
                let is_lookup = matches!(network.graph().layers()[last].operation, Operation::Lookup { .. });
                for chunk in chunks.iter_mut().filter(|chunk| chunk.layer == made) {
                    if is_lookup {
                        chunk.lookup = Some(last);
                    } else {
                        let sum = (network.graph().layers()[made].output, chunk.slice);
                        chunk.residual = Some(fusion::residual(accelerator, network, places, last, sum)?);
                    }
                }
            }
            let output = network.graph().layers()[last].output;
            let is_stored =
                keep == Keep::Every || next == layers || product::is_weight(network.graph(), output);
            let count = chunks.len();
            for (number, chunk) in chunks.into_iter().enumerate() {
                let ends = Ends {
                    after_store: number == 0 && was_stored,
                    feeds_store: is_stored && number + 1 == count,
                };
                let source = match &chunk.weights {
                    ChunkWeights::Tiles(tiles) => {
                        let stored = outputs.iter().find(|stored| stored.tensor == tiles.tensor);
                        Some(stored.unwrap_or(&input))
                    }
                    _ => None,
                };
                plan.chunk(chunk, source, ends, &mut memory)?;
            }
            if is_stored {
                let place = places.tensors[output.index()].clone();
                let tensor = memory_tensor(accelerator, &mut memory, output, place)?;
                plan.store(last, &tensor, next < layers);
                outputs.push(tensor);
            }
            was_stored = is_stored;
        }
        let Plan { commands, chunks, .. } = plan;
        let command_address = memory.add(commands.len() as u64 * COMMAND_BYTES)?;
        let memory_bytes = memory.bytes();
        let program = Program {
            commands,
            command_address,
            memory_bytes,
            input,
            unrolling: self.unrolling,
            outputs,
            places: places.clone(),
            unit_matrices,
            chunks,
        };
        // Every number must fit its field.
        program.command_bytes(network)?;
        Ok(program)
    }
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
        && (0..graph.layers().len()).all(|layer| mode::mode(accelerator, network, layer).is_ok())
}

fn check_widths(accelerator: &Accelerator, network: &QuantizedNetwork) -> Result<(), SimulationError> {
    for (index, (layer, parameters)) in network.pairs().enumerate() {
        if let Some(what) = missing(accelerator, &layer.operation, parameters) {
            return Err(SimulationError::Unsupported { layer: layer.name.clone(), what });
        }
        let mode = mode::mode(accelerator, network, index)?;
        let shift = mode.map_or(0, |mode| accelerator.pe().result_shift(mode));
        if matches!(layer.operation, Operation::Row { .. }) {
            // Requantizers are as wide as the row units' results.
            continue;
        }
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

/// What the accelerator lacks for a layer.
fn missing(accelerator: &Accelerator, operation: &Operation, parameters: &QuantizedLayer) -> Option<String> {
    if matches!(operation, Operation::Lookup { .. }) && accelerator.lookup_tables() == 0 {
        return Some("lookup tables: set vector.lookup_tables to 1 or more".to_owned());
    }
    let differ = parameters.bias.iter().any(|bias| *bias != parameters.bias[0])
        || parameters.multipliers.iter().any(|factor| *factor != parameters.multipliers[0]);
    if matches!(operation, Operation::Lookup { .. }) && differ {
        return Some("lookup tables for each channel".to_owned());
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

/// What a chunk has to do with stores, which read the activations as it does.
struct Ends {
    /// It starts when the store before it has ended.
    after_store: bool,
    /// A store waits for it.
    feeds_store: bool,
}

/// Commands under construction.
struct Plan<'a> {
    accelerator: &'a Accelerator,
    commands: Vec<PlannedCommand>,
    weights: Ring,
    parameters: Ring,
    tables: Ring,
    /// The compute command of each chunk, by its place among the commands.
    computes: Vec<usize>,
    chunks: Vec<ChunkContent>,
    /// Chunks that have been computed on when the next load starts: a load has waited for the last of them.
    computed: usize,
    /// The store command of each tensor that is stored, by its place among the commands.
    stores: Vec<(TensorId, usize)>,
    /// Stores that have ended when the next load starts: a load has waited for the last of them.
    stored: usize,
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
            tables: Ring::new(accelerator.lookup_tables()),
            computes: Vec::new(),
            chunks: Vec::new(),
            computed: 0,
            stores: Vec::new(),
            stored: 0,
        }
    }

    fn push(&mut self, layer: usize, command: Command) {
        self.commands.push(PlannedCommand { command, layer });
    }

    /// Loads activations before the run.
    fn load_activations(&mut self, address: u32, place: &TensorPlace) {
        let transfer = Transfer {
            tokens: Tokens::default(),
            target: Target::Activations,
            address,
            line: place.line,
            beats: place.beats(self.accelerator),
        };
        self.push(0, Command::Load(transfer));
    }

    /// Loads a chunk's weights and parameters and computes on them. `source` is the tensor in memory that its weights
    /// come from, if one does.
    fn chunk(
        &mut self,
        chunk: Chunk,
        source: Option<&MemoryTensor>,
        ends: Ends,
        memory: &mut MemoryBuilder,
    ) -> Result<(), SimulationError> {
        let (accelerator, number, layer) = (self.accelerator, self.computes.len(), chunk.layer);
        if let ChunkCommand::Sample(_) = chunk.command {
            // What it reads was there for the commands before it.
            let mut command = chunk.command.placed(0, 0, None);
            command.tokens_mut().wait = if ends.after_store { bit(Queue::Store) } else { 0 };
            self.push(layer, command);
            return Ok(());
        }
        // Several slices of an image may take the same weights.
        let of_layer = self.chunks.iter().rev().take_while(|other| other.layer == layer);
        let known = of_layer.copied().find(|other| other.slice == chunk.slice);
        let mut linear = |target: Target, lines: u32, known: Option<u32>| {
            let beats = lines * accelerator.beats_per_line(target);
            let bytes = u64::from(beats) * u64::from(accelerator.beat_bytes());
            let address = known.map_or_else(|| memory.add(bytes), Ok)?;
            Ok::<_, SimulationError>(Transfer { tokens: Tokens::default(), target, address, line: 0, beats })
        };
        let mut loads = match (&chunk.weights, source) {
            (ChunkWeights::Lines(lines), _) => {
                vec![linear(Target::Weights, *lines, known.and_then(|known| known.weights))?]
            }
            (ChunkWeights::Tiles(tiles), Some(tensor)) => tiles.loads(accelerator, tensor),
            _ => Vec::new(),
        };
        let weights = matches!(chunk.weights, ChunkWeights::Lines(_)).then(|| loads[0].address);
        let of_weights = loads.len();
        if chunk.lookup.is_some() {
            let table = known.and_then(|known| known.table);
            loads.push(linear(Target::Tables, 1, table.map(|(_, address)| address))?);
        }
        let of_parameters = known.map(|known| known.parameters);
        loads.push(linear(Target::Parameters, chunk.parameter_lines, of_parameters)?);
        let last = loads.len() - 1;
        let parameters = loads[last].address;
        let table = chunk.lookup.map(|layer| (layer, loads[of_weights].address));
        if known.is_none() {
            self.chunks.push(ChunkContent { layer, slice: chunk.slice, weights, table, parameters });
        }

        let mut needed = (number + 1).saturating_sub(MOST_CHUNKS_AHEAD);
        let (weight_loads, others) = loads.split_at_mut(of_weights);
        let (table_loads, parameter_loads) = others.split_at_mut(last - of_weights);
        let rings = [&mut self.weights, &mut self.tables, &mut self.parameters];
        for (ring, loads) in rings.into_iter().zip([weight_loads, table_loads, parameter_loads]) {
            let end =
                |load: &Transfer| load.line + load.beats.div_ceil(accelerator.beats_per_line(load.target));
            let Some(lines) = loads.iter().map(end).max() else { continue };
            let (line, freed) = ring.place(lines, number);
            loads.iter_mut().for_each(|load| load.line += line);
            needed = needed.max(freed.map_or(0, |chunk| chunk + 1));
        }
        if needed > self.computed {
            loads[0].tokens.wait |= bit(Queue::Compute);
            self.post_to_load(self.computes[needed - 1]);
            self.computed = needed;
        }
        let is_source = |(stored, _): &(TensorId, usize)| Some(*stored) == source.map(|source| source.tensor);
        if let Some(store) = self.stores.iter().position(is_source).filter(|store| *store >= self.stored) {
            loads[0].tokens.wait |= bit(Queue::Store);
            self.post_to_load(self.stores[store].1);
            self.stored = store + 1;
        }
        loads[last].tokens.post = bit(Queue::Compute);
        let weight_line = if of_weights > 0 { loads[0].line } else { 0 };
        let lookup = chunk.lookup.map(|_| loads[of_weights].line);
        let mut command = chunk.command.placed(weight_line, loads[last].line, lookup);
        for load in loads {
            self.push(layer, Command::Load(load));
        }
        *command.tokens_mut() = Tokens {
            wait: bit(Queue::Load) | if ends.after_store { bit(Queue::Store) } else { 0 },
            post: if ends.feeds_store { bit(Queue::Store) } else { 0 },
        };
        if let Some(residual) = chunk.residual {
            self.push(layer, Command::Residual(residual));
        }
        self.computes.push(self.commands.len());
        self.push(layer, command);
        Ok(())
    }

    /// The command at this place tells the load queue when it has ended.
    fn post_to_load(&mut self, command: usize) {
        self.commands[command].command.tokens_mut().post |= bit(Queue::Load);
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
        self.stores.push((tensor.tensor, self.commands.len()));
        self.push(layer, Command::Store(transfer));
    }
}
