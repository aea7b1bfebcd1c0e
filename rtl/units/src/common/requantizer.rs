//! Requantizer: brings an accumulator back to the activations' format, by a dyadic scale a channel.
//!
//! Meaning: `y = clamp(round_half_up((accumulator + bias) · multiplier / 2^(shift + 1)) + zero_point)`,
//! where `round_half_up(v / 2^s) = (v + 2^(s − 1)) >> s`, rounded once. The multiplier is unsigned and
//! normalised to 16 bits, as in HAWQ-V3's dyadic requantization (section 3) with a narrower mantissa.
//! Timing: a value every cycle, four cycles from input to output.

use std::sync::Arc;

use bitmill_hdl::unit::{Model, Pipeline, Random, Unit, Values, number, signed_number, to_bits};
use bitmill_hdl::{BigUint, HdlError, Module, ModuleBuilder, signed, unsigned};

use crate::{Entry, Parameter, Settings, UnitError};

/// Catalogue entry.
pub const ENTRY: Entry = Entry {
    name: "requantizer",
    summary: "bias, dyadic scale with one rounding, zero point and clamp",
    parameters: &[
        Parameter { name: "accumulator", default: "32", help: "bits of the signed accumulator, 8 to 40" },
        Parameter { name: "activation_bits", default: "8", help: "bits of the signed result, 2 to 16" },
    ],
    examples: &["", "accumulator=24 activation_bits=4", "accumulator=40 activation_bits=16"],
    build: |settings| Ok(Box::new(Requantizer::from_settings(settings)?)),
};

/// Bits of the bias.
pub const BIAS_BITS: u32 = 32;
/// Bits of the multiplier, which is unsigned.
pub const MULTIPLIER_BITS: u32 = 16;
/// Bits of the shift field; it holds the shift minus 1.
pub const SHIFT_BITS: u32 = 6;
/// Cycles from input to output.
pub const LATENCY_CYCLES: u32 = 4;

/// Parameters of a requantizer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Requantizer {
    accumulator_bits: u32,
    activation_bits: u32,
}

impl Requantizer {
    /// A requantizer from accumulators of `accumulator_bits` to activations of `activation_bits`.
    ///
    /// # Errors
    /// An accumulator outside 8 to 40 bits or activations outside 2 to 16 bits.
    pub fn new(accumulator_bits: u32, activation_bits: u32) -> Result<Requantizer, UnitError> {
        if !(8..=40).contains(&accumulator_bits) {
            return Err(UnitError::illegal("accumulator", accumulator_bits, "8 to 40 bits are legal"));
        }
        if !(2..=16).contains(&activation_bits) {
            return Err(UnitError::illegal("activation_bits", activation_bits, "2 to 16 bits are legal"));
        }
        Ok(Requantizer { accumulator_bits, activation_bits })
    }

    fn from_settings(settings: &Settings) -> Result<Requantizer, UnitError> {
        Requantizer::new(settings.number("accumulator", 8..=40)?, settings.number("activation_bits", 2..=16)?)
    }

    /// The meaning, on numbers. `shift` is the field: the shift minus 1.
    pub fn requantize(
        accumulator: i64,
        bias: i64,
        multiplier: u32,
        shift: u32,
        zero_point: i64,
        low: i64,
        high: i64,
    ) -> i64 {
        let product = i128::from(accumulator + bias) * i128::from(multiplier);
        let rounded = (product + (1i128 << shift)) >> (shift + 1);
        (rounded + i128::from(zero_point)).max(i128::from(low)).min(i128::from(high)) as i64
    }
}

impl Unit for Requantizer {
    fn module(&self) -> Result<Arc<Module>, HdlError> {
        let (acc_bits, bits) = (self.accumulator_bits, self.activation_bits);
        let m = ModuleBuilder::new(
            format!("bitmill_requantizer_acc{acc_bits}_a{bits}"),
            "clamp(round((accumulator + bias) * multiplier / 2^(shift + 1)) + zero point).\nLatency 4 cycles, interval 1.",
        );
        m.group("Data");
        let accumulator = m.input("accumulator_i", signed(acc_bits));
        m.group("Scale of the channel");
        let bias = m.input("bias_i", signed(BIAS_BITS));
        let multiplier = m.input("multiplier_i", unsigned(MULTIPLIER_BITS));
        let shift = m.input_with_comment("shift_i", unsigned(SHIFT_BITS), "shift minus 1");
        m.group("Settings of the command, held until the results are out");
        let zero_point = m.input("zero_point_i", signed(bits));
        let low = m.input("low_i", signed(bits));
        let high = m.input("high_i", signed(bits));

        m.comment("Cycle 1: bias.");
        let biased_q = m.delay_data("biased_q", accumulator.add(bias));
        let multiplier_q = m.delay_data("multiplier_q", multiplier);
        let shift_q = m.delay_data("shift_q", shift);
        m.comment("Cycle 2: multiply.");
        // The zero bit that makes the multiplier signed leaves the product's top bit redundant.
        let product = biased_q.mul(multiplier_q.to_signed());
        let product_q = m.delay_data("product_q", product.truncate(product.width() - 1));
        let shift_2_q = m.delay_data("shift_2_q", shift_q);
        m.comment("Cycle 3: shift right by all but one place, then round half up with the last.");
        let shifted = product_q.shift_right(shift_2_q).named("shifted");
        let one = m.constant(signed(2), 1);
        let rounded_q = m.delay_data("rounded_q", shifted.add(one).shr(1));
        m.comment("Cycle 4: zero point and clamp.");
        let sum = rounded_q.add(zero_point).named("sum");
        let [low, high] = [low.extend(sum.width()), high.extend(sum.width())];
        let floored = sum.lt(low).mux(low, sum).named("floored");
        let clamped = floored.gt(high).mux(high, floored).truncate(bits);
        m.output("activation_o", m.delay_data("activation_q", clamped));
        m.finish()
    }

    fn model(&self) -> Box<dyn Model> {
        let unit = *self;
        // The command's settings act in the last cycle; the stimulus holds them still.
        Box::new(Pipeline::new(LATENCY_CYCLES as usize, 1, move |inputs: &[BigUint]| {
            let [accumulator, bias, multiplier, shift, zero_point, low, high] = inputs else {
                unreachable!("seven inputs")
            };
            let signed = signed_number;
            let narrow = unit.activation_bits;
            let y = Requantizer::requantize(
                signed(accumulator, unit.accumulator_bits),
                signed(bias, BIAS_BITS),
                number(multiplier) as u32,
                number(shift) as u32,
                signed(zero_point, narrow),
                signed(low, narrow),
                signed(high, narrow),
            );
            vec![Some(to_bits(i128::from(y), narrow))]
        }))
    }

    fn stimulus(&self, random: &mut Random, cycles: usize) -> Vec<Values> {
        let bits = self.activation_bits;
        // -8 … 7 of 4 bits: the settings of one command, with low <= high.
        let settings = [
            to_bits(3 - (1 << (bits - 2)), bits),
            to_bits(-(1 << (bits - 1)), bits),
            to_bits((1 << (bits - 1)) - 2, bits),
        ];
        (0..cycles)
            .map(|_| {
                // Small accumulators with small shifts are the common case; corners of both are mixed in.
                let narrow = 1 + random.below(u64::from(self.accumulator_bits)) as u32;
                let shift =
                    if random.one_in(3) { random.bits(SHIFT_BITS) } else { BigUint::from(random.below(24)) };
                let shift = shift.min(BigUint::from(61u8));
                let sign_extended = widen(&random.corner_bits(narrow), narrow, self.accumulator_bits);
                let bias_bits = narrow.min(BIAS_BITS);
                let bias = widen(&random.corner_bits(bias_bits), bias_bits, BIAS_BITS);
                let mut values = vec![sign_extended, bias, random.corner_bits(MULTIPLIER_BITS), shift];
                values.extend(settings.iter().cloned());
                values
            })
            .collect()
    }
}

fn widen(bits: &BigUint, from: u32, to: u32) -> BigUint {
    to_bits(signed_number(bits, from).into(), to)
}
