//! The memory behind the AXI port, cycle by cycle: the model that `bitmill_sim` charges (see its
//! `machine/memory.rs`), and under a seed a memory with moods. `harness.cpp`, beside this file, does the same
//! under Verilator.

use std::collections::VecDeque;

use bitmill_accelerator::MemoryPort;

use super::random::{Random, agrees, jitter};
use super::{Conditions, MemoryFault};

/// What the memory drives in a cycle.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Answers {
    pub arready: bool,
    pub read: Option<ReadBeat>,
    pub awready: bool,
    pub wready: bool,
    /// BRESP of the answer that is offered.
    pub write_response: Option<u64>,
}

/// A beat that is offered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct ReadBeat {
    pub id: u64,
    /// Byte address of its data.
    pub address: usize,
    pub last: bool,
    pub response: u64,
}

/// What the accelerator drives in a cycle.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Requests {
    pub read: Option<Address>,
    pub write: Option<Address>,
    /// Data and strobes of a beat.
    pub data: Option<(Vec<u8>, u64)>,
    pub rready: bool,
    pub bready: bool,
}

/// A burst's address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Address {
    pub id: u64,
    pub address: usize,
    pub beats: u64,
}

struct Burst {
    address: Address,
    /// Cycle from which its first beat may come.
    due: u64,
    response: u64,
}

pub(super) struct Memory {
    port: MemoryPort,
    fault: Option<MemoryFault>,
    random: Option<Random>,
    reads: VecDeque<Burst>,
    read_bursts: u64,
    /// Position in `reads` of the burst whose beat is offered.
    offered: Option<usize>,
    next_read: u64,
    writes: VecDeque<(Address, u64)>,
    write_bursts: u64,
    beats: VecDeque<(Vec<u8>, u64)>,
    next_write: u64,
    /// Cycle from which each answer may come, and its BRESP.
    responses: VecDeque<(u64, u64)>,
    answers: Answers,
}

impl Memory {
    pub fn new(port: MemoryPort, conditions: Conditions) -> Memory {
        Memory {
            port,
            fault: conditions.fault,
            random: conditions.seed.map(Random::new),
            reads: VecDeque::new(),
            read_bursts: 0,
            offered: None,
            next_read: 0,
            writes: VecDeque::new(),
            write_bursts: 0,
            beats: VecDeque::new(),
            next_write: 0,
            responses: VecDeque::new(),
            answers: Answers::default(),
        }
    }

    /// Decides what is driven in `cycle`.
    pub fn begin(&mut self, cycle: u64) -> Answers {
        let arready = agrees(&mut self.random);
        let awready = agrees(&mut self.random);
        let wready = agrees(&mut self.random) && cycle >= self.next_write;
        if self.offered.is_none() && !self.reads.is_empty() {
            let chosen = self.choose();
            let due = self.reads[chosen].due.max(self.next_read);
            self.offered = Some(chosen).filter(|_| cycle >= due);
        }
        let read = self.offered.map(|index| {
            let Burst { address, response, .. } = self.reads[index];
            ReadBeat { id: address.id, address: address.address, last: address.beats == 1, response }
        });
        let write_response =
            self.responses.front().filter(|(due, _)| cycle >= *due).map(|(_, response)| *response);
        self.answers = Answers { arready, read, awready, wready, write_response };
        self.answers
    }

    /// The burst that is answered next: the first, or in moods the first of another ID.
    fn choose(&mut self) -> usize {
        let Some(random) = &mut self.random else { return 0 };
        let first = self.reads[0].address.id;
        let other = self.reads.iter().position(|burst| burst.address.id != first);
        if random.below(2) == 1 { other.unwrap_or(0) } else { 0 }
    }

    /// Takes what is driven in `cycle`; writes to `contents` and returns the byte addresses of written beats.
    pub fn end(&mut self, cycle: u64, requests: Requests, contents: &mut [u8]) -> Vec<usize> {
        let (latency, interval) =
            (u64::from(self.port.latency_cycles), u64::from(self.port.beat_interval_cycles));
        let beat_bytes = self.port.width_bits as usize / 8;
        if let Some(index) = self.offered.filter(|_| requests.rready) {
            let burst = &mut self.reads[index].address;
            burst.address += beat_bytes;
            burst.beats -= 1;
            if burst.beats == 0 {
                self.reads.remove(index);
            }
            self.next_read = cycle + interval;
            self.offered = None;
        }
        if self.answers.write_response.is_some() && requests.bready {
            self.responses.pop_front();
        }
        if let Some(address) = requests.read.filter(|_| self.answers.arready) {
            let response = self.response(false, self.read_bursts);
            self.read_bursts += 1;
            let due = cycle + latency + jitter(&mut self.random);
            self.reads.push_back(Burst { address, due, response });
        }
        if let Some(address) = requests.write.filter(|_| self.answers.awready) {
            let response = self.response(true, self.write_bursts);
            self.write_bursts += 1;
            self.writes.push_back((address, response));
        }
        if let Some(beat) = requests.data.filter(|_| self.answers.wready) {
            self.beats.push_back(beat);
            self.next_write = cycle + interval;
        }
        let mut written = Vec::new();
        while let (Some((burst, response)), Some((data, strobes))) =
            (self.writes.front_mut(), self.beats.front())
        {
            for (byte, value) in data.iter().enumerate().filter(|(byte, _)| strobes >> byte & 1 == 1) {
                if let Some(place) = contents.get_mut(burst.address + byte) {
                    *place = *value;
                }
            }
            written.push(burst.address);
            burst.address += beat_bytes;
            burst.beats -= 1;
            self.beats.pop_front();
            if burst.beats == 0 {
                let due = cycle + latency + jitter(&mut self.random);
                self.responses.push_back((due, *response));
                self.writes.pop_front();
            }
        }
        written
    }

    fn response(&self, write: bool, burst: u64) -> u64 {
        let hit = self.fault.filter(|fault| fault.write == write && fault.burst == burst);
        hit.map_or(0, |fault| fault.response())
    }
}
