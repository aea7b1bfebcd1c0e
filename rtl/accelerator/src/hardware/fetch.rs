//! Reads commands from memory ahead of their use, checks them and hands them to their queues in order.
//!
//! A command is a burst. Up to [`AHEAD_COMMANDS`] of them are asked for or lie in a buffer; each beat of a
//! command has a small memory of its own, so that the whole command is read at once. It asks only for what it
//! has room for, so that its data never block those of the load DMA.

use std::sync::Arc;

use bitmill_hdl::{HdlError, Memory, Module, ModuleBuilder, RamPorts, Signal, bits_for, unsigned};

use super::scratchpad::across;
use super::{ADDRESS_BITS, BURST_BITS, COUNT_BITS, validate};
use crate::Accelerator;
use crate::command::{COMMAND_BYTES, COMMAND_WORDS, Opcode, Queue, fields};
use crate::fault::FAULT_BITS;

/// Commands asked for or buffered, those in the queues left out.
pub const AHEAD_COMMANDS: u32 = 4;

/// Cycles from reading a command out of the buffer to handing it over: one to read it, one to check it.
pub const CHECK_CYCLES: u64 = 2;

const SLOT_BITS: u32 = AHEAD_COMMANDS.ilog2();

pub(super) fn module(accelerator: &Accelerator) -> Result<Arc<Module>, HdlError> {
    let beat_bits = accelerator.beat_bits();
    let beats = COMMAND_BYTES as u32 * 8 / beat_bits;
    let name = &accelerator.configuration().name;
    let m = ModuleBuilder::new(
        format!("bitmill_{name}_fetch"),
        format!(
            "fetches up to {AHEAD_COMMANDS} commands of {COMMAND_BYTES} bytes ahead and hands them to their queues in order."
        ),
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
    let ready = Queue::ALL.map(|q| m.input(&format!("{}_ready_i", q.name()), unsigned(1)));

    let pushed = m.wire("pushed", unsigned(1));
    let buffer = buffer(&m, start, data_valid, data, beats, pushed.value());
    let request = request(&m, start, base, count, grant, buffer.read);

    let words: Vec<Signal> =
        (0..COMMAND_WORDS as u32).map(|w| across(&m, &buffer.slices, w * 64, 64)).collect();
    let fault = validate::fault_code(&m, accelerator, &words).named("fault_code");
    m.comment("Hand the command over when it has been checked and its queue has room.");
    let checked_q = m.register("checked_q", unsigned(1));
    checked_q.set(buffer.shown.or(checked_q.q().and(pushed.value().not())));
    let fault_q = m.register("fault_q", unsigned(FAULT_BITS)).without_reset();
    fault_q.set_when(buffer.shown, fault);
    let faulty = checked_q.q().and(fault_q.q().any()).named("faulty");
    let good = checked_q.q().and(fault_q.q().any().not()).named("good");
    let opcode = fields::OPCODE.of(&words);
    let pushes = Queue::ALL.map(|q| {
        let mine = |which: &Opcode| which.queue() == q;
        let codes = accelerator.opcodes().into_iter().filter(mine);
        let mine = m.any(&codes.map(|which| opcode.eq_value(which.code().into())).collect::<Vec<_>>());
        good.and(mine).and(ready[q.index()]).named(&format!("{}_push", q.name()))
    });
    pushed.drive(m.any(&pushes));
    let index_q = m.register("index_q", unsigned(COUNT_BITS)).without_reset();
    let no_command = m.lit(COUNT_BITS, 0);
    index_q.set_when(start.or(pushed.value()), start.mux(no_command, index_q.q().increment()));

    m.comment("The list has ended when all are handed over and the queues are empty.");
    let running_q = m.register("running_q", unsigned(1));
    let done = running_q.q().and(index_q.q().eq(count)).and(all_idle).named("done");
    running_q.set_when(start.or(done), start);

    m.group("Request to memory");
    m.output("request_valid_o", request.valid);
    m.output("request_address_o", request.address);
    m.output("request_beats_o", m.lit(BURST_BITS, beats.into()));
    m.group("Command to its queue");
    for (queue, push) in Queue::ALL.iter().zip(pushes) {
        m.output(&format!("{}_push_o", queue.name()), push);
    }
    for (index, word) in words.into_iter().enumerate() {
        m.output(&format!("word_{index}_o"), word);
    }
    m.output_with_comment("index_o", index_q.q(), "its number in the list");
    m.group("Status");
    m.output_with_comment("arriving_o", buffer.arriving, "number of the command that arrives");
    m.output("faulty_o", faulty);
    m.output("fault_o", fault_q.q());
    m.output_with_comment("done_o", done, "one cycle");
    m.finish()
}

struct Request<'m> {
    valid: Signal<'m>,
    address: Signal<'m>,
}

/// Asks for the next command while the buffer has room for it.
fn request<'m>(
    m: &'m ModuleBuilder,
    start: Signal<'m>,
    base: Signal<'m>,
    count: Signal<'m>,
    grant: Signal<'m>,
    read: Signal<'m>,
) -> Request<'m> {
    m.comment("Commands to ask for, and those asked for whose room is not free again.");
    let left_q = m.register("unrequested_q", unsigned(COUNT_BITS));
    let one_less = left_q.q().sub_wrapping(m.lit(COUNT_BITS, 1));
    left_q.set_when(start.or(grant), start.mux(count, one_less));
    let block_log2 = (COMMAND_BYTES as u32).ilog2();
    let block_q = m.register("block_q", unsigned(ADDRESS_BITS - block_log2)).without_reset();
    let first = base.slice(block_log2, ADDRESS_BITS - block_log2);
    block_q.set_when(start.or(grant), start.mux(first, block_q.q().increment()));
    let taken_q = m.register("taken_q", unsigned(bits_for(AHEAD_COMMANDS.into())));
    let fewer = taken_q.q().sub_wrapping(m.lit(taken_q.q().width(), 1));
    taken_q.set_when(grant.xor(read), grant.mux(taken_q.q().increment(), fewer));
    let room = taken_q.q().eq_value(AHEAD_COMMANDS.into()).not().named("room");
    Request { valid: left_q.q().any().and(room), address: block_q.q().shl(block_log2) }
}

struct Buffer<'m> {
    /// A command is read out; it is shown from the next cycle on.
    read: Signal<'m>,
    /// First cycle in which a command is shown.
    shown: Signal<'m>,
    /// Its beats.
    slices: Vec<Signal<'m>>,
    /// Number of the command that arrives.
    arriving: Signal<'m>,
}

/// Collects beats to commands.
fn buffer<'m>(
    m: &'m ModuleBuilder,
    start: Signal<'m>,
    data_valid: Signal<'m>,
    data: Signal<'m>,
    beats: u32,
    pushed: Signal<'m>,
) -> Buffer<'m> {
    m.comment("Beats arrive in order; a command is whole with its last.");
    let beat_q = m.register("beat_q", unsigned(bits_for(u64::from(beats) - 1)));
    beat_q.set_when(data_valid, beat_q.q().increment());
    let whole = data_valid.and(beat_q.q().eq_value(i128::from(beats) - 1)).named("whole");
    let arriving_q = m.register("arriving_q", unsigned(COUNT_BITS));
    let none = m.lit(COUNT_BITS, 0);
    arriving_q.set_when(start.or(whole), start.mux(none, arriving_q.q().increment()));

    m.comment("Read out the next when nothing is shown, or with the end of what is shown.");
    let buffered_q = m.register("buffered_q", unsigned(bits_for(AHEAD_COMMANDS.into())));
    let holds_q = m.register("holds_q", unsigned(1));
    let read = buffered_q.q().any().and(holds_q.q().not().or(pushed)).named("read");
    holds_q.set_when(read.or(pushed), read);
    let fewer = buffered_q.q().sub_wrapping(m.lit(buffered_q.q().width(), 1));
    buffered_q.set_when(whole.xor(read), whole.mux(buffered_q.q().increment(), fewer));
    let write_slot_q = m.register("write_slot_q", unsigned(SLOT_BITS));
    write_slot_q.set_when(whole, write_slot_q.q().increment());
    let read_slot_q = m.register("read_slot_q", unsigned(SLOT_BITS));
    read_slot_q.set_when(read, read_slot_q.q().increment());
    let slices = (0..beats)
        .map(|beat| {
            let ports = RamPorts {
                write_enable: data_valid.and(beat_q.q().eq_value(beat.into())),
                write_address: write_slot_q.q(),
                write_data: data,
                read_enable: read,
                read_address: read_slot_q.q(),
            };
            m.memory(&format!("beat_{beat}"), Memory { width: data.width(), depth: AHEAD_COMMANDS }, ports)
        })
        .collect();
    Buffer { read, shown: m.delay("shown_q", read), slices, arriving: arriving_q.q() }
}
