//! The gates of one module that something reads, and how many there are.

use rustc_hash::FxHashMap;

use super::fabric::{Chain, Rules};
use super::{BUFFER, ENABLE, FLIP_FLOP, Gate, Gates, Literal, Origin, TABLE_MUX, TRUE, activity};

/// Gates, each behind what it reads.
pub(crate) struct Circuit {
    pub(super) gates: Vec<(Gate, Origin)>,
    /// Whether anything reads the gate.
    pub(super) is_needed: Vec<bool>,
    /// Bits of a sum through which a carry comes to a gate, where there are any.
    pub(super) carried_bits: FxHashMap<Literal, u32>,
    pub(super) registers: Vec<Step>,
    /// What stands behind gates that are inputs, by their number.
    pub(super) starts: FxHashMap<usize, Start>,
    /// Bits of the module's signals, by their number, where they are read.
    pub(super) bits: Vec<Option<Vec<Literal>>>,
    /// What is read from outside.
    pub(super) ends: Vec<(Literal, End)>,
    /// What multipliers and lookup tables read, by the gate at their output.
    pub(super) reads: FxHashMap<usize, Vec<Literal>>,
    /// Carry chains, where it is built of an FPGA's resources.
    pub(super) chains: Vec<Chain>,
    /// What an FPGA family has instead of gates.
    pub(super) rules: Option<Rules>,
}

/// What a bit of a register does at the clock's edge.
pub(super) struct Step {
    /// The gate that stands for the bit.
    pub node: usize,
    /// What it takes, if it ever takes anything.
    pub next: Option<Literal>,
    /// When it takes it; in every cycle if there is none.
    pub enable: Option<Literal>,
    /// When it is reset by logic, where flip-flops have an input for that.
    pub reset: Option<Literal>,
}

impl Step {
    /// What it reads.
    pub fn operands(&self) -> impl Iterator<Item = Literal> {
        self.next.into_iter().chain(self.enable).chain(self.reset)
    }
}

/// Where a value comes from that no gate makes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Start {
    /// A port of the module.
    Input(usize),
    /// A memory's read data.
    Memory(usize),
    /// An output of an instance, by number and port.
    Instance(usize, usize),
}

/// Where a value goes that no gate and no register of the module reads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum End {
    /// A port of the module.
    Output(usize),
    Memory,
    /// An input of an instance, by number and port.
    Instance(usize, usize),
}

/// Most readers of a gate; beyond, there are trees of buffers.
pub(super) const MOST_READERS: u32 = 16;

impl Circuit {
    /// What a gate reads within the same cycle.
    pub(super) fn operands(&self, node: usize) -> impl Iterator<Item = Literal> {
        let (list, gate) = match self.reads.get(&node) {
            Some(list) => (&list[..], Gate::Leaf),
            None => (&[][..], self.gates[node].0),
        };
        list.iter().copied().chain(gate.operands())
    }

    /// How many gates there are of each kind, and how often they toggle.
    pub fn count(&self) -> Gates {
        let toggles = activity::toggles(self);
        let mut found = Gates::default();
        let mut add = |node: usize, kind: usize, count: f64| {
            found.counts[kind] += count;
            found.toggles[kind] += count * toggles[node];
        };
        for (node, readers) in self.readers().into_iter().enumerate() {
            if let Some(kind) = self.kind(node).filter(|_| self.is_needed[node]) {
                add(node, kind, 1.0);
            }
            add(node, BUFFER, buffers(readers));
        }
        for step in self.registers.iter().filter(|step| step.enable.is_some()) {
            add(step.node, ENABLE, 1.0);
        }
        found
    }

    /// The kind of a gate, as a place among [`super::KINDS`]; `None` for inputs.
    pub(super) fn kind(&self, node: usize) -> Option<usize> {
        Some(match self.gates[node] {
            (Gate::Leaf | Gate::Product(..), _) => return None,
            (Gate::And(..), Origin::Logic | Origin::Table | Origin::Chain) => 0,
            (Gate::And(..), Origin::Carry) => 1,
            (Gate::And(..), Origin::Tree) => 2,
            (Gate::And(..), Origin::Product) => 3,
            (Gate::Xor(..), Origin::Tree) => 5,
            (Gate::Xor(..), _) => 4,
            (Gate::Mux(..), Origin::Table) => TABLE_MUX,
            (Gate::Mux(..), _) => 6,
            (Gate::Register(..), _) => FLIP_FLOP,
        })
    }

    /// How many gates, registers and ends read each gate; none read constants.
    pub(super) fn readers(&self) -> Vec<u32> {
        let mut readers = vec![0; self.gates.len()];
        let mut read = |literal: Literal| readers[(literal >> 1) as usize] += u32::from(literal > TRUE);
        for node in (0..self.gates.len()).filter(|&node| self.is_needed[node]) {
            self.operands(node).for_each(&mut read);
        }
        let steps = self.registers.iter().flat_map(Step::operands);
        steps.chain(self.ends.iter().map(|end| end.0)).for_each(read);
        readers
    }
}

/// Buffers of a tree in front of so many readers.
fn buffers(mut readers: u32) -> f64 {
    let mut buffers = 0;
    while readers > MOST_READERS {
        readers = readers.div_ceil(MOST_READERS);
        buffers += readers;
    }
    f64::from(buffers)
}
