//! Bit-serial dequantization unit: scales the sums of groups by their 8-bit scales, one scale bit a cycle.
//!
//! BitMoD (Chen et al., HPCA 2025, section IV): a group of 128 weights keeps a PE of four lanes busy for 64
//! cycles or more, so scaling its sum may take 8 cycles unseen, and one adder is all the hardware it needs.
//! Meaning: `result = Σ over groups sum · scale`, modulo 2^result bits. Timing: takes a sum when `ready_o` is
//! set, every 8 cycles at most; a total shows 9 cycles after the last sum of it was taken.

use std::collections::VecDeque;
use std::sync::Arc;

use bitmill_hdl::unit::{Model, Random, Unit, Values, number, signed_number, to_bits};
use bitmill_hdl::{BigUint, HdlError, Module, ModuleBuilder, bits_for, signed, unsigned};

use crate::{Entry, Legal, Parameter, Settings, UnitError};

/// Catalogue entry.
pub const ENTRY: Entry = Entry {
    name: "bit_serial_dequantizer",
    summary: "scales group sums by their 8-bit scales, one scale bit a cycle, and adds them up",
    parameters: &[
        Parameter {
            name: "sum_bits",
            default: "32",
            help: "bits of a group's signed sum, 4 to 64",
            legal: Legal::Numbers(4, 64),
        },
        Parameter {
            name: "scale_bits",
            default: "8",
            help: "bits of the unsigned scale, 2 to 16; cycles a sum",
            legal: Legal::Numbers(2, 16),
        },
        Parameter {
            name: "result_bits",
            default: "48",
            help: "bits of the signed total, up to 96",
            legal: Legal::Numbers(4, 96),
        },
    ],
    examples: &[
        "",
        "sum_bits=20 result_bits=28",
        "sum_bits=16 scale_bits=5 result_bits=32",
        "sum_bits=64 result_bits=96",
    ],
    build: |settings| Ok(Box::new(BitSerialDequantizer::from_settings(settings)?)),
};

/// Parameters of a dequantization unit.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct BitSerialDequantizer {
    sum_bits: u32,
    scale_bits: u32,
    result_bits: u32,
}

impl BitSerialDequantizer {
    /// A unit for sums of `sum_bits` and scales of `scale_bits`.
    ///
    /// # Errors
    /// Sums outside 4 to 64 bits, scales outside 2 to 16, or a total that one scaled sum overflows or that has
    /// more than 96 bits.
    pub fn new(sum_bits: u32, scale_bits: u32, result_bits: u32) -> Result<BitSerialDequantizer, UnitError> {
        if !(4..=64).contains(&sum_bits) {
            return Err(UnitError::illegal("sum_bits", sum_bits, "4 to 64 bits are legal"));
        }
        if !(2..=16).contains(&scale_bits) {
            return Err(UnitError::illegal("scale_bits", scale_bits, "2 to 16 bits are legal"));
        }
        let least = sum_bits + scale_bits;
        if !(least..=96).contains(&result_bits) {
            let legal = format!("a scaled sum has {least} bits, so {least} to 96 are legal");
            return Err(UnitError::illegal("result_bits", result_bits, legal));
        }
        Ok(BitSerialDequantizer { sum_bits, scale_bits, result_bits })
    }

    fn from_settings(settings: &Settings) -> Result<BitSerialDequantizer, UnitError> {
        BitSerialDequantizer::new(
            settings.number("sum_bits", 4..=64)?,
            settings.number("scale_bits", 2..=16)?,
            settings.number("result_bits", 4..=96)?,
        )
    }

    /// Cycles from one sum to the next, one for each bit of the scale.
    pub fn interval_cycles(&self) -> u32 {
        self.scale_bits
    }

    /// Cycles from the last sum of a total to the total.
    pub fn latency_cycles(&self) -> u32 {
        self.scale_bits + 1
    }
}

impl Unit for BitSerialDequantizer {
    fn module(&self) -> Result<Arc<Module>, HdlError> {
        let BitSerialDequantizer { sum_bits, scale_bits, result_bits } = *self;
        let m = ModuleBuilder::new(
            format!("bitmill_bit_serial_dequantizer_s{sum_bits}_k{scale_bits}_r{result_bits}"),
            format!(
                "group sums times their {scale_bits}-bit scales, one scale bit a cycle.\n\
                 Latency {} cycles, interval {scale_bits}.",
                self.latency_cycles()
            ),
        );
        m.group("Group sums");
        let valid =
            m.input_with_comment("valid_i", unsigned(1), "a sum waits; it is taken while ready_o is set");
        let first = m.input_with_comment("first_i", unsigned(1), "first group of a total");
        let last = m.input_with_comment("last_i", unsigned(1), "last group of a total");
        let sum = m.input("sum_i", signed(sum_bits));
        let scale = m.input("scale_i", unsigned(scale_bits));

        m.comment("Cycles left for the sum at hand.");
        let count = unsigned(bits_for(scale_bits.into()));
        let left_q = m.register("left_q", count);
        let busy = left_q.q().any().named("busy");
        let ends = left_q.q().eq_value(1).named("ends");
        let ready = busy.not().or(ends).named("ready");
        let take = valid.and(ready).named("take");
        let lower = left_q.q().sub_wrapping(m.lit(count.width, 1));
        left_q.set_when(take.or(busy), take.mux(m.lit(count.width, scale_bits.into()), lower));

        m.comment("The sum moves up and the scale down, a bit a cycle.");
        let sum_q = m.register("sum_q", signed(result_bits)).without_reset();
        let doubled = sum_q.q().shl(1).truncate(result_bits);
        sum_q.set_when(take.or(busy), take.mux(sum.extend(result_bits), doubled));
        let scale_q = m.register("scale_q", unsigned(scale_bits)).without_reset();
        scale_q.set_when(take.or(busy), take.mux(scale, scale_q.q().shr(1).extend(scale_bits)));
        let last_q = m.register("last_q", unsigned(1)).without_reset();
        last_q.set_when(take, last);

        m.comment("The total; the first sum of a total starts it from zero.");
        let clear_q = m.register("clear_q", unsigned(1)).without_reset();
        clear_q.set_when(take.or(busy), take.and(first));
        let total_q = m.register("total_q", signed(result_bits)).without_reset();
        let previous = total_q.q().gate(clear_q.q().not());
        let total_d = previous.add_wrapping(sum_q.q().gate(scale_q.q().bit(0))).named("total_d");
        total_q.set_when(busy, total_d);
        let done = ends.and(last_q.q()).named("done");
        let result_q = m.register("result_q", signed(result_bits)).without_reset();
        result_q.set_when(done, total_d);
        m.group("Handshake and total");
        m.output_with_comment("ready_o", ready, "a sum is taken in this cycle if there is one");
        m.output_with_comment("valid_o", m.delay("valid_q", done), "result_o is new in this cycle");
        m.output("result_o", result_q.q());
        m.finish()
    }

    fn model(&self) -> Box<dyn Model> {
        let unit = *self;
        let latency = unit.latency_cycles() as usize;
        let mut busy_cycles = 0;
        let (mut total, mut result) = (0i128, None);
        let mut finishing: VecDeque<Option<i128>> = VecDeque::from(vec![None; latency]);
        Box::new(move |inputs: &[BigUint]| {
            let [valid, first, last, sum, scale] = inputs else { unreachable!("five inputs") };
            let ready = busy_cycles <= 1;
            busy_cycles = u32::saturating_sub(busy_cycles, 1);
            let mut finished = None;
            if valid.bit(0) && ready {
                let product = i128::from(signed_number(sum, unit.sum_bits)) * i128::from(number(scale));
                total = if first.bit(0) { 0 } else { total } + product;
                finished = last.bit(0).then_some(total);
                busy_cycles = unit.interval_cycles();
            }
            finishing.push_back(finished);
            let shown = finishing.pop_front().flatten();
            if let Some(total) = shown {
                result = Some(to_bits(total, unit.result_bits));
            }
            vec![Some(u8::from(ready).into()), Some(u8::from(shown.is_some()).into()), result.clone()]
        })
    }

    fn stimulus(&self, random: &mut Random, cycles: usize) -> Vec<Values> {
        // Sums wait until they are taken, and the unit knows when that is; totals begin where others ended.
        let bit = |set: bool| BigUint::from(u8::from(set));
        let (mut starts, mut busy_cycles) = (true, 0);
        let mut hurried = true;
        (0..cycles)
            .map(|_| {
                if random.one_in(50) {
                    hurried = !hurried;
                }
                let valid = hurried || random.one_in(2 * u64::from(self.interval_cycles()));
                let last = random.one_in(4);
                let taken = valid && busy_cycles <= 1;
                busy_cycles = u32::saturating_sub(busy_cycles, 1);
                let values = vec![
                    bit(valid),
                    bit(starts),
                    bit(last),
                    random.corner_bits(self.sum_bits),
                    random.corner_bits(self.scale_bits),
                ];
                if taken {
                    (starts, busy_cycles) = (last, self.interval_cycles());
                }
                values
            })
            .collect()
    }
}
