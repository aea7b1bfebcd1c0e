//! The multiply stage: processing elements on the samples of a step, then requantizers.
//!
//! A PE has a lane for each tap of a step and keeps the sum of one channel: of its own input channel where the
//! convolution is depthwise, else a lane's part of an output channel, which are added when the sum is whole. The
//! kinds of PE are those of the array that a word of weights is enough for; one that takes several cycles a step paces the steps. Weights and scales lie in
//! memories of their own.
//!
//! Timing: a step enters while there is room for its result, [`ArrayShape::interval_cycles`] after the one before.
//! A result shows [`ArrayShape::latency_cycles`] after its last step.

use std::sync::Arc;

use bitmill_formats::Requantization;
use bitmill_formats::requantize::MULTIPLIER_BITS;
use bitmill_hdl::{HdlError, Memory, Module, ModuleBuilder, RamPorts, Signal, bits_for, signed, unsigned};

use super::gather::pack;
use super::line_buffer::count_to;
use super::shape::ACTIVATION_BITS;
use super::steps::Steps;
use crate::UnitError;
use crate::common::requantizer::{BIAS_BITS, Requantizer, Roundings, SHIFT_BITS};
use crate::pe::{Element, Mode};

/// Bits of a PE's sum.
pub const SUM_BITS: u32 = 26;
/// Products of 8 by 8 bits that a PE's sum takes: more than 9 taps of 128 words.
pub const MOST_PRODUCTS: u32 = (1 << (SUM_BITS - 2 * ACTIVATION_BITS + 1)) - 1;
/// How results are rounded.
pub const ROUNDING: Requantization = Requantization::DyadicHalfUp;

/// Which channels are summed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Sums {
    /// Each channel for itself.
    Depthwise,
    /// All of them, for so many output channels at once, up to so many times.
    Full {
        /// Output channels at once.
        columns: u32,
        /// Most groups of as many output channels, a power of 2.
        most_groups: u32,
    },
}

/// Parameters of the multiply stage.
#[derive(Clone, Debug)]
pub struct ArrayShape {
    /// What it takes.
    pub steps: Steps,
    /// Which channels are summed.
    pub sums: Sums,
    /// The processing element, with a lane for each tap of a step.
    pub pe: Element,
    /// The kind of PE and the format of weights, for names.
    pub pe_name: String,
}

/// An address of the weights, of a part of it, and of the scales.
pub(super) struct Address {
    pub weight_bits: u32,
    pub scale_bits: u32,
}

impl ArrayShape {
    /// Results a beat.
    pub fn outputs(&self) -> u32 {
        match self.sums {
            Sums::Depthwise => self.steps.lanes,
            Sums::Full { columns, .. } => columns,
        }
    }

    /// Processing elements: by output channel, then lane.
    pub fn elements(&self) -> u32 {
        match self.sums {
            Sums::Depthwise => self.steps.lanes,
            Sums::Full { columns, .. } => columns * self.steps.lanes,
        }
    }

    /// Multipliers: what a step multiplies at once.
    pub fn multipliers(&self) -> u32 {
        self.elements() * self.steps.taps_at_once
    }

    /// Bits of a group's number, if there are groups.
    pub fn group_bits(&self) -> Option<u32> {
        match self.sums {
            Sums::Depthwise => None,
            Sums::Full { most_groups, .. } => Some(bits_for(u64::from(most_groups) - 1)),
        }
    }

    pub(super) fn address(&self) -> Address {
        let (word_bits, group_bits) = (self.steps.word_bits(), self.group_bits());
        Address {
            weight_bits: group_bits.unwrap_or(0) + word_bits + self.steps.tap_bits(),
            scale_bits: group_bits.unwrap_or(word_bits),
        }
    }

    /// The address of the weights of a step.
    pub(super) fn weight_address(&self, group: u32, word: u32, tap: u32) -> u32 {
        ((group << self.steps.word_bits() | word) << self.steps.tap_bits()) | tap
    }

    /// The one mode of its PEs.
    pub fn mode(&self) -> Mode {
        self.pe.modes().swap_remove(0)
    }

    /// Cycles from a step to the next.
    pub fn interval_cycles(&self) -> u32 {
        self.pe.timing().interval_cycles
    }

    /// Bits of a sum as it is requantized.
    fn whole_bits(&self) -> u32 {
        match self.sums {
            Sums::Depthwise => SUM_BITS,
            Sums::Full { .. } => SUM_BITS + self.steps.lanes.next_power_of_two().ilog2(),
        }
    }

    pub(super) fn requantizer(&self) -> Result<Requantizer, UnitError> {
        let roundings = Roundings::new([ROUNDING]).expect("one rounding is a set");
        Requantizer::new(self.whole_bits(), ACTIVATION_BITS, roundings)
    }

    /// Cycles in which the parts of a sum are added.
    pub(super) fn tree_cycles(&self) -> u32 {
        u32::from(matches!(self.sums, Sums::Full { .. }))
    }

    /// Cycles from a sum's last step in to its result on the output.
    pub fn latency_cycles(&self) -> u32 {
        let requantizer = self.requantizer().map_or(0, |requantizer| requantizer.latency_cycles());
        self.interval_cycles() + self.pe.timing().latency_cycles + self.tree_cycles() + requantizer + 1
    }

    /// Results that there is room for: as many as are under way when steps never wait, and one to come, since a step
    /// waits for room whether or not it is the last of its sum.
    pub fn room(&self) -> u32 {
        let cycles_a_result = self.steps.of_word * self.interval_cycles();
        ((self.latency_cycles() + 1).div_ceil(cycles_a_result) + 1).next_power_of_two()
    }

    /// What tells modules of different shapes apart.
    pub fn name(&self) -> String {
        format!("{}_{}", self.name_without_steps(), self.steps.name())
    }

    /// The same among modules whose names tell the steps; Verilator takes names of 128 characters.
    pub(super) fn name_without_steps(&self) -> String {
        match self.sums {
            Sums::Depthwise => format!("depthwise_{}", self.pe_name),
            Sums::Full { columns, most_groups } => format!("full{columns}x{most_groups}_{}", self.pe_name),
        }
    }
}

/// What a step is to its sum.
struct Control<'m> {
    accept: Signal<'m>,
    weight_address: Signal<'m>,
    scale_address: Signal<'m>,
    first: Signal<'m>,
    last: Signal<'m>,
}

/// Counts steps. `room` tells whether there is room for a result.
fn control<'m>(
    m: &'m ModuleBuilder,
    shape: &ArrayShape,
    accept: Signal<'m>,
    last_word: Signal<'m>,
    last_group: Option<Signal<'m>>,
) -> Control<'m> {
    m.comment("The number of a step: group of output channels, word, group of taps.");
    let (mut address, mut first, mut ends) = (Vec::new(), m.bit(true), accept);
    if shape.steps.of_word > 1 {
        let last = m.lit(shape.steps.tap_bits(), u64::from(shape.steps.of_word) - 1);
        let (tap, tap_ends) = count_to(m, "tap", accept, last);
        (address, first, ends) = (vec![tap], tap.eq_value(0), tap_ends);
    }
    let (word, word_ends) = count_to(m, "word", ends, last_word);
    address.insert(0, word);
    let (mut scale_address, mut last) = (word, ends);
    if let Some(last_group) = last_group {
        let (group, group_ends) = count_to(m, "group", word_ends, last_group);
        m.ignore(group_ends);
        address.insert(0, group);
        (scale_address, last, first) = (group, word_ends, first.and(word.eq_value(0)));
    } else {
        m.ignore(word_ends);
    }
    Control { accept, weight_address: m.concat(&address), scale_address, first, last }
}

/// A result stream's buffer: what comes is kept until it is taken; there is always room for what comes.
fn buffer<'m>(
    m: &'m ModuleBuilder,
    room: u32,
    push: Signal<'m>,
    data: Signal<'m>,
    ready: Signal<'m>,
) -> [Signal<'m>; 3] {
    m.comment("Results wait to be taken.");
    let bits = room.ilog2();
    let [written, read] = ["written_q", "read_q"].map(|name| m.register(name, unsigned(bits)));
    let count = m.register("count_q", unsigned(bits + 1));
    let valid = count.q().any().named("result_valid");
    let taken = valid.and(ready).named("taken");
    written.set_when(push, written.q().increment());
    read.set_when(taken, read.q().increment());
    let more = count.q().add_wrapping(push.extend(bits + 1));
    count.set(more.sub_wrapping(taken.extend(bits + 1)));
    let places: Vec<Signal> = (0..room)
        .map(|place| {
            let register = m.register(&format!("result_{place}_q"), data.shape()).without_reset();
            register.set_when(push.and(written.q().eq_value(place.into())), data);
            register.q()
        })
        .collect();
    [valid, read.q().select(&places, places[0]), taken]
}

/// `signal`, so many cycles later.
fn later<'m>(m: &'m ModuleBuilder, name: &str, signal: Signal<'m>, cycles: u32) -> Signal<'m> {
    (1..=cycles).fold(signal, |signal, cycle| m.delay(&format!("{name}_{cycle}_q"), signal))
}

/// Input ports of the memories.
#[derive(Clone, Copy)]
struct Loads<'m> {
    weight: [Signal<'m>; 4],
    scale: [Signal<'m>; 4],
}

impl<'m> Loads<'m> {
    fn inputs(m: &'m ModuleBuilder, shape: &ArrayShape) -> Loads<'m> {
        let address = shape.address();
        let [elements, outputs] =
            [shape.elements(), shape.outputs()].map(|count| unsigned(bits_for(u64::from(count) - 1)));
        m.group("Weights, before the first step");
        let weight = [
            m.input("weight_load_i", unsigned(1)),
            m.input_with_comment("weight_element_i", elements, "by output channel, then lane"),
            m.input_with_comment("weight_address_i", unsigned(address.weight_bits), "number of the step"),
            m.input("weight_i", unsigned(shape.pe.weight_bits())),
        ];
        m.group("Scales, before the first step");
        let scale = [
            m.input("scale_load_i", unsigned(1)),
            m.input("scale_lane_i", outputs),
            m.input("scale_address_i", unsigned(address.scale_bits)),
            m.input_with_comment("scale_i", unsigned(SCALE_BITS), "from the top: bias, multiplier, shift"),
        ];
        Loads { weight, scale }
    }

    /// A memory that `[enable, number, address, data]` of `load` fill where the number is `own`.
    fn memory(
        m: &'m ModuleBuilder,
        name: &str,
        load: [Signal<'m>; 4],
        own: u32,
        read: [Signal<'m>; 2],
    ) -> Signal<'m> {
        let [enable, number, write_address, write_data] = load;
        let [read_enable, read_address] = read;
        let size = Memory { width: write_data.width(), depth: 1 << write_address.width() };
        let write_enable = enable.and(number.eq_value(own.into()));
        m.memory(name, size, RamPorts { write_enable, write_address, write_data, read_enable, read_address })
    }
}

/// Bits of a scale: bias, multiplier, shift.
pub(super) const SCALE_BITS: u32 = BIAS_BITS + MULTIPLIER_BITS + SHIFT_BITS;

/// The circuit.
pub(super) fn module(shape: &ArrayShape) -> Result<Arc<Module>, HdlError> {
    let m = ModuleBuilder::new(
        format!("bitmill_deformable_array_{}", shape.name()),
        format!(
            "{} PEs of {} taps each, and requantizers.\nLatency {} cycles, interval {}.",
            shape.elements(),
            shape.steps.taps_at_once,
            shape.latency_cycles(),
            shape.interval_cycles()
        ),
    );
    m.group("Samples in");
    let valid = m.input("valid_i", unsigned(1));
    let samples =
        m.input_with_comment("samples_i", unsigned(shape.steps.samples_bits()), "by tap, then lane");
    m.group("Results out");
    let ready = m.input("ready_i", unsigned(1));
    m.group("Settings, held from the first step in to the last result out");
    let last_word = m.input("last_word_i", unsigned(shape.steps.word_bits()));
    let last_group = shape.group_bits().map(|bits| m.input("last_group_i", unsigned(bits)));
    let range = ["output_zero_point_i", "low_i", "high_i"].map(|port| m.input(port, signed(ACTIVATION_BITS)));
    let loads = Loads::inputs(&m, shape);

    m.comment("A step enters where the one before lets it and there is room for a result.");
    let room = m.register("room_q", unsigned(shape.room().ilog2() + 1)).reset_to(shape.room().into());
    let interval = shape.interval_cycles();
    let pace = (interval > 1).then(|| m.register("pace_q", unsigned(bits_for(u64::from(interval) - 1))));
    let rests = pace.map_or(m.bit(false), |pace| pace.q().any());
    let step_ready = room.q().any().and(rests.not()).named("step_ready");
    let accept = valid.and(step_ready).named("accept");
    let control = control(&m, shape, accept, last_word, last_group);
    let sums = sums(&m, shape, &control, samples, loads, rests, pace)?;

    let taken = m.wire("result_taken", unsigned(1));
    let width = room.q().width();
    let after = room.q().sub_wrapping(control.last.extend(width));
    room.set(after.add_wrapping(taken.value().extend(width)));
    let (data, push) = requantize(&m, shape, &sums, loads, range)?;
    let [result_valid, result, is_taken] = buffer(&m, shape.room(), push, data, ready);
    taken.drive(is_taken);
    m.group("Answers");
    m.output("ready_o", step_ready);
    m.output("valid_o", result_valid);
    m.output("result_o", result);
    m.finish()
}

/// Whole sums.
struct Whole<'m> {
    /// Of each output channel.
    sums: Vec<Signal<'m>>,
    /// They are there.
    valid: Signal<'m>,
    /// The scale's address, a cycle before.
    scale_address: Signal<'m>,
}

fn sums<'m>(
    m: &'m ModuleBuilder,
    shape: &ArrayShape,
    control: &Control<'m>,
    samples: Signal<'m>,
    loads: Loads<'m>,
    rests: Signal<'m>,
    pace: Option<bitmill_hdl::Register<'m>>,
) -> Result<Whole<'m>, HdlError> {
    let (accept, lanes) = (control.accept, shape.steps.lanes);
    let hold = |name: &str, next: Signal<'m>| {
        let register = m.register(name, next.shape()).without_reset();
        register.set_when(accept, next);
        register.q()
    };
    m.comment("A step is held for its PEs.");
    let working = m.delay("working_q", accept.or(rests));
    let samples_q = hold("samples_q", samples);
    let [first_q, last_q] = [("first_q", control.first), ("last_q", control.last)].map(|(n, s)| hold(n, s));
    let scale_q = hold("scale_of_sum_q", control.scale_address);
    let mut controls = vec![("valid_i", working), ("last_i", last_q.and(rests.not()))];
    if let Some(pace) = pace {
        let width = pace.q().width();
        let next = m.lit(width, u64::from(shape.interval_cycles()) - 1);
        pace.set(accept.mux(next, pace.q().sub_wrapping(rests.extend(width))));
        let phase = m.register("phase_q", unsigned(shape.pe.phase_bits())).without_reset();
        phase.set(phase.q().increment().gate(accept.not()));
        controls.push(("phase_i", phase.q()));
        controls.push(("first_i", first_q.and(phase.q().eq_value(0))));
    } else {
        controls.push(("first_i", first_q));
    }
    let pe = shape.pe.module()?;
    let mut parts = Vec::new();
    for element in 0..shape.elements() {
        let read = [accept, control.weight_address];
        let weight = Loads::memory(m, &format!("weights_{element}"), loads.weight, element, read);
        let taps: Vec<Signal> = (0..shape.steps.taps_at_once)
            .map(|tap| samples_q.slice((tap * lanes + element % lanes) * ACTIVATION_BITS, ACTIVATION_BITS))
            .collect();
        let mut inputs = controls.clone();
        inputs.extend([("activation_i", pack(m, &taps)), ("weight_i", weight)]);
        parts.push(m.instance(&format!("i_pe_{element}"), &pe, &inputs).output("result_o").as_signed());
    }
    let ends = working.and(last_q).and(rests.not()).named("sum_ends");
    let cycles = shape.pe.timing().latency_cycles + shape.tree_cycles();
    let sums = match shape.sums {
        Sums::Depthwise => parts,
        Sums::Full { .. } => {
            m.comment("The parts of a sum.");
            let whole = parts.chunks(lanes as usize).enumerate().map(|(column, parts)| {
                m.delay_data(&format!("sum_{column}_q"), m.sum(parts).resize(shape.whole_bits()))
            });
            whole.collect()
        }
    };
    Ok(Whole {
        sums,
        valid: later(m, "sum_valid", ends, cycles),
        scale_address: later(m, "sum_scale", scale_q, cycles - 1),
    })
}

/// The results of whole sums, and whether they come.
fn requantize<'m>(
    m: &'m ModuleBuilder,
    shape: &ArrayShape,
    whole: &Whole<'m>,
    loads: Loads<'m>,
    [zero_point, low, high]: [Signal<'m>; 3],
) -> Result<(Signal<'m>, Signal<'m>), HdlError> {
    m.comment("Requantizers, a scale each.");
    let requantizer = shape.requantizer().map_err(|error| match error {
        UnitError::Hdl(error) => error,
        other => unreachable!("sums of {} bits can be requantized: {other}", shape.whole_bits()),
    })?;
    let circuit = bitmill_hdl::unit::Unit::module(&requantizer)?;
    let mut results = Vec::new();
    for (lane, sum) in whole.sums.iter().enumerate() {
        let read = [m.bit(true), whole.scale_address];
        let scale = Loads::memory(m, &format!("scales_{lane}"), loads.scale, lane as u32, read);
        let inputs = [
            ("accumulator_i", *sum),
            ("bias_i", scale.slice(SHIFT_BITS + MULTIPLIER_BITS, BIAS_BITS).as_signed()),
            ("multiplier_i", scale.slice(SHIFT_BITS, MULTIPLIER_BITS)),
            ("shift_i", scale.truncate(SHIFT_BITS)),
            ("zero_point_i", zero_point),
            ("low_i", low),
            ("high_i", high),
        ];
        let instance = m.instance(&format!("i_requantizer_{lane}"), &circuit, &inputs);
        results.push(instance.output("activation_o").as_unsigned());
    }
    Ok((pack(m, &results), later(m, "result_comes", whole.valid, requantizer.latency_cycles())))
}
