//! Starts and stops runs, keeps the registers of the host and counts.
//!
//! Three states: at rest, running, and stopping. A fault or a soft reset leads from running to stopping: no
//! burst is asked for any more, and when the memory has answered all that were, the units are reset.

use std::sync::Arc;

use bitmill_hdl::{HdlError, Module, ModuleBuilder, Signal, unsigned};

use super::lite::{DATA_BITS, STROBE_BITS};
use super::sampler::saturated_bits;
use super::{ADDRESS_BITS, COUNT_BITS};
use crate::command::Queue;
use crate::fault::FAULT_BITS;
use crate::register_map::{self as map, REGISTER_ADDRESS_BITS, registers};
use crate::{Accelerator, Access, Fault};

/// The states, in the order of their codes.
const STATES: [&str; 3] = ["REST", "RUN", "STOP"];
const STATE_BITS: u32 = 2;

/// Faults by their source, the most urgent first: ports for the fault, its code and its command.
pub(super) const FAULT_SOURCES: [&str; 4] = ["command", "fetch", "load", "store"];

pub(super) fn module(accelerator: &Accelerator) -> Result<Arc<Module>, HdlError> {
    let name = &accelerator.configuration().name;
    let m = ModuleBuilder::new(
        format!("bitmill_{name}_control"),
        "starts and stops runs; the registers that the host sees, and the counters.",
    );
    let bus = Bus::new(&m);
    m.group("From the units");
    let ended = m.input_with_comment("run_done_i", unsigned(1), "the list has ended; one cycle");
    let bus_idle = m.input_with_comment("bus_idle_i", unsigned(1), "the memory has answered everything");
    let faults = FAULT_SOURCES.map(|source| {
        let happens = m.input(&format!("{source}_fault_i"), unsigned(1));
        let code = m.input(&format!("{source}_fault_code_i"), unsigned(FAULT_BITS));
        (happens, code, m.input(&format!("{source}_index_i"), unsigned(COUNT_BITS)))
    });
    let activity = Activity::new(&m, accelerator);

    let run = run(&m, &bus, ended, bus_idle, &faults);
    let interrupt = interrupts(&m, &bus, &run);
    let counters = counters(&m, &activity, &run);
    let configuration = accelerator.configuration_hash();
    let constant = |value: u32| m.lit(DATA_BITS, value.into());
    let mut values = vec![
        (&registers::IDENTITY, constant(map::MAGIC)),
        (&registers::VERSION, constant(map::VERSION)),
        (&registers::CONFIGURATION_HIGH, constant((configuration >> 32) as u32)),
        (&registers::CONFIGURATION_LOW, constant(configuration as u32)),
        (&registers::CONTROL, constant(0)),
        (&registers::STATUS, m.concat(&[run.error_stop, run.done, run.busy]).extend(DATA_BITS)),
        (&registers::INTERRUPT_ENABLE, interrupt.enable.extend(DATA_BITS)),
        (&registers::INTERRUPT_STATUS, interrupt.status.extend(DATA_BITS)),
        (&registers::COMMAND_ADDRESS, run.address),
        (&registers::COMMAND_COUNT, run.count.extend(DATA_BITS)),
        (&registers::ERROR, run.code.extend(DATA_BITS)),
        (&registers::ERROR_COMMAND, run.command.extend(DATA_BITS)),
    ];
    values.extend(map::Counters::REGISTERS.into_iter().zip(counters));
    read(&m, &bus, &values);

    m.group("To the units");
    m.output_with_comment("start_o", run.start, "one cycle");
    m.output("command_address_o", run.address);
    m.output("command_count_o", run.count);
    m.output_with_comment("halt_o", run.halt, "ask for no more bursts");
    m.output_with_comment("reset_o", run.reset, "one cycle: back to rest");
    m.group("To the host");
    m.output("irq_o", interrupt.status.and(interrupt.enable).any());
    m.finish()
}

/// The register bus.
struct Bus<'m> {
    write: Signal<'m>,
    write_address: Signal<'m>,
    /// Data to write, and the bits that are written.
    data: Signal<'m>,
    mask: Signal<'m>,
    read_address: Signal<'m>,
}

impl<'m> Bus<'m> {
    fn new(m: &'m ModuleBuilder) -> Bus<'m> {
        m.group("Registers");
        let write = m.input("write_i", unsigned(1));
        let write_address = m.input("write_address_i", unsigned(REGISTER_ADDRESS_BITS));
        let data = m.input("write_data_i", unsigned(DATA_BITS));
        let strobe = m.input("write_strobe_i", unsigned(STROBE_BITS));
        let read_address = m.input("read_address_i", unsigned(REGISTER_ADDRESS_BITS));
        let bytes: Vec<Signal> = strobe.bits().into_iter().rev().map(|bit| bit.replicate(8)).collect();
        let mask = m.concat(&bytes).named("write_mask");
        Bus { write, write_address, data, mask, read_address }
    }

    fn writes(&self, register: &map::Register) -> Signal<'m> {
        let hit = word(self.write_address).eq_value(i128::from(register.offset / 4));
        self.write.and(hit).named(&format!("writes_{}", register.name))
    }

    /// Bits of the register that are written with 1.
    fn ones(&self, register: &map::Register, bits: &map::Bits) -> Signal<'m> {
        let ones = self.data.and(self.mask).slice(bits.lsb, bits.width);
        ones.gate(self.writes(register))
    }

    /// The bits of a register that the host writes.
    fn stored(&self, m: &'m ModuleBuilder, register: &map::Register, lsb: u32, width: u32) -> Signal<'m> {
        let kept = m.register(&format!("{}_q", register.name), unsigned(width));
        let [data, mask] = [self.data, self.mask].map(|signal| signal.slice(lsb, width));
        kept.set_when(self.writes(register), data.and(mask).or(kept.q().and(mask.not())));
        kept.q()
    }
}

/// The number of the word that holds a byte address.
fn word(address: Signal) -> Signal {
    address.shr(2)
}

/// What is counted.
struct Activity<'m> {
    /// Each queue runs, and each queue waits for a token.
    queues: Vec<Signal<'m>>,
    beats: [Signal<'m>; 2],
    /// Offsets beyond the bound, where there is a sampler.
    saturated: Option<Signal<'m>>,
}

impl<'m> Activity<'m> {
    fn new(m: &'m ModuleBuilder, accelerator: &Accelerator) -> Activity<'m> {
        m.group("What is counted");
        let queues = ["runs", "waits"].into_iter().flat_map(|what| {
            Queue::ALL.map(|queue| m.input(&format!("{}_{what}_i", queue.name()), unsigned(1)))
        });
        let queues = queues.collect();
        let beats = ["beat_read_i", "beat_written_i"].map(|port| m.input(port, unsigned(1)));
        let saturated = accelerator
            .sampler()
            .map(|sampler| m.input("saturated_i", unsigned(saturated_bits(accelerator, sampler))));
        Activity { queues, beats, saturated }
    }
}

struct Run<'m> {
    start: Signal<'m>,
    running: Signal<'m>,
    /// The run ends with its last command; one cycle.
    ends: Signal<'m>,
    /// A run that a fault has stopped comes to rest; one cycle.
    stopped: Signal<'m>,
    halt: Signal<'m>,
    reset: Signal<'m>,
    busy: Signal<'m>,
    done: Signal<'m>,
    error_stop: Signal<'m>,
    code: Signal<'m>,
    command: Signal<'m>,
    address: Signal<'m>,
    count: Signal<'m>,
}

fn run<'m>(
    m: &'m ModuleBuilder,
    bus: &Bus<'m>,
    ended: Signal<'m>,
    bus_idle: Signal<'m>,
    faults: &[(Signal<'m>, Signal<'m>, Signal<'m>)],
) -> Run<'m> {
    m.comment("What the host asks for.");
    let place = registers::COMMAND_ADDRESS.bits[0];
    let address = bus.stored(m, &registers::COMMAND_ADDRESS, place.lsb, place.width).shl(place.lsb);
    let count = bus.stored(m, &registers::COMMAND_COUNT, 0, COUNT_BITS);
    debug_assert_eq!(address.width(), ADDRESS_BITS);
    let control = bus.ones(&registers::CONTROL, &map::Bits { width: 2, ..registers::START }).named("control");
    let [start_asked, reset_asked] = [registers::START, registers::SOFT_RESET].map(|b| control.bit(b.lsb));

    m.comment("States.");
    let [rest, run, stop] = std::array::from_fn(|i| m.lit(STATE_BITS, i as u64).named(STATES[i]));
    let state_q = m.register("state_q", unsigned(STATE_BITS));
    let code_q = m.register("error_q", unsigned(FAULT_BITS));
    let at_rest = state_q.q().eq(rest).named("at_rest");
    let running = state_q.q().eq(run).named("running");
    let stopping = state_q.q().eq(stop).named("stopping");
    let may_start = at_rest.and(start_asked).and(code_q.q().any().or(reset_asked).not()).named("may_start");
    let start = may_start.and(count.any()).named("start");
    let nothing = may_start.and(count.any().not()).named("nothing_to_run");
    let happens: Vec<Signal> = faults.iter().map(|fault| fault.0).collect();
    let fault = nothing.or(running.and(m.any(&happens))).named("fault");
    let ends = running.and(ended).and(fault.or(reset_asked).not()).named("ends");
    let stops = fault.or(running.and(reset_asked)).named("stops");
    let comes_to_rest = stopping.and(bus_idle).named("comes_to_rest");
    let next = stops.mux(stop, start.mux(run, rest));
    state_q.set_when(m.any(&[start, stops, ends, comes_to_rest]), next);

    m.comment("Why and where it stopped: the first fault counts.");
    let none = (m.lit(FAULT_BITS, Fault::NoCommands.code().into()), m.lit(COUNT_BITS, 0));
    let (code, command) = faults
        .iter()
        .rev()
        .fold(none, |rest, (happens, code, index)| (happens.mux(*code, rest.0), happens.mux(*index, rest.1)));
    let command_q = m.register("error_command_q", unsigned(COUNT_BITS)).without_reset();
    let code = nothing.mux(none.0, code);
    code_q.set_when(fault.or(reset_asked), code.gate(reset_asked.not()));
    command_q.set_when(fault, nothing.mux(none.1, command));
    let done_q = m.register("done_q", unsigned(1));
    done_q.set_when(may_start.or(ends), ends);
    Run {
        start,
        running,
        ends,
        stopped: comes_to_rest.and(code_q.q().any()),
        halt: stopping,
        reset: comes_to_rest.or(at_rest.and(reset_asked)).named("reset"),
        busy: at_rest.not(),
        done: done_q.q(),
        error_stop: at_rest.and(code_q.q().any()),
        code: code_q.q(),
        command: command_q.q(),
        address,
        count,
    }
}

struct Interrupts<'m> {
    enable: Signal<'m>,
    status: Signal<'m>,
}

fn interrupts<'m>(m: &'m ModuleBuilder, bus: &Bus<'m>, run: &Run<'m>) -> Interrupts<'m> {
    m.comment("Interrupts: what happens in the cycle of a clear is kept.");
    let events = m.concat(&[run.stopped, run.ends]);
    let both = map::Bits { width: events.width(), ..registers::DONE_INTERRUPT };
    let enable = bus.stored(m, &registers::INTERRUPT_ENABLE, both.lsb, both.width);
    let status_q = m.register("interrupt_status_q", unsigned(both.width));
    let cleared = bus.ones(&registers::INTERRUPT_STATUS, &both);
    status_q.set(events.or(status_q.q().and(cleared.not())));
    Interrupts { enable, status: status_q.q() }
}

/// The counters, in the order of [`map::Counters::REGISTERS`].
fn counters<'m>(m: &'m ModuleBuilder, activity: &Activity<'m>, run: &Run<'m>) -> Vec<Signal<'m>> {
    m.comment("Counters of the run: cleared by its start, kept after its end.");
    let counted = [m.bit(true)].into_iter().chain(activity.queues.iter().copied()).chain(activity.beats);
    let mut counters: Vec<Signal> = map::Counters::REGISTERS
        .into_iter()
        .zip(counted)
        .map(|(register, counts)| {
            let counter = m.register(&format!("{}_q", register.name), unsigned(DATA_BITS));
            let next = counter.q().increment().gate(run.start.not());
            counter.set_when(run.start.or(run.running.and(counts)), next);
            counter.q()
        })
        .collect();
    counters.push(activity.saturated.map_or(m.lit(DATA_BITS, 0), |count| {
        let counter = m.register(&format!("{}_q", registers::SATURATED_OFFSETS.name), unsigned(DATA_BITS));
        counter.set(counter.q().add_wrapping(count.extend(DATA_BITS)).gate(run.start.not()));
        counter.q()
    }));
    counters
}

/// Reads the registers and tells which addresses have one.
fn read<'m>(m: &'m ModuleBuilder, bus: &Bus<'m>, values: &[(&map::Register, Signal<'m>)]) {
    m.comment("Registers by address.");
    let words = registers::ALL.iter().map(|register| register.offset / 4).max().unwrap_or(0) + 1;
    let nothing = m.lit(DATA_BITS, 0);
    let at = |word: u32| values.iter().find(|(register, _)| register.offset == word * 4);
    let items: Vec<Signal> = (0..words).map(|w| at(w).map_or(nothing, |(_, value)| *value)).collect();
    let exists = |access: fn(Access) -> bool| -> Vec<Signal<'m>> {
        (0..words).map(|w| m.bit(at(w).is_some_and(|(register, _)| access(register.access)))).collect()
    };
    let (readable, writable) = (exists(|_| true), exists(|access| access != Access::Read));
    m.group("Register bus");
    m.output("read_data_o", word(bus.read_address).select(&items, nothing));
    m.output("read_ok_o", word(bus.read_address).select(&readable, m.bit(false)));
    m.output("write_ok_o", word(bus.write_address).select(&writable, m.bit(false)));
    for address in [bus.read_address, bus.write_address] {
        m.ignore(address);
    }
}
