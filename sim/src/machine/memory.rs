//! The memory and the ports to it. This is the model that the test benches implement cycle by cycle:
//!
//! * Addresses are taken at once. Reads are answered in the order in which they were taken.
//! * The first beat of a read comes `latency` cycles after its address was taken, and no earlier than
//!   `interval` cycles after the last beat of the burst before; then a beat comes every `interval` cycles.
//! * A beat to write is taken when `interval` cycles have passed since the beat before. A write is answered
//!   `latency` cycles after its last beat.
//! * Reads and writes do not hinder each other.
//!
//! The accelerator's ports take a burst over (the grant) one cycle before its address, or its first beat to
//! write, is on the bus; each has at most `outstanding` bursts under way, counted from the grant to the last beat or the
//! answer.

use std::collections::VecDeque;

use bitmill_accelerator::Accelerator;

/// One direction: the bursts under way and the pace of the beats.
struct Port {
    outstanding: usize,
    /// For each burst under way, the cycle of its last beat or of its answer.
    ends: VecDeque<u64>,
    /// Cycle of the last beat that is planned.
    last_beat: Option<u64>,
    beats: u64,
}

pub(super) struct Memory {
    latency: u64,
    interval: u64,
    reads: Port,
    writes: Port,
}

impl Port {
    fn new(outstanding: u32) -> Port {
        Port { outstanding: outstanding as usize, ends: VecDeque::new(), last_beat: None, beats: 0 }
    }

    /// First cycle from `now` on in which a burst can be taken over.
    fn free_from(&self, now: u64) -> u64 {
        let under_way = self.ends.iter().filter(|end| **end >= now).count();
        let leaves = (under_way + 1).checked_sub(self.outstanding).filter(|&n| n > 0);
        leaves.map_or(now, |n| self.ends[self.ends.len() - under_way + n - 1] + 1)
    }

    /// Plans `beats` from `earliest` on; returns the cycle of the last.
    fn plan(&mut self, now: u64, earliest: u64, beats: u64, interval: u64) -> u64 {
        while self.ends.front().is_some_and(|end| *end < now) {
            self.ends.pop_front();
        }
        let first = self.last_beat.map_or(earliest, |last| earliest.max(last + interval));
        let last = first + (beats - 1) * interval;
        self.last_beat = Some(last);
        self.beats += beats;
        last
    }
}

impl Memory {
    pub fn new(accelerator: &Accelerator) -> Memory {
        let memory = &accelerator.configuration().memory;
        Memory {
            latency: memory.latency_cycles.into(),
            interval: memory.beat_interval_cycles.into(),
            reads: Port::new(memory.outstanding_reads),
            writes: Port::new(memory.outstanding_writes),
        }
    }

    /// First cycle from `now` on in which a read can be granted.
    pub fn read_from(&self, now: u64) -> u64 {
        self.reads.free_from(now)
    }

    /// First cycle from `now` on in which a write can be granted.
    pub fn write_from(&self, now: u64) -> u64 {
        self.writes.free_from(now)
    }

    /// Grants a read in cycle `now`; returns the cycle of its last beat.
    pub fn read(&mut self, now: u64, beats: u64) -> u64 {
        let last = self.reads.plan(now, now + 1 + self.latency, beats, self.interval);
        self.reads.ends.push_back(last);
        last
    }

    /// Grants a write in cycle `now`; returns the cycles of its last beat and of its answer.
    pub fn write(&mut self, now: u64, beats: u64) -> (u64, u64) {
        let last = self.writes.plan(now, now + 1, beats, self.interval);
        let answer = last + self.latency;
        self.writes.ends.push_back(answer);
        (last, answer)
    }

    /// Beats that were read and written.
    pub fn beats(&self) -> (u64, u64) {
        (self.reads.beats, self.writes.beats)
    }
}
