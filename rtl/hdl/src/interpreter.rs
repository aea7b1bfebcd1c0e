//! Executes a module and everything below it, cycle by cycle.
//!
//! The hierarchy is flattened into one list of instructions in dependency order over slots of machine
//! words. Signals of at most 64 bits take one word and the fast path; wider ones take several and go
//! through big integers. Wires and ports cost nothing: they share the slot of what drives them.
//! Registers and memories start at zero and then see one clock edge in reset.

mod evaluate;
mod flatten;

use std::collections::HashMap;
use std::sync::Arc;

use num_bigint::BigUint;

use crate::{Module, Shape};
use evaluate::Instruction;

/// Place of one signal's value: handle for fast access.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Slot {
    pub(crate) word: u32,
    /// Width and signedness of the signal.
    pub shape: Shape,
}

impl Slot {
    pub(crate) fn words(self) -> usize {
        self.shape.width.div_ceil(64) as usize
    }
}

/// A module in execution.
pub struct Interpreter {
    values: Vec<u64>,
    instructions: Vec<Instruction>,
    registers: Vec<FlatRegister>,
    memories: Vec<FlatMemory>,
    inputs: HashMap<String, Slot>,
    outputs: HashMap<String, Slot>,
    names: Vec<(String, Slot)>,
    pending: Vec<u64>,
    settled: bool,
}

pub(crate) struct FlatRegister {
    q: Slot,
    next: Slot,
    enable: Option<Slot>,
    reset: Option<Reset>,
}

pub(crate) struct Reset {
    value: Vec<u64>,
    /// Bits of the modules around it that reset it, each while it is 1.
    by: Vec<Slot>,
}

pub(crate) struct FlatMemory {
    write_enable: Slot,
    write_address: Slot,
    write_data: Slot,
    read_enable: Slot,
    read_address: Slot,
    read_data: Slot,
    depth: u32,
    contents: Vec<u64>,
    pending: Option<Vec<u64>>,
}

impl Interpreter {
    /// Prepares `module` for execution: all state zero, then [`Interpreter::reset`] with all inputs zero.
    pub fn new(module: &Arc<Module>) -> Interpreter {
        let mut interpreter = flatten::flatten(module);
        interpreter.reset();
        interpreter
    }

    /// One rising clock edge with `rst_ni` low: registers that have a reset value take it; other registers
    /// and memories go on as at any edge, as they do in the circuit.
    pub fn reset(&mut self) {
        self.clock_edge(true);
    }

    /// The input port called `name`.
    pub fn input(&self, name: &str) -> Option<Slot> {
        self.inputs.get(name).copied()
    }

    /// The output port called `name`.
    pub fn output(&self, name: &str) -> Option<Slot> {
        self.outputs.get(name).copied()
    }

    /// Every named signal with its hierarchical name, such as `i_array.i_pe_0.acc_q`.
    pub fn names(&self) -> &[(String, Slot)] {
        &self.names
    }

    /// Sets a signal of at most 64 bits; bits above its width are dropped.
    pub fn set(&mut self, slot: Slot, value: u64) {
        let value = value & mask(slot.shape.width);
        let word = &mut self.values[slot.word as usize];
        if *word != value {
            *word = value;
            self.settled = false;
        }
    }

    /// Sets a signal of any width.
    pub fn set_big(&mut self, slot: Slot, value: &BigUint) {
        evaluate::write_big(&mut self.values, slot, value.clone());
        self.settled = false;
    }

    /// The value of a signal of at most 64 bits, after combinational logic has settled.
    pub fn get(&mut self, slot: Slot) -> u64 {
        self.settle();
        self.values[slot.word as usize]
    }

    /// The value of a signal of any width, after combinational logic has settled.
    pub fn get_big(&mut self, slot: Slot) -> BigUint {
        self.settle();
        evaluate::read_big(&self.values, slot)
    }

    /// The value as a signed number, for signals of at most 64 bits.
    pub fn get_signed(&mut self, slot: Slot) -> i64 {
        evaluate::extend_sign(self.get(slot), slot.shape.width)
    }

    fn settle(&mut self) {
        if !self.settled {
            evaluate::run(&self.instructions, &mut self.values);
            self.settled = true;
        }
    }

    /// One rising clock edge.
    pub fn step(&mut self) {
        self.clock_edge(false);
    }

    fn clock_edge(&mut self, in_reset: bool) {
        self.settle();
        let on = |values: &[u64], slot: Slot| values[slot.word as usize] != 0;
        self.pending.clear();
        for register in &self.registers {
            if let Some(reset) = &register.reset
                && (in_reset || reset.by.iter().any(|&slot| on(&self.values, slot)))
            {
                self.pending.extend_from_slice(&reset.value);
                continue;
            }
            let source =
                if register.enable.is_none_or(|e| on(&self.values, e)) { register.next } else { register.q };
            let start = source.word as usize;
            self.pending.extend_from_slice(&self.values[start..start + source.words()]);
        }
        for memory in &mut self.memories {
            memory.sample(&self.values);
        }
        let mut taken = 0;
        for register in &self.registers {
            let (start, words) = (register.q.word as usize, register.q.words());
            self.values[start..start + words].copy_from_slice(&self.pending[taken..taken + words]);
            taken += words;
        }
        for memory in &mut self.memories {
            memory.commit(&mut self.values);
        }
        self.settled = false;
    }
}

impl FlatMemory {
    fn words(&self) -> usize {
        self.read_data.words()
    }

    fn sample(&mut self, values: &[u64]) {
        let words = self.words();
        let at = |address: u64| address as usize * words;
        self.pending = None;
        if values[self.read_enable.word as usize] != 0 {
            let address = values[self.read_address.word as usize];
            let in_range = address < u64::from(self.depth);
            let word = if in_range {
                self.contents[at(address)..at(address) + words].to_vec()
            } else {
                vec![0; words]
            };
            self.pending = Some(word);
        }
        let address = values[self.write_address.word as usize];
        if values[self.write_enable.word as usize] != 0 && address < u64::from(self.depth) {
            let data = self.write_data.word as usize;
            self.contents[at(address)..at(address) + words].copy_from_slice(&values[data..data + words]);
        }
    }

    fn commit(&mut self, values: &mut [u64]) {
        if let Some(word) = self.pending.take() {
            let start = self.read_data.word as usize;
            values[start..start + word.len()].copy_from_slice(&word);
        }
    }
}

fn mask(width: u32) -> u64 {
    if width >= 64 { u64::MAX } else { (1 << width) - 1 }
}
