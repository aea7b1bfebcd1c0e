//! The memory port and the memory behind it: one burst at a time.
//!
//! A read's first beat comes `latency` cycles after its request, then one every `beat_interval` cycles. A
//! write's beats go out at the same pace, the first a cycle after the request; the memory confirms it
//! `latency` cycles after its last beat. The memory of the Verilator testbench does the same.

use bitmill_accelerator::{Accelerator, timing};

/// Clients in the order of their priority.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Client {
    Fetch,
    Load,
    Store,
}

impl Client {
    pub const ALL: [Client; 3] = [Client::Fetch, Client::Load, Client::Store];
}

pub(super) struct MemoryPort {
    latency: u64,
    beat_interval: u64,
    free_from: u64,
    busy_cycles: u64,
}

impl MemoryPort {
    pub fn new(accelerator: &Accelerator) -> MemoryPort {
        let memory = &accelerator.configuration().memory;
        MemoryPort {
            latency: memory.latency_cycles.into(),
            beat_interval: memory.beat_interval_cycles.into(),
            free_from: 0,
            busy_cycles: 0,
        }
    }

    /// First cycle in which a request can be granted.
    pub fn free_from(&self) -> u64 {
        self.free_from
    }

    pub fn busy_cycles(&self) -> u64 {
        self.busy_cycles
    }

    /// Grants a read of `beats` in cycle `now`; returns the cycle of its last beat.
    pub fn read(&mut self, now: u64, beats: u64) -> u64 {
        let last = now + self.latency + (beats - 1) * self.beat_interval;
        self.occupy(now, last)
    }

    /// Grants a write of `beats` in cycle `now`; returns the cycle of the memory's confirmation.
    pub fn write(&mut self, accelerator: &Accelerator, now: u64, sent: u64, beats: u64) -> u64 {
        let last = timing::store_burst(accelerator, now, sent, beats, self.beat_interval);
        self.occupy(now, last + self.latency)
    }

    fn occupy(&mut self, from: u64, last: u64) -> u64 {
        self.free_from = last + 1;
        self.busy_cycles += last - from;
        last
    }
}
