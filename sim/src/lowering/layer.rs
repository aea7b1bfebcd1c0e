//! One layer as compute commands, each with the weights and parameters of its output channels.

use bitmill_accelerator::{Accelerator, Compute, ComputeKind, Target, Tokens, Walk};
use bitmill_model::{Extent, Layer, Operation, QuantizedLayer, QuantizedNetwork, Shape, Window};

use crate::layout::Lines;
use crate::{SimulationError, TensorPlace};

/// A compute command and what must be loaded for it.
pub(super) struct Chunk {
    pub compute: Compute,
    pub weights: Option<Lines>,
    pub parameters: Lines,
}

/// How a layer maps onto the compute command.
struct Mapping {
    kind: ComputeKind,
    window: Window,
    pad_value: i32,
    /// Output blocks of one tile.
    tile_blocks: u32,
    /// Weight lines of one tile; 0 where the layer has none of its own.
    tile_lines: u32,
    /// Weight lines that all tiles share.
    shared_lines: u32,
    /// Input lines from one output block to the next.
    group_stride: u32,
    channel_stride: u32,
    channel_blocks: u32,
}

pub(super) fn chunks(
    accelerator: &Accelerator,
    network: &QuantizedNetwork,
    index: usize,
    places: &[TensorPlace],
) -> Result<Vec<Chunk>, SimulationError> {
    let layer = &network.graph().layers()[index];
    let context = Context { accelerator, network, layer, parameters: &network.layers()[index], places };
    let mapping = context.mapping()?;
    let tiles_at_once = context.tiles_at_once(&mapping)?;
    let blocks = context.output().blocks(accelerator);
    let step = tiles_at_once * mapping.tile_blocks;
    Ok((0..blocks.div_ceil(step))
        .map(|chunk| {
            let first = chunk * step;
            context.chunk(&mapping, first, step.min(blocks - first))
        })
        .collect())
}

struct Context<'a> {
    accelerator: &'a Accelerator,
    network: &'a QuantizedNetwork,
    layer: &'a Layer,
    parameters: &'a QuantizedLayer,
    places: &'a [TensorPlace],
}

impl Context<'_> {
    fn input(&self) -> &TensorPlace {
        &self.places[self.layer.inputs[0].index()]
    }

    fn output(&self) -> &TensorPlace {
        &self.places[self.layer.output.index()]
    }

    fn mapping(&self) -> Result<Mapping, SimulationError> {
        let accelerator = self.accelerator;
        let input = self.input();
        let groups = input.groups(accelerator);
        let quantization = self.network.quantization(self.layer.inputs[0]);
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
        };
        let matrix = |window: Window| {
            let blocks = input.blocks(accelerator);
            Mapping {
                tile_blocks: accelerator.blocks_per_tile(),
                tile_lines: window.kernel.area() as u32 * blocks,
                group_stride: 0,
                channel_stride: groups,
                channel_blocks: blocks,
                ..lanes(window, ComputeKind::Matrix)
            }
        };
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
            Operation::Add => {
                let other = &self.places[self.layer.inputs[1].index()];
                Mapping {
                    shared_lines: 2,
                    channel_stride: other.line.wrapping_sub(input.line) & 0xffff,
                    channel_blocks: 2,
                    ..lanes(Window::square(1), ComputeKind::Lanes)
                }
            }
            Operation::Multiply
            | Operation::Concatenate
            | Operation::ResizeNearest { .. }
            | Operation::MatrixMultiply { .. }
            | Operation::Lookup { .. } => {
                return Err(SimulationError::Unsupported {
                    layer: self.layer.name.clone(),
                    what: self.layer.operation.name().replace('_', " "),
                });
            }
        })
    }

    /// Tiles whose weights and parameters fit half of their scratchpads.
    fn tiles_at_once(&self, mapping: &Mapping) -> Result<u32, SimulationError> {
        let room = |target, lines: u32, what, key| {
            let half = self.accelerator.lines(target) / 2;
            if lines <= half {
                return Ok(half.checked_div(lines).unwrap_or(u32::MAX));
            }
            let line_bytes = u64::from(self.accelerator.line_bits(target).div_ceil(8));
            Err(SimulationError::Tile {
                layer: self.layer.name.clone(),
                what,
                channels: mapping.tile_blocks * self.accelerator.lanes(),
                needed_bytes: u64::from(lines) * line_bytes,
                available_bytes: u64::from(half) * line_bytes,
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

    fn chunk(&self, mapping: &Mapping, first_block: u32, blocks: u32) -> Chunk {
        let accelerator = self.accelerator;
        let (input, output) = (self.input(), self.output());
        let Window { kernel, stride, dilation, padding, .. } = mapping.window;
        let pair = |extent: Extent| (extent.height as u32, extent.width as u32);
        let compute = Compute {
            tokens: Tokens::default(),
            kind: mapping.kind,
            weight_step: mapping.tile_lines > 0 || mapping.shared_lines > 1,
            weight_reset: mapping.shared_lines > 1,
            pad_value: mapping.pad_value,
            rounding: self.parameters.requantization,
            zero_point: self.parameters.offset,
            low: self.parameters.low,
            high: self.parameters.high,
            kernel_width: kernel.width as u32,
            kernel_height: kernel.height as u32,
            input_line: input.line + first_block * mapping.group_stride,
            group_stride: mapping.group_stride,
            channel_stride: mapping.channel_stride,
            channel_blocks: mapping.channel_blocks,
            input_width: input.shape.width as u32,
            input_height: input.shape.height as u32,
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
            output_line: output.line + first_block * output.groups(accelerator),
            output_blocks: blocks,
        };
        Chunk {
            compute,
            weights: self.weights(mapping, first_block, blocks),
            parameters: self.parameter_lines(first_block, blocks),
        }
    }

    fn parameter_lines(&self, first_block: u32, blocks: u32) -> Lines {
        let lanes = self.accelerator.lanes();
        let mut lines = Lines::new(self.accelerator, Target::Parameters, blocks);
        for block in 0..blocks {
            for lane in 0..lanes {
                let channel = ((first_block + block) * lanes + lane) as usize;
                if let (Some(&bias), Some(&multiplier)) =
                    (self.parameters.bias.get(channel), self.parameters.multipliers.get(channel))
                {
                    lines.put_parameters(block, lane, bias, multiplier);
                }
            }
        }
        lines
    }

    fn weights(&self, mapping: &Mapping, first_block: u32, blocks: u32) -> Option<Lines> {
        let lanes = self.accelerator.lanes();
        let new = |lines| Lines::new(self.accelerator, Target::Weights, lines);
        let weights = &self.parameters.weights;
        match self.layer.operation {
            Operation::Convolution { groups, .. } => {
                Some(self.matrix_weights(mapping, first_block, blocks, groups))
            }
            Operation::FullyConnected { .. } => Some(self.matrix_weights(mapping, first_block, blocks, 1)),
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
            Operation::AveragePool { .. } => {
                let mut lines = new(1);
                (0..lanes).for_each(|lane| lines.put(0, lane * 8, 8, 1));
                Some(lines)
            }
            Operation::Add => {
                let mut lines = new(2);
                for (line, &factor) in (0..2).zip(weights) {
                    (0..lanes).for_each(|lane| lines.put(line, lane * 8, 8, factor.into()));
                }
                Some(lines)
            }
            _ => None,
        }
    }

    /// Lines in the order of the steps: tile, tap, channel block; a line holds a word for each column.
    /// A grouped convolution becomes a full one with zeros between the groups.
    fn matrix_weights(&self, mapping: &Mapping, first_block: u32, blocks: u32, groups: usize) -> Lines {
        let (lanes, columns) = (self.accelerator.lanes(), self.accelerator.columns());
        let bits = self.accelerator.weight_bits();
        let tiles = blocks.div_ceil(mapping.tile_blocks);
        let mut lines = Lines::new(self.accelerator, Target::Weights, tiles * mapping.tile_lines);
        let Shape { channels, .. } = self.input().shape;
        let outputs = self.output().shape.channels;
        let per_group = channels / groups;
        let taps = mapping.window.kernel.area();
        for (tile, column) in (0..tiles).flat_map(|t| (0..columns).map(move |c| (t, c))) {
            let output = (first_block * lanes + tile * columns + column) as usize;
            if output >= outputs {
                continue;
            }
            let first_channel = output / (outputs / groups) * per_group;
            for tap in 0..taps {
                for channel in 0..per_group {
                    let weight = self.parameters.weights[(output * taps + tap) * per_group + channel];
                    let (block, lane) =
                        ((first_channel + channel) as u32 / lanes, (first_channel + channel) as u32 % lanes);
                    let line = tile * mapping.tile_lines + tap as u32 * mapping.channel_blocks + block;
                    lines.put(line, (column * lanes + lane) * bits, bits, weight.into());
                }
            }
        }
        lines
    }
}

/// Every index triple below `bounds`.
fn indices([a, b, c]: [u32; 3]) -> impl Iterator<Item = (u32, u32, u32)> {
    (0..a).flat_map(move |i| (0..b).flat_map(move |j| (0..c).map(move |k| (i, j, k))))
}
