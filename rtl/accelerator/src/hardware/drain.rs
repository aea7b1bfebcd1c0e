//! Takes finished tiles apart: block by block and rows group by group, with the scale and the address of each.
//!
//! A tile's results stay where they are while the next tile is summed; the sequencer leaves enough time
//! between two tiles. Tiles come in the order in which the sequencer makes them, so the drain counts for
//! itself where they belong.

use std::sync::Arc;

use bitmill_hdl::{HdlError, Module, ModuleBuilder, Signal, bits_for, unsigned};
use bitmill_units::common::pair;

use super::groups::block_stride;
use super::scratchpad::group_bits;
use super::{by_output, choose, later, residual};
use crate::command::fields;
use crate::{Accelerator, ComputeKind, Field};

/// Cycles from a chunk's choice to its write: one to select it, and those that its sums take to become words.
pub(super) fn write_delay_cycles(accelerator: &Accelerator) -> u32 {
    1 + accelerator.requantization_cycles()
}

/// The same for a pair, which goes through the pair unit first.
pub(super) fn pair_write_delay_cycles(accelerator: &Accelerator) -> u32 {
    write_delay_cycles(accelerator) + pair::LATENCY_CYCLES
}

/// Words of the command that the drain reads.
pub(super) fn words(accelerator: &Accelerator) -> Vec<usize> {
    let slices = accelerator.sampler().map(|_| fields::OUTPUT_STRIDE.word);
    let all = [fields::KIND.word, fields::PIXELS.word, fields::OUTPUT_LINE.word];
    all.into_iter().chain(slices).collect()
}

/// Bits that number the blocks of a tile.
pub(super) fn block_bits(accelerator: &Accelerator) -> u32 {
    let blocks = by_output(accelerator, |word| accelerator.blocks_per_tile(word).into());
    bits_for(blocks.into_iter().max().unwrap_or(1) - 1)
}

pub(super) fn module(accelerator: &Accelerator) -> Result<Arc<Module>, HdlError> {
    let name = &accelerator.configuration().name;
    let m = ModuleBuilder::new(
        format!("bitmill_{name}_drain"),
        "takes finished tiles apart and says where each chunk goes and by what it is scaled.",
    );
    m.group("Command, held until done");
    let start = m.input("start_i", unsigned(1));
    let words = super::command_inputs(&m, &words(accelerator));
    m.group("From the sequencer");
    let tile_ready = m.input("tile_ready_i", unsigned(1));
    let is_joined = accelerator.residual().map(|_| {
        m.input_with_comment(
            "residual_i",
            unsigned(1),
            "results are joined with a tensor before they are written",
        )
    });

    let chunk = chunks(&m, accelerator, &words, start, tile_ready);
    let chunk = if accelerator.pair().is_some() { chunk.after_pairing(&m, &words) } else { chunk };
    m.group("To the parameters");
    m.output("parameter_read_o", chunk.active);
    m.output("parameter_line_o", chunk.parameter_line);
    m.group("To the postprocessor: the chunk to select, a cycle later");
    m.output("is_matrix_o", chunk.is_matrix);
    m.output("block_o", m.delay_data("block_select_q", chunk.block));
    m.output("group_o", m.delay_data("group_select_q", chunk.group));

    m.comment("The write follows when the chunk has been requantized.");
    let cycles = write_delay_cycles(accelerator);
    let written = |name, signal, reset| {
        let requantized = later(&m, name, signal, cycles, reset);
        let Some(is_joined) = is_joined else { return requantized };
        let more = residual::join_cycles(accelerator);
        // What the command before has written must not come out once more.
        let joined = if reset { requantized.gate(is_joined) } else { requantized };
        is_joined.mux(later(&m, &format!("residual_{name}"), joined, more, reset), requantized)
    };
    let write = written("write", chunk.rows_written, true);
    let line = written("line", chunk.output_line, false);
    let group = written("group", chunk.group, false);
    let last = written("final", chunk.is_final, true);
    m.group("To the activations");
    m.output("write_o", write);
    m.output("write_group_o", group);
    m.output("write_line_o", line);
    m.group("Status");
    m.output_with_comment("done_o", m.delay("done_q", last), "one cycle, after the last write");
    m.finish()
}

impl<'m> Chunk<'m> {
    /// The chunk when its pairs have been joined, if the command makes pairs. It tells the pair unit which
    /// chunk to take before.
    fn after_pairing(self, m: &'m ModuleBuilder, words: &[Signal<'m>]) -> Chunk<'m> {
        let kind = words[fields::KIND.word].slice(fields::KIND.lsb, fields::KIND.shape.width);
        let is_pair = kind.eq_value(ComputeKind::Pair as i128).named("is_pair");
        m.group("To the pair units: the chunk to select, a cycle later");
        m.output("is_pair_o", is_pair);
        m.output("pair_group_o", m.delay_data("pair_group_select_q", self.group));
        m.comment("Everything else about a chunk of pairs follows when they have been joined.");
        let joined = |name: &str, signal: Signal<'m>, reset: bool| {
            let later = later(m, &format!("joined_{name}"), signal, pair::LATENCY_CYCLES, reset);
            is_pair.mux(later, signal)
        };
        Chunk {
            active: joined("active", self.active, true),
            group: joined("group", self.group, false),
            parameter_line: joined("parameter_line", self.parameter_line, false),
            output_line: joined("output_line", self.output_line, false),
            rows_written: joined("rows", self.rows_written, true),
            is_final: joined("final", self.is_final, true),
            ..self
        }
    }
}

struct Chunk<'m> {
    active: Signal<'m>,
    is_matrix: Signal<'m>,
    block: Signal<'m>,
    group: Signal<'m>,
    parameter_line: Signal<'m>,
    output_line: Signal<'m>,
    /// A bit for each row of the group: it holds a pixel.
    rows_written: Signal<'m>,
    /// Last chunk of the command.
    is_final: Signal<'m>,
}

fn chunks<'m>(
    m: &'m ModuleBuilder,
    accelerator: &Accelerator,
    words: &[Signal<'m>],
    start: Signal<'m>,
    tile_ready: Signal<'m>,
) -> Chunk<'m> {
    let (rows, drain_rows) = (accelerator.rows(), accelerator.drain_rows());
    let groups = rows / drain_rows;
    let is_matrix = fields::KIND.of(words).eq_value(ComputeKind::Matrix as i128).named("is_matrix");
    let active_q = m.register("active_q", unsigned(1));
    let active = active_q.q();

    m.comment("Groups of rows, as far as they hold pixels.");
    let pixels_shape = fields::PIXELS.shape;
    let remaining_q = m.register("remaining_q", pixels_shape).without_reset();
    let group_q = m.register("group_q", unsigned(group_bits(accelerator))).without_reset();
    let here_q = m.register("group_remaining_q", pixels_shape).without_reset();
    let step = m.constant(pixels_shape, drain_rows.into());
    let group_is_last = group_q.q().eq_value(i128::from(groups) - 1).or(here_q.q().le(step));
    let block_ends = active.and(group_is_last).named("block_ends");

    m.comment("Blocks of the tile, and of the pixel group.");
    let blocks_shape = fields::OUTPUT_BLOCKS.shape;
    let blocks_left_q = m.register("blocks_left_q", blocks_shape).without_reset();
    let block_q = m.register("block_q", unsigned(block_bits(accelerator))).without_reset();
    let last_of_pixels = blocks_left_q.q().eq_value(1).named("last_of_pixels");
    let last_blocks = by_output(accelerator, |word| u64::from(accelerator.blocks_per_tile(word)) - 1);
    let output_format = fields::OUTPUT_FORMAT.of(words);
    let full_tile = block_q.q().eq(choose(m, output_format, &last_blocks, block_q.q().width()));
    let last_of_tile = m.any(&[is_matrix.not(), full_tile, last_of_pixels]).named("last_of_tile");
    let tile_ends = block_ends.and(last_of_tile).named("tile_ends");
    let pixels_end = block_ends.and(last_of_pixels).named("pixels_end");
    active_q.set_when(tile_ready.or(tile_ends), tile_ready);

    let [no_group, no_block] = [m.lit(group_q.q().width(), 0), m.lit(block_q.q().width(), 0)];
    let restart = start.or(block_ends).named("group_restart");
    group_q.set_when(start.or(active), restart.mux(no_group, group_q.q().increment()));
    block_q.set_when(start.or(block_ends), start.or(last_of_tile).mux(no_block, block_q.q().increment()));
    let one_less = blocks_left_q.q().sub_wrapping(m.constant(blocks_shape, 1));
    let all_blocks = fields::OUTPUT_BLOCKS.of(words);
    blocks_left_q.set_when(start.or(block_ends), start.or(last_of_pixels).mux(all_blocks, one_less));

    let all_rows = m.constant(pixels_shape, rows.into());
    let remaining_d = remaining_q.q().sub_wrapping(all_rows).named("remaining_next");
    let pixels = fields::PIXELS.of(words);
    remaining_q.set_when(start.or(pixels_end), start.mux(pixels, remaining_d));
    let again = pixels_end.mux(remaining_d, remaining_q.q());
    let onwards = block_ends.mux(again, here_q.q().sub_wrapping(step));
    here_q.set_when(start.or(active), start.mux(pixels, onwards));

    let stride = output_stride(m, accelerator, words);
    let lines = lines(m, words, start, block_ends, pixels_end, last_of_pixels, stride);
    let written: Vec<Signal> = (0..drain_rows)
        .rev()
        .map(|row| here_q.q().gt(m.constant(pixels_shape, row.into())).and(active))
        .collect();
    let is_final = pixels_end.and(remaining_q.q().le(all_rows)).named("is_final");
    Chunk {
        active,
        is_matrix,
        block: block_q.q(),
        group: group_q.q(),
        parameter_line: lines.0,
        output_line: lines.1,
        rows_written: m.concat(&written),
        is_final,
    }
}

/// Lines from one output block to the next: those of the command's pixels, or of all pixels where they are a slice.
fn output_stride<'m>(m: &'m ModuleBuilder, accelerator: &Accelerator, words: &[Signal<'m>]) -> Signal<'m> {
    let own = block_stride(m, accelerator, words);
    if accelerator.sampler().is_none() {
        return own;
    }
    let get = |field: &Field| words[field.word].slice(field.lsb, field.shape.width);
    let has_one_row = get(&fields::KERNEL_HEIGHT).eq_value(1);
    let is_slice = get(&fields::TAP_Y).any().or(has_one_row).not().named("is_slice");
    is_slice.mux(get(&fields::OUTPUT_STRIDE), own)
}

/// Parameter line and output line of the chunk: a block further is a parameter line further and as many
/// output lines as the output has pixel groups.
fn lines<'m>(
    m: &'m ModuleBuilder,
    words: &[Signal<'m>],
    start: Signal<'m>,
    block_ends: Signal<'m>,
    pixels_end: Signal<'m>,
    last_of_pixels: Signal<'m>,
    block_stride: Signal<'m>,
) -> (Signal<'m>, Signal<'m>) {
    m.comment("Lines of the chunk's parameters and of its output.");
    let line_shape = fields::OUTPUT_LINE.shape;
    let parameter_q = m.register("parameter_line_q", fields::PARAMETER_LINE.shape).without_reset();
    let first_parameter = fields::PARAMETER_LINE.of(words);
    let restart = start.or(last_of_pixels);
    parameter_q.set_when(start.or(block_ends), restart.mux(first_parameter, parameter_q.q().increment()));
    let first_q = m.register("first_output_line_q", line_shape).without_reset();
    let output_line = fields::OUTPUT_LINE.of(words);
    let next_first = first_q.q().increment().named("next_first_output_line");
    first_q.set_when(start.or(pixels_end), start.mux(output_line, next_first));
    let output_q = m.register("output_line_q", line_shape).without_reset();
    let next_block = output_q.q().add_wrapping(block_stride);
    let next = last_of_pixels.mux(next_first, next_block);
    output_q.set_when(start.or(block_ends), start.mux(output_line, next));
    (parameter_q.q(), output_q.q())
}
