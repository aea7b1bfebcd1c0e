//! Encoder: from an exact number, significand and exponent, to the nearest code.
//!
//! Meaning: the value side's encoder of the number, special values first. Timing: combinational.

use std::sync::Arc;

use bitmill_formats::circuits::{self, Exponent, Rounder, Unpacked};
use bitmill_formats::{Dyadic, Value};
use bitmill_hdl::unit::{Model, Random, Unit, Values, number, signed_number};
use bitmill_hdl::{BigUint, HdlError, Module, ModuleBuilder, Shape, unsigned};

use super::{FORMAT, RANDOM_BITS, ROUNDING, Rounded, VALUES, stimulus};
use crate::{Entry, Legal, Parameter, Settings, UnitError};

/// Catalogue entry.
pub const ENTRY: Entry = Entry {
    name: "format_encoder",
    summary: "significand, exponent and flags, rounded to a code of any scalar format",
    parameters: &[
        FORMAT,
        VALUES,
        ROUNDING,
        RANDOM_BITS,
        Parameter {
            name: "significand",
            default: "8",
            help: "bits of the significand, 2 to 64",
            legal: Legal::Numbers(2, 64),
        },
        Parameter {
            name: "exponent",
            default: "6",
            help: "bits of the signed exponent, 2 to 10",
            legal: Legal::Numbers(2, 10),
        },
        Parameter {
            name: "convention",
            default: "magnitude",
            help: "of the significand: magnitude, with a sign apart, or twos_complement",
            legal: Legal::OneOf(&["magnitude", "twos_complement"]),
        },
    ],
    examples: &[
        "significand=8 exponent=5",
        "format=fp8_e5m2 significand=6 exponent=7 rounding=toward_zero",
        "format=fp8_e4m3_fnuz significand=12 rounding=stochastic",
        "format=fp6_e3m2_ftz convention=twos_complement",
        "format=fp16 significand=24 exponent=7",
        "format=fp32 significand=48 exponent=9 rounding=nearest_away",
        "format=int8 significand=12 exponent=5",
        "format=int8_wrap significand=6 exponent=6 rounding=toward_zero",
        "format=uint4 convention=twos_complement rounding=stochastic random_bits=5",
        "format=fixed8_5_sym convention=twos_complement rounding=nearest_away",
        "format=e8m0 exponent=9",
        "format=e5m0_sat rounding=stochastic random_bits=3",
        "format=posit8_0",
        "format=posit8_2 exponent=7 convention=twos_complement rounding=nearest_away",
        "format=posit16_1 significand=20 exponent=8",
        "format=posit6_2 exponent=7 rounding=stochastic random_bits=4",
        "format=binary significand=5",
        "format=ternary exponent=4",
        "format=dual_binary exponent=4 convention=twos_complement",
        "format=bitmod_fp4_n5 exponent=5 rounding=toward_zero",
        "format=double_rounding4",
        "format=own values=-1,-0.6875,-0.375,0,0.25,0.5,0.8125,1.5 exponent=5 significand=9",
    ],
    build: |settings| Ok(Box::new(Encoder::from_settings(settings)?)),
};

/// Parameters of an encoder.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Encoder {
    result: Rounded,
    significand: Shape,
    exponent_bits: u32,
}

impl Encoder {
    /// An encoder of `significand` · 2^exponent; a signed significand is two's complement.
    ///
    /// # Errors
    /// A significand outside 2 to 64 bits or an exponent outside 2 to 10 bits.
    pub fn new(result: Rounded, significand: Shape, exponent_bits: u32) -> Result<Encoder, UnitError> {
        if !(2..=64).contains(&significand.width) {
            return Err(UnitError::illegal("significand", significand.width, "2 to 64 bits are legal"));
        }
        if !(2..=10).contains(&exponent_bits) {
            return Err(UnitError::illegal("exponent", exponent_bits, "2 to 10 bits are legal"));
        }
        Ok(Encoder { result, significand, exponent_bits })
    }

    fn from_settings(settings: &Settings) -> Result<Encoder, UnitError> {
        let signed = settings.choice("convention", &[("magnitude", false), ("twos_complement", true)])?;
        let width = settings.number("significand", 2..=64)?;
        let exponent_bits = settings.number("exponent", 2..=10)?;
        Encoder::new(Rounded::from_settings(settings)?, Shape { width, signed }, exponent_bits)
    }

    fn name(&self) -> String {
        let Shape { width, signed } = self.significand;
        let convention = if signed { "s" } else { "m" };
        format!("bitmill_format_encoder_{}_{convention}{width}_e{}", self.result.name(), self.exponent_bits)
    }

    fn inputs<'m>(&self, m: &'m ModuleBuilder) -> Unpacked<'m> {
        m.group("Number, significand * 2^exponent");
        let significand = m.input("significand_i", self.significand);
        let exponent = m.input("exponent_i", bitmill_hdl::signed(self.exponent_bits));
        let negative =
            if self.significand.signed { significand.msb() } else { m.input("negative_i", unsigned(1)) };
        m.group("Special values");
        let infinite =
            m.input_with_comment("infinite_i", unsigned(1), "of the significand's or the given sign");
        let nan = m.input("nan_i", unsigned(1));
        // Two's complement with the sign bit turned over counts from the lowest number.
        let half = 1 << (self.exponent_bits - 1);
        let biased =
            m.concat(&[exponent.msb().not(), exponent.truncate(self.exponent_bits - 1).as_unsigned()]);
        Unpacked {
            negative: Some(negative),
            significand,
            exponent: Exponent::variable(biased, -half, -half, half - 1),
            leading: self.significand.width - 1,
            infinite: Some(infinite),
            nan: Some(nan),
        }
    }

    /// The number at the ports.
    fn value(&self, inputs: &[BigUint]) -> Value {
        let Shape { width, signed } = self.significand;
        let exponent = signed_number(&inputs[1], self.exponent_bits) as i32;
        let (negative, magnitude, flags) = if signed {
            let integer = signed_number(&inputs[0], width);
            (integer < 0, integer.unsigned_abs(), &inputs[2..])
        } else {
            (inputs[2].bit(0), number(&inputs[0]), &inputs[3..])
        };
        match (flags[0].bit(0), flags[1].bit(0)) {
            (_, true) => Value::Nan,
            (true, _) => Value::Infinite { negative },
            _ => Value::Finite(Dyadic::new(negative, magnitude.into(), exponent)),
        }
    }
}

impl Unit for Encoder {
    fn module(&self) -> Result<Arc<Module>, HdlError> {
        let Rounded { format, mode } = &self.result;
        let purpose = format!("a number rounded to {format}, {mode}.\nCombinational.");
        let m = ModuleBuilder::new(self.name(), purpose);
        let x = self.inputs(&m);
        let rounder = Rounder::new(&m, *mode);
        m.group("Code");
        m.output("code_o", circuits::encode(&m, format, &x, &rounder));
        m.finish()
    }

    fn model(&self) -> Box<dyn Model> {
        let unit = self.clone();
        Box::new(move |inputs: &[BigUint]| {
            let Rounded { format, .. } = &unit.result;
            let code = format.encode(&unit.value(inputs), unit.result.rounding(inputs));
            vec![Some(code.into())]
        })
    }

    fn stimulus(&self, random: &mut Random, cycles: usize) -> Vec<Values> {
        let Ok(module) = self.module() else { return vec![] };
        let mut all = stimulus::all_or_random(&module, random, cycles);
        let flags = if self.significand.signed { 2 } else { 3 };
        if all.len() == cycles {
            // Special values are few, and short significands show ties.
            for values in &mut all {
                let short = self.significand.width - 1 - random.below(self.significand.width.into()) as u32;
                if random.one_in(2) {
                    values[0] = &values[0] >> short << short;
                }
                for flag in &mut values[flags..flags + 2] {
                    *flag = BigUint::from(u8::from(random.one_in(16)));
                }
            }
        }
        all
    }
}
