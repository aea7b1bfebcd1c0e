//! The fetch unit: asks for commands ahead of their use and hands them over in order.

use bitmill_accelerator::timing::{AHEAD_COMMANDS, CHECK_CYCLES};

pub(super) struct Fetch {
    commands: usize,
    /// For each command that was asked for, the cycle of its last beat.
    arrivals: Vec<u64>,
    /// For each command that has left the buffer, the cycle in which it was read out.
    reads: Vec<u64>,
    /// Commands handed over, and the cycle of the last hand-over.
    handed_over: usize,
    last_hand_over: u64,
}

impl Fetch {
    pub fn new(commands: usize) -> Fetch {
        Fetch { commands, arrivals: Vec::new(), reads: Vec::new(), handed_over: 0, last_hand_over: 0 }
    }

    /// The cycle since which the next command is asked for, once there is room for it.
    pub fn request_at(&self) -> Option<u64> {
        let next = self.arrivals.len();
        if next == self.commands {
            return None;
        }
        match next.checked_sub(AHEAD_COMMANDS as usize) {
            None => Some(1),
            Some(leaver) => self.reads.get(leaver).map(|read| read + 1),
        }
    }

    /// The command that was asked for arrives with its last beat in cycle `last`.
    pub fn granted(&mut self, last: u64) {
        self.arrivals.push(last);
        self.read_next();
    }

    /// The next command to hand over and the cycle from which it can be.
    pub fn ready(&self) -> Option<(usize, u64)> {
        let read = self.reads.get(self.handed_over)?;
        Some((self.handed_over, read + CHECK_CYCLES))
    }

    pub fn hand_over(&mut self, now: u64) {
        self.handed_over += 1;
        self.last_hand_over = now;
        self.read_next();
    }

    /// From this cycle on, the run ends as soon as the queues are empty.
    pub fn finished_at(&self) -> Option<u64> {
        (self.handed_over == self.commands).then_some(self.last_hand_over + 1)
    }

    /// Reads out the next command when the one before has been handed over and it has arrived.
    fn read_next(&mut self) {
        if self.reads.len() == self.handed_over
            && let Some(arrival) = self.arrivals.get(self.reads.len())
        {
            self.reads.push((arrival + 1).max(self.last_hand_over));
        }
    }
}
