//! Load DMA: copies beats from memory to consecutive slices and lines of a scratchpad.

use std::sync::Arc;

use bitmill_hdl::{HdlError, Module, ModuleBuilder, Signal, bits_for, unsigned};

use super::{ADDRESS_BITS, BURST_BITS};
use crate::command::fields;
use crate::{Accelerator, Target};

pub(super) const TARGETS: [(Target, &str); 3] =
    [(Target::Activations, "activations"), (Target::Weights, "weights"), (Target::Parameters, "parameters")];

/// Bits that number the beats of a line, for the scratchpad with the longest lines.
pub(super) fn slice_bits(accelerator: &Accelerator) -> u32 {
    let longest = TARGETS.iter().map(|(target, _)| accelerator.beats_per_line(*target)).max().unwrap_or(1);
    bits_for(u64::from(longest) - 1)
}

/// The states, in the order of their codes.
const STATES: [&str; 4] = ["IDLE", "REQUEST", "RECEIVE", "DONE"];

pub(super) fn module(accelerator: &Accelerator) -> Result<Arc<Module>, HdlError> {
    let burst = accelerator.configuration().memory.burst_beats;
    let beat_bits = accelerator.beat_bits();
    let name = &accelerator.configuration().name;
    let m = ModuleBuilder::new(
        format!("bitmill_{name}_load"),
        format!("load DMA: bursts of up to {burst} beats from memory to consecutive lines of a scratchpad."),
    );
    m.group("Command");
    let start = m.input("start_i", unsigned(1));
    let words: Vec<Signal> = (0..2).map(|i| m.input(&format!("word_{i}_i"), unsigned(64))).collect();
    m.group("Memory");
    let grant = m.input("grant_i", unsigned(1));
    let data_valid = m.input("data_valid_i", unsigned(1));
    let data = m.input("data_i", unsigned(beat_bits));

    let [idle, request, receive, done] = std::array::from_fn(|i| m.lit(2, i as u64).named(STATES[i]));
    let state_q = m.register("state_q", unsigned(2));
    let state = state_q.q();

    m.comment("Beats still to come, in all and in this burst.");
    let transfer = Bursts::new(&m, &words, start, grant, data_valid, burst, beat_bits);
    let line_done = place_of_beat(&m, accelerator, &words, start, data_valid);

    m.comment("States.");
    let next = state.select(&[request, receive, transfer.last.mux(done, request)], idle).named("next_state");
    let changes = m.any(&[start, state.eq(request).and(grant), transfer.burst_ends, state.eq(done)]);
    state_q.set_when(changes, next);

    m.group("Request to memory");
    m.output("request_valid_o", state.eq(request));
    m.output("request_address_o", transfer.address);
    m.output("request_beats_o", transfer.beats);
    m.group("To the scratchpads");
    let target = fields::TARGET.of(&words);
    for (which, name) in TARGETS {
        m.output(&format!("{name}_write_o"), data_valid.and(target.eq_value(which as i128)));
    }
    m.output("line_o", line_done.line);
    m.output("slice_o", line_done.slice);
    m.output("data_o", data);
    m.group("Status");
    m.output("running_o", state.ne(idle));
    m.output_with_comment("done_o", state.eq(done), "one cycle");
    m.finish()
}

/// Splits a transfer into bursts; shared by load and store.
pub(super) struct Bursts<'m> {
    /// Byte address of the next burst.
    pub address: Signal<'m>,
    /// Beats of the next burst.
    pub beats: Signal<'m>,
    /// The present beat ends its burst.
    pub burst_ends: Signal<'m>,
    /// No beats are left after the present burst.
    pub last: Signal<'m>,
}

impl<'m> Bursts<'m> {
    /// `beat` is set for each beat that moves; `grant` when the memory takes a request.
    pub fn new(
        m: &'m ModuleBuilder,
        words: &[Signal<'m>],
        start: Signal<'m>,
        grant: Signal<'m>,
        beat: Signal<'m>,
        burst: u32,
        beat_bits: u32,
    ) -> Bursts<'m> {
        let width = fields::BEATS.shape.width;
        let one = m.lit(width, 1);
        let left_q = m.register("beats_left_q", unsigned(width)).without_reset();
        left_q.set_when(start.or(beat), start.mux(fields::BEATS.of(words), left_q.q().sub_wrapping(one)));
        let address_q = m.register("address_q", unsigned(ADDRESS_BITS)).without_reset();
        let step = m.lit(ADDRESS_BITS, u64::from(beat_bits / 8));
        let advanced = address_q.q().add_wrapping(step);
        address_q.set_when(start.or(beat), start.mux(fields::ADDRESS.of(words), advanced));
        let longest = m.lit(width, u64::from(burst));
        let beats = left_q.q().lt(longest).mux(left_q.q(), longest).truncate(BURST_BITS).named("burst_beats");
        let burst_left_q = m.register("burst_left_q", unsigned(BURST_BITS)).without_reset();
        let one = m.lit(BURST_BITS, 1);
        let burst_left_d = grant.mux(beats, burst_left_q.q().sub_wrapping(one));
        burst_left_q.set_when(grant.or(beat), burst_left_d);
        Bursts {
            address: address_q.q(),
            beats,
            burst_ends: beat.and(burst_left_q.q().eq_value(1)).named("burst_ends"),
            last: left_q.q().eq_value(1).named("last_beat"),
        }
    }
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
    let last_slices: Vec<Signal> = TARGETS
        .iter()
        .map(|(target, _)| m.lit(bits, u64::from(accelerator.beats_per_line(*target)) - 1))
        .collect();
    let target = words[0].slice(fields::TARGET.lsb, fields::TARGET.shape.width);
    let last_slice = target.select(&last_slices[..2], last_slices[2]).named("last_slice");
    let slice_q = m.register("slice_q", unsigned(bits)).without_reset();
    let line_ends = slice_q.q().eq(last_slice).named("line_ends");
    let restart = start.or(line_ends);
    slice_q.set_when(start.or(beat), restart.mux(m.lit(bits, 0), slice_q.q().increment()));
    let line_q = m.register("line_q", unsigned(fields::LINE.shape.width)).without_reset();
    let advances = beat.and(line_ends).named("line_advances");
    line_q.set_when(start.or(advances), start.mux(fields::LINE.of(words), line_q.q().increment()));
    Place { line: line_q.q(), slice: slice_q.q() }
}
