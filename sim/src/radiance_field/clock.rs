//! When the engine does what: three stages with queues between, and the array behind.
//!
//! One stage finds cubes and projects them, one ahead of the next; one intersects rays, a candidate pixel a cycle; one takes
//! samples, behind a short queue of intervals. Full batches go to the array, and where there is no room the stage of
//! samples waits. Before and after come what the units ask for a pixel: a cycle to clear it, and the time of
//! an addition to finish it.

use std::collections::VecDeque;

use bitmill_model::radiance_field::{Field, Step};
use bitmill_units::engine::radiance_field::{pixel_sums, projection, weight};

use super::{Engine, storage};

/// Intervals between the stages that intersect and that take samples.
const INTERVALS: usize = 4;
/// Batches that there is room for.
const BATCHES: usize = 2;

/// Cycles from a cube to its pixels.
pub(super) fn projection_cycles(is_divided: bool) -> u64 {
    let cycles = if is_divided { projection::EDGES_CYCLES } else { projection::WHOLE_CYCLES };
    cycles.into()
}

/// The stages of an engine at work.
#[derive(Debug, Clone)]
pub(super) struct Clock {
    density_cycles: u64,
    appearance_cycles: u64,
    batch_cycles: u64,
    /// When the cube in front was taken to be intersected, and when the projection after it may begin.
    taken: u64,
    projected: u64,
    /// When the last candidate was intersected.
    intersected: u64,
    /// When the last sample was taken.
    sampled: u64,
    /// When intervals left the queue.
    left: VecDeque<u64>,
    /// When batches were done.
    done: Vec<u64>,
}

impl Clock {
    /// An engine that begins a frame of so many pixels and rows of cubes, whose batches take `batch_cycles` each.
    pub fn new(engine: &Engine, field: &Field, pixels: u64, rows: u64, batch_cycles: u64) -> Self {
        let start = pixels + rows;
        let words = |components| storage::words_of_mode(field, components);
        // A plane's word and its line's go through the interpolator one after the other.
        let factor_cycles = |components| 2 * engine.rounds(words(components));
        Self {
            density_cycles: factor_cycles(field.density.components).max(weight::LATENCY_CYCLES.into()),
            appearance_cycles: factor_cycles(field.appearance.components),
            batch_cycles,
            taken: start,
            projected: start,
            intersected: start,
            sampled: start,
            left: VecDeque::with_capacity(INTERVALS),
            done: Vec::new(),
        }
    }

    /// Goes on by a step.
    pub fn step(&mut self, step: Step) {
        match step {
            // They are counted with their candidate.
            Step::Density { .. } | Step::Appearance { .. } => {}
            Step::Cube { is_divided } => {
                self.projected = self.projected.max(self.taken) + projection_cycles(is_divided);
                self.taken = self.projected.max(self.intersected);
                self.intersected = self.taken;
            }
            Step::Candidate { samples, densities, weighing } => {
                self.intersected += 1;
                if samples > 0 {
                    self.interval([samples - densities, densities, weighing].map(u64::from));
                }
            }
            Step::Batch => {
                let room = self.done.len().checked_sub(BATCHES).map_or(0, |earlier| self.done[earlier]);
                self.sampled = self.sampled.max(room);
                let free = self.done.last().copied().unwrap_or(0);
                self.done.push(self.sampled.max(free) + self.batch_cycles);
            }
        }
    }

    fn interval(&mut self, [empty, densities, weighing]: [u64; 3]) {
        if self.left.len() == INTERVALS {
            let room = self.left.pop_front().unwrap_or(0);
            self.intersected = self.intersected.max(room);
        }
        let begin = self.sampled.max(self.intersected);
        self.left.push_back(begin);
        self.sampled = begin + empty + densities * self.density_cycles + weighing * self.appearance_cycles;
    }

    /// Batches so far.
    pub fn batches(&self) -> usize {
        self.done.len()
    }

    /// When all is done, with so many pixels to finish.
    pub fn end(&self, pixels: u64) -> u64 {
        let last = self.intersected.max(self.sampled).max(self.done.last().copied().unwrap_or(0));
        last + pixels * u64::from(pixel_sums::LATENCY_CYCLES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock(batch_cycles: u64) -> Clock {
        Clock {
            density_cycles: 4,
            appearance_cycles: 6,
            batch_cycles,
            taken: 0,
            projected: 0,
            intersected: 0,
            sampled: 0,
            left: VecDeque::new(),
            done: Vec::new(),
        }
    }

    fn end(batch_cycles: u64, steps: &[Step]) -> u64 {
        let mut clock = clock(batch_cycles);
        steps.iter().for_each(|step| clock.step(*step));
        clock.end(0)
    }

    const CUBE: Step = Step::Cube { is_divided: true };
    const EMPTY: Step = Step::Candidate { samples: 0, densities: 0, weighing: 0 };
    const BUSY: Step = Step::Candidate { samples: 10, densities: 10, weighing: 10 };

    #[test]
    fn the_slowest_stage_sets_the_pace() {
        // Projections follow each other where cubes have few candidates, and hide behind many.
        assert_eq!(end(0, &[CUBE, EMPTY, CUBE, EMPTY]), 93);
        assert_eq!(end(0, &[&[CUBE][..], &[EMPTY; 50], &[CUBE, EMPTY]].concat()), 97);
        // Samples: 100 cycles an interval, from the 47th cycle on.
        assert_eq!(end(0, &[&[CUBE][..], &[BUSY; 5]].concat()), 547);
        // Intersecting waits for room in the queue: the candidate behind the ninth interval comes after the fourth left it.
        let mut waiting = clock(0);
        [&[CUBE][..], &[BUSY; 9]].concat().into_iter().for_each(|step| waiting.step(step));
        assert_eq!(waiting.intersected, 447);
    }

    #[test]
    fn a_slow_array_holds_the_engine_up_after_two_batches() {
        let batches = |count| [&[CUBE][..], &[BUSY, Step::Batch].repeat(count)].concat();
        assert_eq!(end(1000, &batches(1)), 1147);
        assert_eq!(end(1000, &batches(4)), 4147);
        assert_eq!(end(10, &batches(4)), 457);
    }
}
