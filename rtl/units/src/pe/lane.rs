//! Vector lane: one multiply-accumulate, running maximum or pair of activations on one channel.
//!
//! Depthwise convolution, average pooling and addition multiply and accumulate; max pooling keeps the
//! largest. Meaning: `result = Σ activation · weight`, or the largest activation while `maximum_i` is set, or
//! while `pair_i` is set the last two activations side by side, the later one in the low bits.
//! Timing: as the integer PE's, so that both share the array's control.

use std::sync::Arc;

use bitmill_hdl::unit::{Model, Pipeline, Random, Unit, Values, signed_number, to_bits};
use bitmill_hdl::{BigUint, HdlError, Module, ModuleBuilder, signed, unsigned};

use super::PeTiming;
use super::integer::step_stimulus;
use crate::{Entry, Legal, Parameter, Settings, UnitError};

/// Catalogue entry.
pub const ENTRY: Entry = Entry {
    name: "vector_lane",
    summary: "multiply-accumulate, maximum or pair on one channel: depthwise convolution, pooling, addition",
    parameters: &[
        Parameter {
            name: "activation_bits",
            default: "8",
            help: "bits of the signed activation, 2 to 16",
            legal: Legal::Numbers(2, 16),
        },
        Parameter {
            name: "accumulator",
            default: "32",
            help: "bits of the result, up to 64",
            legal: Legal::Numbers(4, 64),
        },
        Parameter {
            name: "pairs",
            default: "no",
            help: "whether it pairs activations: yes or no",
            legal: Legal::OneOf(&["yes", "no"]),
        },
    ],
    examples: &[
        "",
        "activation_bits=4 accumulator=20",
        "activation_bits=16 accumulator=40 pairs=yes",
        "accumulator=16 pairs=yes",
    ],
    build: |settings| Ok(Box::new(VectorLane::from_settings(settings)?)),
};

/// Bits of a lane's signed weight, whatever the width of the array's weights: addition needs them.
pub const LANE_WEIGHT_BITS: u32 = 8;

/// Parameters of a vector lane.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct VectorLane {
    activation_bits: u32,
    accumulator_bits: u32,
    pairs: bool,
}

impl VectorLane {
    /// A lane for signed activations of `activation_bits`, which `pairs` them on request.
    ///
    /// # Errors
    /// Activations outside 2 to 16 bits, or an accumulator that one product or a pair overflows.
    pub fn new(activation_bits: u32, accumulator_bits: u32, pairs: bool) -> Result<VectorLane, UnitError> {
        if !(2..=16).contains(&activation_bits) {
            return Err(UnitError::illegal("activation_bits", activation_bits, "2 to 16 bits are legal"));
        }
        let least = activation_bits + LANE_WEIGHT_BITS;
        if !(least..=64).contains(&accumulator_bits) {
            let legal = format!("a product has {least} bits, so {least} to 64 are legal");
            return Err(UnitError::illegal("accumulator", accumulator_bits, legal));
        }
        if pairs && accumulator_bits < 2 * activation_bits {
            let legal = format!(
                "a pair of activations has {} bits; widen it or do without pairs",
                2 * activation_bits
            );
            return Err(UnitError::illegal("accumulator", accumulator_bits, legal));
        }
        Ok(VectorLane { activation_bits, accumulator_bits, pairs })
    }

    fn from_settings(settings: &Settings) -> Result<VectorLane, UnitError> {
        let pairs = settings.choice("pairs", &[("yes", true), ("no", false)])?;
        let accumulator_bits = settings.number("accumulator", 4..=64)?;
        VectorLane::new(settings.number("activation_bits", 2..=16)?, accumulator_bits, pairs)
    }

    /// Whether it pairs activations, with the port `pair_i`.
    pub fn pairs(&self) -> bool {
        self.pairs
    }

    /// When it takes operands and shows results.
    pub fn timing(&self) -> PeTiming {
        PeTiming { latency_cycles: 2, interval_cycles: 1 }
    }
}

impl Unit for VectorLane {
    fn module(&self) -> Result<Arc<Module>, HdlError> {
        let (bits, acc_bits) = (self.activation_bits, self.accumulator_bits);
        let m = ModuleBuilder::new(
            format!("bitmill_vector_lane_a{bits}_acc{acc_bits}{}", if self.pairs { "_pairs" } else { "" }),
            "one channel of the vector unit.\nLatency 2 cycles, interval 1.",
        );
        m.group("Control");
        let valid = m.input_with_comment("valid_i", unsigned(1), "operands are present");
        let first = m.input_with_comment("first_i", unsigned(1), "start a new result");
        let last = m.input_with_comment("last_i", unsigned(1), "hand the result to result_o");
        let maximum = m.input_with_comment("maximum_i", unsigned(1), "keep the largest activation instead");
        let pair = self
            .pairs
            .then(|| m.input_with_comment("pair_i", unsigned(1), "put two activations side by side instead"));
        m.group("Data");
        let activation = m.input("activation_i", signed(bits));
        let weight = m.input("weight_i", signed(LANE_WEIGHT_BITS));

        m.comment("The term: a product, or the activation itself.");
        let product = activation.mul(weight).named("product");
        let is_plain = pair.map_or(maximum, |pair| maximum.or(pair));
        let term_q = m.delay_data("term_q", is_plain.mux(activation.extend(product.width()), product));
        let valid_q = m.delay("valid_q", valid);
        let first_q = m.delay_data("first_q", first);
        let last_q = m.delay_data("last_q", last);
        let maximum_q = m.delay_data("maximum_q", maximum);

        m.comment("Accumulator.");
        let acc_q = m.register("acc_q", signed(acc_bits)).without_reset();
        let term = term_q.extend(acc_bits).named("term");
        let larger = acc_q.q().lt(term).mux(term, acc_q.q());
        let mut continued = maximum_q.mux(larger, acc_q.q().add_wrapping(term));
        if let Some(pair) = pair {
            let pair_q = m.delay_data("pair_q", pair);
            let side_by_side = m.concat(&[acc_q.q().truncate(bits), term.truncate(bits)]).as_signed();
            continued = pair_q.mux(side_by_side.extend(acc_bits), continued);
        }
        let acc_d = first_q.mux(term, continued).named("acc_d");
        acc_q.set_when(valid_q, acc_d);
        let result_q = m.register("result_q", signed(acc_bits)).without_reset();
        result_q.set_when(valid_q.and(last_q), acc_d);
        m.output("result_o", result_q.q());
        m.finish()
    }

    fn model(&self) -> Box<dyn Model> {
        let unit = *self;
        let (mut acc, mut result) = (0i128, None);
        Box::new(Pipeline::new(self.timing().latency_cycles as usize, 1, move |inputs: &[BigUint]| {
            let (controls, data) = inputs.split_at(inputs.len() - 2);
            let ([valid, first, last, maximum, ..], [activation, weight]) = (controls, data) else {
                unreachable!("at least four controls and two data")
            };
            let set = |bit: &BigUint| bit.bit(0);
            let is_pair = controls.get(4).is_some_and(set);
            if set(valid) {
                let [a, w] = [(activation, unit.activation_bits), (weight, LANE_WEIGHT_BITS)]
                    .map(|(bits, width)| i128::from(signed_number(bits, width)));
                acc = match (set(maximum) || is_pair, set(first)) {
                    (true, true) => a,
                    (true, false) if is_pair => pair_of(acc, a, unit.activation_bits),
                    (true, false) => acc.max(a),
                    (false, true) => a * w,
                    (false, false) => acc + a * w,
                };
                if set(last) {
                    result = Some(to_bits(acc, unit.accumulator_bits));
                }
            }
            vec![result.clone()]
        }))
    }

    fn stimulus(&self, random: &mut Random, cycles: usize) -> Vec<Values> {
        let mut steps = step_stimulus(random, cycles, &[self.activation_bits, LANE_WEIGHT_BITS]);
        // One operation a result: the mode changes only where a result starts.
        let mut mode = 0;
        for values in &mut steps {
            if values[1].bit(0) && values[0].bit(0) {
                mode = random.below(if self.pairs { 3 } else { 2 });
            }
            values.insert(3, BigUint::from(u8::from(mode == 1)));
            if self.pairs {
                values.insert(4, BigUint::from(u8::from(mode == 2)));
            }
        }
        steps
    }
}

/// The later activation in the low bits, the one before above it.
fn pair_of(acc: i128, later: i128, bits: u32) -> i128 {
    let field = (1i128 << bits) - 1;
    let both = (acc & field) << bits | (later & field);
    let unused = i128::BITS - 2 * bits;
    both << unused >> unused
}
