//! Runs a compute command: walks output pixels, output blocks and taps, a step at a time.
//!
//! After its start it places the array's rows on the first output pixels, one a cycle. Then it issues steps
//! in the order `for pixel group, for tile of blocks, for tap row, for tap column, for channel block`. The
//! last step of a tile waits until the tile before has been drained far enough.
//!
//! A mode of the PEs may take several cycles a step. Then the operands stay, `phase_o` counts the cycles, and
//! the next step begins after the last of them.

use std::sync::Arc;

use bitmill_hdl::{HdlError, Module, ModuleBuilder, Register, Signal, bits_for, unsigned};

use super::gather::{self, COLUMN, COORDINATE, INDEX, Move, Position, row_bits};
use super::{by_mode, by_output, choose, residual};
use crate::command::fields;
use crate::{Accelerator, ComputeKind, WeightOrder};

/// Bits of the cycles a tile takes to drain.
pub(super) const DRAIN_BITS: u32 = 12;

/// Words of the command that the sequencer reads: all.
pub(super) const WORDS: [usize; 8] = [0, 1, 2, 3, 4, 5, 6, 7];

pub(super) fn module(accelerator: &Accelerator) -> Result<Arc<Module>, HdlError> {
    let name = &accelerator.configuration().name;
    let m = ModuleBuilder::new(
        format!("bitmill_{name}_sequencer"),
        "issues the steps of a compute command: pixels, blocks, taps and channels in order.",
    );
    m.group("Command, held until done");
    let start = m.input("start_i", unsigned(1));
    let done = m.input("done_i", unsigned(1));
    let words = super::command_inputs(&m, &WORDS);
    m.group("From the gatherer");
    let step_done = m.input("step_done_i", unsigned(1));
    let pauses = accelerator.residual().map(|_| {
        m.group("From the unit that joins results with a tensor");
        let active = m.input("residual_i", unsigned(1));
        (active, m.input_with_comment("pause_i", unsigned(1), "it reads lines of the tensor"))
    });

    let is_matrix = fields::KIND.of(&words).eq_value(ComputeKind::Matrix as i128).named("is_matrix");
    let fields_of_gather = gather::settings(accelerator);
    let settings: Vec<Signal> = fields_of_gather.iter().map(|field| field.of(&words)).collect();
    let running_q = m.register("running_q", unsigned(1));
    running_q.set_when(start.or(done), start);
    let walk = walk(&m, accelerator, &words, &settings, start);
    let counters = counters(&m, accelerator, &words, start, step_done, is_matrix);
    let has_modes = accelerator.pe().mode_bits() + accelerator.pe().phase_bits() > 0;
    let mode = has_modes.then(|| fields::MODE.of(&words));
    let phases = phases(&m, accelerator, mode, step_done, is_matrix, counters.last);

    m.comment("Steps go on from the last row's placement to the last step.");
    let stepping_q = m.register("stepping_q", unsigned(1));
    let ends = counters.ends_all.and(step_done).named("ends_all");
    stepping_q.set_when(walk.last.or(ends), walk.last);
    let wait_q = m.register("drain_wait_q", unsigned(DRAIN_BITS));
    let waits = wait_q.q().any().named("drain_waits");
    let tile_done = step_done.and(counters.last).named("tile_done");
    let one = m.lit(DRAIN_BITS, 1);
    let cycles = match pauses {
        None => counters.drain_cycles,
        Some((is_joined, _)) => {
            let settle = m.lit(DRAIN_BITS, residual::settle_cycles(accelerator).into()).gate(is_joined);
            counters.drain_cycles.add_wrapping(settle).named("wait_cycles")
        }
    };
    wait_q.set_when(tile_done.or(waits), tile_done.mux(cycles, wait_q.q()).sub_wrapping(one));
    let may_step = stepping_q.q().and(counters.last.and(waits).not());
    let may_step = pauses.map_or(may_step, |(_, pause)| may_step.and(pause.not()));
    let step = phases.repeats.map_or(may_step, |repeats| may_step.and(repeats.not())).named("step");

    for (index, field) in fields_of_gather.iter().enumerate() {
        if index == 0 {
            m.group("Settings of the command");
        }
        m.output(&format!("{}_o", field.name), settings[index]);
    }
    m.group("Positions at the start of a command");
    m.output("place_o", walk.place);
    m.output("place_row_o", walk.row);
    m.output("place_column_o", walk.position.column);
    m.output("place_y_o", walk.position.y);
    m.output("place_x_o", walk.position.x);
    m.output("place_index_o", walk.position.index);
    m.group("Step");
    m.output("step_o", step);
    m.output("jump_o", step_done.and(counters.jumps));
    m.output("remaining_o", counters.remaining);
    m.output("base_line_o", counters.base_line);
    m.output("tap_y_o", counters.tap.y);
    m.output("tap_x_o", counters.tap.x);
    m.output("tap_index_o", counters.tap.index);
    operand_controls(&m, accelerator, &words, step_done, &counters, &phases, mode);
    if pauses.is_some() {
        m.group("To the unit that joins results with a tensor");
        m.output("tile_done_o", phases.tile_done.unwrap_or(tile_done));
        m.output("tile_blocks_o", phases.of_step(&m, step_done, "blocks_of_tile", counters.tile_blocks));
        m.output("group_ends_o", phases.of_step(&m, step_done, "ends_group", counters.jumps));
    }
    m.group("To the drain");
    // The result is there one latency of gatherer and PE (or vector lane) after the step; the drain looks one cycle ahead.
    let [of_array, of_lanes] = [ComputeKind::Matrix, ComputeKind::Lanes]
        .map(|kind| gather::LATENCY_CYCLES + accelerator.result_latency_cycles(kind) - 2);
    let mut delayed = vec![phases.tile_done.unwrap_or(tile_done)];
    for cycle in 1..=of_array.max(of_lanes) {
        delayed.push(m.delay(&format!("tile_done_{cycle}_q"), delayed[delayed.len() - 1]));
    }
    let after = |cycles: u32| delayed[cycles as usize];
    let ready =
        if of_array == of_lanes { after(of_array) } else { is_matrix.mux(after(of_array), after(of_lanes)) };
    m.output_with_comment("tile_ready_o", ready, "one cycle before the tile's results may be taken");
    m.group("Status");
    m.output("running_o", running_q.q());
    m.finish()
}

struct WalkOutputs<'m> {
    place: Signal<'m>,
    row: Signal<'m>,
    position: Position<'m>,
    last: Signal<'m>,
}

/// Places the rows on the first output pixels, one row a cycle.
fn walk<'m>(
    m: &'m ModuleBuilder,
    accelerator: &Accelerator,
    words: &[Signal<'m>],
    settings: &[Signal<'m>],
    start: Signal<'m>,
) -> WalkOutputs<'m> {
    m.comment("Walk over the first output pixels, one row a cycle.");
    let rows = accelerator.rows();
    let placing_q = m.register("placing_q", unsigned(1));
    let row_q = m.register("place_row_q", unsigned(row_bits(rows))).without_reset();
    let last = placing_q.q().and(row_q.q().eq_value(i128::from(rows) - 1)).named("placed_last");
    placing_q.set_when(start.or(last), start);
    let first_row = m.lit(row_bits(rows), 0);
    row_q.set_when(start.or(placing_q.q()), start.mux(first_row, row_q.q().increment()));
    let register = |name: &str, shape| m.register(name, shape).without_reset();
    let column_q = register("walk_column_q", COLUMN);
    let [y_q, x_q] = [register("walk_y_q", COORDINATE), register("walk_x_q", COORDINATE)];
    let index_q = register("walk_index_q", INDEX);
    let position = Position { column: column_q.q(), y: y_q.q(), x: x_q.q(), index: index_q.q() };
    let stride = fields::STRIDE_X.of(words).to_signed();
    let move_by = Move {
        y: m.constant(COORDINATE, 0),
        x: stride.extend(COORDINATE.width),
        index: stride.extend(INDEX.width),
    };
    let next = position.advanced(m.lit(COLUMN.width, 1), move_by, settings, "walk");
    let moves = start.or(placing_q.q());
    column_q.set_when(moves, start.mux(m.lit(COLUMN.width, 0), next.column));
    y_q.set_when(moves, start.mux(fields::START_Y.of(words), next.y));
    x_q.set_when(moves, start.mux(fields::START_X.of(words), next.x));
    index_q.set_when(moves, start.mux(fields::START_INDEX.of(words), next.index));
    WalkOutputs { place: placing_q.q(), row: row_q.q(), position, last }
}

struct Counters<'m> {
    /// First step of a tile.
    first: Signal<'m>,
    /// Last step of a tile.
    last: Signal<'m>,
    /// Last step of the command.
    ends_all: Signal<'m>,
    /// Last step of a group of pixels.
    jumps: Signal<'m>,
    remaining: Signal<'m>,
    base_line: Signal<'m>,
    tap: Move<'m>,
    weight_line: Signal<'m>,
    /// Blocks of the present tile.
    tile_blocks: Signal<'m>,
    /// Cycles that it takes to drain.
    drain_cycles: Signal<'m>,
}

fn counters<'m>(
    m: &'m ModuleBuilder,
    accelerator: &Accelerator,
    words: &[Signal<'m>],
    start: Signal<'m>,
    step_done: Signal<'m>,
    is_matrix: Signal<'m>,
) -> Counters<'m> {
    m.comment("Channel blocks, then taps of a row, then tap rows: one tile.");
    let channel = Counter::new(m, "channel", start, step_done, fields::CHANNEL_BLOCKS.of(words));
    let tap_column = Counter::new(m, "tap_column", start, channel.ends, fields::KERNEL_WIDTH.of(words));
    let tap_row = Counter::new(m, "tap_row", start, tap_column.ends, fields::KERNEL_HEIGHT.of(words));
    let tile_ends = tap_row.ends;
    let last =
        m.any(&[channel.is_last.not(), tap_column.is_last.not(), tap_row.is_last.not()]).not().named("last");
    let first_q = m.register("first_q", unsigned(1)).reset_to(1);
    first_q.set_when(step_done, tile_ends);

    let line_shape = fields::INPUT_LINE.shape;
    let none = m.constant(line_shape, 0);
    let channel_line_q = m.register("channel_line_q", line_shape).without_reset();
    let further = channel_line_q.q().add_wrapping(fields::CHANNEL_STRIDE.of(words));
    channel_line_q.set_when(start.or(step_done), start.or(channel.ends).mux(none, further));
    let tap = taps(m, words, start, channel.ends, tap_column.ends, tile_ends);

    m.comment("Tiles of output blocks, then groups of pixels.");
    let blocks_shape = fields::OUTPUT_BLOCKS.shape;
    let blocks = by_output(accelerator, |word| accelerator.blocks_per_tile(word).into());
    let tile_blocks = choose(m, fields::OUTPUT_FORMAT.of(words), &blocks, blocks_shape.width);
    let tile_blocks = is_matrix.mux(tile_blocks, m.constant(blocks_shape, 1)).named("tile_blocks");
    let output_blocks = fields::OUTPUT_BLOCKS.of(words);
    let blocks_left_q = m.register("blocks_left_q", blocks_shape).without_reset();
    let last_tile = blocks_left_q.q().le(tile_blocks).named("last_tile");
    let group_ends = tile_ends.and(last_tile).named("group_ends");
    let fewer = blocks_left_q.q().sub_wrapping(tile_blocks);
    blocks_left_q.set_when(start.or(tile_ends), start.or(last_tile).mux(output_blocks, fewer));
    let group_line_q = m.register("group_line_q", line_shape).without_reset();
    let next_group = group_line_q.q().add_wrapping(fields::GROUP_STRIDE.of(words));
    group_line_q.set_when(start.or(tile_ends), start.or(last_tile).mux(none, next_group));
    let pixels_shape = fields::PIXELS.shape;
    let rows = m.constant(pixels_shape, accelerator.rows().into());
    let remaining_q = m.register("remaining_q", pixels_shape).without_reset();
    let fewer = remaining_q.q().sub_wrapping(rows);
    remaining_q.set_when(start.or(group_ends), start.mux(fields::PIXELS.of(words), fewer));
    let last_group = remaining_q.q().le(rows).named("last_group");

    let (blocks_of_tile, drain_cycles) =
        drain_cycles(m, accelerator, blocks_left_q.q(), tile_blocks, remaining_q.q());
    let base_line =
        fields::INPUT_LINE.of(words).add_wrapping(group_line_q.q()).add_wrapping(channel_line_q.q());
    Counters {
        first: first_q.q(),
        last,
        ends_all: last.and(last_tile).and(last_group),
        jumps: last.and(last_tile),
        remaining: remaining_q.q(),
        base_line,
        tap,
        weight_line: weight_line(m, words, start, step_done, tile_ends, group_ends),
        tile_blocks: blocks_of_tile,
        drain_cycles,
    }
}

/// The weight line of the step, see [`WeightOrder`].
fn weight_line<'m>(
    m: &'m ModuleBuilder,
    words: &[Signal<'m>],
    start: Signal<'m>,
    step_done: Signal<'m>,
    tile_ends: Signal<'m>,
    group_ends: Signal<'m>,
) -> Signal<'m> {
    m.comment("Weight lines: one, in turn, in turn for each tile, or strided.");
    let order = fields::WEIGHT_ORDER.of(words);
    let is = |other: WeightOrder| order.eq_value(other.code().into());
    let is_strided = order.eq_value(WeightOrder::STRIDED.into()).named("weights_are_strided");
    let line_q = m.register("weight_line_q", fields::WEIGHT_LINE.shape).without_reset();
    let first_line = fields::WEIGHT_LINE.of(words);
    let restarts =
        m.any(&[start, group_ends, tile_ends.and(is(WeightOrder::Repeated))]).named("weights_restart");
    let tile_line_q = m.register("tile_weight_line_q", line_q.q().shape()).without_reset();
    let next_tile = tile_line_q.q().increment().named("next_tile_weight_line");
    tile_line_q.set_when(start.or(tile_ends), restarts.mux(first_line, next_tile));
    let stride = words[fields::WEIGHT_STRIDE.word].slice(fields::WEIGHT_STRIDE.lsb, line_q.q().width());
    let one = m.lit(line_q.q().width(), 1);
    let step = is_strided.mux(stride, one.gate(is(WeightOrder::Fixed).not()));
    let next_line = is_strided.and(tile_ends).mux(next_tile, line_q.q().add_wrapping(step));
    line_q.set_when(start.or(step_done), restarts.mux(first_line, next_line));
    line_q.q()
}

/// The blocks of the tile, and the cycles that it takes to drain: those times its groups of rows that hold pixels.
fn drain_cycles<'m>(
    m: &'m ModuleBuilder,
    accelerator: &Accelerator,
    blocks_left: Signal<'m>,
    tile_blocks: Signal<'m>,
    remaining: Signal<'m>,
) -> (Signal<'m>, Signal<'m>) {
    m.comment("Cycles to drain the tile: its blocks times its groups of rows that hold pixels.");
    let drain_rows = accelerator.drain_rows();
    let all_groups = accelerator.rows() / drain_rows;
    let most_blocks = by_output(accelerator, |word| accelerator.blocks_per_tile(word).into());
    let block_bits = bits_for(most_blocks.into_iter().max().unwrap_or(1));
    let blocks = blocks_left.lt(tile_blocks).mux(blocks_left, tile_blocks).truncate(block_bits);
    let log2 = drain_rows.ilog2();
    let rounded = remaining.add(m.lit(remaining.width(), u64::from(drain_rows) - 1)).shr(log2);
    let all = m.lit(rounded.width(), all_groups.into());
    let groups = rounded.lt(all).mux(rounded, all).truncate(bits_for(all_groups.into()));
    (blocks, blocks.mul(groups).resize(DRAIN_BITS).named("drain_cycles"))
}

/// The tap's offset from the row's position.
fn taps<'m>(
    m: &'m ModuleBuilder,
    words: &[Signal<'m>],
    start: Signal<'m>,
    channel_ends: Signal<'m>,
    row_ends: Signal<'m>,
    tile_ends: Signal<'m>,
) -> Move<'m> {
    let [y_q, x_q] = ["tap_y_q", "tap_x_q"].map(|name| m.register(name, COORDINATE).without_reset());
    let index_q = m.register("tap_index_q", INDEX).without_reset();
    let [dilation_y, dilation_x] = [fields::TAP_Y, fields::TAP_X].map(|f| f.of(words).to_signed());
    let zero = m.constant(COORDINATE, 0);
    let resets = start.or(tile_ends).named("tap_resets");
    let right = x_q.q().add_wrapping(dilation_x.extend(COORDINATE.width));
    x_q.set_when(start.or(channel_ends), resets.or(row_ends).mux(zero, right));
    let down = y_q.q().add_wrapping(dilation_y.extend(COORDINATE.width));
    y_q.set_when(start.or(row_ends), resets.mux(zero, down));
    let step = row_ends.mux(fields::TAP_WRAP.of(words), dilation_x.extend(INDEX.width));
    let moved = index_q.q().add_wrapping(step);
    index_q.set_when(start.or(channel_ends), resets.mux(m.constant(INDEX, 0), moved));
    Move { y: y_q.q(), x: x_q.q(), index: index_q.q() }
}

/// The cycles of a step, where some mode takes more than one.
struct Phases<'m> {
    /// A step's operands are used, in this cycle for the first time or again; `None`: only once.
    repeats: Option<Signal<'m>>,
    /// The cycle of the step.
    number: Option<Signal<'m>>,
    /// The last cycle of a tile's last step.
    tile_done: Option<Signal<'m>>,
}

impl<'m> Phases<'m> {
    /// `signal` as it was when the step was done, in the first of its cycles.
    fn of_step(
        &self,
        m: &'m ModuleBuilder,
        step_done: Signal<'m>,
        name: &str,
        signal: Signal<'m>,
    ) -> Signal<'m> {
        if self.repeats.is_none() {
            return signal;
        }
        let kept_q = m.register(&format!("{name}_q"), signal.shape()).without_reset();
        kept_q.set_when(step_done, signal);
        step_done.mux(signal, kept_q.q())
    }
}

fn phases<'m>(
    m: &'m ModuleBuilder,
    accelerator: &Accelerator,
    mode: Option<Signal<'m>>,
    step_done: Signal<'m>,
    is_matrix: Signal<'m>,
    tile_ends: Signal<'m>,
) -> Phases<'m> {
    let bits = accelerator.pe().phase_bits();
    let Some(mode) = mode.filter(|_| bits > 0) else {
        return Phases { repeats: None, number: None, tile_done: None };
    };
    m.comment("Cycles of a step: the first is that in which the step is done, the others hold the operands.");
    let last_of_mode = by_mode(accelerator, |mode| u64::from(mode.interval_cycles) - 1);
    let last_phase = choose(m, mode, &last_of_mode, bits).gate(is_matrix).named("last_phase");
    let phase_q = m.register("phase_q", unsigned(bits));
    let phase = phase_q.q();
    let repeats = phase.any().named("repeats");
    let is_last = phase.eq(last_phase).named("phase_is_last");
    let works = step_done.or(repeats);
    phase_q.set_when(works, is_last.mux(m.lit(bits, 0), phase.increment()));
    let tile_ends_q = m.register("tile_ends_q", unsigned(1)).without_reset();
    tile_ends_q.set_when(step_done, tile_ends);
    let of_last_step = step_done.mux(tile_ends, tile_ends_q.q());
    let tile_done = m.any(&[works.not(), is_last.not(), of_last_step.not()]).not().named("phases_done");
    Phases { repeats: Some(repeats), number: Some(phase), tile_done: Some(tile_done) }
}

/// Valid, first and last beside the operands, and the weight line that arrives with them.
fn operand_controls<'m>(
    m: &'m ModuleBuilder,
    accelerator: &Accelerator,
    words: &[Signal<'m>],
    step_done: Signal<'m>,
    counters: &Counters<'m>,
    phases: &Phases<'m>,
    mode: Option<Signal<'m>>,
) {
    m.comment("Controls travel with the operands; weights are read a cycle before they are used.");
    let with_operands = |name: &str, signal| {
        m.delay_data(&format!("{name}_2_q"), m.delay_data(&format!("{name}_1_q"), signal))
    };
    let works = phases.repeats.map_or(step_done, |repeats| step_done.or(repeats));
    let valid = m.delay("valid_2_q", m.delay("valid_1_q", works));
    let begins = if phases.repeats.is_some() { counters.first.and(step_done) } else { counters.first };
    let first = with_operands("first", begins);
    let last = with_operands("last", phases.tile_done.unwrap_or(counters.last));
    let phase = phases.number.map(|number| with_operands("phase", number));
    let weight_read = m.delay("weight_read_q", step_done);
    let weight_line = m.delay_data("weight_line_1_q", counters.weight_line);
    let kind = words[0].slice(fields::KIND.lsb, fields::KIND.shape.width);
    let matrix = valid.and(kind.eq_value(ComputeKind::Matrix as i128));
    m.group("To the weights");
    m.output("weight_read_o", weight_read);
    m.output("weight_line_o", weight_line);
    m.group("To array and vector unit, beside the operands");
    m.output("array_valid_o", matrix);
    m.output("vector_valid_o", valid.and(kind.eq_value(ComputeKind::Matrix as i128).not()));
    m.output("maximum_o", kind.eq_value(ComputeKind::Maximum as i128));
    if accelerator.vector_lane().pairs() {
        m.output("pair_o", kind.eq_value(ComputeKind::Pair as i128));
    }
    m.output("first_o", first);
    m.output("last_o", last);
    let mode_bits = accelerator.pe().mode_bits();
    if let Some(mode) = mode.filter(|_| mode_bits > 0) {
        m.output("mode_o", mode.truncate(mode_bits));
    }
    if let Some(phase) = phase {
        m.output("phase_o", phase);
    }
}

/// Counts events from 0 to `count - 1` and starts over.
struct Counter<'m> {
    is_last: Signal<'m>,
    /// The event that ends a round.
    ends: Signal<'m>,
}

impl<'m> Counter<'m> {
    fn new(
        m: &'m ModuleBuilder,
        name: &str,
        start: Signal<'m>,
        event: Signal<'m>,
        count: Signal<'m>,
    ) -> Self {
        let counter: Register = m.register(&format!("{name}_q"), count.shape()).without_reset();
        let next = counter.q().increment().named(&format!("{name}_next"));
        let is_last = next.eq(count).named(&format!("{name}_is_last"));
        let zero = m.constant(count.shape(), 0);
        counter.set_when(start.or(event), start.or(is_last).mux(zero, next));
        Counter { is_last, ends: event.and(is_last).named(&format!("{name}_ends")) }
    }
}
