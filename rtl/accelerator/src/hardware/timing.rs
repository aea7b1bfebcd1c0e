//! How long commands take, as the circuits beside this file do it. The simulator adds nothing of its own.

use super::drain::{pair_write_delay_cycles, write_delay_cycles};
use crate::Accelerator;
use crate::command::{COMMAND_BYTES, Compute, ComputeKind};

pub use super::bursts::{PAGE_BYTES, burst_beats};
pub use super::fetch::{AHEAD_COMMANDS, CHECK_CYCLES};
/// Commands a queue holds, the running one included.
pub use super::queue::DEPTH as QUEUE_DEPTH;
/// Bits of a token counter.
pub use super::tokens::COUNTER_BITS as TOKEN_BITS;

/// Where the cycles of a compute command go; they add up to its duration.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ComputeTiming {
    /// Placing the rows on the first pixels.
    pub setup_cycles: u64,
    /// Steps: cycles in which complete operands are used, several a step where the mode takes several.
    pub step_cycles: u64,
    /// Rows waited for a bank that another row was reading.
    pub conflict_cycles: u64,
    /// The last step of a tile waited for the tile before to be drained.
    pub drain_cycles: u64,
    /// The last results on their way through PE, postprocessor and scratchpad.
    pub finish_cycles: u64,
}

impl ComputeTiming {
    /// Cycles from the start event to the done event.
    pub fn duration_cycles(&self) -> u64 {
        self.setup_cycles + self.step_cycles + self.conflict_cycles + self.drain_cycles + self.finish_cycles
    }
}

/// Timing of a compute command.
pub fn compute(accelerator: &Accelerator, command: &Compute) -> ComputeTiming {
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
    for group in 0..pixels.div_ceil(rows) {
        let rounds = Rounds::of(accelerator, command, group);
        let drained_groups = (pixels - group * rows).min(rows).div_ceil(drain_rows);
        for tile in 0..blocks.div_ceil(tile_blocks) {
            let before_last = rounds.all * channels - rounds.last + (taps * channels - 1) * held;
            let last_begins = (next_step + before_last).max(may_end);
            timing.step_cycles += taps * channels * (1 + held);
            timing.conflict_cycles += rounds.all * channels - taps * channels;
            timing.drain_cycles += last_begins - (next_step + before_last);
            let ends = last_begins + rounds.last - 1;
            drain = drained_groups * (blocks - tile * tile_blocks).min(tile_blocks);
            may_end = ends + drain;
            next_step = ends + 1 + held;
        }
    }
    let pe_latency = u64::from(accelerator.pe_timing().latency_cycles);
    let write_delay = match command.kind {
        ComputeKind::Pair => pair_write_delay_cycles(accelerator),
        _ => write_delay_cycles(accelerator),
    };
    timing.finish_cycles = pe_latency + drain + u64::from(write_delay);
    timing
}

/// Cycles that the steps of one pixel group take, because rows that meet in a bank take turns.
struct Rounds {
    /// Over all taps, for one channel block.
    all: u64,
    /// Of the last tap.
    last: u64,
}

impl Rounds {
    fn of(accelerator: &Accelerator, command: &Compute, group: u64) -> Rounds {
        let rows = accelerator.rows();
        let walk = &command.walk;
        let first = group as i64 * i64::from(rows);
        let present = (i64::from(command.pixels) - first).min(rows.into());
        let (columns, width) = (i64::from(walk.output_width), i64::from(command.input_width));
        let (mut all, mut last) = (0, 0);
        let banks = i64::from(accelerator.banks());
        let mut readers = vec![0u64; banks as usize];
        for tap_row in 0..i64::from(command.kernel_height) {
            for tap_column in 0..i64::from(command.kernel_width) {
                readers.fill(0);
                for pixel in first..first + present {
                    let (out_y, out_x) = (pixel / columns, pixel % columns);
                    let y = i64::from(walk.start_y)
                        + out_y * i64::from(walk.wrap_y)
                        + tap_row * i64::from(walk.tap_y);
                    let x = i64::from(walk.start_x)
                        + out_x * i64::from(walk.stride_x)
                        + tap_column * i64::from(walk.tap_x);
                    if (0..i64::from(command.input_height)).contains(&y) && (0..width).contains(&x) {
                        // The first line may lie in any part of the banks: the others follow it in turn.
                        readers[((y * width + x) % banks) as usize] += 1;
                    }
                }
                last = readers.iter().copied().max().unwrap_or(0).max(1);
                all += last;
            }
        }
        Rounds { all, last }
    }
}

/// Beats of a command's fetch.
pub fn fetch_beats(accelerator: &Accelerator) -> u64 {
    COMMAND_BYTES / u64::from(accelerator.beat_bytes())
}
