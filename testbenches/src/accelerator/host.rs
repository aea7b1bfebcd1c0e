//! The host at the AXI4-Lite port: takes the steps of a script, one after the other.

use super::execution::Answer;
use super::random::{Random, agrees};
use super::{Conditions, Step};

/// A channel on which the host sends once.
#[derive(Clone, Copy, Default)]
struct Sending {
    wanted: bool,
    valid: bool,
}

impl Sending {
    fn begin(&mut self, random: &mut Option<Random>) {
        let agrees = agrees(random);
        self.valid |= self.wanted && agrees;
    }

    fn end(&mut self, ready: bool) {
        if self.valid && ready {
            *self = Sending::default();
        }
    }
}

/// What the host drives in a cycle.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct HostDrives {
    pub awvalid: bool,
    pub wvalid: bool,
    pub arvalid: bool,
    pub bready: bool,
    pub rready: bool,
    pub address: u32,
    pub data: u32,
}

/// What the accelerator drives in a cycle.
#[derive(Clone, Copy, Debug)]
pub(super) struct HostSees {
    pub awready: bool,
    pub wready: bool,
    pub arready: bool,
    /// BRESP of an answer.
    pub write: Option<u64>,
    /// RDATA and RRESP of an answer.
    pub read: Option<(u32, u64)>,
    pub interrupt: bool,
}

pub(super) struct Host {
    script: Vec<Step>,
    at: usize,
    random: Option<Random>,
    address: Sending,
    data: Sending,
    read: Sending,
    /// The present step has begun.
    begun: bool,
    cycles_left: u64,
    drives: HostDrives,
}

impl Host {
    pub fn new(script: &[Step], conditions: Conditions) -> Host {
        Host {
            script: script.to_vec(),
            at: 0,
            random: conditions.seed.map(|seed| Random::new(!seed)),
            address: Sending::default(),
            data: Sending::default(),
            read: Sending::default(),
            begun: false,
            cycles_left: 0,
            drives: HostDrives::default(),
        }
    }

    pub fn finished(&self) -> bool {
        self.at == self.script.len()
    }

    /// Whether reset is pulled in this cycle.
    pub fn resets(&self) -> bool {
        self.script.get(self.at) == Some(&Step::Reset)
    }

    /// Decides what is driven in this cycle.
    pub fn begin(&mut self) -> HostDrives {
        let step = self.script.get(self.at).copied();
        if !std::mem::replace(&mut self.begun, true) {
            match step {
                Some(Step::Write { .. }) => (self.address.wanted, self.data.wanted) = (true, true),
                Some(Step::Read { .. }) => self.read.wanted = true,
                Some(Step::Cycles(cycles)) => self.cycles_left = cycles,
                _ => {}
            }
        }
        for sending in [&mut self.address, &mut self.data, &mut self.read] {
            sending.begin(&mut self.random);
        }
        let (address, data) = match step {
            Some(Step::Write { offset, value }) => (offset, value),
            Some(Step::Read { offset }) => (offset, 0),
            _ => (0, 0),
        };
        self.drives = HostDrives {
            awvalid: self.address.valid,
            wvalid: self.data.valid,
            arvalid: self.read.valid,
            bready: agrees(&mut self.random),
            rready: agrees(&mut self.random),
            address,
            data,
        };
        self.drives
    }

    /// Takes what is driven in this cycle; returns the answer that came.
    pub fn end(&mut self, sees: HostSees) -> Option<Answer> {
        self.address.end(sees.awready);
        self.data.end(sees.wready);
        self.read.end(sees.arready);
        let step = self.script.get(self.at)?;
        let answer = |offset: u32, value: u32, response: u64| Answer { offset, value, error: response != 0 };
        let (ended, answer) = match *step {
            Step::Write { offset, .. } => {
                let came = sees.write.filter(|_| self.drives.bready);
                (came.is_some(), came.map(|response| answer(offset, 0, response)))
            }
            Step::Read { offset } => {
                let came = sees.read.filter(|_| self.drives.rready);
                (came.is_some(), came.map(|(value, response)| answer(offset, value, response)))
            }
            Step::Interrupt => (sees.interrupt, None),
            Step::Cycles(_) => {
                self.cycles_left = self.cycles_left.saturating_sub(1);
                (self.cycles_left == 0, None)
            }
            Step::Reset => (true, None),
        };
        if ended {
            self.at += 1;
            self.begun = false;
        }
        answer
    }
}
