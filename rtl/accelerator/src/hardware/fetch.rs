//! Reads commands from memory, one burst each, and hands them to their queues in order.

use std::sync::Arc;

use bitmill_hdl::{HdlError, Module, ModuleBuilder, Signal, bits_for, unsigned};

use super::{ADDRESS_BITS, BURST_BITS};
use crate::command::{COMMAND_BYTES, COMMAND_WORDS, Queue, fields};

/// Bits of the number of commands of a run.
pub(super) const COUNT_BITS: u32 = 24;

/// The states, in the order of their codes.
const STATES: [&str; 5] = ["IDLE", "REQUEST", "RECEIVE", "DISPATCH", "FINISH"];
const STATE_BITS: u32 = 3;

pub(super) fn module(beat_bits: u32) -> Result<Arc<Module>, HdlError> {
    let beats = COMMAND_BYTES as u32 * 8 / beat_bits;
    let m = ModuleBuilder::new(
        format!("bitmill_fetch_b{beat_bits}"),
        "fetches 64-byte commands from memory and hands them to their queues in order.",
    );
    m.group("Control");
    let start = m.input("start_i", unsigned(1));
    let base = m.input("command_address_i", unsigned(ADDRESS_BITS));
    let count = m.input_with_comment("command_count_i", unsigned(COUNT_BITS), "at least 1");
    let all_idle = m.input_with_comment("all_idle_i", unsigned(1), "every queue is empty and at rest");
    m.group("Memory");
    let grant = m.input("grant_i", unsigned(1));
    let data_valid = m.input("data_valid_i", unsigned(1));
    let data = m.input("data_i", unsigned(beat_bits));
    m.group("Queues");
    let ready: Vec<Signal> =
        Queue::ALL.iter().map(|q| m.input(&format!("{}_ready_i", q.name()), unsigned(1))).collect();

    let [idle, request, receive, dispatch, finish] =
        std::array::from_fn(|i| m.lit(STATE_BITS, i as u64).named(STATES[i]));
    let state_q = m.register("state_q", unsigned(STATE_BITS));
    let state = state_q.q();

    m.comment("The command being received, a beat at a time.");
    let beat_q = m.register("beat_q", unsigned(bits_for(u64::from(beats) - 1)));
    let beat_arrives = state.eq(receive).and(data_valid).named("beat_arrives");
    beat_q.set_when(beat_arrives, beat_q.q().increment());
    let last_beat = beat_arrives.and(beat_q.q().eq_value(i128::from(beats) - 1)).named("last_beat");
    let words = receive_words(&m, beat_arrives, beat_q.q(), data, beats);

    m.comment("Hand it over when its queue has room.");
    let opcode = fields::OPCODE.of(&words);
    let pushes: Vec<Signal> = Queue::ALL
        .iter()
        .map(|q| {
            let is_mine = opcode.eq_value(q.index() as i128 + 1);
            state.eq(dispatch).and(is_mine).and(ready[q.index()]).named(&format!("{}_push", q.name()))
        })
        .collect();
    let pushed = m.any(&pushes).named("pushed");
    let starts = state.eq(idle).and(start).named("starts");
    let remaining_q = m.register("remaining_q", unsigned(COUNT_BITS));
    let one = m.lit(COUNT_BITS, 1);
    remaining_q.set_when(starts.or(pushed), starts.mux(count, remaining_q.q().sub_wrapping(one)));
    let address_q = m.register("address_q", unsigned(ADDRESS_BITS)).without_reset();
    let step = m.lit(ADDRESS_BITS, COMMAND_BYTES);
    address_q.set_when(starts.or(pushed), starts.mux(base, address_q.q().add_wrapping(step)));

    m.comment("States.");
    let last_command = remaining_q.q().eq_value(1);
    let finished = state.eq(finish).and(all_idle).named("finished");
    let changes = m.any(&[starts, state.eq(request).and(grant), last_beat, pushed, finished]);
    let after_push = last_command.mux(finish, request);
    let next = state.select(&[request, receive, dispatch, after_push], idle).named("next_state");
    state_q.set_when(changes, next);

    m.group("Request to memory");
    m.output("request_valid_o", state.eq(request));
    m.output("request_address_o", address_q.q());
    m.output("request_beats_o", m.lit(BURST_BITS, u64::from(beats)));
    m.group("Command to its queue");
    for (queue, push) in Queue::ALL.iter().zip(pushes) {
        m.output(&format!("{}_push_o", queue.name()), push);
    }
    for (index, word) in words.into_iter().enumerate() {
        m.output(&format!("word_{index}_o"), word);
    }
    m.group("Status");
    m.output("busy_o", state.ne(idle));
    m.output_with_comment("done_o", finished, "one cycle");
    m.finish()
}

/// The words of the command, each filled by its beats.
fn receive_words<'m>(
    m: &'m ModuleBuilder,
    arrives: Signal<'m>,
    beat: Signal<'m>,
    data: Signal<'m>,
    beats: u32,
) -> Vec<Signal<'m>> {
    let piece_bits = data.width().min(64);
    let pieces_a_beat = data.width() / piece_bits;
    let pieces: Vec<Signal> = (0..beats * pieces_a_beat)
        .map(|piece| {
            let register = m.register(&format!("piece_{piece}_q"), unsigned(piece_bits)).without_reset();
            let mine = arrives.and(beat.eq_value(i128::from(piece / pieces_a_beat)));
            register.set_when(mine, data.slice(piece % pieces_a_beat * piece_bits, piece_bits));
            register.q()
        })
        .collect();
    let pieces_a_word = 64 / piece_bits as usize;
    (0..COMMAND_WORDS)
        .map(|word| {
            let mut parts = pieces[word * pieces_a_word..(word + 1) * pieces_a_word].to_vec();
            parts.reverse();
            m.concat(&parts)
        })
        .collect()
}
