//! L-Mul dot-product PE: multiplication by one integer addition, in any minifloat (Luo and Sun, 2024).
//!
//! A product is the sum of two magnitude codes and a constant; so the exponents' addition that every
//! multiplier makes becomes all of it. Meaning: [`LMul::multiply`] with `range=format`, whose products are
//! codes of the format, zero below it and saturated or special above it; [`LMul::unbounded`] with
//! `range=wide`, where the exponent keeps its carry, no product of normal numbers is lost, and the cases
//! around the adder fall away. Both sum as [`super::float_mac::dot_product`] says, beside which the true
//! multiplier stands. Timing: a step every cycle; two cycles to an exact sum, three to a rounded one.

use bitmill_formats::circuits::{self, Exponent, Unpacked};
use bitmill_formats::{AccumulatorShape, Family, LMul, Minifloat, Rule, Scalar, Value};
use bitmill_hdl::unit::Unit;
use bitmill_hdl::{BigUint, HdlError, ModuleBuilder, Signal, bits_for};

use super::float_mac::dot_product::{DotProduct, Product};
use super::float_mac::settings::{ACCUMULATOR, ACCUMULATOR_BITS, DROPPED_BITS, LANES, LENGTH, RESULT};
use crate::format;
use crate::format::l_mul::LMulMultiplier;
use crate::{Entry, Legal, Parameter, Settings, UnitError};

/// Catalogue entry.
pub const ENTRY: Entry = Entry {
    name: "pe_l_mul",
    summary: "dot-product MAC of minifloats, multiplying by one integer addition (L-Mul)",
    parameters: &[
        Parameter {
            name: "format",
            default: "fp8_e4m3",
            help: "a minifloat with a mantissa, of both operands",
            legal: format::MINIFLOATS,
        },
        Parameter {
            name: "range",
            default: "format",
            help: "format: products are codes of the format; wide: their exponents have one bit more",
            legal: Legal::OneOf(&["format", "wide"]),
        },
        LANES,
        LENGTH,
        ACCUMULATOR,
        ACCUMULATOR_BITS,
        DROPPED_BITS,
        RESULT,
    ],
    examples: &[
        "",
        "range=wide",
        "lanes=1 length=256 result=bf16",
        "format=fp8_e5m2 lanes=2 result=fp16",
        "format=fp8_e5m2 range=wide lanes=2 length=256 result=fp16",
        "format=fp4_e2m1 lanes=8 accumulator_bits=24",
        "format=fp6_e3m2 range=wide lanes=3 length=300 dropped_bits=2",
        "format=fp8_e4m3_nonsat lanes=2 result=fp8_e4m3",
        "format=fp8_e4m3_fnuz range=wide lanes=2",
        "format=fp16 range=wide lanes=1 length=128 dropped_bits=20 result=fp16",
        "format=bf16 lanes=1 accumulator=bf16",
        "format=bf16 range=wide lanes=1 accumulator=fp32",
        "format=fp8_e4m3 range=wide lanes=4 accumulator=fp16",
        "format=fp6_e2m3 lanes=4 accumulator=fixed16_6",
    ],
    build: |settings| Ok(Box::new(LMulPe::of_entry(settings)?)),
};

/// A dot-product PE that multiplies by adding.
pub type LMulPe = DotProduct<LMulProduct>;

impl LMulPe {
    pub(super) fn of_entry(settings: &Settings) -> Result<LMulPe, UnitError> {
        let minifloat = match format::scalar(settings, "format")? {
            Scalar::Minifloat(minifloat) => minifloat,
            other => {
                return Err(UnitError::illegal(
                    "format",
                    other,
                    "L-Mul works on minifloats, such as fp8_e4m3",
                ));
            }
        };
        let range = settings.choice("range", &[("format", Range::Format), ("wide", Range::Wide)])?;
        LMulPe::from_settings(LMulProduct::new(minifloat, range)?, settings)
    }
}

/// Which products there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Range {
    /// Those that the operands' format has.
    Format,
    /// All that the adder makes.
    Wide,
}

/// The L-Mul product of two codes of a format.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LMulProduct {
    arithmetic: LMul,
    operand: Scalar,
    range: Range,
}

impl LMulProduct {
    /// Products in `format`.
    ///
    /// # Errors
    /// A format without mantissa bits.
    pub fn new(format: Minifloat, range: Range) -> Result<LMulProduct, UnitError> {
        let arithmetic =
            LMul::new(format).map_err(|error| UnitError::illegal("format", format, error.to_string()))?;
        Ok(LMulProduct { arithmetic, operand: Scalar::Minifloat(format), range })
    }

    /// The adder's constant where the biases stay in: half a unit or so in the last place, never negative.
    fn correction(&self) -> u64 {
        (1 << self.arithmetic.format().mantissa_bits()) >> self.arithmetic.correction_exponent()
    }

    /// The largest sum of two magnitude codes and the constant.
    fn largest_sum(&self) -> u64 {
        2 * u64::from(self.arithmetic.format().largest_code()) + self.correction()
    }

    /// The exponent of the last mantissa bit, at exponent field 0 of a wide product.
    fn offset(&self) -> i32 {
        let format = self.arithmetic.format();
        -2 * format.bias() - format.mantissa_bits() as i32
    }

    /// Circuit of a wide product: nothing but the adder, and zero where an operand is.
    fn wide_circuit<'m>(&self, m: &'m ModuleBuilder, [a, b]: [Signal<'m>; 2]) -> Unpacked<'m> {
        let format = self.arithmetic.format();
        let (mantissa_bits, width) = (format.mantissa_bits(), bits_for(self.largest_sum()));
        let magnitude = |code: Signal<'m>| code.truncate(format.bits() - 1).resize(width);
        let constant = m.lit(width, self.correction());
        let sum = magnitude(a).add_wrapping(magnitude(b)).add_wrapping(constant);
        let [x, y] = [a, b].map(|code| {
            let (infinite, nan) = format.specials_circuit(code);
            // Subnormal operands are zeros; ∞ · 0 is NaN.
            let normal = code.slice(mantissa_bits, format.exponent_bits()).any();
            Unpacked { negative: Some(code.msb()), infinite, nan, ..Unpacked::fixed(normal, 0) }
        });
        let normal = x.significand.and(y.significand);
        let largest = (self.largest_sum() >> mantissa_bits) as i32;
        let field = sum.slice(mantissa_bits, width - mantissa_bits);
        let offset = self.offset();
        Unpacked {
            significand: m.concat(&[normal, sum.truncate(mantissa_bits).gate(normal)]),
            exponent: Exponent::variable(field, offset, offset + 2, offset + largest),
            leading: 0,
            ..circuits::multiply(m, &x, &y)
        }
    }
}

impl Product for LMulProduct {
    fn name(&self) -> String {
        let range = if self.range == Range::Wide { "_wide" } else { "" };
        format!("l_mul_{}{range}", self.operand)
    }

    fn purpose(&self) -> String {
        format!("L-Mul products of {}, magnitude codes added", self.operand)
    }

    fn operands(&self) -> [&Scalar; 2] {
        [&self.operand, &self.operand]
    }

    fn rule(&self) -> Rule {
        match self.range {
            Range::Format => Rule::LMul(self.arithmetic),
            Range::Wide => Rule::LMulWide(self.arithmetic),
        }
    }

    fn value(&self, activation: u32, weight: u32) -> Value {
        match self.range {
            Range::Format => self.operand.decode(self.arithmetic.multiply(activation, weight)),
            Range::Wide => self.arithmetic.unbounded(activation, weight),
        }
    }

    fn circuit<'m>(
        &self,
        m: &'m ModuleBuilder,
        lane: u32,
        activation: Signal<'m>,
        weight: Signal<'m>,
    ) -> Result<Unpacked<'m>, HdlError> {
        if self.range == Range::Wide {
            return Ok(self.wide_circuit(m, [activation, weight]).named(&format!("product_{lane}")));
        }
        let multiplier = LMulMultiplier::new(self.arithmetic).module()?;
        let operands = [("a_i", activation), ("b_i", weight)];
        let code = m.instance(&format!("i_multiplier_{lane}"), &multiplier, &operands).output("product_o");
        Ok(circuits::decode(m, &format!("product_{lane}"), &self.operand, code))
    }

    fn register(&self, products: u32) -> AccumulatorShape {
        if self.range == Range::Format {
            return AccumulatorShape::for_sums(&self.operand, products as usize);
        }
        let mantissa_bits = self.arithmetic.format().mantissa_bits();
        let sum = self.largest_sum();
        let significand = BigUint::from((1u64 << mantissa_bits) | (sum & ((1 << mantissa_bits) - 1)));
        let largest = (significand << ((sum >> mantissa_bits) - 2)) * products;
        AccumulatorShape {
            lsb_exponent: self.arithmetic.unbounded_lsb_exponent(),
            width_bits: largest.bits() as u32 + 1,
        }
    }
}
