//! Joins results with a tensor before they are written: a residual addition within the command that makes its sums.
//!
//! A residual command says what to join with; the next command of array or vector unit does it. When the last step of a
//! tile is done, the sequencer pauses for a line of the tensor for each block of the tile: the scratchpad has one read
//! port. The lines stay until the tile has been drained; a chunk's words meet those of the tensor when they have been
//! requantized, and go through a pair unit and a second requantizer.

use std::sync::Arc;

use bitmill_formats::requantize::MULTIPLIER_BITS;
use bitmill_hdl::unit::Unit;
use bitmill_hdl::{HdlError, Module, ModuleBuilder, Shape, Signal, bits_for, signed, unsigned};
use bitmill_units::common::pair::{self, Pair};
use bitmill_units::common::requantizer::{BIAS_BITS, ROUNDING_BITS, Requantizer};

use super::drain::block_bits;
use super::groups::block_stride;
use super::later;
use super::pairing::{self, port_shape};
use super::postprocessor::{choose, rows_of};
use super::scratchpad::group_bits;
use crate::command::{Field, fields};
use crate::{Accelerator, ComputeKind};

/// Words of the command that it reads.
pub(super) const WORDS: [usize; 6] = [
    fields::SUM_IS_SECOND.word,
    fields::LOW.word,
    fields::ROUNDING.word,
    fields::MULTIPLIER.word,
    fields::PAIR_FACTOR.word,
    fields::SECOND_ZERO_POINT.word,
];

/// Cycles of a residual command, from its start event to its done event.
pub const RESIDUAL_CYCLES: u64 = 1;

/// The units that join, where there are any.
pub(super) fn units(accelerator: &Accelerator) -> Option<(&Pair, &Requantizer)> {
    accelerator.pair().zip(accelerator.residual())
}

/// Cycles that joined words are written later than others.
pub(super) fn join_cycles(accelerator: &Accelerator) -> u32 {
    units(accelerator).map_or(0, |(_, requantizer)| pair::LATENCY_CYCLES + requantizer.latency_cycles())
}

/// Cycles that the last step of a tile waits beyond the drain of the tile before: lines of the tensor must not be
/// replaced before the last chunk has been taken.
pub(super) fn settle_cycles(accelerator: &Accelerator) -> u32 {
    let [array, lanes] =
        [ComputeKind::Matrix, ComputeKind::Lanes].map(|kind| accelerator.result_latency_cycles(kind));
    array.max(lanes)
}

/// Bits that count the blocks of a tile.
pub(super) fn count_bits(accelerator: &Accelerator) -> u32 {
    let blocks = super::by_output(accelerator, |word| accelerator.blocks_per_tile(word).into());
    bits_for(blocks.into_iter().max().unwrap_or(1))
}

pub(super) fn module(
    accelerator: &Accelerator,
    pair: &Pair,
    requantizer: &Requantizer,
) -> Result<Arc<Module>, HdlError> {
    let name = &accelerator.configuration().name;
    let (rows, drain_rows) = (accelerator.rows(), accelerator.drain_rows());
    let m = ModuleBuilder::new(
        format!("bitmill_{name}_residual"),
        format!(
            "joins the results of {drain_rows} rows with those of another tensor before they are written."
        ),
    );
    m.group("Command; what it sets is kept for the next one");
    let start = m.input("start_i", unsigned(1));
    let words = super::command_inputs(&m, &WORDS);
    let settings = Settings::new(&m, accelerator, pair, requantizer, &words, start);
    m.group("From sequencer and drain");
    let tile = Tile {
        done: m.input_with_comment("tile_done_i", unsigned(1), "last cycle of a tile's last step"),
        blocks: m.input("tile_blocks_i", unsigned(count_bits(accelerator))),
        ends_group: m.input_with_comment("group_ends_i", unsigned(1), "the tile is its pixels' last"),
    };
    let array_done = m.input("array_done_i", unsigned(1));
    let run_start =
        m.input_with_comment("run_start_i", unsigned(1), "what an earlier run has left is forgotten");
    let active_q = m.register("active_q", unsigned(1));
    let active = active_q.q();
    active_q.set_when(m.any(&[start, array_done, run_start]), start);
    let reads = Reads::new(&m, accelerator, &words, start, active, tile);

    let kept = kept_words(&m, accelerator, &reads);
    m.group("Chunk that is selected");
    let block = m.input("block_i", unsigned(block_bits(accelerator)));
    let group = m.input("group_i", unsigned(group_bits(accelerator)));
    if rows == drain_rows {
        m.ignore(group);
    }
    if kept.len() == 1 {
        m.ignore(block);
    }
    m.group("Requantized words, one for each row of the group");
    let sums: Vec<Signal> = (0..drain_rows)
        .map(|row| m.input(&format!("sum_{row}_i"), unsigned(accelerator.word_bits())))
        .collect();
    let mut joined = Vec::new();
    for (row, sum) in (0..drain_rows).zip(sums) {
        m.comment(&format!(
            "Row {row} of the group: the tensor's word waits for the sums to be requantized."
        ));
        let of_row = |row: usize| choose(block, kept.iter().map(|block| block[row]).collect());
        let word = choose(group, rows_of(accelerator, row).into_iter().map(of_row).collect());
        let other = later(&m, &format!("other_{row}"), word, accelerator.requantization_cycles(), false);
        let word = settings.join(&m, (pair, requantizer), row, sum, other)?;
        joined.push(active.mux(word.extend(accelerator.word_bits()), sum));
    }
    m.group("Words to be written");
    for (row, word) in joined.into_iter().enumerate() {
        m.output(&format!("joined_{row}_o"), word);
    }
    m.group("To the activations: read");
    m.output_with_comment("read_o", reads.active, "the sequencer pauses");
    m.output("line_o", reads.line);
    m.group("Status");
    m.output_with_comment("active_o", active, "the results of the present command are joined");
    let done = m.delay("done_q", start);
    m.output("running_o", done);
    m.output("done_o", done);
    m.finish()
}

/// What a residual command sets, kept until the command that it is for is done.
struct Settings<'m> {
    sum_is_second: Signal<'m>,
    pair: Vec<(&'static str, Signal<'m>)>,
    requantizer: Vec<(&'static str, Signal<'m>)>,
}

impl<'m> Settings<'m> {
    fn new(
        m: &'m ModuleBuilder,
        accelerator: &Accelerator,
        pair: &Pair,
        requantizer: &Requantizer,
        words: &[Signal<'m>],
        start: Signal<'m>,
    ) -> Settings<'m> {
        m.comment("Settings.");
        let bits = pair.activation_bits();
        let keep = |field: &Field, shape: Shape| {
            let value = words[field.word].slice(field.lsb, shape.width);
            let value = if shape.signed { value.as_signed() } else { value };
            let kept_q = m.register(&format!("{}_q", field.name), shape).without_reset();
            kept_q.set_when(start, value);
            kept_q.q()
        };
        let mut of_pair: Vec<(&str, Signal)> = pairing::SETTINGS
            .into_iter()
            .zip(pairing::PORTS)
            .map(|(field, port)| (port, keep(field, port_shape(pair, field))))
            .collect();
        let mut of_requantizer: Vec<(&str, Signal)> =
            [(&fields::ZERO_POINT, "zero_point_i"), (&fields::LOW, "low_i"), (&fields::HIGH, "high_i")]
                .map(|(field, port)| (port, keep(field, signed(bits))))
                .to_vec();
        of_requantizer.push(("bias_i", m.constant(signed(BIAS_BITS), 0)));
        of_requantizer.push(("multiplier_i", keep(&fields::MULTIPLIER, unsigned(MULTIPLIER_BITS))));
        let shift = keep(&fields::MULTIPLIER_SHIFT, fields::MULTIPLIER_SHIFT.shape);
        of_requantizer.push(("shift_i", shift.extend(requantizer.shift_bits())));
        if accelerator.requantizer().has_choice() {
            let rounding = keep(&fields::ROUNDING, unsigned(ROUNDING_BITS));
            for (has_choice, settings) in
                [(pair.has_choice(), &mut of_pair), (requantizer.has_choice(), &mut of_requantizer)]
            {
                settings.extend(has_choice.then_some(("rounding_i", rounding)));
            }
        }
        let sum_is_second = keep(&fields::SUM_IS_SECOND, fields::SUM_IS_SECOND.shape);
        Settings { sum_is_second, pair: of_pair, requantizer: of_requantizer }
    }

    /// The word of `sum` joined with `other`, lane by lane.
    fn join(
        &self,
        m: &'m ModuleBuilder,
        (pair, requantizer): (&Pair, &Requantizer),
        row: u32,
        sum: Signal<'m>,
        other: Signal<'m>,
    ) -> Result<Signal<'m>, HdlError> {
        let bits = pair.activation_bits();
        let mut lanes = Vec::new();
        for lane in 0..other.width() / bits {
            let [sum, other] = [sum, other].map(|word| word.slice(lane * bits, bits).as_signed());
            let mut inputs = vec![
                ("first_i", self.sum_is_second.mux(other, sum)),
                ("second_i", self.sum_is_second.mux(sum, other)),
            ];
            inputs.extend(&self.pair);
            let result =
                m.instance(&format!("i_pair_{row}_{lane}"), &pair.module()?, &inputs).output("result_o");
            let mut inputs = vec![("accumulator_i", result.extend(requantizer.accumulator_bits()))];
            inputs.extend(&self.requantizer);
            let name = format!("i_requantizer_{row}_{lane}");
            let scaled = m.instance(&name, &requantizer.module()?, &inputs).output("activation_o");
            lanes.push(scaled.as_unsigned());
        }
        lanes.reverse();
        Ok(m.concat(&lanes))
    }
}

/// A tile that the sequencer is done with.
#[derive(Clone, Copy)]
struct Tile<'m> {
    done: Signal<'m>,
    blocks: Signal<'m>,
    ends_group: Signal<'m>,
}

/// Reads of the tensor's lines, one for each block of a tile.
struct Reads<'m> {
    active: Signal<'m>,
    line: Signal<'m>,
    /// The block of the tile whose line is read, where there are several.
    block: Option<Signal<'m>>,
}

impl<'m> Reads<'m> {
    fn new(
        m: &'m ModuleBuilder,
        accelerator: &Accelerator,
        words: &[Signal<'m>],
        start: Signal<'m>,
        active: Signal<'m>,
        tile: Tile<'m>,
    ) -> Reads<'m> {
        m.comment("A line for each block of the tile, when its last step is done.");
        let begins = tile.done.and(active).named("reads_begin");
        let count = tile.blocks.width();
        let left_q = m.register("left_q", unsigned(count));
        let reads = left_q.q().any().named("reads");
        let fewer = left_q.q().sub_wrapping(m.lit(count, 1));
        left_q.set_when(begins.or(reads), begins.mux(tile.blocks, fewer));
        let blocks = accelerator.vector_word().map_or(1, |word| accelerator.blocks_per_tile(word));
        let block = (blocks > 1).then(|| {
            let block_q = m.register("block_q", unsigned(block_bits(accelerator))).without_reset();
            let first_block = m.lit(block_q.q().width(), 0);
            block_q.set_when(begins.or(reads), begins.mux(first_block, block_q.q().increment()));
            block_q.q()
        });
        let ends_group_q = m.register("ends_group_q", unsigned(1)).without_reset();
        ends_group_q.set_when(begins, tile.ends_group);

        m.comment("A block further is as many lines further as the tensor has groups of pixels.");
        let to_next_group = reads.and(left_q.q().eq_value(1)).and(ends_group_q.q()).named("to_next_group");
        let shape = fields::INPUT_LINE.shape;
        let of_command = fields::INPUT_LINE.of(words);
        let first_q = m.register("first_line_q", shape).without_reset();
        let next_first = first_q.q().increment().named("next_first_line");
        first_q.set_when(start.or(to_next_group), start.mux(of_command, next_first));
        let line_q = m.register("line_q", shape).without_reset();
        let next_block = line_q.q().add_wrapping(block_stride(m, accelerator, words));
        let next = to_next_group.mux(next_first, next_block);
        line_q.set_when(start.or(reads), start.mux(of_command, next));
        Reads { active: reads, line: line_q.q(), block }
    }
}

/// The lines that were read, by block of the tile and row: words of the vector unit's format.
fn kept_words<'m>(
    m: &'m ModuleBuilder,
    accelerator: &Accelerator,
    reads: &Reads<'m>,
) -> Vec<Vec<Signal<'m>>> {
    let Some(layout) = accelerator.vector_word() else { return Vec::new() };
    m.comment("Lines arrive a cycle after their reads.");
    let arrives = m.delay("line_arrives_q", reads.active);
    let block = reads.block.map(|block| m.delay_data("arriving_block_q", block));
    m.group("Line of activations that was read, a word for each row");
    let line: Vec<Signal> = (0..accelerator.rows())
        .map(|row| m.input(&format!("line_word_{row}_i"), unsigned(accelerator.word_bits())))
        .collect();
    let bits = layout.bits() * layout.channels;
    let keep = |number: u32| {
        let is_here = block.map_or(arrives, |block| arrives.and(block.eq_value(number.into())));
        let kept = |(row, word): (usize, &Signal<'m>)| {
            let word_q = m.register(&format!("word_{number}_{row}_q"), unsigned(bits)).without_reset();
            word_q.set_when(is_here, word.truncate(bits));
            word_q.q()
        };
        line.iter().enumerate().map(kept).collect()
    };
    (0..accelerator.blocks_per_tile(layout)).map(keep).collect()
}
