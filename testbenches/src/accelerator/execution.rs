//! What an accelerator did: its events, its memory afterwards, and when each byte was written.

use bitmill_accelerator::{Event, Queue};

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

/// A finished run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Execution {
    /// Events in the order in which they happened; within a cycle, starts before ends, queue by queue.
    pub events: Vec<TimedEvent>,
    /// Cycle of the run's done event; `None` when it did not end in time.
    pub cycles: Option<u64>,
    /// Memory afterwards.
    pub memory: Vec<u8>,
    /// Cycle and byte address of every beat that was written.
    pub writes: Vec<(u64, u32)>,
}

/// The events that are looked at, in the order in which they are recorded within a cycle.
pub(super) fn watched() -> impl Iterator<Item = (Event, Queue)> {
    [Event::Start, Event::Done]
        .into_iter()
        .flat_map(|event| Queue::ALL.into_iter().map(move |queue| (event, queue)))
}
