//! Result encoder: a scaled sum becomes a floating-point number of one of several formats, rounded once.
//!
//! Meaning: the ordinal ([`Ordered`]) of the format's number nearest to `product / 2^shift`, ties to even; what
//! exceeds the format becomes its largest number. Ordinals compare like numbers, so that whoever clamps results
//! need not know the format.
//!
//! Circuit: the sign apart, then a short significand with a sticky bit below it, which every encoder can round as
//! if it were the whole product ([`circuits::narrow`]), then an encoder for each format.
//!
//! Timing: a value every cycle, three cycles from input to output.

use std::sync::Arc;

use bitmill_formats::circuits::{self, Exponent, Rounder, RoundingMode, Unpacked};
use bitmill_formats::{Dyadic, Ordered, Scalar, Value};
use bitmill_hdl::unit::{Model, Pipeline, Random, Unit, Values, number, to_bits};
use bitmill_hdl::{BigUint, HdlError, Module, ModuleBuilder, Signal, bits_for, signed, unsigned};

use crate::{Entry, Legal, Parameter, Settings, UnitError};

/// Catalogue entry.
pub const ENTRY: Entry = Entry {
    name: "result_encoder",
    summary: "scaled sum rounded once to a minifloat or posit, one of several",
    parameters: &[
        Parameter {
            name: "product_bits",
            default: "64",
            help: "bits of the signed product, 8 to 128",
            legal: Legal::Numbers(8, 128),
        },
        Parameter {
            name: "formats",
            default: "fp8_e4m3",
            help: "minifloats and posits of up to 16 bits, with commas between",
            legal: FORMATS,
        },
    ],
    examples: &[
        "",
        "product_bits=128 formats=fp8_e4m3,fp8_e5m2,bf16,posit16_1,fp16",
        "product_bits=20 formats=fp4_e2m1,posit4_1",
        "product_bits=80 formats=posit8_0",
        "product_bits=63 formats=fp8_e4m3_fnuz,fp8_e4m3_nonsat,fp6_e3m2",
    ],
    build: |settings| Ok(Box::new(ResultEncoder::from_settings(settings)?)),
};

/// Formats of results, in parameters.
pub(crate) const FORMATS: Legal = Legal::SomeOf(&[
    "fp4_e2m1",
    "fp6_e3m2",
    "fp8_e4m3",
    "fp8_e4m3_fnuz",
    "fp8_e5m2",
    "fp16",
    "bf16",
    "posit4_1",
    "posit8_0",
    "posit16_1",
]);

/// Bits of the shift.
pub const SHIFT_BITS: u32 = 8;

/// Parameters of a result encoder.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct ResultEncoder {
    product_bits: u32,
    formats: Vec<Ordered>,
}

impl ResultEncoder {
    /// An encoder of products of `product_bits` into one of `formats`.
    ///
    /// # Errors
    /// A product outside 8 to 128 bits, or no format.
    pub fn new(product_bits: u32, formats: Vec<Ordered>) -> Result<ResultEncoder, UnitError> {
        if !(8..=128).contains(&product_bits) {
            return Err(UnitError::illegal("product_bits", product_bits, "8 to 128 bits are legal"));
        }
        if formats.is_empty() {
            return Err(UnitError::illegal("formats", "", "at least one is needed, such as fp8_e4m3"));
        }
        Ok(ResultEncoder { product_bits, formats })
    }

    fn from_settings(settings: &Settings) -> Result<ResultEncoder, UnitError> {
        ResultEncoder::new(settings.number("product_bits", 8..=128)?, parse(settings.text("formats"))?)
    }

    /// Bits of the product.
    pub fn product_bits(&self) -> u32 {
        self.product_bits
    }

    /// The formats, in the order of their numbers.
    pub fn formats(&self) -> &[Ordered] {
        &self.formats
    }

    /// Cycles from input to output.
    pub fn latency_cycles(&self) -> u32 {
        3
    }

    /// Bits of an ordinal.
    pub fn ordinal_bits(&self) -> u32 {
        self.formats.iter().map(|format| format.bits()).max().unwrap_or(0)
    }

    /// Bits of `format_i`, which numbers the formats; 0 if there is one, and no such port.
    pub fn format_bits(&self) -> u32 {
        if self.formats.len() == 1 { 0 } else { bits_for(self.formats.len() as u64 - 1) }
    }

    /// Significant bits that the encoders are given, besides a sticky one.
    fn kept_bits(&self) -> u32 {
        self.formats.iter().map(|format| format.significand_bits()).max().unwrap_or(0) + 1
    }
}

/// Formats in a parameter, with commas between.
pub(crate) fn parse(names: &str) -> Result<Vec<Ordered>, UnitError> {
    let mut formats = Vec::new();
    for name in names.split(',') {
        let illegal = |legal: String| UnitError::illegal("formats", name, legal);
        let scalar: Scalar =
            name.trim().parse().map_err(|e: bitmill_formats::FormatError| illegal(e.to_string()))?;
        let format = Ordered::new(&scalar)
            .ok_or_else(|| illegal("minifloats and posits of up to 16 bits are legal".to_owned()))?;
        if formats.contains(&format) {
            return Err(illegal("it stands there twice; each counts once".to_owned()));
        }
        formats.push(format);
    }
    Ok(formats)
}

impl Unit for ResultEncoder {
    fn module(&self) -> Result<Arc<Module>, HdlError> {
        let names: Vec<String> = self.formats.iter().map(Ordered::to_string).collect();
        let bits = self.product_bits;
        let m = ModuleBuilder::new(
            format!("bitmill_result_encoder_p{bits}_{}", names.join("_")),
            format!(
                "product / 2^shift rounded once to {}, as an ordinal.\nLatency {} cycles, interval 1.",
                names.join(", "),
                self.latency_cycles()
            ),
        );
        m.group("Data");
        let product = m.input("product_i", signed(bits));
        let shift = m.input("shift_i", unsigned(SHIFT_BITS));
        let format = (self.format_bits() > 0)
            .then(|| m.input_with_comment("format_i", unsigned(self.format_bits()), "number of the format"));

        m.comment("The sign apart. The exponent is -shift = not shift - 255.");
        let most = (1 << SHIFT_BITS) - 1;
        let exponent = Exponent::variable(shift.not(), -most, -most, 0);
        let x = Unpacked { exponent, ..Unpacked::fixed(product, 0) }.to_magnitude();
        let x = registered(&m, "magnitude", x);
        let format = format.map(|format| m.delay_data("format_q", format));
        m.comment("What all roundings need to know.");
        let x = registered(&m, "narrow", circuits::narrow(&m, &x, self.kept_bits()));
        let format = format.map(|format| m.delay_data("narrow_format_q", format));
        m.comment("Round once, in each format.");
        let ordinals: Vec<Signal> = self
            .formats
            .iter()
            .map(|format| {
                let rounder = Rounder::new(&m, RoundingMode::NearestEven).prefixed(&format.to_string());
                let code = circuits::encode(&m, &format.saturating(), &x, &rounder);
                format.ordinal_circuit(&m, code).extend(self.ordinal_bits())
            })
            .collect();
        let ordinal = format.map_or(ordinals[0], |format| format.select(&ordinals, ordinals[0]));
        m.output("ordinal_o", m.delay_data("ordinal_q", ordinal));
        m.finish()
    }

    fn model(&self) -> Box<dyn Model> {
        let unit = self.clone();
        Box::new(Pipeline::new(self.latency_cycles() as usize, 1, move |inputs: &[BigUint]| {
            let format = unit.formats[inputs.get(2).map_or(0, |chosen| number(chosen) as usize)];
            let ordinal = format.nearest(&unit.value(inputs));
            vec![Some(to_bits(ordinal.into(), unit.ordinal_bits()))]
        }))
    }

    fn stimulus(&self, random: &mut Random, cycles: usize) -> Vec<Values> {
        (0..cycles)
            .map(|_| {
                let chosen = random.below(self.formats.len() as u64);
                let mut values = self.number_stimulus(random, self.formats[chosen as usize]);
                if self.format_bits() > 0 {
                    values.push(chosen.into());
                }
                values
            })
            .collect()
    }
}

impl ResultEncoder {
    /// The number at the ports.
    fn value(&self, inputs: &[BigUint]) -> Value {
        let negative = inputs[0].bit(u64::from(self.product_bits) - 1);
        let modulus = BigUint::from(1u8) << self.product_bits;
        let magnitude = if negative { modulus - &inputs[0] } else { inputs[0].clone() };
        let digits = magnitude.to_u64_digits();
        let digit = |index: usize| u128::from(digits.get(index).copied().unwrap_or(0));
        let exponent = -(number(&inputs[1]) as i32);
        Value::Finite(Dyadic::new(negative, digit(1) << 64 | digit(0), exponent))
    }

    /// Product and shift. Most numbers lie in the range of `format`, many are ties or next to one.
    fn number_stimulus(&self, random: &mut Random, format: Ordered) -> Values {
        let most = u64::from(self.product_bits);
        let bits = 1 + random.below(most - 1) as u32;
        let mut magnitude = random.corner_bits(bits);
        if random.one_in(2) {
            // A short significand with a neighbour far below it.
            let significand = random.bits(format.significand_bits() + 1);
            let places = u64::from(bits).saturating_sub(significand.bits());
            magnitude = (significand << places) + BigUint::from(random.below(2));
            magnitude = lane_bits(magnitude, self.product_bits - 1);
        }
        let extremes = format.scalar().family().extremes();
        let exponent = |x: Dyadic| x.log2_floor().unwrap_or(0);
        let (low, high) = (exponent(extremes.smallest_positive) - 2, exponent(extremes.highest) + 2);
        let wanted = low + random.below((high - low + 1) as u64) as i32;
        let top = magnitude.bits() as i32 - 1;
        let shift = if random.one_in(10) { random.below(256) as i32 } else { (top - wanted).clamp(0, 255) };
        let negate = random.one_in(2) && magnitude.bits() > 0;
        let product = if negate { (BigUint::from(1u8) << self.product_bits) - magnitude } else { magnitude };
        vec![product, BigUint::from(shift as u32)]
    }
}

fn lane_bits(value: BigUint, bits: u32) -> BigUint {
    bitmill_hdl::unit::lane(&value, 0, bits)
}

/// The number a cycle later; `name` says what it has become.
fn registered<'m>(m: &'m ModuleBuilder, name: &str, x: Unpacked<'m>) -> Unpacked<'m> {
    Unpacked {
        negative: x.negative.map(|sign| m.delay_data(&format!("{name}_sign_q"), sign)),
        significand: m.delay_data(&format!("{name}_q"), x.significand),
        exponent: x.exponent.map(|signal| m.delay_data(&format!("{name}_exponent_q"), signal)),
        ..x
    }
}
