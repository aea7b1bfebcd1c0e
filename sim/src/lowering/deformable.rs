//! Deformable convolutions: what the taps read, and the convolution over it, slice by slice.
//!
//! A slice is some lines of pixels. Its samples take nine times the image's room, so that those of all pixels may not
//! fit; they need no neighbours, so that slices are cut anywhere. A command of the sampler fills the room, and compute
//! commands sum it up, before the next slice takes its place. A tap is a tap row to them: as many lines further.

use bitmill_accelerator::{Accelerator, Compute, Sample, Tokens, Walk};
use bitmill_formats::deformable::{Offsets, Sampling, TAPS};
use bitmill_model::{Operation, QuantizedNetwork, Shape, Taps, TensorId};

use super::allocate::Places;
use super::chunk::{Chunk, ChunkCommand, ChunkWeights, Slice};
use super::layer::Context;
use crate::{SimulationError, TensorPlace};

/// Most pixels of a slice: they are a row of the compute command's input.
const MOST_PIXELS: u32 = (1 << 15) - 1;

/// The layer behind layer `index`, if this samples for it and nothing else reads the samples.
pub(super) fn convolution_over(network: &QuantizedNetwork, index: usize) -> Option<usize> {
    let layers = network.graph().layers();
    let (layer, next) = (layers.get(index)?, layers.get(index + 1)?);
    let reads = |other: &&bitmill_model::Layer| other.inputs.contains(&layer.output);
    let is_over = match next.operation {
        Operation::Convolution { window, .. } | Operation::Depthwise { window } => window == Taps::window(),
        _ => false,
    };
    let is_sampled = matches!(layer.operation, Operation::Sample { .. });
    let is_only = next.inputs == [layer.output] && layers.iter().filter(reads).count() == 1;
    (is_sampled && is_over && is_only).then_some(index + 1)
}

/// Shape in which the samples of so many lines of pixels lie.
pub(super) fn slice_shape(accelerator: &Accelerator, image: Shape, lines: u32) -> Shape {
    Shape { height: TAPS, width: (lines * accelerator.rows()) as usize, ..image }
}

/// Lines of pixels of a slice, for each number of slices that there may be: fewer slices first.
pub(super) fn slice_lines(accelerator: &Accelerator, image: Shape) -> impl Iterator<Item = u32> {
    let rows = accelerator.rows();
    let all = ((image.height * image.width) as u32).div_ceil(rows);
    let mut sizes: Vec<u32> = (1..=all).map(|slices| all.div_ceil(slices)).collect();
    sizes.dedup();
    sizes.into_iter().filter(move |lines| lines * rows <= MOST_PIXELS)
}

/// Some pixels of the image.
#[derive(Clone, Copy)]
struct Piece {
    first_line: u32,
    pixels: u32,
}

impl Piece {
    /// All of an image, in pieces of so many lines.
    fn all(accelerator: &Accelerator, image: &TensorPlace, lines: u32) -> Vec<Piece> {
        let (rows, pixels) = (accelerator.rows(), image.pixels());
        let piece =
            |first_line: u32| Piece { first_line, pixels: (lines * rows).min(pixels - first_line * rows) };
        (0..pixels.div_ceil(rows)).step_by(lines as usize).map(piece).collect()
    }

    /// Lines of a tap in a channel block.
    fn tap_lines(self, accelerator: &Accelerator) -> u32 {
        self.pixels.div_ceil(accelerator.rows())
    }
}

/// The commands of layer `index` and of the convolution behind it, which `chunks` cuts into those of a whole image.
pub(super) fn chunks(
    accelerator: &Accelerator,
    network: &QuantizedNetwork,
    index: usize,
    places: &Places,
    chunks: impl Fn() -> Result<Vec<Chunk>, SimulationError>,
) -> Result<Vec<Chunk>, SimulationError> {
    let context = Context::new(accelerator, network, index, places, 0)?;
    let sample = context.sample()?;
    let lines = context.output().shape.width as u32 / accelerator.rows();
    let mut all = Vec::new();
    for piece in Piece::all(accelerator, context.input(), lines) {
        all.push(context.sample_chunk(&sample, piece));
        for chunk in chunks()? {
            all.push(summed(accelerator, chunk, context.output(), piece));
        }
    }
    Ok(all)
}

/// The chunk of a convolution, over the `samples` of a piece.
fn summed(accelerator: &Accelerator, chunk: Chunk, samples: &TensorPlace, piece: Piece) -> Chunk {
    let ChunkCommand::Compute(compute) = chunk.command else { return chunk };
    let output_stride = compute.pixels.div_ceil(accelerator.rows());
    let tap_lines = piece.tap_lines(accelerator);
    let block_lines = TAPS as u32 * tap_lines;
    let walk = Walk::new(accelerator.rows(), piece.pixels, piece.pixels, 1, (1, 1), (1, 1), (0, 0));
    let strided = |stride: u32| if stride == 0 { 0 } else { block_lines };
    let command = Compute {
        kernel_width: 1,
        kernel_height: TAPS as u32,
        input_line: samples.line + chunk.slice.first_block * strided(compute.group_stride),
        group_stride: strided(compute.group_stride),
        channel_stride: strided(compute.channel_stride),
        input_width: piece.pixels,
        input_height: 1,
        walk: Walk { tap_y: 0, tap_wrap: (tap_lines * accelerator.rows()) as i32, ..walk },
        pixels: piece.pixels,
        output_line: compute.output_line + piece.first_line,
        output_stride: Some(output_stride),
        ..compute
    };
    Chunk { command: ChunkCommand::Compute(command), ..chunk }
}

impl Context<'_> {
    /// The command that samples for the whole layer.
    fn sample(&self) -> Result<Sample, SimulationError> {
        let Operation::Sample { taps } = self.layer.operation else {
            unreachable!("only a layer that samples is asked for samples");
        };
        self.check_vector_words()?;
        let quantizations: Vec<_> =
            self.layer.inputs.iter().map(|&id| self.network.quantization(id)).collect();
        let sampling = taps.sampling(&quantizations).map_err(|what| self.unsupported(what))?;
        let offset_shift = self.check_sampler(&sampling)?;
        let (image, output) = (self.input(), self.output());
        let is_full = image.shape.channels.is_multiple_of(image.word.channels as usize);
        if image.idle != output.idle && !is_full {
            return Err(self.unsupported(format!(
                "samples of idle channels that hold {}, not the zero point {}",
                image.idle, quantizations[0].zero_point
            )));
        }
        let line = |input: usize| self.layer.inputs.get(input).map_or(0, |&id| self.place(id).line);
        Ok(Sample {
            tokens: Tokens::default(),
            zero_point: quantizations[0].zero_point,
            offset_zero_point: quantizations[1].zero_point,
            offset_shift,
            is_modulated: taps.is_modulated,
            input_line: image.line,
            channel_stride: image.groups(self.accelerator),
            channel_blocks: image.blocks(),
            input_width: image.shape.width as u32,
            input_height: image.shape.height as u32,
            start_y: 0,
            start_x: 0,
            pixels: image.pixels(),
            offset_line: line(1),
            mask_line: line(2),
            output_line: output.line,
        })
    }

    /// The same for a piece of the image.
    fn sample_chunk(&self, sample: &Sample, piece: Piece) -> Chunk {
        let first = piece.first_line * self.accelerator.rows();
        let sample = Sample {
            start_y: first / sample.input_width,
            start_x: first % sample.input_width,
            pixels: piece.pixels,
            offset_line: sample.offset_line + piece.first_line,
            mask_line: sample.mask_line + piece.first_line,
            ..*sample
        };
        Chunk {
            layer: self.index,
            slice: Slice { source: 0, first_block: 0, output_block: 0, blocks: self.output().blocks() },
            command: ChunkCommand::Sample(sample),
            weights: ChunkWeights::None,
            parameter_lines: 0,
            lookup: None,
            residual: None,
        }
    }

    /// Checks that there is a sampler that reads as the layer does, and returns how many bits fewer offsets have behind the
    /// point than its own.
    fn check_sampler(&self, layer: &Sampling) -> Result<u32, SimulationError> {
        let Some(sampler) = self.accelerator.sampler() else {
            return Err(
                self.unsupported("sampler for deformable convolutions: add a section deformable".to_owned())
            );
        };
        let there = sampler.sampling();
        if layer.offsets != there.offsets {
            let name = |offsets| if offsets == Offsets::Square { "square" } else { "per_tap" };
            return Err(self.unsupported(format!(
                "sampler for {} offsets: set deformable.offsets",
                name(layer.offsets)
            )));
        }
        if layer.mask_bits.is_some() && layer.mask_bits != there.mask_bits {
            return Err(self.unsupported("modulation: set deformable.modulation to true".to_owned()));
        }
        let place = self.place(self.layer.inputs[0]);
        let longest = sampler.longest_side() as usize;
        if place.shape.height.max(place.shape.width) > longest {
            return Err(self.unsupported(format!(
                "sampler for images of {}, only for {longest} rows and columns: raise deformable.longest_side",
                place.shape
            )));
        }
        let shift = there.fraction_bits.checked_sub(layer.fraction_bits);
        let Some(shift) = shift.filter(|shift| *shift <= sampler.most_offset_shift()) else {
            let least = there.fraction_bits - sampler.most_offset_shift();
            return Err(self.unsupported(format!(
                "sampler for offsets of {} bits behind the point, only for {least} to {}: change \
                 deformable.fraction_bits",
                layer.fraction_bits, there.fraction_bits
            )));
        };
        self.check_bound(layer, there, shift)?;
        Ok(shift)
    }

    /// Checks that the offsets that there may be saturate where the layer has it.
    fn check_bound(&self, layer: &Sampling, there: &Sampling, shift: u32) -> Result<(), SimulationError> {
        let id = self.layer.inputs[1];
        let quantization = self.network.quantization(id);
        let maker = self.network.pairs().find(|(maker, _)| maker.output == id);
        let (low, high) =
            maker.map_or((quantization.min(), quantization.max()), |(_, made)| (made.low, made.high));
        let is_same = [low, high].into_iter().all(|end| {
            let offset = i64::from(end) - i64::from(quantization.zero_point);
            layer.saturate(offset) << shift == there.saturate(offset << shift)
        });
        match is_same {
            true => Ok(()),
            false => Err(self.unsupported(format!(
                "sampler whose offsets saturate at {}, but one at {}: change deformable.bound, or clip the offsets in \
                 the network",
                layer.bound, there.bound
            ))),
        }
    }
}

/// The offsets of the pixels of a layer that samples, less their zero point, in the network's `tensors`.
pub(crate) fn offsets<'a>(
    network: &'a QuantizedNetwork,
    tensors: &'a [Vec<i32>],
    layer: usize,
) -> impl Fn(usize) -> Vec<i64> + 'a {
    let id: TensorId = network.graph().layers()[layer].inputs[1];
    let zero_point = i64::from(network.quantization(id).zero_point);
    let (values, channels) = (&tensors[id.index()], network.graph().shape(id).channels);
    move |pixel| {
        let of_pixel = &values[pixel * channels..][..channels];
        of_pixel.iter().map(|&offset| i64::from(offset) - zero_point).collect()
    }
}
