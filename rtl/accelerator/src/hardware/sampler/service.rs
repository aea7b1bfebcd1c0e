//! Serves the points of a step from the scratchpad's banks: what each asks for is read once, in as many cycles as the
//! busiest bank needs.

use bitmill_hdl::{ModuleBuilder, Signal, unsigned};
use bitmill_units::engine::deformable_convolution::gather::{Location, pack, serve};

use super::point::bank_bits;
use crate::{Accelerator, Sampler};

/// What a point asks for, that of the first corner lowest.
pub(super) struct Point<'m> {
    pub present: Signal<'m>,
    pub banks: Signal<'m>,
    pub addresses: Signal<'m>,
    pub fractions: Option<Signal<'m>>,
    pub mask: Option<Signal<'m>>,
}

/// The step that asks.
pub(super) struct Step<'m> {
    pub valid: Signal<'m>,
    pub output_line: Signal<'m>,
    pub is_last: Signal<'m>,
}

/// What was read for a point, in the cycle after its step has been served.
pub(super) struct Read<'m> {
    /// Of each corner whether it is there, and its word.
    corners: Vec<(Signal<'m>, Signal<'m>)>,
    pub fractions: Option<Signal<'m>>,
    pub mask: Option<Signal<'m>>,
}

impl<'m> Read<'m> {
    /// The corners' words, of `data_bits`, that of the first lowest; `outside` where there is no pixel.
    pub fn corners(&self, m: &'m ModuleBuilder, outside: Signal<'m>, data_bits: u32) -> Signal<'m> {
        let corner =
            |(is_there, word): &(Signal<'m>, Signal<'m>)| is_there.mux(word.truncate(data_bits), outside);
        pack(m, &self.corners.iter().map(corner).collect::<Vec<_>>())
    }
}

/// A step that is served.
pub(super) struct Service<'m> {
    /// The next step may come.
    pub advance: Signal<'m>,
    /// The step has been served; one cycle.
    pub completes: Signal<'m>,
    pub is_last: Signal<'m>,
    pub output_line: Signal<'m>,
    /// By bank, whether and where it reads.
    pub banks: Vec<(Signal<'m>, Signal<'m>)>,
    pub read: Vec<Read<'m>>,
}

impl<'m> Service<'m> {
    /// `words` are what the banks have read a cycle ago.
    pub fn new(
        m: &'m ModuleBuilder,
        accelerator: &Accelerator,
        sampler: &Sampler,
        points: &[Point<'m>],
        step: Step<'m>,
        words: &[Signal<'m>],
    ) -> Service<'m> {
        m.comment("The step that is served.");
        let corners = sampler.shape().corners();
        let (bank_bits, address_bits) = (bank_bits(accelerator), accelerator.bank_address_bits());
        let advance = m.wire("next_step", unsigned(1));
        let hold = |name: &str, next: Signal<'m>| {
            let register = m.register(name, next.shape()).without_reset();
            register.set_when(advance.value(), next);
            register.q()
        };
        let valid_q = m.register("served_step_q", unsigned(1));
        valid_q.set_when(advance.value(), step.valid);
        let mut places = Vec::new();
        let mut present = Vec::new();
        for (row, point) in points.iter().enumerate() {
            let held = |what: &str, signal| hold(&format!("{what}_{row}_q"), signal);
            let (banks, addresses) = (held("banks", point.banks), held("addresses", point.addresses));
            present.push(held("present", point.present));
            places.extend((0..corners).map(|corner| Location {
                bank: banks.slice(corner * bank_bits, bank_bits),
                pixel: addresses.slice(corner * address_bits, address_bits),
            }));
        }
        let present = pack(m, &present).named("present");
        let served_q = m.register("served_q", present.shape()).without_reset();
        let pending = present.and(served_q.q().not()).gate(valid_q.q()).named("pending");
        let service = serve(m, accelerator.banks(), &pending.bits(), &places);
        let hits = pack(m, &service.hits).named("hits");
        let is_served = pending.and(hits.not()).any().not().named("is_served");
        let completes = valid_q.q().and(is_served).named("completes");
        advance.drive(valid_q.q().not().or(completes));
        served_q.set(served_q.q().or(hits).gate(advance.value().not()));

        m.comment("Words arrive a cycle after they were asked for; early ones are held.");
        let (hits_q, asked_q) = (m.delay_data("hits_q", hits), m.delay_data("asked_q", present));
        let corner = |index: usize| {
            let hit = hits_q.bit(index as u32);
            let word = match words {
                [word] => *word,
                _ => {
                    let bank = m.delay_data(&format!("bank_of_{index}_q"), places[index].bank);
                    bank.select(words, words[0])
                }
            };
            let held = m.register(&format!("held_{index}_q"), word.shape()).without_reset();
            held.set_when(hit, word);
            (asked_q.bit(index as u32), hit.mux(word, held.q()))
        };
        let read = points.iter().enumerate().map(|(row, point)| {
            let late = |what: &str, signal: Option<Signal<'m>>| {
                let of_step = signal.map(|signal| hold(&format!("{what}_{row}_q"), signal));
                of_step.map(|signal| m.delay_data(&format!("late_{what}_{row}_q"), signal))
            };
            let first = row * corners as usize;
            Read {
                corners: (first..first + corners as usize).map(corner).collect(),
                fractions: late("fractions", point.fractions),
                mask: late("mask", point.mask),
            }
        });
        let read = read.collect();
        Service {
            advance: advance.value(),
            completes,
            is_last: hold("is_last_3_q", step.is_last),
            output_line: hold("output_line_3_q", step.output_line),
            banks: service.banks,
            read,
        }
    }
}
