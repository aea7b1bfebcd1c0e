//! How long commands take, as the circuits beside this file do it. The simulator adds nothing of its own.

use std::collections::HashMap;

use bitmill_formats::Requantization;

use super::drain::{pair_write_delay_cycles, write_delay_cycles};
use super::residual;
use crate::Accelerator;
use crate::command::{COMMAND_BYTES, Compute, ComputeKind, Rows, Tokens, Walk};

pub use super::bursts::{PAGE_BYTES, burst_beats};
pub use super::fetch::{AHEAD_COMMANDS, CHECK_CYCLES};
/// Commands a queue holds, the running one included.
pub use super::queue::DEPTH as QUEUE_DEPTH;
pub use super::residual::RESIDUAL_CYCLES;
pub use super::sampler::timing::{SampleTiming, sample};
/// Bits of a token counter.
pub use super::tokens::COUNTER_BITS as TOKEN_BITS;

/// Where the cycles of a compute command go; they add up to its duration.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ComputeTiming {
    /// Placing the rows on the first pixels; reading offsets.
    pub setup_cycles: u64,
    /// Steps: cycles in which complete operands are used, several a step where the mode takes several; words of rows
    /// that are read.
    pub step_cycles: u64,
    /// Rows waited for a bank that another row was reading.
    pub conflict_cycles: u64,
    /// The last step of a tile waited for the tile before to be drained.
    pub drain_cycles: u64,
    /// Lines of the tensor were read with which results are joined.
    pub residual_cycles: u64,
    /// Points of a deformable convolution waited for a bank that others were reading.
    pub sample_cycles: u64,
    /// Row units worked on whole rows: sums, divisions, and results one after the other.
    pub row_cycles: u64,
    /// The last results on their way through PE, postprocessor and scratchpad.
    pub finish_cycles: u64,
}

impl ComputeTiming {
    /// Cycles from the start event to the done event.
    pub fn duration_cycles(&self) -> u64 {
        let waits = self.setup_cycles + self.conflict_cycles + self.drain_cycles + self.finish_cycles;
        self.step_cycles + self.row_cycles + self.residual_cycles + self.sample_cycles + waits
    }
}

/// What the time of a compute command depends on: commands that are equal so take as long. Where its operands and
/// results lie, how results round and when it starts make no difference.
pub fn shape(command: &Compute) -> Compute {
    Compute {
        tokens: Tokens::default(),
        pad_value: 0,
        rounding: Requantization::default(),
        zero_point: 0,
        low: 0,
        high: 0,
        input_line: 0,
        weight_line: 0,
        parameter_line: 0,
        output_line: 0,
        output_stride: None,
        ..*command
    }
}

/// Timing of a compute command, whose results are joined with a tensor where a residual command stands before it.
pub fn compute(accelerator: &Accelerator, command: &Compute, is_joined: bool) -> ComputeTiming {
    let (rows, drain_rows) = (u64::from(accelerator.rows()), u64::from(accelerator.drain_rows()));
    let tile_blocks = match command.kind {
        ComputeKind::Matrix => {
            u64::from(accelerator.blocks_per_tile(&accelerator.words()[command.output_format as usize]))
        }
        ComputeKind::Lanes | ComputeKind::Maximum | ComputeKind::Pair => 1,
    };
    // Cycles for which the operands of a step stay, beyond the one in which they are complete.
    let held = match command.kind {
        ComputeKind::Matrix => u64::from(accelerator.interval_cycles(command.mode)) - 1,
        ComputeKind::Lanes | ComputeKind::Maximum | ComputeKind::Pair => 0,
    };
    let blocks = u64::from(command.output_blocks);
    let pixels = u64::from(command.pixels);
    let channels = u64::from(command.channel_blocks);
    let taps = u64::from(command.kernel_width) * u64::from(command.kernel_height);
    // The start event is cycle 0; the rows are placed in cycles 1 to `rows`.
    let mut timing = ComputeTiming { setup_cycles: rows + 1, ..ComputeTiming::default() };
    let mut next_step = rows + 1;
    let mut may_end = 0;
    let mut drain = 0;
    // Cycles behind a tile in which no step begins, and after its drain in which the next one must not end.
    let mut pause = 0;
    let settle = if is_joined { u64::from(residual::settle_cycles(accelerator)) } else { 0 };
    let mut positions = Position::first_group(accelerator.rows(), &command.walk);
    // Groups lie in few ways, and most are alike.
    let mut known: HashMap<Vec<Bearing>, Rounds> = HashMap::new();
    let mut bearings = Vec::new();
    for group in 0..pixels.div_ceil(rows) {
        let present = (pixels - group * rows).min(rows);
        let present_rows = &positions[..present as usize];
        bearings.clear();
        bearings.extend(Bearing::of_rows(accelerator, command, present_rows));
        let rounds = *match known.get(&bearings[..]) {
            Some(rounds) => rounds,
            None => known
                .entry(bearings.clone())
                .or_insert_with(|| Rounds::of(accelerator, command, present_rows)),
        };
        positions.iter_mut().for_each(|row| *row = row.in_next_group(&command.walk));
        let drained_groups = present.div_ceil(drain_rows);
        for tile in 0..blocks.div_ceil(tile_blocks) {
            timing.residual_cycles += pause;
            next_step += pause;
            let before_last = rounds.all * channels - rounds.last + (taps * channels - 1) * held;
            let last_begins = (next_step + before_last).max(may_end);
            timing.step_cycles += taps * channels * (1 + held);
            timing.conflict_cycles += rounds.all * channels - taps * channels;
            timing.drain_cycles += last_begins - (next_step + before_last);
            let ends = last_begins + rounds.last - 1;
            let blocks_here = (blocks - tile * tile_blocks).min(tile_blocks);
            drain = drained_groups * blocks_here;
            may_end = ends + drain + settle;
            pause = if is_joined { blocks_here } else { 0 };
            next_step = ends + 1 + held;
        }
    }
    let latency = u64::from(accelerator.result_latency_cycles(command.kind));
    let write_delay = match command.kind {
        ComputeKind::Pair => pair_write_delay_cycles(accelerator),
        _ => write_delay_cycles(accelerator),
    };
    let join = if is_joined { residual::join_cycles(accelerator) } else { 0 };
    timing.finish_cycles = latency + drain + u64::from(write_delay + join);
    timing
}

/// Timing of a command for the row units.
pub fn rows(accelerator: &Accelerator, command: &Rows) -> ComputeTiming {
    super::rows::duration(accelerator, command)
}

/// The input position of a row's output pixel at tap 0, which moves as the gatherer moves it.
#[derive(Clone, Copy)]
struct Position {
    column: u32,
    y: i16,
    x: i16,
    index: i32,
}

impl Position {
    /// The position `columns` output pixels further, and as much in the input as (y, x, index) says.
    fn advanced(self, walk: &Walk, columns: u32, (y, x, index): (u32, u32, i32)) -> Position {
        let column = self.column + columns;
        let wraps = column >= walk.output_width;
        let if_wrapping = |amount: u32| if wraps { amount } else { 0 };
        Position {
            column: column - if_wrapping(walk.output_width),
            y: self.y.wrapping_add(y as i16).wrapping_add(if_wrapping(walk.wrap_y) as i16),
            x: self.x.wrapping_add(x as i16).wrapping_sub(if_wrapping(walk.wrap_x) as i16),
            index: self.index + index + if wraps { walk.wrap_index } else { 0 },
        }
    }

    /// The positions of the first pixel group, row by row.
    fn first_group(rows: u32, walk: &Walk) -> Vec<Position> {
        let start =
            Position { column: 0, y: walk.start_y as i16, x: walk.start_x as i16, index: walk.start_index };
        let next = |here: &Position| Some(here.advanced(walk, 1, (0, walk.stride_x, walk.stride_x as i32)));
        std::iter::successors(Some(start), next).take(rows as usize).collect()
    }

    fn in_next_group(self, walk: &Walk) -> Position {
        self.advanced(walk, walk.jump_column, (walk.jump_y, walk.jump_x, walk.jump_index))
    }
}

/// All about a row's position that decides whom it meets in a bank, at whatever tap: groups whose rows have the same
/// take the same rounds.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Bearing {
    /// From the first row on, around all banks.
    index: i32,
    /// Where an edge is within reach of a tap; anywhere else between positions that hold pixels.
    y: i32,
    x: i32,
}

impl Bearing {
    fn of_rows(
        accelerator: &Accelerator,
        command: &Compute,
        rows: &[Position],
    ) -> impl Iterator<Item = Bearing> {
        let (walk, first) = (&command.walk, rows[0].index);
        let spacing = 1 << command.input_dilation_log2;
        let around = accelerator.banks() as i32 * spacing;
        let axis = move |at: i16, taps: u32, tap: u32, size: u32| {
            let farthest = i32::from(at) + ((taps - 1) * tap) as i32;
            let is_inner = at >= 0 && farthest < size as i32;
            // Positions are shorter: nothing else is so far.
            if is_inner { i32::MIN + (i32::from(at) & (spacing - 1)) } else { i32::from(at) }
        };
        rows.iter().map(move |row| Bearing {
            index: (row.index - first).rem_euclid(around),
            y: axis(row.y, command.kernel_height, walk.tap_y, command.input_height),
            x: axis(row.x, command.kernel_width, walk.tap_x, command.input_width),
        })
    }
}

/// Cycles that the steps of one pixel group take, because rows that meet in a bank take turns.
#[derive(Clone, Copy)]
struct Rounds {
    /// Over all taps, for one channel block.
    all: u64,
    /// Of the last tap.
    last: u64,
}

impl Rounds {
    /// Of the rows that hold output pixels, at these positions.
    fn of(accelerator: &Accelerator, command: &Compute, rows: &[Position]) -> Rounds {
        let walk = &command.walk;
        let (mut all, mut last) = (0, 0);
        let banks = accelerator.banks() as i32;
        // Mostly a power of two, for which no division is needed.
        let bank = |index: i32| match banks & (banks - 1) {
            0 => index & (banks - 1),
            _ => index.rem_euclid(banks),
        };
        let mut readers = vec![0u64; banks as usize];
        let mut tap_index = 0;
        let between = (1 << command.input_dilation_log2) - 1;
        for tap_row in 0..command.kernel_height {
            for tap_column in 0..command.kernel_width {
                readers.fill(0);
                for row in rows {
                    let y = i32::from(row.y) + (tap_row * walk.tap_y) as i32;
                    let x = i32::from(row.x) + (tap_column * walk.tap_x) as i32;
                    let within = |at: i32, size: u32| (0..size as i32).contains(&at);
                    let is_inside = within(y, command.input_height) && within(x, command.input_width);
                    if is_inside && (y | x) & between == 0 {
                        // The first line may lie in any part of the banks: the others follow it in turn.
                        readers[bank((row.index + tap_index) >> command.input_dilation_log2) as usize] += 1;
                    }
                }
                last = readers.iter().copied().max().unwrap_or(0).max(1);
                all += last;
                let is_last = tap_column + 1 == command.kernel_width;
                tap_index += if is_last { walk.tap_wrap } else { walk.tap_x as i32 };
            }
        }
        Rounds { all, last }
    }
}

/// Beats of a command's fetch.
pub fn fetch_beats(accelerator: &Accelerator) -> u64 {
    COMMAND_BYTES / u64::from(accelerator.beat_bytes())
}
