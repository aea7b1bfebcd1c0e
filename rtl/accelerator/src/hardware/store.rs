//! Store DMA: copies lines of the activation scratchpad to memory. Each line is read in one cycle and
//! sent in as many beats as it has.

use std::sync::Arc;

use bitmill_hdl::{HdlError, Module, ModuleBuilder, Signal, bits_for, unsigned};

use super::load::Bursts;
use crate::command::fields;
use crate::{Accelerator, Target};

/// The states, in the order of their codes.
const STATES: [&str; 6] = ["IDLE", "REQUEST", "READ", "SEND", "CONFIRM", "DONE"];

pub(super) fn module(accelerator: &Accelerator) -> Result<Arc<Module>, HdlError> {
    let burst = accelerator.configuration().memory.burst_beats;
    let beat_bits = accelerator.beat_bits();
    let name = &accelerator.configuration().name;
    let slices = accelerator.beats_per_line(Target::Activations);
    let slice_bits = bits_for(u64::from(slices) - 1);
    let m = ModuleBuilder::new(
        format!("bitmill_{name}_store"),
        format!("store DMA: lines of the activation scratchpad to memory, in bursts of up to {burst} beats."),
    );
    m.group("Command");
    let start = m.input("start_i", unsigned(1));
    let words: Vec<Signal> = (0..2).map(|i| m.input(&format!("word_{i}_i"), unsigned(64))).collect();
    m.group("Memory");
    let grant = m.input("grant_i", unsigned(1));
    let write_ready = m.input("write_ready_i", unsigned(1));
    let write_done = m.input("write_done_i", unsigned(1));
    m.group("Line that was read, one beat each");
    let beats: Vec<Signal> =
        (0..slices).map(|i| m.input(&format!("slice_{i}_i"), unsigned(beat_bits))).collect();

    let [idle, request, read, send, confirm, done] =
        std::array::from_fn(|i| m.lit(3, i as u64).named(STATES[i]));
    let state_q = m.register("state_q", unsigned(3));
    let state = state_q.q();
    let beat = state.eq(send).and(write_ready).named("beat");

    m.comment("Beats still to go, in all and in this burst.");
    let transfer = Bursts::new(&m, &words, start, grant, beat, burst, beat_bits);
    // The address has moved on when the confirmation comes; whether all is sent is kept.
    let finished_q = m.register("finished_q", unsigned(1));
    finished_q.set_when(beat, transfer.last);

    m.comment("Place of the beat in the scratchpad.");
    let slice_q = m.register("slice_q", unsigned(slice_bits)).without_reset();
    let line_ends = slice_q.q().eq_value(i128::from(slices) - 1).named("line_ends");
    let restart = start.or(line_ends);
    slice_q.set_when(start.or(beat), restart.mux(m.lit(slice_bits, 0), slice_q.q().increment()));
    let line_q = m.register("line_q", unsigned(fields::LINE.shape.width)).without_reset();
    let advances = beat.and(line_ends).named("line_advances");
    line_q.set_when(start.or(advances), start.mux(fields::LINE.of(&words), line_q.q().increment()));

    m.comment("States.");
    let after_beat = transfer.burst_ends.mux(confirm, line_ends.mux(read, send));
    let after_confirm = finished_q.q().mux(done, request);
    let next = state.select(&[request, read, send, after_beat, after_confirm], idle).named("next_state");
    let confirmed = state.eq(confirm).and(write_done);
    let granted = state.eq(request).and(grant);
    let changes = m.any(&[start, granted, state.eq(read), beat, confirmed, state.eq(done)]);
    state_q.set_when(changes, next);

    m.group("Request to memory");
    m.output("request_valid_o", state.eq(request));
    m.output("request_address_o", transfer.address);
    m.output("request_beats_o", transfer.beats);
    m.group("Data to memory");
    m.output("write_valid_o", state.eq(send));
    m.output("write_data_o", slice_q.q().select(&beats, beats[0]));
    m.group("To the activation scratchpad");
    m.output("read_o", state.eq(read));
    m.output("line_o", line_q.q());
    m.group("Status");
    m.output("running_o", state.ne(idle));
    m.output_with_comment("done_o", state.eq(done), "one cycle");
    m.finish()
}
