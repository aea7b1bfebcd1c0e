//! Load DMA: copies beats from memory to consecutive slices and lines of a scratchpad.
//!
//! It asks for burst after burst, as many as the read port takes, and puts away what comes.

use std::sync::Arc;

use bitmill_hdl::{HdlError, Module, ModuleBuilder, Signal, bits_for, unsigned};

use super::bursts::Bursts;
use crate::Accelerator;
use crate::command::{Queue, fields};
use crate::fault::reachable;

/// Bits that number the beats of a line, for the scratchpad with the longest lines.
pub(super) fn slice_bits(accelerator: &Accelerator) -> u32 {
    let targets = reachable(accelerator, Queue::Load).iter();
    let longest = targets.map(|target| accelerator.beats_per_line(*target)).max().unwrap_or(1);
    bits_for(u64::from(longest) - 1)
}

pub(super) fn module(accelerator: &Accelerator) -> Result<Arc<Module>, HdlError> {
    let memory = &accelerator.configuration().memory;
    let name = &accelerator.configuration().name;
    let m = ModuleBuilder::new(
        format!("bitmill_{name}_load"),
        format!(
            "load DMA: bursts of up to {} beats from memory to consecutive lines of a scratchpad.",
            memory.burst_beats
        ),
    );
    m.group("Command");
    let start = m.input("start_i", unsigned(1));
    let words: Vec<Signal> = (0..2).map(|i| m.input(&format!("word_{i}_i"), unsigned(64))).collect();
    m.group("Memory");
    let grant = m.input("grant_i", unsigned(1));
    let data_valid = m.input("data_valid_i", unsigned(1));
    let data = m.input("data_i", unsigned(memory.width_bits));

    let bursts = Bursts::new(&m, accelerator, &words, start, grant);
    m.comment("Beats still to come.");
    let width = fields::BEATS.shape.width;
    let left_q = m.register("beats_left_q", unsigned(width)).without_reset();
    let one_less = left_q.q().sub_wrapping(m.lit(width, 1));
    left_q.set_when(start.or(data_valid), start.mux(fields::BEATS.of(&words), one_less));
    let last = data_valid.and(left_q.q().eq_value(1)).named("last_beat");
    let done = m.delay("done_q", last);
    let running_q = m.register("running_q", unsigned(1));
    running_q.set_when(start.or(done), start);
    let place = place_of_beat(&m, accelerator, &words, start, data_valid);

    m.group("Request to memory");
    m.output("request_valid_o", bursts.wanted);
    m.output("request_address_o", bursts.address);
    m.output("request_beats_o", bursts.beats);
    m.group("To the scratchpads");
    let target = fields::TARGET.of(&words);
    for which in reachable(accelerator, Queue::Load) {
        let write = data_valid.and(target.eq_value(*which as i128));
        m.output(&format!("{}_write_o", which.name()), write);
    }
    m.output("line_o", place.line);
    m.output("slice_o", place.slice);
    m.output("data_o", data);
    m.group("Status");
    m.output("running_o", running_q.q());
    m.output_with_comment("done_o", done, "one cycle");
    m.finish()
}

struct Place<'m> {
    line: Signal<'m>,
    slice: Signal<'m>,
}

/// Counts slices within lines: as many as the target's lines have beats.
fn place_of_beat<'m>(
    m: &'m ModuleBuilder,
    accelerator: &Accelerator,
    words: &[Signal<'m>],
    start: Signal<'m>,
    beat: Signal<'m>,
) -> Place<'m> {
    m.comment("Place of the beat in the scratchpad.");
    let bits = slice_bits(accelerator);
    let last_slices: Vec<Signal> = reachable(accelerator, Queue::Load)
        .iter()
        .map(|target| m.lit(bits, u64::from(accelerator.beats_per_line(*target)) - 1))
        .collect();
    let target = words[0].slice(fields::TARGET.lsb, fields::TARGET.shape.width);
    let others = last_slices.len() - 1;
    let last_slice = target.select(&last_slices[..others], last_slices[others]).named("last_slice");
    let slice_q = m.register("slice_q", unsigned(bits)).without_reset();
    let line_ends = slice_q.q().eq(last_slice).named("line_ends");
    let restart = start.or(line_ends);
    slice_q.set_when(start.or(beat), restart.mux(m.lit(bits, 0), slice_q.q().increment()));
    let line_q = m.register("line_q", unsigned(fields::LINE.shape.width)).without_reset();
    let advances = beat.and(line_ends).named("line_advances");
    line_q.set_when(start.or(advances), start.mux(fields::LINE.of(words), line_q.q().increment()));
    Place { line: line_q.q(), slice: slice_q.q() }
}
