//! Cycles of a layer in which no operands were used, by cause: each is charged as the circuit spends it.

use crate::LayerReport;

/// Why no operands were used in a cycle.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Stall {
    /// Rows that read the same bank of activations.
    Conflicts,
    /// Units at work on whole rows, between reading and writing.
    Rows,
    /// Points of a deformable convolution that read the same bank.
    Samples,
    /// The tensor being read that results are joined with.
    Residual,
    /// The tile before was still leaving the array.
    Drain,
    /// Rows finding their first pixels; offsets being read.
    Setup,
    /// The last results on their way to the scratchpad.
    Finish,
    /// No compute command ran: loads, stores and commands were not there yet.
    Waiting,
}

impl Stall {
    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Stall::Conflicts => "conflicts",
            Stall::Rows => "rows",
            Stall::Samples => "samples",
            Stall::Residual => "residual",
            Stall::Drain => "drain",
            Stall::Setup => "setup",
            Stall::Finish => "finish",
            Stall::Waiting => "waiting",
        }
    }
}

impl LayerReport {
    /// Cycles in which no compute command ran.
    pub fn waiting_cycles(&self) -> u64 {
        self.cycles.saturating_sub(self.compute.duration_cycles())
    }

    /// Cycles in which no operands were used.
    pub fn stalled_cycles(&self) -> u64 {
        self.stalls().iter().map(|(_, cycles)| cycles).sum()
    }

    /// What most of them were lost to; `None` where none were.
    pub fn main_stall(&self) -> Option<Stall> {
        let longest = self.stalls().into_iter().max_by_key(|(_, cycles)| *cycles);
        longest.filter(|(_, cycles)| *cycles > 0).map(|(stall, _)| stall)
    }

    /// Cycles by cause; with the steps they make up the layer's cycles.
    pub fn stalls(&self) -> [(Stall, u64); 8] {
        let compute = &self.compute;
        [
            (Stall::Conflicts, compute.conflict_cycles),
            (Stall::Rows, compute.row_cycles),
            (Stall::Samples, compute.sample_cycles),
            (Stall::Residual, compute.residual_cycles),
            (Stall::Drain, compute.drain_cycles),
            (Stall::Setup, compute.setup_cycles),
            (Stall::Finish, compute.finish_cycles),
            (Stall::Waiting, self.waiting_cycles()),
        ]
    }
}
