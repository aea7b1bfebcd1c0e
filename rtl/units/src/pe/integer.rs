//! Integer dot-product PE: each cycle multiplies as many pairs as it has lanes and adds them to its sum.
//!
//! Meaning: `result = Σ over steps Σ over lanes activation · weight`, modulo 2^accumulator bits.
//! Timing: a step every cycle; the sum shows two cycles after the last step (one register behind the
//! adder tree, one is the accumulator).

use std::sync::Arc;

use bitmill_formats::{Format, Integer, Scalar};
use bitmill_hdl::unit::{Model, Pipeline, Random, Unit, Values, lane, number, signed_number, to_bits};
use bitmill_hdl::{BigUint, HdlError, Module, ModuleBuilder, Shape, Signal, bits_for, signed, unsigned};

use super::{Mode, PeTiming, ProcessingElement};
use crate::{Entry, Legal, Parameter, Settings, UnitError, format};

/// Catalogue entry.
pub const ENTRY: Entry = Entry {
    name: "pe_integer",
    summary: "integer dot-product MAC, signed or unsigned operands of 2 to 16 bits",
    parameters: &[
        Parameter {
            name: "activation",
            default: "int8",
            help: "int2…int16 or uint2…uint16",
            legal: format::INTEGERS,
        },
        Parameter {
            name: "weight",
            default: "int8",
            help: "int2…int16 or uint2…uint16",
            legal: format::INTEGERS,
        },
        Parameter {
            name: "lanes",
            default: "4",
            help: "multiplications a cycle, 1 to 64",
            legal: Legal::Numbers(1, 64),
        },
        Parameter {
            name: "accumulator",
            default: "32",
            help: "bits of the sum, up to 64",
            legal: Legal::Numbers(4, 64),
        },
    ],
    examples: &[
        "",
        "activation=int8 weight=int8 lanes=1 accumulator=24",
        "activation=uint8 weight=int8 lanes=4",
        "activation=int4 weight=int4 lanes=8 accumulator=20",
        "activation=int8 weight=int4 lanes=3",
        "activation=uint2 weight=uint3 lanes=5 accumulator=16",
        "activation=int16 weight=uint16 lanes=2 accumulator=48",
        "activation=int2 weight=int2 lanes=16 accumulator=12",
    ],
    build: |settings| Ok(Box::new(IntegerPe::from_settings(settings)?)),
};

/// Operand of an integer PE.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Operand {
    shape: Shape,
}

impl Operand {
    /// A signed operand of `bits`.
    pub const fn int(bits: u32) -> Operand {
        Operand { shape: signed(bits) }
    }

    /// An unsigned operand of `bits`.
    pub const fn uint(bits: u32) -> Operand {
        Operand { shape: unsigned(bits) }
    }

    fn parse(parameter: &'static str, text: &str) -> Result<Operand, UnitError> {
        let number = |prefix: &str| text.strip_prefix(prefix).and_then(|digits| digits.parse().ok());
        number("uint").map(Operand::uint).or_else(|| number("int").map(Operand::int)).ok_or_else(|| {
            UnitError::illegal(parameter, text, "an integer format such as int8 or uint4 is needed")
        })
    }

    fn name(self) -> String {
        format!("{}{}", if self.shape.signed { "s" } else { "u" }, self.shape.width)
    }

    fn format(self) -> Format {
        let Shape { width, signed } = self.shape;
        let integer = if signed { Integer::signed(width) } else { Integer::unsigned(width) };
        Format::Scalar(Scalar::Integer(integer.expect("operands have 2 to 16 bits")))
    }

    fn value(self, bits: &BigUint) -> i128 {
        let width = self.shape.width;
        if self.shape.signed { signed_number(bits, width).into() } else { number(bits).into() }
    }
}

/// Parameters of an integer PE.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct IntegerPe {
    activation: Operand,
    weight: Operand,
    lanes: u32,
    accumulator_bits: u32,
}

impl IntegerPe {
    /// An integer PE.
    ///
    /// # Errors
    /// Operands outside 2 to 16 bits, lanes outside 1 to 64, or an accumulator that a single step can
    /// overflow or that has more than 64 bits.
    pub fn new(
        activation: Operand,
        weight: Operand,
        lanes: u32,
        accumulator_bits: u32,
    ) -> Result<IntegerPe, UnitError> {
        for (name, operand) in [("activation", activation), ("weight", weight)] {
            if !(2..=16).contains(&operand.shape.width) {
                return Err(UnitError::illegal(name, operand.name(), "2 to 16 bits are legal"));
            }
        }
        if !(1..=64).contains(&lanes) {
            return Err(UnitError::illegal("lanes", lanes, "1 to 64 lanes are legal"));
        }
        let least = activation.shape.width + weight.shape.width + bits_for(u64::from(lanes) - 1);
        if !(least..=64).contains(&accumulator_bits) {
            let legal = format!("one step makes up to {least} bits, so {least} to 64 are legal");
            return Err(UnitError::illegal("accumulator", accumulator_bits, legal));
        }
        Ok(IntegerPe { activation, weight, lanes, accumulator_bits })
    }

    pub(super) fn from_settings(settings: &Settings) -> Result<IntegerPe, UnitError> {
        IntegerPe::new(
            Operand::parse("activation", settings.text("activation"))?,
            Operand::parse("weight", settings.text("weight"))?,
            settings.number("lanes", 1..=64)?,
            settings.number("accumulator", 4..=64)?,
        )
    }

    fn name(&self) -> String {
        let (a, w) = (self.activation.name(), self.weight.name());
        format!("bitmill_pe_integer_{a}{w}_l{}_acc{}", self.lanes, self.accumulator_bits)
    }

    fn purpose(&self) -> String {
        let (a, w) = (self.activation.shape, self.weight.shape);
        format!("dot-product PE, {} lanes of {a} by {w}.\nLatency 2 cycles, interval 1.", self.lanes)
    }

    /// The meaning of one step.
    fn dot(&self, activations: &BigUint, weights: &BigUint) -> i128 {
        (0..self.lanes)
            .map(|index| {
                let take =
                    |word: &BigUint, operand: Operand| operand.value(&lane(word, index, operand.shape.width));
                take(activations, self.activation) * take(weights, self.weight)
            })
            .sum()
    }
}

/// Lanes of a packed word, lane 0 lowest, each of `shape`.
pub(crate) fn split_lanes<'m>(word: Signal<'m>, lanes: u32, shape: Shape) -> Vec<Signal<'m>> {
    (0..lanes)
        .map(|lane| {
            let bits = word.slice(lane * shape.width, shape.width);
            if shape.signed { bits.as_signed() } else { bits }
        })
        .collect()
}

impl Unit for IntegerPe {
    fn module(&self) -> Result<Arc<Module>, HdlError> {
        let m = ModuleBuilder::new(self.name(), self.purpose());
        m.group("Control");
        let valid = m.input_with_comment("valid_i", unsigned(1), "operands are present");
        let first = m.input_with_comment("first_i", unsigned(1), "start a new sum");
        let last = m.input_with_comment("last_i", unsigned(1), "hand the sum to result_o");
        m.group("Data, lane 0 lowest");
        let activation = m.input("activation_i", unsigned(self.activation_bits()));
        let weight = m.input("weight_i", unsigned(self.weight_bits()));

        m.comment("Products and their sum.");
        let exact = self.activation.shape.width + self.weight.shape.width;
        let mixed = self.activation.shape.signed != self.weight.shape.signed;
        let activations = split_lanes(activation, self.lanes, self.activation.shape);
        let weights = split_lanes(weight, self.lanes, self.weight.shape);
        let products: Vec<Signal> = activations
            .into_iter()
            .zip(weights)
            .enumerate()
            .map(|(lane, (a, w))| {
                // A zero bit makes an unsigned operand signed; the product still fits the exact width.
                let product = if mixed { a.to_signed().mul(w.to_signed()).truncate(exact) } else { a.mul(w) };
                product.named(&format!("product_{lane}"))
            })
            .collect();
        let dot = m.sum(&products);
        let dot_q = m.delay_data("dot_q", dot);
        let valid_q = m.delay("valid_q", valid);
        let first_q = m.delay_data("first_q", first);
        let last_q = m.delay_data("last_q", last);

        m.comment("Accumulator.");
        let acc_q = m.register("acc_q", signed(self.accumulator_bits)).without_reset();
        let addend = if dot_q.shape().signed { dot_q } else { dot_q.to_signed() };
        let previous = acc_q.q().gate(first_q.not());
        let acc_d = previous.add_wrapping(addend.resize(self.accumulator_bits)).named("acc_d");
        acc_q.set_when(valid_q, acc_d);
        let result_q = m.register("result_q", signed(self.accumulator_bits)).without_reset();
        result_q.set_when(valid_q.and(last_q), acc_d);
        m.output("result_o", result_q.q());
        m.finish()
    }

    fn model(&self) -> Box<dyn Model> {
        let unit = *self;
        let (mut sum, mut result) = (0, None);
        Box::new(Pipeline::new(self.timing().latency_cycles as usize, 1, move |inputs: &[BigUint]| {
            let [valid, first, last, activations, weights] = inputs else { unreachable!("five inputs") };
            let set = |bit: &BigUint| bit.bit(0);
            if set(valid) {
                sum = if set(first) { 0 } else { sum } + unit.dot(activations, weights);
                if set(last) {
                    result = Some(to_bits(sum, unit.accumulator_bits));
                }
            }
            vec![result.clone()]
        }))
    }

    fn stimulus(&self, random: &mut Random, cycles: usize) -> Vec<Values> {
        step_stimulus(random, cycles, &[self.activation_bits(), self.weight_bits()])
    }
}

/// Steps with gaps: sums of random length, operands of the given widths.
pub(crate) fn step_stimulus(random: &mut Random, cycles: usize, operand_bits: &[u32]) -> Vec<Values> {
    let bit = |value: bool| BigUint::from(u8::from(value));
    let mut starts = true;
    (0..cycles)
        .map(|_| {
            let valid = !random.one_in(4);
            let last = random.one_in(5);
            let mut values = vec![bit(valid), bit(starts), bit(last)];
            values.extend(operand_bits.iter().map(|&width| random.corner_bits(width)));
            if valid {
                starts = last;
            }
            values
        })
        .collect()
}

impl ProcessingElement for IntegerPe {
    fn lanes(&self) -> u32 {
        self.lanes
    }

    fn activation_bits(&self) -> u32 {
        self.lanes * self.activation.shape.width
    }

    fn weight_bits(&self) -> u32 {
        self.lanes * self.weight.shape.width
    }

    fn result_bits(&self) -> u32 {
        self.accumulator_bits
    }

    fn timing(&self) -> PeTiming {
        PeTiming { latency_cycles: 2, interval_cycles: 1 }
    }

    fn modes(&self) -> Vec<Mode> {
        let (activation, weight) = (self.activation.format(), self.weight.format());
        vec![Mode { code: 0, activation, weight, lanes: self.lanes, interval_cycles: 1, lsb_exponent: 0 }]
    }
}
