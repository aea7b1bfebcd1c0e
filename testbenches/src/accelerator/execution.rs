//! What an accelerator did: its events, its answers to the host, and its memory afterwards.

use bitmill_accelerator::{Counters, Event, Fault, Queue, Register, registers};

/// An event of a queue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TimedEvent {
    /// Cycle, counted from the cycle in which the run was started.
    pub cycle: u64,
    /// The queue.
    pub queue: Queue,
    /// Start or end of the command at its head.
    pub event: Event,
}

/// What the accelerator answered to a read or a write of the host.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Answer {
    /// Byte address of the register.
    pub offset: u32,
    /// What was read; 0 for a write.
    pub value: u32,
    /// It was answered with an error.
    pub error: bool,
}

/// A finished simulation. Where the host started several runs, events and writes are those of the last.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Execution {
    /// Events in the order in which they happened; within a cycle, starts before ends, queue by queue.
    pub events: Vec<TimedEvent>,
    /// Cycle of the run's done event; `None` when it did not end with its last command.
    pub cycles: Option<u64>,
    /// Memory afterwards.
    pub memory: Vec<u8>,
    /// Cycle and byte address of every beat that was written.
    pub writes: Vec<(u64, u32)>,
    /// Answers to the host, in the order of its steps.
    pub answers: Vec<Answer>,
    /// The host has come to the end of its steps.
    pub finished: bool,
}

impl Execution {
    /// What the host read last from `register`.
    pub fn last(&self, register: &Register) -> Option<u32> {
        let mut answers = self.answers.iter().rev();
        // A write's answer carries no value.
        answers.find(|a| a.offset == register.offset && !a.error).map(|a| a.value)
    }

    /// The fault that the host read last and the number of its command.
    pub fn fault(&self) -> Option<(Fault, u32)> {
        let code = self.last(&registers::ERROR)?;
        Some((Fault::from_code(code)?, self.last(&registers::ERROR_COMMAND)?))
    }

    /// The performance counters that the host read last.
    pub fn counters(&self) -> Option<Vec<u32>> {
        Counters::REGISTERS.iter().map(|register| self.last(register)).collect()
    }
}

/// The events that are looked at, in the order in which they are recorded within a cycle.
pub(super) fn watched() -> impl Iterator<Item = (Event, Queue)> {
    [Event::Start, Event::Done]
        .into_iter()
        .flat_map(|event| Queue::ALL.into_iter().map(move |queue| (event, queue)))
}
