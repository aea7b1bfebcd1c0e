//! Store DMA: copies lines of the activation scratchpad to memory.
//!
//! The next line is read with the last beat of the line before, so that the beats of a burst follow each other without
//! a gap; the next burst is asked for with the last beat of the burst before.

use std::sync::Arc;

use bitmill_hdl::{HdlError, Module, ModuleBuilder, Signal, bits_for, unsigned};

use super::BURST_BITS;
use super::bursts::Bursts;
use crate::command::fields;
use crate::{Accelerator, Target};

pub(super) fn module(accelerator: &Accelerator) -> Result<Arc<Module>, HdlError> {
    let memory = &accelerator.configuration().memory;
    let name = &accelerator.configuration().name;
    let slices = accelerator.beats_per_line(Target::Activations);
    let slice_bits = bits_for(u64::from(slices) - 1);
    let m = ModuleBuilder::new(
        format!("bitmill_{name}_store"),
        format!(
            "store DMA: lines of the activation scratchpad to memory, in bursts of up to {} beats.",
            memory.burst_beats
        ),
    );
    m.group("Command");
    let start = m.input("start_i", unsigned(1));
    let words: Vec<Signal> = (0..2).map(|i| m.input(&format!("word_{i}_i"), unsigned(64))).collect();
    m.group("Memory");
    let grant = m.input("grant_i", unsigned(1));
    let write_ready = m.input("write_ready_i", unsigned(1));
    let all_answered = m.input_with_comment("all_answered_i", unsigned(1), "no burst is under way");
    m.group("Line that was read, one beat each");
    let beats: Vec<Signal> =
        (0..slices).map(|i| m.input(&format!("slice_{i}_i"), unsigned(memory.width_bits))).collect();

    let bursts = Bursts::new(&m, accelerator, &words, start, grant);
    m.comment("The burst that is being sent.");
    let left_q = m.register("burst_left_q", unsigned(BURST_BITS));
    let sending = left_q.q().any().named("sending");
    let beat = sending.and(write_ready).named("beat");
    let is_last = left_q.q().eq_value(1).named("is_last");
    let burst_ends = beat.and(is_last).named("burst_ends");
    let one_less = left_q.q().sub_wrapping(m.lit(BURST_BITS, 1));
    left_q.set_when(grant.or(beat), grant.mux(bursts.beats, one_less));
    let wants = bursts.wanted.and(sending.not().or(burst_ends));
    let all_sent = burst_ends.and(bursts.wanted.not()).named("all_sent");

    m.comment("The line whose beats are sent, and the one to read next.");
    let slice_q = m.register("slice_q", unsigned(slice_bits)).without_reset();
    let line_ends = slice_q.q().eq_value(i128::from(slices) - 1).named("line_ends");
    let restart = start.or(line_ends);
    slice_q.set_when(start.or(beat), restart.mux(m.lit(slice_bits, 0), slice_q.q().increment()));
    let first_read = m.delay("first_read_q", start);
    let read = m.any(&[first_read, beat.and(line_ends).and(all_sent.not())]).named("read");
    let line_q = m.register("line_q", unsigned(fields::LINE.shape.width)).without_reset();
    line_q.set_when(start.or(read), start.mux(fields::LINE.of(&words), line_q.q().increment()));

    m.comment("It has ended when the memory has answered every burst.");
    let waiting_q = m.register("waiting_q", unsigned(1));
    let done = waiting_q.q().and(all_answered).named("done");
    waiting_q.set_when(all_sent.or(done), all_sent);
    let running_q = m.register("running_q", unsigned(1));
    running_q.set_when(start.or(done), start);

    m.group("Request to memory");
    m.output("request_valid_o", wants);
    m.output("request_address_o", bursts.address);
    m.output("request_beats_o", bursts.beats);
    m.group("Data to memory");
    m.output("write_valid_o", sending);
    m.output("write_last_o", is_last);
    m.output("write_data_o", slice_q.q().select(&beats, beats[0]));
    m.group("To the activation scratchpad");
    m.output("read_o", read);
    m.output("line_o", line_q.q());
    m.group("Status");
    m.output("running_o", running_q.q());
    m.output_with_comment("done_o", done, "one cycle");
    m.finish()
}
