//! A queue in a memory, whose first word shows.
//!
//! A word shows two cycles after it came, if none is before it: it is written, then read to the front.

use std::collections::VecDeque;
use std::sync::Arc;

use bitmill_hdl::{HdlError, Memory, Module, ModuleBuilder, RamPorts, unsigned};

/// The circuit, for so many words of `bits` besides the one that shows; a power of 2.
pub(in crate::engine) fn module(bits: u32, words: u32) -> Result<Arc<Module>, HdlError> {
    let m = ModuleBuilder::new(
        format!("bitmill_deformable_queue_w{bits}_d{words}"),
        format!("queue of {words} words in a memory, and the first one before it."),
    );
    m.group("In, while free_o is set");
    let push = m.input("push_i", unsigned(1));
    let data = m.input("data_i", unsigned(bits));
    m.group("Out, while valid_o is set");
    let pop = m.input("pop_i", unsigned(1));
    let address_bits = words.ilog2();
    let [written, read] = ["written_q", "read_q"].map(|name| m.register(name, unsigned(address_bits)));
    let count = m.register("count_q", unsigned(address_bits + 1));
    let shown = m.register("shown_q", unsigned(1));
    let reads = count.q().any().and(shown.q().not().or(pop)).named("reads");
    shown.set(reads.or(shown.q().and(pop.not())));
    written.set_when(push, written.q().increment());
    read.set_when(reads, read.q().increment());
    let more = count.q().add_wrapping(push.extend(address_bits + 1));
    count.set(more.sub_wrapping(reads.extend(address_bits + 1)));
    let ports = RamPorts {
        write_enable: push,
        write_address: written.q(),
        write_data: data,
        read_enable: reads,
        read_address: read.q(),
    };
    let first = m.memory("words", Memory { width: bits, depth: words }, ports);
    m.group("Answers");
    m.output("free_o", count.q().msb().not());
    m.output("valid_o", shown.q());
    m.output("data_o", first);
    m.finish()
}

/// The same, cycle by cycle.
pub(in crate::engine) struct QueueModel<T> {
    words: usize,
    waiting: VecDeque<T>,
    shown: Option<T>,
}

impl<T> QueueModel<T> {
    pub fn new(words: u32) -> QueueModel<T> {
        QueueModel { words: words as usize, waiting: VecDeque::new(), shown: None }
    }

    pub fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.shown.is_none()
    }

    /// Whether a word may come.
    pub fn is_free(&self) -> bool {
        self.waiting.len() < self.words
    }

    /// The first word.
    pub fn first(&mut self) -> Option<&mut T> {
        self.shown.as_mut()
    }

    /// The clock edge of a cycle in which a word may have come and the first may have been taken, which is returned.
    pub fn step(&mut self, pushed: Option<T>, pops: bool) -> Option<T> {
        let popped = self.shown.take_if(|_| pops);
        if self.shown.is_none() {
            self.shown = self.waiting.pop_front();
        }
        self.waiting.extend(pushed);
        popped
    }
}
