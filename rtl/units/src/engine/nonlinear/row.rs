//! What the row operators share: ports, the row buffer's schedule, the cycle model and the stimulus.
//!
//! A row of `length_i + 1` elements streams in by `valid_i`/`ready_o`, `lanes` elements a word, lane 0 lowest; the
//! last word may be filled in part. Its results stream out by `valid_o`/`ready_i` in the same shape, 0 in the
//! lanes that are not filled. The settings stay from the first word in to the last word out. A row enters when
//! the one before has left, and time inside the unit stands still while a result waits to be taken. So the
//! schedule of a row is exact: see [`RowTiming`].

use bitmill_hdl::unit::{Expected, Model, Random, Values, lane, number, signed_number, to_bits};
use bitmill_hdl::{BigUint, Memory, ModuleBuilder, RamPorts, Signal, bits_for, signed, unsigned};

use crate::{Legal, Parameter, Settings, UnitError};

/// Parameter `activation_bits` of every row operator.
pub const BITS: Parameter = Parameter {
    name: "activation_bits",
    default: "8",
    help: "bits of the signed elements, 4 to 16",
    legal: Legal::Numbers(4, 16),
};
/// Parameter `lanes` of every row operator.
pub const LANES: Parameter = Parameter {
    name: "lanes",
    default: "4",
    help: "elements a cycle: 1, 2, 4, 8, 16 or 32",
    legal: Legal::OneOf(&["1", "2", "4", "8", "16", "32"]),
};
/// Parameter `longest_row` of every row operator.
pub const LONGEST: Parameter = Parameter {
    name: "longest_row",
    default: "256",
    help: "elements of the row buffer: a power of 2 from twice the lanes to 4096",
    legal: Legal::OneOf(&["2", "4", "8", "16", "32", "64", "128", "256", "512", "1024", "2048", "4096"]),
};
/// Parameter `bits_per_cycle` of every row operator.
pub const BITS_PER_CYCLE: Parameter = Parameter {
    name: "bits_per_cycle",
    default: "4",
    help: "quotient bits a cycle of the divider, 1 to 31",
    legal: Legal::Numbers(1, 31),
};

/// Elements of a row operator, and how many of them at once.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct RowShape {
    /// Bits of an element, signed.
    pub bits: u32,
    /// Elements a word.
    pub lanes: u32,
    /// Elements of the longest row.
    pub longest: u32,
}

impl RowShape {
    /// Elements of `bits`, `lanes` at once, up to `longest` a row.
    ///
    /// # Errors
    /// Lanes or a row that are no powers of 2, or values outside what the parameters' help states.
    pub fn new(bits: u32, lanes: u32, longest: u32) -> Result<RowShape, UnitError> {
        if !(4..=16).contains(&bits) {
            return Err(UnitError::illegal("activation_bits", bits, "4 to 16 bits are legal"));
        }
        if !lanes.is_power_of_two() || lanes > 32 {
            return Err(UnitError::illegal("lanes", lanes, "1, 2, 4, 8, 16 and 32 are legal"));
        }
        if !longest.is_power_of_two() || !(2 * lanes..=4096).contains(&longest) {
            let legal = format!("powers of 2 from {} to 4096 are legal", 2 * lanes);
            return Err(UnitError::illegal("longest_row", longest, legal));
        }
        Ok(RowShape { bits, lanes, longest })
    }

    pub(super) fn from_settings(settings: &Settings) -> Result<RowShape, UnitError> {
        RowShape::new(
            settings.number("activation_bits", 4..=16)?,
            settings.number("lanes", 1..=32)?,
            settings.number("longest_row", 2..=4096)?,
        )
    }

    /// Bits of `length_i`, the number of elements minus 1.
    pub fn length_bits(&self) -> u32 {
        bits_for(u64::from(self.longest) - 1)
    }

    /// What tells modules of different shapes apart.
    pub(super) fn name(&self) -> String {
        format!("a{}_l{}_n{}", self.bits, self.lanes, self.longest)
    }
}

/// When the results of a row appear, in cycles in which no result waits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct RowTiming {
    /// From the last word in to the first word out, less `latency_per_word_cycles` times the words.
    pub latency_cycles: u32,
    /// What each word adds to the latency: the cycle of a further pass, or none.
    pub latency_per_word_cycles: u32,
    /// From one word out to the next.
    pub interval_cycles: u32,
}

impl RowTiming {
    /// From the last word in to the first word out.
    pub fn latency_cycles(&self, words: u32) -> u32 {
        self.latency_cycles + self.latency_per_word_cycles * words
    }

    /// From the first word of a row to the first word of the next, when neither stream waits.
    pub fn row_cycles(&self, words: u32) -> u32 {
        words + self.latency_cycles(words) + (words - 1) * self.interval_cycles
    }
}

/// The input ports, in the order that [`RowModel`] knows, and the state that every operator has.
pub(super) struct Rows<'m> {
    m: &'m ModuleBuilder,
    shape: RowShape,
    /// Elements of the word that comes in.
    pub incoming: Vec<Signal<'m>>,
    /// A word comes in.
    pub accept: Signal<'m>,
    /// The word that comes in or is read is the row's first.
    pub first: Signal<'m>,
    /// The last word of the row comes in.
    pub filled: Signal<'m>,
    /// Which lanes of the word that comes in or is read are filled.
    pub mask: Vec<Signal<'m>>,
    /// The row's number of elements, minus 1.
    pub length: Signal<'m>,
    /// No result waits to be taken.
    pub advance: Signal<'m>,
    /// The word that was read, a cycle after [`Rows::reads`].
    pub outgoing: Vec<Signal<'m>>,
    /// A word is read.
    pub reads: Signal<'m>,
    /// It is the row's last.
    pub reads_last: Signal<'m>,
    start_pass: bitmill_hdl::Wire<'m>,
    result: bitmill_hdl::Wire<'m>,
    result_last: bitmill_hdl::Wire<'m>,
    filling: Signal<'m>,
    valid: Signal<'m>,
    /// The row's last result is taken.
    pub taken_last: Signal<'m>,
}

impl<'m> Rows<'m> {
    /// Stream ports and schedule. Words are read `interval_cycles` apart once a pass has been started.
    pub fn new(m: &'m ModuleBuilder, shape: RowShape, interval_cycles: u32) -> Rows<'m> {
        let RowShape { bits, lanes, longest } = shape;
        m.group("Row in");
        let valid_in = m.input("valid_i", unsigned(1));
        let row = m.input_with_comment("row_i", unsigned(bits * lanes), "lane 0 lowest, two's complement");
        m.group("Row out");
        let ready = m.input("ready_i", unsigned(1));
        m.group("Settings, held from a row's first word in to its last word out");
        let length = m.input_with_comment("length_i", unsigned(shape.length_bits()), "elements minus 1");

        let bit = |name: &str| m.wire(name, unsigned(1));
        let (start_pass, result, result_last) = (bit("start_pass"), bit("result_valid"), bit("result_last"));
        m.comment("A result that waits holds everything.");
        let valid = m.register("valid_q", unsigned(1));
        let last = m.register("last_q", unsigned(1));
        let advance = valid.q().not().or(ready).named("advance");
        valid.set_when(advance, result.value());
        last.set_when(advance, result_last.value());
        let taken_last = valid.q().and(last.q()).and(ready).named("taken_last");

        m.comment("A row fills the buffer; passes read it.");
        let filling = m.register("filling_q", unsigned(1)).reset_to(1);
        let reading = m.register("reading_q", unsigned(1));
        let accept = filling.q().and(valid_in).named("accept");
        let due = if interval_cycles == 1 {
            m.bit(true)
        } else {
            let pause = m.register("pause_q", unsigned(bits_for(u64::from(interval_cycles) - 1)));
            let due = pause.q().eq_value(0).named("due");
            let width = pause.q().width();
            let next = due
                .mux(m.lit(width, u64::from(interval_cycles) - 1), super::divider::decrement(m, pause.q()));
            pause.set_when(advance, next.gate(reading.q()));
            due
        };
        let reads = reading.q().and(due).named("reads");
        let memory = Memory { width: bits * lanes, depth: longest / lanes };
        let lane_bits = shape.length_bits() - memory.address_bits();
        let word = m.register("word_q", unsigned(memory.address_bits()));
        let last_word = word.q().eq(length.slice(lane_bits, memory.address_bits())).named("last_word");
        let step = accept.or(reads.and(advance)).named("step");
        word.set_when(step, word.q().increment().gate(last_word.not()));
        let filled = accept.and(last_word).named("filled");
        filling.set(filled.not().and(filling.q()).or(taken_last));
        let ended = reads.and(last_word);
        reading.set_when(advance, start_pass.value().or(reading.q().and(ended.not())));
        let ports = RamPorts {
            write_enable: accept,
            write_address: word.q(),
            write_data: row,
            read_enable: reads.and(advance),
            read_address: word.q(),
        };
        let outgoing = m.memory("row_buffer", memory, ports);
        let mask = (0..lanes)
            .map(|l| match lane_bits {
                _ if l == 0 => m.bit(true),
                _ => last_word.not().or(length.truncate(lane_bits).ge(m.lit(lane_bits, l.into()))),
            })
            .collect();
        let elements = |word: Signal<'m>| -> Vec<Signal<'m>> {
            (0..lanes).map(|l| word.slice(l * bits, bits).as_signed()).collect()
        };
        Rows {
            m,
            shape,
            incoming: elements(row),
            accept,
            first: word.q().eq_value(0),
            filled,
            mask,
            length,
            advance,
            outgoing: elements(outgoing),
            reads,
            reads_last: ended,
            start_pass,
            result,
            result_last,
            filling: filling.q(),
            valid: valid.q(),
            taken_last,
        }
    }

    /// `next`, one cycle of the unit's time later; reset to 0.
    pub fn flag(&self, name: &str, next: Signal<'m>) -> Signal<'m> {
        let register = self.m.register(name, next.shape());
        register.set_when(self.advance, next);
        register.q()
    }

    /// `next`, one cycle of the unit's time later, without reset.
    pub fn data(&self, name: &str, next: Signal<'m>) -> Signal<'m> {
        let register = self.m.register(name, next.shape()).without_reset();
        register.set_when(self.advance, next);
        register.q()
    }

    /// `next`, `cycles` of the unit's time later; reset to 0.
    pub fn flag_after(&self, name: &str, next: Signal<'m>, cycles: u32) -> Signal<'m> {
        (1..=cycles).fold(next, |signal, i| self.flag(&format!("{name}_{i}_q"), signal))
    }

    /// The mask of the word that was read `cycles` of the unit's time ago.
    pub fn mask_after(&self, cycles: u32) -> Vec<Signal<'m>> {
        if self.shape.lanes == 1 {
            return self.mask.clone();
        }
        // Lane 0 is always filled.
        let others: Vec<Signal> = self.mask[1..].iter().rev().copied().collect();
        let others = self.m.concat(&others).named("mask");
        let late = (1..=cycles).fold(others, |signal, i| self.data(&format!("mask_{i}_q"), signal));
        std::iter::once(self.mask[0]).chain(late.bits()).collect()
    }

    /// The maximum of the row so far, of the cycle after a word came in.
    pub fn maximum(&self) -> Signal<'m> {
        let (m, bits) = (self.m, self.shape.bits);
        let lowest = m.constant(signed(bits), -(1 << (bits - 1)));
        m.comment("The maximum of the row.");
        let mut level: Vec<Signal> =
            self.incoming.iter().zip(&self.mask).map(|(x, f)| f.mux(*x, lowest)).collect();
        let larger = |a: Signal<'m>, b: Signal<'m>| a.gt(b).mux(a, b);
        while level.len() > 1 {
            level = level.chunks(2).map(|pair| larger(pair[0], pair[1])).collect();
        }
        let maximum = m.register("maximum_q", signed(bits)).without_reset();
        let of_word = level[0].named("word_maximum");
        maximum.set_when(self.accept, self.first.mux(of_word, larger(of_word, maximum.q())));
        maximum.q()
    }

    /// Starts passes, and ends the module: `results` go out in the cycle after `valid`, which `last` ends.
    pub fn finish(self, start_pass: Signal<'m>, valid: Signal<'m>, last: Signal<'m>, results: &[Signal<'m>]) {
        self.start_pass.drive(start_pass);
        self.result.drive(valid);
        self.result_last.drive(last);
        let row: Vec<Signal> = results.iter().rev().map(|lane| lane.as_unsigned()).collect();
        let row = self.data("row_q", self.m.concat(&row));
        let m = self.m;
        m.group("Answers");
        m.output("ready_o", self.filling);
        m.output("valid_o", self.valid);
        m.output("row_o", row);
    }
}

/// The meaning of a row operator: the results of a row, given the settings behind `length_i`.
pub(super) type Meaning = Box<dyn Fn(&[i64], &[BigUint]) -> Vec<i64>>;

/// Predicts a row operator cycle by cycle, from its meaning and its [`RowTiming`].
pub(super) struct RowModel {
    shape: RowShape,
    result_bits: u32,
    timing: RowTiming,
    meaning: Meaning,
    row: Vec<i64>,
    words: u32,
    results: Vec<BigUint>,
    /// Cycles before the next result.
    wait_cycles: u32,
}

impl RowModel {
    pub fn new(shape: RowShape, result_bits: u32, timing: RowTiming, meaning: Meaning) -> RowModel {
        RowModel {
            shape,
            result_bits,
            timing,
            meaning,
            row: Vec::new(),
            words: 0,
            results: Vec::new(),
            wait_cycles: 0,
        }
    }

    /// Whether the next word is the first of a row, so that settings may change.
    fn is_between_rows(&self) -> bool {
        self.words == 0 && self.results.is_empty()
    }

    fn accept(&mut self, word: &BigUint, length: u32, settings: &[BigUint]) {
        let RowShape { bits, lanes, .. } = self.shape;
        let filled = (length - self.row.len() as u32).min(lanes);
        self.row.extend((0..filled).map(|l| signed_number(&lane(word, l, bits), bits)));
        self.words += 1;
        if self.row.len() as u32 == length {
            let bits_of = |y: &i64| to_bits(i128::from(*y), self.result_bits);
            let lanes_of = |word: &[i64]| -> BigUint {
                let codes: Vec<BigUint> = word.iter().map(bits_of).collect();
                bitmill_hdl::unit::pack(&codes, self.result_bits)
            };
            let results = (self.meaning)(&self.row, settings);
            self.results = results.chunks(lanes as usize).rev().map(lanes_of).collect();
            self.wait_cycles = self.timing.latency_cycles(self.words) - 1;
            (self.row, self.words) = (Vec::new(), 0);
        }
    }
}

impl Model for RowModel {
    fn cycle(&mut self, inputs: &[BigUint]) -> Expected {
        let [valid, word, ready, length, settings @ ..] = inputs else { unreachable!("four inputs or more") };
        let bit = |value: bool| Some(BigUint::from(u8::from(value)));
        let Some(result) = self.results.last() else {
            if valid.bit(0) {
                self.accept(word, number(length) as u32 + 1, settings);
            }
            return vec![bit(true), bit(false), None];
        };
        if self.wait_cycles > 0 {
            self.wait_cycles -= 1;
            return vec![bit(false), bit(false), None];
        }
        let shown = vec![bit(false), bit(true), Some(result.clone())];
        if ready.bit(0) {
            self.results.pop();
            self.wait_cycles = self.timing.interval_cycles - 1;
        }
        shown
    }
}

/// Rows of all lengths with gaps in both streams; `settings` draws what stands behind `length_i`.
pub(super) fn stimulus(
    mut model: RowModel,
    random: &mut Random,
    cycles: usize,
    settings: impl Fn(&mut Random) -> Values,
) -> Vec<Values> {
    let RowShape { bits, lanes, longest } = model.shape;
    let (mut held, mut narrow, mut gaps) = (Vec::new(), bits, false);
    (0..cycles)
        .map(|_| {
            if model.is_between_rows() {
                // Short rows mostly, so that there are many.
                let longest = if random.one_in(6) { longest } else { longest.min(4 * lanes) };
                held = vec![BigUint::from(random.below(longest.into()))];
                held.extend(settings(random));
                narrow = 1 + random.below(bits.into()) as u32;
                gaps = random.one_in(2);
            }
            let flows = |random: &mut Random| BigUint::from(u8::from(!(gaps && random.one_in(3))));
            let elements: Vec<BigUint> = (0..lanes)
                .map(|_| to_bits(signed_number(&random.corner_bits(narrow), narrow).into(), bits))
                .collect();
            let mut values = vec![flows(random), bitmill_hdl::unit::pack(&elements, bits), flows(random)];
            values.extend(held.iter().cloned());
            model.cycle(&values);
            values
        })
        .collect()
}
