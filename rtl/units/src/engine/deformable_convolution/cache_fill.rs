//! The cache's words: those that come are written to their lines, and the pixels of a step are read together.

use std::sync::Arc;

use bitmill_hdl::{HdlError, Memory, Module, ModuleBuilder, RamPorts, Signal, unsigned};

use super::cache_lookup::permuted;
use super::cached_shape::CachedShape;
use super::gather::pack;
use super::shape::ACTIVATION_BITS;

/// The circuit. Time stands still in it while `advance_i` is 0.
pub(super) fn module(shape: &CachedShape) -> Result<Arc<Module>, HdlError> {
    let (banks, data_bits) = (shape.banks(), shape.shape.data_bits());
    let m = ModuleBuilder::new(
        format!("bitmill_deformable_fill_{}", shape.name()),
        format!(
            "words of {banks} banks of {} lines.\n\
             A step takes a cycle for each word that it waits for, one at least.",
            shape.lines()
        ),
    );
    m.group("Control");
    let advance = m.input_with_comment("advance_i", unsigned(1), "time stands still where it is 0");
    m.group("Step, by bank");
    let valid = m.input("valid_i", unsigned(1));
    let present = m.input("present_i", unsigned(banks));
    let misses = m.input("misses_i", unsigned(banks));
    let lines = m.input("lines_i", unsigned(banks * shape.line_bits()));
    let parity = (banks > 1).then(|| m.input("parity_i", unsigned(2)));
    m.group("Word of memory");
    let comes = m.input("word_valid_i", unsigned(1));
    let word = m.input("word_i", unsigned(data_bits));
    m.group("Settings");
    let zero_point =
        m.input_with_comment("zero_point_i", unsigned(ACTIVATION_BITS), "of a pixel that is not there");

    m.comment("The first line that waits takes the word.");
    let filled = m.register("filled_q", unsigned(banks));
    let waits = misses.and(filled.q().not()).gate(valid).named("waits");
    let takes = comes.and(advance).and(waits.any()).named("takes");
    let (mut earlier, mut fills) = (m.bit(false), Vec::new());
    for waits in waits.bits() {
        fills.push(takes.and(waits).and(earlier.not()));
        earlier = earlier.or(waits);
    }
    let fill = pack(&m, &fills).named("fill");
    let is_whole = waits.and(fill.not()).any().not().named("is_whole");
    let completes = valid.and(advance).and(is_whole).named("completes");
    filled.set(filled.q().or(fill).gate(completes.not()));

    m.comment("The banks; a word that is written as the step is read goes past them.");
    let hold = |name: &str, next: Signal<'_>| {
        let register = m.register(name, next.shape()).without_reset();
        register.set_when(completes, next);
        register.q()
    };
    let word_q = hold("word_q", word);
    let (fill_q, present_q) = (hold("fill_q", fill), hold("present_q", present));
    let outside = zero_point.replicate(shape.shape.lanes);
    let mut words = Vec::new();
    for bank in 0..banks {
        let line = lines.slice(bank * shape.line_bits(), shape.line_bits());
        let ports = RamPorts {
            write_enable: fills[bank as usize],
            write_address: line,
            write_data: word,
            read_enable: completes,
            read_address: line,
        };
        let size = Memory { width: data_bits, depth: shape.lines() };
        let read = m.memory(&format!("bank_{bank}"), size, ports);
        words.push(present_q.bit(bank).mux(fill_q.bit(bank).mux(word_q, read), outside));
    }
    let parity = parity.map(|parity| hold("parity_q", parity));
    let ends = m.register("ends_q", unsigned(1));
    ends.set_when(advance, completes);
    m.group("Answers");
    m.output("takes_o", takes);
    m.output("completes_o", completes);
    m.group("Pixels of the step that completed a cycle of the unit's time ago, corner 0 lowest");
    m.output("valid_o", ends.q());
    m.output("corners_o", pack(&m, &permuted(&words, parity)));
    m.finish()
}
