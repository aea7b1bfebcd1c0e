//! A stage that reads a banked memory for all requests of a beat at once.
//!
//! An address lies in the bank that its low bits tell. A bank reads a word a cycle: the first of the beat's requests that
//! wait for it wins, and all that ask for the same word are served with it. So a beat takes
//! as many cycles as the busiest bank has words to read ([`Shape::step_cycles`]), and what was read early is held. Its words show
//! a cycle after the last reading, until they are taken; time stands still in the stage while they are not.

use std::sync::Arc;

use bitmill_hdl::{HdlError, Module, ModuleBuilder, RamPorts, Signal, unsigned};

use super::shape::{Shape, Store};
use crate::engine::deformable_convolution::gather::{Location, Step, join, pack};

/// The circuit of the stage of `store`, where `tag_bits` go along with a beat.
pub(super) fn module(shape: &Shape, store: Store, tag_bits: u32) -> Result<Arc<Module>, HdlError> {
    let (requests, bank) = (shape.requests, shape.bank(store));
    let (address_bits, bank_log2) = (shape.address_bits[store as usize], shape.banks.ilog2());
    let m = ModuleBuilder::new(
        format!("bitmill_sparse_{}_{}", store.name(), shape.name()),
        format!(
            "{} banks that {requests} requests a beat read.\nA beat takes a cycle for each word that the busiest bank reads.",
            shape.banks
        ),
    );
    m.group("Write");
    let write = m.input("write_i", unsigned(1));
    let write_address = m.input("write_address_i", unsigned(address_bits));
    let write_data = m.input("write_data_i", unsigned(bank.width));
    m.group("Beat in");
    let load = m.input_with_comment("load_i", unsigned(1), "a beat comes; only while free_o is set");
    let present = m.input_with_comment("present_i", unsigned(requests), "request 0 lowest");
    let addresses = m.input("addresses_i", unsigned(requests * address_bits));
    let tag = m.input("tag_i", unsigned(tag_bits));
    m.group("Beat out");
    let ready = m.input("ready_i", unsigned(1));

    let hold = |name: &str, enable: Signal<'_>, next: Signal<'_>| {
        let register = m.register(name, next.shape()).without_reset();
        register.set_when(enable, next);
        register.q()
    };
    let ends = m.register("ends_q", unsigned(1));
    let advance = ends.q().not().or(ready).named("advance");
    let present_q = hold("present_q", load, present);
    let addresses_q = hold("addresses_q", load, addresses);
    let tag_q = hold("tag_q", load, tag);
    let location = |address| Location {
        bank: join(&m, &[(address, 0, bank_log2)]),
        pixel: join(&m, &[(address, bank_log2, address_bits)]),
    };
    let places: Vec<Location> = (0..requests)
        .map(|request| location(addresses_q.slice(request * address_bits, address_bits)))
        .collect();
    let step = Step::new(&m, shape.banks, [load, advance], present_q, &places);
    ends.set_when(advance, step.completes);

    m.comment("The banks.");
    let written = location(write_address);
    let mut words = Vec::new();
    for (index, (reads, place)) in step.banks.iter().enumerate() {
        let ports = RamPorts {
            write_enable: write.and(written.bank.eq_value(index as i128)),
            write_address: written.pixel,
            write_data,
            read_enable: advance.and(*reads),
            read_address: *place,
        };
        words.push(m.memory(&format!("bank_{index}"), bank, ports));
    }

    m.comment("What was read goes to those that asked; what came before the beat's last cycle is held.");
    let answers = step.answers(&m, advance, &places, &words);
    m.output("free_o", step.free);
    m.output("valid_o", ends.q());
    m.output_with_comment("words_o", pack(&m, &answers), "of the requests that are present");
    m.output("tag_o", hold("tag_2_q", advance, tag_q));
    m.finish()
}

/// The same, cycle by cycle; `T` is what a beat is.
pub(super) struct ReaderModel<T> {
    reading: Option<(u32, T)>,
    shown: Option<T>,
}

impl<T> ReaderModel<T> {
    pub fn new() -> ReaderModel<T> {
        ReaderModel { reading: None, shown: None }
    }

    /// The beat that waits to be taken.
    pub fn shown(&self) -> Option<&T> {
        self.shown.as_ref()
    }

    pub fn is_idle(&self) -> bool {
        self.reading.is_none() && self.shown.is_none()
    }

    fn completes(&self, ready: bool) -> bool {
        (self.shown.is_none() || ready)
            && self.reading.as_ref().is_some_and(|(left_cycles, _)| *left_cycles == 1)
    }

    /// Whether a beat may come in a cycle in which what is shown is taken if `ready`.
    pub fn is_free(&self, ready: bool) -> bool {
        self.reading.is_none() || self.completes(ready)
    }

    /// The clock edge of such a cycle, in which a beat may have come with the cycles that it takes; the one that was taken.
    pub fn step(&mut self, ready: bool, loaded: Option<(u32, T)>) -> Option<T> {
        let mut taken = None;
        if self.shown.is_none() || ready {
            let completes = self.completes(ready);
            taken = self.shown.take();
            self.shown = self.reading.take_if(|_| completes).map(|(_, beat)| beat);
            if let Some((left_cycles, _)) = &mut self.reading {
                *left_cycles -= 1;
            }
        }
        if loaded.is_some() {
            self.reading = loaded;
        }
        taken
    }
}
