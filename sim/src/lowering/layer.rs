//! One layer as compute commands, each with the weights and parameters of its output channels.

use bitmill_accelerator::{
    Accelerator, Compute, ComputeKind, PairOperation, Target, Tokens, Walk, WeightOrder,
};
use bitmill_model::{Extent, Layer, Operation, QuantizedLayer, QuantizedNetwork, TensorId, Window};
use bitmill_units::pe::Mode;

use super::allocate::Places;
use super::chunk::{Chunk, ChunkCommand, ChunkWeights, Slice};
use super::deformable;
use super::dilation;
use super::mode::mode;
use super::pooling;
use super::product::{self, Tiles};
use super::tiling::Tiling;

use crate::{SimulationError, TensorPlace};

/// How a layer maps onto the compute command.
pub(super) struct Mapping<'a> {
    kind: ComputeKind,
    pub window: Window,
    pad_value: i32,
    /// Output blocks of one tile.
    pub tile_blocks: u32,
    /// Weight lines of one tile; 0 where the layer has none of its own.
    pub tile_lines: u32,
    /// Weight lines that all tiles share.
    shared_lines: u32,
    /// Input lines from one output block to the next.
    group_stride: u32,
    channel_stride: u32,
    pub channel_blocks: u32,
    /// Where the input lies that is read first.
    input: &'a TensorPlace,
    /// First output block that comes from it.
    output_block: u32,
    pair: PairOperation,
}

/// The commands of layer `index`, and of the convolution behind it where that sums its samples.
pub(super) fn chunks(
    accelerator: &Accelerator,
    network: &QuantizedNetwork,
    index: usize,
    places: &Places,
    tiling: &Tiling,
) -> Result<Vec<Chunk>, SimulationError> {
    match deformable::convolution_over(network, index) {
        None => whole(accelerator, network, index, places, tiling),
        Some(next) => {
            let chunks = || whole(accelerator, network, next, places, tiling);
            deformable::chunks(accelerator, network, index, places, chunks)
        }
    }
}

/// The commands of layer `index` over all of its input.
fn whole(
    accelerator: &Accelerator,
    network: &QuantizedNetwork,
    index: usize,
    places: &Places,
    tiling: &Tiling,
) -> Result<Vec<Chunk>, SimulationError> {
    let layer = &network.graph().layers()[index];
    // A concatenation copies its inputs one by one; every other layer reads all of its inputs at once.
    let sources = if layer.operation == Operation::Concatenate { layer.inputs.len() } else { 1 };
    let mut chunks = Vec::new();
    for source in 0..sources {
        let context = Context::new(accelerator, network, index, places, source)?;
        if let Operation::Row { operator } = layer.operation {
            return Ok(vec![context.rows(operator)?]);
        }
        let mapping = context.mapping()?;
        context.check_groups(&mapping)?;
        let most_tiles = context.most_tiles(&mapping, tiling.chunks_at_once(index))?;
        let place = if sources == 1 { context.output() } else { context.input() };
        let blocks = place.blocks();
        // Chunks of about the same size: a small one behind large ones would leave them less time to load.
        let tiles = blocks.div_ceil(mapping.tile_blocks);
        let step = tiles.div_ceil(tiles.div_ceil(most_tiles)) * mapping.tile_blocks;
        for first in (0..blocks).step_by(step as usize) {
            let slice = Slice {
                source,
                first_block: first,
                output_block: mapping.output_block + first,
                blocks: step.min(blocks - first),
            };
            chunks.push(context.chunk(&mapping, slice)?);
        }
    }
    Ok(chunks)
}

pub(super) struct Context<'a> {
    pub accelerator: &'a Accelerator,
    pub network: &'a QuantizedNetwork,
    pub index: usize,
    pub layer: &'a Layer,
    pub parameters: &'a QuantizedLayer,
    places: &'a Places,
    /// The input that is read first.
    source: usize,
    pub mode: Option<&'a Mode>,
}

impl<'a> Context<'a> {
    pub fn new(
        accelerator: &'a Accelerator,
        network: &'a QuantizedNetwork,
        index: usize,
        places: &'a Places,
        source: usize,
    ) -> Result<Context<'a>, SimulationError> {
        let layer = &network.graph().layers()[index];
        let parameters = &network.layers()[index];
        let mode = mode(accelerator, network, index)?;
        Ok(Context { accelerator, network, index, layer, parameters, places, source, mode })
    }

    pub fn input(&self) -> &'a TensorPlace {
        self.place(self.layer.inputs[self.source])
    }

    pub fn output(&self) -> &'a TensorPlace {
        self.place(self.layer.output)
    }

    pub fn place(&self, tensor: TensorId) -> &'a TensorPlace {
        &self.places.tensors[tensor.index()]
    }

    /// The accelerator lacks something.
    pub fn unsupported(&self, what: String) -> SimulationError {
        SimulationError::Unsupported { layer: self.layer.name.clone(), what }
    }

    /// Whether the sum of a group is scaled before the next one is there: groups last long enough, but a whole sum may not.
    fn check_groups(&self, mapping: &Mapping) -> Result<(), SimulationError> {
        let (Some(mode), Some(ends)) = (self.mode, self.accelerator.pe().group_ends()) else { return Ok(()) };
        let steps = mapping.window.kernel.area() as u32 * mapping.channel_blocks;
        let cycles = steps * mode.interval_cycles;
        if cycles >= ends.least_cycles {
            return Ok(());
        }
        let what = format!(
            "time to scale the sum of a group of {}: it takes {} cycles, and the next is there after {cycles}; {} steps are \
             legal, found {steps}",
            mode.weight,
            ends.least_cycles,
            ends.least_cycles.div_ceil(mode.interval_cycles)
        );
        Err(self.unsupported(what))
    }

    pub fn mapping(&self) -> Result<Mapping<'a>, SimulationError> {
        let accelerator = self.accelerator;
        let input = self.input();
        let groups = input.groups(accelerator);
        let quantization = self.network.quantization(self.layer.inputs[self.source]);
        match product::weight_tensor(&self.layer.operation, &self.layer.inputs) {
            Some(tensor) => self.check_product(tensor)?,
            None if !self.layer.operation.is_matrix() => self.check_vector_words()?,
            None => {}
        }
        let lanes = |window: Window, kind| Mapping {
            kind,
            window,
            pad_value: quantization.zero_point,
            tile_blocks: 1,
            tile_lines: 0,
            shared_lines: 0,
            group_stride: groups,
            channel_stride: 0,
            channel_blocks: 1,
            input,
            output_block: 0,
            pair: PairOperation::default(),
        };
        let matrix_of = |input: &'a TensorPlace, window: Window| {
            let blocks = input.blocks();
            Mapping {
                tile_blocks: accelerator.blocks_per_tile(&self.output().word),
                tile_lines: window.kernel.area() as u32 * blocks,
                group_stride: 0,
                channel_stride: input.groups(accelerator),
                channel_blocks: blocks,
                input,
                ..lanes(window, ComputeKind::Matrix)
            }
        };
        let matrix = |window| matrix_of(input, window);
        Ok(match self.layer.operation {
            Operation::Convolution { window, .. } => matrix(window),
            Operation::FullyConnected { .. } => matrix(Window::global(input.shape)),
            Operation::Depthwise { window } => {
                Mapping { tile_lines: window.kernel.area() as u32, ..lanes(window, ComputeKind::Lanes) }
            }
            Operation::AveragePool { window } => {
                Mapping { shared_lines: 1, ..lanes(window, ComputeKind::Lanes) }
            }
            Operation::MaxPool { window } => {
                Mapping { pad_value: quantization.min(), ..lanes(window, ComputeKind::Maximum) }
            }
            Operation::Multiply => self.pair(lanes(Window::square(1), ComputeKind::Pair)),
            Operation::Add if !self.parameters.input_multipliers.is_empty() => {
                self.pair(lanes(Window::square(1), ComputeKind::Pair))
            }
            Operation::Concatenate => Mapping {
                output_block: self.concatenated_block()?,
                ..lanes(Window::square(1), ComputeKind::Maximum)
            },
            Operation::Add => {
                let other = self.place(self.layer.inputs[1]);
                Mapping {
                    shared_lines: 2,
                    channel_stride: other.line.wrapping_sub(input.line) & 0xffff,
                    channel_blocks: 2,
                    ..lanes(Window::square(1), ComputeKind::Lanes)
                }
            }
            Operation::MatrixMultiply { .. } => matrix(Window::square(1)),
            Operation::Transpose => {
                matrix_of(self.places.unit_matrix(input.shape.channels, &input.word), Window::square(1))
            }
            // Sums of raw integers, of which one alone is not between others.
            Operation::ResizeNearest { factor } => Mapping {
                shared_lines: 1,
                pad_value: 0,
                ..lanes(dilation::resizing(factor), ComputeKind::Lanes)
            },
            // Copied, through the table.
            Operation::Lookup { .. } => lanes(Window::square(1), ComputeKind::Maximum),
            Operation::Row { .. } | Operation::Sample { .. } => {
                return Err(self.unsupported(self.layer.operation.name().replace('_', " ")));
            }
        })
    }

    /// The vector unit works on one format.
    pub fn check_vector_words(&self) -> Result<(), SimulationError> {
        let legal = self.accelerator.vector_word();
        let words = self.layer.inputs.iter().chain([&self.layer.output]).map(|&id| &self.place(id).word);
        match words.into_iter().find(|word| Some(*word) != legal) {
            None => Ok(()),
            Some(other) => Err(SimulationError::Format {
                layer: self.layer.name.clone(),
                what: "an input or output of the vector unit",
                found: other.format.to_string(),
                legal: legal.map_or(
                    "none there, for want of signed integers in precision.activations".to_owned(),
                    |word| format!("{} there", word.format),
                ),
            }),
        }
    }

    /// The inputs of a layer of pairs in the order in which they are joined, and how.
    pub fn pair_operation(&self) -> ([TensorId; 2], PairOperation) {
        let (order, factor) = match self.parameters.input_multipliers[..] {
            // The one with the larger scale comes first: its factor is one half.
            [left, right] if left.real() >= right.real() => ([0, 1], Some(right)),
            [left, _] => ([1, 0], Some(left)),
            _ => ([0, 1], None),
        };
        let inputs = order.map(|side| self.layer.inputs[side]);
        let zero_points = inputs.map(|id| self.network.quantization(id).zero_point);
        (inputs, PairOperation { zero_points, factor })
    }

    /// A pair of both inputs.
    fn pair(&self, mapping: Mapping<'a>) -> Mapping<'a> {
        let ([first, second], pair) = self.pair_operation();
        let [from, to] = [first, second].map(|id| self.place(id).line);
        Mapping {
            channel_stride: to.wrapping_sub(from) & 0xffff,
            channel_blocks: 2,
            pair,
            input: self.place(first),
            ..mapping
        }
    }

    /// The output block at which a concatenation's present input begins.
    fn concatenated_block(&self) -> Result<u32, SimulationError> {
        let before = self.layer.inputs[..self.source].iter();
        let channel: usize = before.map(|&id| self.network.graph().shape(id).channels).sum();
        let lanes = self.output().word.channels as usize;
        if !channel.is_multiple_of(lanes) {
            return Err(SimulationError::Unsupported {
                layer: self.layer.name.clone(),
                what: format!(
                    "concatenation at channel {channel}: a multiple of {lanes}, the channels of a word, is needed"
                ),
            });
        }
        Ok((channel / lanes) as u32)
    }

    /// Tiles of a chunk at most, if that many chunks shall fit the scratchpads together.
    fn most_tiles(&self, mapping: &Mapping, chunks_at_once: u32) -> Result<u32, SimulationError> {
        let room = |target, lines: u32, what, key| {
            let all = self.accelerator.lines(target);
            if lines <= all {
                return Ok((all / chunks_at_once).checked_div(lines).map_or(u32::MAX, |tiles| tiles.max(1)));
            }
            let line_bytes = u64::from(self.accelerator.line_bits(target).div_ceil(8));
            Err(SimulationError::Tile {
                layer: self.layer.name.clone(),
                what,
                channels: mapping.tile_blocks * self.output().word.channels,
                needed_bytes: u64::from(lines) * line_bytes,
                available_bytes: u64::from(all) * line_bytes,
                key,
            })
        };
        let lines = mapping.tile_lines.max(mapping.shared_lines);
        let by_weights = room(Target::Weights, lines, "weights", "scratchpads.weights_kib")?;
        let by_weights = if mapping.tile_lines == 0 { u32::MAX } else { by_weights };
        let by_parameters =
            room(Target::Parameters, mapping.tile_blocks, "parameters", "scratchpads.parameters_kib")?;
        // Fewer than 2^16 blocks, so that the product below stays in range.
        Ok(by_weights.min(by_parameters).min(1 << 12))
    }

    fn chunk(&self, mapping: &Mapping, slice: Slice) -> Result<Chunk, SimulationError> {
        let Slice { first_block, output_block, blocks, .. } = slice;
        let accelerator = self.accelerator;
        let (input, output) = (mapping.input, self.output());
        let Window { kernel, stride, dilation, padding, .. } = mapping.window;
        let input_dilation_log2 = self.input_dilation_log2(&mapping.window)?;
        let spread = |positions: usize| (((positions - 1) << input_dilation_log2) + 1) as u32;
        let pair = |extent: Extent| (extent.height as u32, extent.width as u32);
        // A single output row or column is never left; a pooling's large stride need not fit a command.
        let moves = |stride: usize, outputs: usize| if outputs == 1 { 1 } else { stride };
        let stride = Extent {
            height: moves(stride.height, output.shape.height),
            width: moves(stride.width, output.shape.width),
        };
        let is_lookup = matches!(self.layer.operation, Operation::Lookup { .. });
        let mut compute = Compute {
            tokens: Tokens::default(),
            kind: mapping.kind,
            pair: mapping.pair,
            weight_order: match mapping {
                Mapping { shared_lines: 2.., .. } => WeightOrder::Repeated,
                Mapping { tile_lines: 1.., .. } => WeightOrder::Running,
                _ => WeightOrder::Fixed,
            },
            rounding: self.parameters.requantization,
            zero_point: self.parameters.offset,
            pad_value: self.input().word.code(mapping.pad_value) as i16 as i32,
            low: self.parameters.low,
            high: self.parameters.high,
            kernel_width: kernel.width as u32,
            kernel_height: kernel.height as u32,
            input_line: input.line + first_block * mapping.group_stride,
            group_stride: mapping.group_stride,
            channel_stride: mapping.channel_stride,
            channel_blocks: mapping.channel_blocks,
            input_dilation_log2,
            input_width: spread(input.shape.width),
            input_height: spread(input.shape.height),
            walk: Walk::new(
                accelerator.rows(),
                input.shape.width as u32,
                output.shape.width as u32,
                kernel.width as u32,
                pair(stride),
                pair(dilation),
                (padding.top as u32, padding.left as u32),
            ),
            pixels: output.pixels(),
            weight_line: 0,
            parameter_line: 0,
            output_line: output.line + output_block * output.groups(accelerator),
            output_blocks: blocks,
            output_stride: None,
            mode: self.mode.or_else(|| self.vector_mode()).map_or(0, |mode| mode.code),
            output_format: self.output_format(),
            lookup: None,
        };
        if is_lookup {
            // The table knows what becomes of each code.
            let range = self.network.quantization(self.layer.inputs[0]);
            compute = Compute { zero_point: 0, low: range.min(), high: range.max(), ..compute };
        }
        if output.shape != self.network.graph().shape(self.layer.output) {
            (compute.kernel_width, compute.walk) = pooling::taps_and_walk(accelerator, input.pixels());
            compute.kernel_height = 1;
            (compute.input_width, compute.input_height) = (input.pixels(), 1);
            // Sums of raw integers: what lies beside the input adds nothing.
            compute.pad_value = 0;
        }
        if self.pads()
            && self.input().word.value(self.input().word.code(mapping.pad_value)) != mapping.pad_value
        {
            let (found, what) = (self.input().word.format.to_string(), "padding");
            let legal = format!("a format there that has {}", mapping.pad_value);
            return Err(SimulationError::Format { layer: self.layer.name.clone(), what, found, legal });
        }
        let tiles = blocks.div_ceil(mapping.tile_blocks);
        let weights = match product::weight_tensor(&self.layer.operation, &self.layer.inputs) {
            Some(tensor) => {
                compute.weight_order = WeightOrder::Strided(tiles);
                ChunkWeights::Tiles(Tiles { tensor, first: first_block / mapping.tile_blocks, count: tiles })
            }
            None if mapping.tile_lines > 0 => ChunkWeights::Lines(tiles * mapping.tile_lines),
            None if mapping.shared_lines > 0 => ChunkWeights::Lines(mapping.shared_lines),
            None => ChunkWeights::None,
        };
        let command = ChunkCommand::Compute(compute);
        let lookup = is_lookup.then_some(self.index);
        let residual = None;
        Ok(Chunk { layer: self.index, slice, command, weights, parameter_lines: blocks, lookup, residual })
    }

    /// A mode whose activations are the vector unit's: padding depends on it.
    fn vector_mode(&self) -> Option<&Mode> {
        let format = self.input().word.name();
        self.accelerator.modes().iter().find(|mode| mode.activation == format)
    }

    fn pads(&self) -> bool {
        let window = match self.layer.operation {
            Operation::Convolution { window, .. } | Operation::Depthwise { window } => window,
            Operation::AveragePool { window } | Operation::MaxPool { window } => window,
            _ => return false,
        };
        let padding = window.padding;
        padding.top + padding.bottom + padding.left + padding.right > 0
    }

    pub fn output_format(&self) -> u32 {
        let place = self.accelerator.words().iter().position(|word| *word == self.output().word);
        place.expect("the output's word is one of the accelerator's") as u32
    }
}
