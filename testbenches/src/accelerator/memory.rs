//! The memory model: one burst at a time, fixed latency, a beat every so many cycles.
//!
//! A read that is requested in cycle t delivers its first beat in cycle t + latency. A write takes its first
//! beat in cycle t + 1 at the earliest and is confirmed `latency` cycles after its last beat. `memory.cpp`,
//! beside this file, does the same under Verilator.

use bitmill_accelerator::MemoryPort;

/// What the memory drives in a cycle.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Answers {
    pub request_ready: bool,
    /// Byte address of the beat that is delivered.
    pub read: Option<usize>,
    pub write_ready: bool,
    pub write_done: bool,
}

/// What the accelerator asks in a cycle.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Request {
    pub valid: bool,
    pub write: bool,
    pub address: usize,
    pub beats: u64,
}

enum State {
    Idle,
    Read { address: usize, beats_left: u64, next_at: u64 },
    Write { address: usize, beats_left: u64, ready_at: u64 },
    Confirm { at: u64 },
}

pub(super) struct Memory {
    port: MemoryPort,
    state: State,
}

impl Memory {
    pub fn new(port: MemoryPort) -> Memory {
        Memory { port, state: State::Idle }
    }

    fn beat_bytes(&self) -> usize {
        self.port.width_bits as usize / 8
    }

    pub fn answers(&self, cycle: u64) -> Answers {
        match self.state {
            State::Idle => Answers { request_ready: true, ..Answers::default() },
            State::Read { address, next_at, .. } => {
                Answers { read: Some(address).filter(|_| cycle == next_at), ..Answers::default() }
            }
            State::Write { ready_at, .. } => Answers { write_ready: cycle >= ready_at, ..Answers::default() },
            State::Confirm { at } => Answers { write_done: cycle == at, ..Answers::default() },
        }
    }

    /// Moves on after `cycle`. Returns the byte address at which the accelerator's beat is written, if one is.
    pub fn advance(&mut self, cycle: u64, request: Request, write_valid: bool) -> Option<usize> {
        let (latency, interval) =
            (u64::from(self.port.latency_cycles), u64::from(self.port.beat_interval_cycles));
        let step = self.beat_bytes();
        let mut written = None;
        self.state = match self.state {
            State::Idle if request.valid && request.write => {
                State::Write { address: request.address, beats_left: request.beats, ready_at: cycle + 1 }
            }
            State::Idle if request.valid => {
                State::Read { address: request.address, beats_left: request.beats, next_at: cycle + latency }
            }
            State::Read { beats_left: 1, next_at, .. } if cycle == next_at => State::Idle,
            State::Read { address, beats_left, next_at } if cycle == next_at => {
                State::Read { address: address + step, beats_left: beats_left - 1, next_at: cycle + interval }
            }
            State::Write { address, beats_left, ready_at } if write_valid && cycle >= ready_at => {
                written = Some(address);
                if beats_left == 1 {
                    State::Confirm { at: cycle + latency }
                } else {
                    State::Write {
                        address: address + step,
                        beats_left: beats_left - 1,
                        ready_at: cycle + interval,
                    }
                }
            }
            State::Confirm { at } if cycle == at => State::Idle,
            State::Idle => State::Idle,
            State::Read { address, beats_left, next_at } => State::Read { address, beats_left, next_at },
            State::Write { address, beats_left, ready_at } => State::Write { address, beats_left, ready_at },
            State::Confirm { at } => State::Confirm { at },
        };
        written
    }
}
