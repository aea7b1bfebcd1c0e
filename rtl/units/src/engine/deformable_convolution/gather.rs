//! The banked gather: the line buffer's banks, and the requests of a step that are served from them.
//!
//! A pixel lies in bank (row mod bank rows, column mod bank columns). A bank reads one pixel a cycle: the first of the
//! step's requests that wait for it wins, and all that ask for the same pixel are served with it. So a step takes
//! as many cycles as the busiest bank has pixels to read, one at least. What was read early is held.

use std::sync::Arc;

use bitmill_hdl::{HdlError, Memory, Module, ModuleBuilder, RamPorts, Signal, unsigned};

use super::shape::{ACTIVATION_BITS, Shape};

/// Where a pixel lies.
pub struct Location<'m> {
    /// Its bank.
    pub bank: Signal<'m>,
    /// Its place in the bank, without the word.
    pub pixel: Signal<'m>,
}

/// `parts` side by side without those that have no bits, or one zero bit if none has.
pub(in crate::engine) fn join<'m>(m: &'m ModuleBuilder, parts: &[(Signal<'m>, u32, u32)]) -> Signal<'m> {
    let parts: Vec<Signal> = parts
        .iter()
        .filter(|(_, low, high)| high > low)
        .map(|(signal, low, high)| signal.slice(*low, high - low))
        .collect();
    if parts.is_empty() { m.lit(1, 0) } else { m.concat(&parts) }
}

impl Shape {
    /// log2 of banks and rows: the bits that the parts of a location have.
    fn location_bits(&self) -> [[u32; 2]; 2] {
        let [rows, columns] = self.banks.map(u32::ilog2);
        // A line buffer deeper than the image needs no more rows than this has.
        [[rows, self.rows().ilog2().min(self.side_bits()).max(rows)], [columns, self.side_bits()]]
    }

    fn location<'m>(&self, m: &'m ModuleBuilder, row: Signal<'m>, column: Signal<'m>) -> Location<'m> {
        let [[row_bank, row_end], [column_bank, column_end]] = self.location_bits();
        let row = row.resize(row_end.max(row.width()));
        Location {
            bank: join(m, &[(row, 0, row_bank), (column, 0, column_bank)]),
            pixel: join(m, &[(row, row_bank, row_end), (column, column_bank, column_end)]),
        }
    }

    /// Words of a bank.
    fn bank_memory(&self) -> Memory {
        let [[row_bank, row_end], [column_bank, column_end]] = self.location_bits();
        let pixel_bits = (row_end - row_bank + column_end - column_bank).max(1);
        Memory { width: self.data_bits(), depth: 1 << (pixel_bits + self.word_bits()) }
    }
}

/// What the banks do for a step in a cycle.
pub struct Service<'m> {
    /// Whether a bank reads, and where, without the word.
    pub banks: Vec<(Signal<'m>, Signal<'m>)>,
    /// Requests that are served.
    pub hits: Vec<Signal<'m>>,
}

/// The first of the `pending` requests of each bank wins, and those that ask for the same pixel with it.
pub fn serve<'m>(
    m: &'m ModuleBuilder,
    banks: u32,
    pending: &[Signal<'m>],
    places: &[Location<'m>],
) -> Service<'m> {
    m.comment("Each bank reads the pixel of the first request that waits for it.");
    let zero = m.constant(places[0].pixel.shape(), 0);
    let mut reads = Vec::new();
    for bank in 0..banks {
        let (mut taken, mut pixel) = (m.bit(false), zero);
        for (waits, place) in pending.iter().zip(places) {
            let wants = waits.and(place.bank.eq_value(bank.into()));
            pixel = pixel.or(place.pixel.gate(wants.and(taken.not())));
            taken = taken.or(wants);
        }
        reads.push((taken, pixel.named(&format!("pixel_of_bank_{bank}"))));
    }
    let read: Vec<Signal> = reads.iter().map(|(_, pixel)| *pixel).collect();
    let hits = pending.iter().zip(places).map(|(waits, place)| {
        let chosen = if read.len() == 1 { read[0] } else { place.bank.select(&read, zero) };
        waits.and(chosen.eq(place.pixel))
    });
    Service { hits: hits.collect(), banks: reads }
}

/// A step whose requests are served from banks, in as many cycles as it takes.
pub(in crate::engine) struct Step<'m> {
    /// Whether a bank reads, and where, without the word.
    pub banks: Vec<(Signal<'m>, Signal<'m>)>,
    /// Requests that are served in this cycle.
    hits: Signal<'m>,
    /// Whether this is its last cycle.
    pub completes: Signal<'m>,
    /// Whether another may come.
    pub free: Signal<'m>,
}

impl<'m> Step<'m> {
    /// The step whose requests, `present` and where they look held in registers, came where `load` was set. Time stands still in
    /// it while `advance` is 0.
    pub fn new(
        m: &'m ModuleBuilder,
        banks: u32,
        [load, advance]: [Signal<'m>; 2],
        present: Signal<'m>,
        places: &[Location<'m>],
    ) -> Step<'m> {
        let valid = m.register("valid_q", unsigned(1));
        let served = m.register("served_q", present.shape()).without_reset();
        let pending = present.and(served.q().not()).gate(valid.q()).named("pending");
        let service = serve(m, banks, &pending.bits(), places);
        let hits = pack(m, &service.hits).named("hits");
        let is_served = pending.and(hits.not()).any().not().named("is_served");
        let completes = valid.q().and(advance).and(is_served).named("completes");
        valid.set(load.or(valid.q().and(completes.not())));
        served.set_when(load.or(advance), served.q().or(hits).gate(load.not()));
        Step { banks: service.banks, hits, completes, free: valid.q().not().or(completes) }
    }

    /// What each request read, a cycle after the step's last one, of what its bank's of `words` shows: what came before
    /// that cycle is held.
    pub fn answers(
        &self,
        m: &'m ModuleBuilder,
        advance: Signal<'m>,
        places: &[Location<'m>],
        words: &[Signal<'m>],
    ) -> Vec<Signal<'m>> {
        let hold = |name: &str, enable: Signal<'m>, next: Signal<'m>| {
            let register = m.register(name, next.shape()).without_reset();
            register.set_when(enable, next);
            register.q()
        };
        let hits_q = hold("hits_q", advance, self.hits);
        let answer = |(request, place): (u32, &Location<'m>)| {
            let read = match words[..] {
                [word] => word,
                _ => hold(&format!("bank_of_{request}_q"), advance, place.bank).select(words, words[0]),
            };
            let read = read.named(&format!("read_{request}"));
            let hit = hits_q.bit(request);
            hit.mux(read, hold(&format!("held_{request}_q"), advance.and(hit), read))
        };
        (0..).zip(places).map(answer).collect()
    }
}

/// Signals side by side, the first lowest.
pub fn pack<'m>(m: &'m ModuleBuilder, signals: &[Signal<'m>]) -> Signal<'m> {
    m.concat(&signals.iter().rev().copied().collect::<Vec<_>>())
}

/// The circuit. Time stands still in it while `advance_i` is 0; writing goes on.
pub(super) fn module(shape: &Shape) -> Result<Arc<Module>, HdlError> {
    let (requests, side_bits) = (shape.requests(), shape.side_bits());
    let m = ModuleBuilder::new(
        format!("bitmill_deformable_gather_{}", shape.name()),
        format!(
            "{} by {} banks of {} rows of pixels, and {requests} requests a step.\n\
             A step takes a cycle for each pixel that the busiest bank reads, one at least.",
            shape.banks[0],
            shape.banks[1],
            shape.rows()
        ),
    );
    m.group("Control");
    let advance = m.input_with_comment("advance_i", unsigned(1), "time stands still where it is 0");
    m.group("Write");
    let write = m.input("write_i", unsigned(1));
    let write_row = m.input("write_row_i", unsigned(side_bits));
    let write_column = m.input("write_column_i", unsigned(side_bits));
    let write_word = m.input("write_word_i", unsigned(shape.word_bits()));
    let write_data = m.input("write_data_i", unsigned(shape.data_bits()));
    m.group("Step");
    let load = m.input_with_comment("load_i", unsigned(1), "a step comes; only while free_o is set");
    let present = m.input_with_comment("present_i", unsigned(requests), "request 0 lowest");
    let pixels = m.input("pixels_i", unsigned(2 * requests * side_bits));
    let word = m.input("word_i", unsigned(shape.word_bits()));
    let zero_point =
        m.input_with_comment("zero_point_i", unsigned(ACTIVATION_BITS), "of a pixel that is not there");

    let hold = |name: &str, enable: Signal<'_>, next: Signal<'_>| {
        let register = m.register(name, next.shape()).without_reset();
        register.set_when(enable, next);
        register.q()
    };
    let present_q = hold("present_q", load, present);
    let pixels_q = hold("pixels_q", load, pixels);
    let word_q = hold("word_q", load, word);
    let places: Vec<Location> = (0..requests)
        .map(|request| {
            let [column, row] =
                [0, 1].map(|part| pixels_q.slice((2 * request + part) * side_bits, side_bits));
            shape.location(&m, row, column)
        })
        .collect();
    let step = Step::new(&m, shape.banks[0] * shape.banks[1], [load, advance], present_q, &places);

    m.comment("The banks.");
    let written = shape.location(&m, write_row, write_column);
    let memory = shape.bank_memory();
    let mut words = Vec::new();
    for (bank, (reads, pixel)) in step.banks.iter().enumerate() {
        let ports = RamPorts {
            write_enable: write.and(written.bank.eq_value(bank as i128)),
            write_address: m.concat(&[written.pixel, write_word]),
            write_data,
            read_enable: advance.and(*reads),
            read_address: m.concat(&[*pixel, word_q]),
        };
        words.push(m.memory(&format!("bank_{bank}"), memory, ports));
    }

    m.comment("What was read goes to those that asked; what came before the step's last cycle is held.");
    let ends = m.register("ends_q", unsigned(1));
    ends.set_when(advance, step.completes);
    let present_2_q = hold("present_2_q", advance, present_q);
    let outside = zero_point.replicate(shape.lanes);
    let read = step.answers(&m, advance, &places, &words);
    let corners: Vec<Signal> =
        (0..).zip(read).map(|(request, read)| present_2_q.bit(request).mux(read, outside)).collect();
    m.group("Answers");
    m.output("free_o", step.free);
    m.output("completes_o", step.completes);
    m.group("Pixels of the step that completed a cycle of the unit's time ago, request 0 lowest");
    m.output("valid_o", ends.q());
    m.output("corners_o", pack(&m, &corners));
    m.finish()
}
