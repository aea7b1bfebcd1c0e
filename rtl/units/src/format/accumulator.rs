//! Exact accumulator: sums products of codes without rounding, in a register wide enough for all of them.
//!
//! Meaning: [`bitmill_formats::FixedAccumulator`], Kulisch's accumulator or the posit standard's quire, read
//! out through one rounding. Timing: a product every cycle; it shows in the sum two cycles later, in the
//! rounded result with it.

use std::collections::VecDeque;
use std::sync::Arc;

use bitmill_formats::circuits::{self, Rounder, RoundingMode, Unpacked};
use bitmill_formats::{AccumulatorShape, Family, FixedAccumulator, Scalar, Value};
use bitmill_hdl::unit::{Model, Random, Unit, Values};
use bitmill_hdl::{BigUint, HdlError, Module, ModuleBuilder, Signal, signed, unsigned};

use super::{RANDOM_BITS, ROUNDING, Rounded, SCALARS, code, rounding_mode, scalar};
use crate::{Entry, Legal, Parameter, Settings, UnitError};

/// Catalogue entry.
pub const ENTRY: Entry = Entry {
    name: "exact_accumulator",
    summary: "dot product without rounding: fixed-point register for all products, rounded when read",
    parameters: &[
        Parameter {
            name: "a",
            default: "fp8_e4m3",
            help: "scalar format of the first operand",
            legal: SCALARS,
        },
        Parameter {
            name: "b",
            default: "fp8_e4m3",
            help: "scalar format of the second operand",
            legal: SCALARS,
        },
        Parameter {
            name: "length",
            default: "1024",
            help: "most products in a sum, 1 to 2^20",
            legal: Legal::Numbers(1, 1 << 20),
        },
        Parameter { name: "result", default: "fp32", help: "scalar format of the result", legal: SCALARS },
        ROUNDING,
        RANDOM_BITS,
    ],
    examples: &[
        "",
        "a=fp8_e5m2 b=fp8_e5m2 length=256 result=fp16",
        "a=fp8_e4m3 b=fp8_e5m2 length=32 result=bf16 rounding=toward_zero",
        "a=fp4_e2m1 b=fp4_e2m1 length=32 result=fp8_e4m3",
        "a=int8 b=int8 length=4096 result=int16",
        "a=int4 b=fp6_e3m2 length=64 result=bf16",
        "a=uint8 b=ternary length=100 result=int16",
        "a=posit8_0 b=posit8_0 length=4096 result=posit8_0",
        "a=posit8_2 b=posit8_2 length=16 result=posit16_1",
        "a=posit16_1 b=posit16_1 length=1024 result=posit16_1",
        "a=bitmod_fp4 b=int8 length=128 result=fp16 rounding=stochastic",
        "a=fp16 b=fp16 length=64 result=fp16 rounding=nearest_away",
    ],
    build: |settings| Ok(Box::new(ExactAccumulator::from_settings(settings)?)),
};

/// Cycles from a product's operands to the sum with it.
const LATENCY_CYCLES: usize = 2;

/// Parameters of an exact accumulator.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ExactAccumulator {
    a: Scalar,
    b: Scalar,
    length: u32,
    result: Rounded,
    shape: AccumulatorShape,
}

impl ExactAccumulator {
    /// An accumulator for up to `length` products of codes of `a` and `b`.
    ///
    /// # Errors
    /// A length outside 1 to 2^20, or a codebook too wide for fixed point.
    pub fn new(a: Scalar, b: Scalar, length: u32, result: Rounded) -> Result<ExactAccumulator, UnitError> {
        if !(1..=1 << 20).contains(&length) {
            return Err(UnitError::illegal("length", length, "1 to 2^20 products are legal"));
        }
        for operand in [&a, &b] {
            Rounded::new(operand.clone(), RoundingMode::NearestEven)?;
        }
        let shape = AccumulatorShape::for_products(&a, &b, length as usize);
        Ok(ExactAccumulator { a, b, length, result, shape })
    }

    fn from_settings(settings: &Settings) -> Result<ExactAccumulator, UnitError> {
        ExactAccumulator::new(
            scalar(settings, "a")?,
            scalar(settings, "b")?,
            settings.number("length", 1..=1 << 20)?,
            Rounded::new(scalar(settings, "result")?, rounding_mode(settings)?)?,
        )
    }

    fn name(&self) -> String {
        let ExactAccumulator { a, b, length, result, .. } = self;
        format!("bitmill_exact_accumulator_{a}_{b}_l{length}_{}", result.name())
    }

    /// The register as the port shows it.
    fn register_bits(&self, sum: &FixedAccumulator) -> BigUint {
        let magnitude = sum.register().magnitude().clone();
        let modulus = BigUint::from(1u8) << self.shape.width_bits;
        if sum.value().is_negative() { modulus - magnitude } else { magnitude }
    }

    /// Two codes, seldom special ones: a single NaN settles a whole sum.
    fn codes(&self, random: &mut Random) -> [BigUint; 2] {
        [&self.a, &self.b].map(|format| {
            loop {
                let bits = random.corner_bits(format.bits());
                if format.decode(code(&bits)).finite().is_some() || random.one_in(100) {
                    return bits;
                }
            }
        })
    }

    /// The register of the sum and what leaves it.
    fn sum<'m>(
        &self,
        m: &'m ModuleBuilder,
        product: &Unpacked<'m>,
        control: [Signal<'m>; 2],
    ) -> Unpacked<'m> {
        let [valid, first] = control;
        m.comment("Cycle 1: the exact product, moved to its places.");
        let addend = circuits::addend(m, product, self.shape);
        let addend = circuits::Addend {
            bits: m.delay_data("addend_q", addend.bits),
            carry: addend.carry.map(|carry| m.delay_data("carry_q", carry)),
        };
        let valid_q = m.delay("valid_q", valid);
        let first_q = m.delay_data("first_q", first);
        m.comment("Cycle 2: the sum.");
        let sum_q = m.register("sum_q", signed(self.shape.width_bits)).without_reset();
        let previous = sum_q.q().gate(first_q.not());
        sum_q.set_when(valid_q, circuits::accumulate(previous, addend));

        // What fixed point cannot hold is remembered until the next sum starts.
        let remember = |name: &str, flag: Signal<'m>| {
            let now = m.delay_data(&format!("{name}_now_q"), flag);
            let seen = m.register(&format!("{name}_q"), unsigned(1)).without_reset();
            seen.set_when(valid_q, now.or(seen.q().gate(first_q.not())));
            seen.q()
        };
        let mut nan = product.nan.map(|nan| remember("nan", nan));
        let infinite = product.infinite.map(|infinite| {
            let sign = product.sign(m);
            let positive = remember("positive_infinite", infinite.and(sign.not()));
            let negative = remember("negative_infinite", infinite.and(sign));
            nan = Some(nan.map_or(positive.and(negative), |nan| nan.or(positive.and(negative))));
            (positive.or(negative), negative)
        });
        let plain = Unpacked::fixed(sum_q.q(), self.shape.lsb_exponent);
        let sign = infinite.map_or(sum_q.q().msb(), |(infinite, sign)| infinite.mux(sign, sum_q.q().msb()));
        Unpacked { negative: Some(sign), infinite: infinite.map(|(infinite, _)| infinite), nan, ..plain }
    }
}

impl Unit for ExactAccumulator {
    fn module(&self) -> Result<Arc<Module>, HdlError> {
        let ExactAccumulator { a, b, length, result, shape } = self;
        let m = ModuleBuilder::new(
            self.name(),
            format!(
                "exact sum of up to {length} products of {a} and {b}, in units of 2^{}, and rounded to {}, {}.\n\
                 Latency 2 cycles, interval 1.",
                shape.lsb_exponent, result.format, result.mode
            ),
        );
        m.group("Control");
        let valid = m.input_with_comment("valid_i", unsigned(1), "operands are present");
        let first = m.input_with_comment("first_i", unsigned(1), "start a new sum");
        m.group("Codes");
        let a_code = m.input("a_i", unsigned(a.bits()));
        let b_code = m.input("b_i", unsigned(b.bits()));
        let rounder = Rounder::new(&m, result.mode);
        let x = circuits::decode(&m, "a", a, a_code);
        let y = circuits::decode(&m, "b", b, b_code);
        let product = circuits::multiply(&m, &x, &y).named("product");
        let sum = self.sum(&m, &product, [valid, first]);
        m.group("Sum");
        m.output_with_comment("sum_o", sum.significand, "exact, unless a special value was met");
        m.comment("Round once.");
        m.output("result_o", circuits::encode(&m, &result.format, &sum, &rounder));
        m.finish()
    }

    fn model(&self) -> Box<dyn Model> {
        let unit = self.clone();
        let mut state: Option<FixedAccumulator> = None;
        let mut in_flight = VecDeque::from(vec![None; LATENCY_CYCLES]);
        Box::new(move |inputs: &[BigUint]| {
            let [valid, first, a, b, ..] = inputs else { unreachable!("four inputs or more") };
            if valid.bit(0) {
                if first.bit(0) {
                    state = Some(FixedAccumulator::new(unit.shape));
                }
                if let Some(sum) = &mut state {
                    let (a, b) = (unit.a.decode(code(a)), unit.b.decode(code(b)));
                    sum.add_product(&a, &b).expect("the register is sized for these products");
                }
            }
            in_flight.push_back(state.clone());
            // The random bits act when the result is read, not when the product enters.
            let Some(visible) = in_flight.pop_front().flatten() else { return vec![None, None] };
            let value = visible.value();
            let rounded = unit.result.format.encode(&value, unit.result.rounding(inputs));
            let finite = matches!(value, Value::Finite(_));
            vec![finite.then(|| unit.register_bits(&visible)), Some(rounded.into())]
        })
    }

    fn stimulus(&self, random: &mut Random, cycles: usize) -> Vec<Values> {
        let flag = |set: bool| BigUint::from(u8::from(set));
        let mut left = 0;
        let mut extreme = None;
        (0..cycles)
            .map(|_| {
                let valid = !random.one_in(5);
                let first = left == 0 || (valid && random.one_in(40));
                if first && valid {
                    left = 1 + random.below(u64::from(self.length)) as u32;
                    // Now and then the same product again and again, up to the ends of the register.
                    extreme = random.one_in(3).then(|| self.codes(random));
                }
                left -= u32::from(valid);
                let [a, b] = extreme.clone().unwrap_or_else(|| self.codes(random));
                let mut values = vec![flag(valid), flag(first), a, b];
                if self.result.mode.random_bits() > 0 {
                    values.push(random.corner_bits(self.result.mode.random_bits()));
                }
                values
            })
            .collect()
    }
}
