//! Floating-point dot-product PE: true products of any two scalar formats, summed without rounding.
//!
//! It is what L-Mul and the reconfigurable PE are judged against, and a PE in its own right: minifloats,
//! posits, codebooks and integers multiply in any pairing. Meaning: the sum of the exact products
//! ([`bitmill_formats::Value::multiply`]), see [`dot_product`]. Timing: a step every cycle; two cycles to an
//! exact sum or a rounded one of one lane, three to a rounded one of several.

pub mod dot_product;
pub(super) mod exact;
pub(super) mod rounded;
pub(crate) mod settings;

use bitmill_formats::circuits::{self, RoundingMode, Unpacked};
use bitmill_formats::{AccumulatorShape, Family, Scalar, Value};
use bitmill_hdl::{HdlError, ModuleBuilder, Signal};

use crate::format::{self, Rounded};
use crate::{Entry, Parameter, Settings, UnitError};
use dot_product::Product;
use settings::{ACCUMULATOR, ACCUMULATOR_BITS, DROPPED_BITS, LANES, LENGTH, RESULT};

/// Catalogue entry.
pub const ENTRY: Entry = Entry {
    name: "pe_float_mac",
    summary: "dot-product MAC for any two scalar formats, exact or rounded accumulation",
    parameters: &[
        Parameter {
            name: "activation",
            default: "fp8_e4m3",
            help: "scalar format, as in `bitmill formats`",
            legal: format::SCALARS,
        },
        Parameter {
            name: "weight",
            default: "fp8_e4m3",
            help: "scalar format, as in `bitmill formats`",
            legal: format::SCALARS,
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
        "lanes=1 length=256 result=bf16",
        "activation=fp8_e5m2 weight=fp8_e4m3 lanes=2 length=512 result=fp16",
        "activation=fp4_e2m1 weight=fp4_e2m1 lanes=8 accumulator_bits=24",
        "activation=fp8_e4m3 weight=fp4_e2m1 lanes=3 length=300",
        "activation=int8 weight=fp4_e2m1 lanes=4",
        "activation=posit8_0 weight=posit8_0 lanes=2 result=posit8_0",
        "activation=posit16_1 weight=posit16_1 lanes=1 length=4096 result=posit16_1",
        "activation=fp16 weight=bitmod_fp4 lanes=4 length=128 result=fp16",
        "activation=fp8_e4m3 weight=fp8_e4m3 lanes=4 dropped_bits=8",
        "activation=bf16 weight=bf16 lanes=1 accumulator=fp32",
        "activation=fp16 weight=fp16 lanes=1 accumulator=fp32",
        "activation=fp8_e5m2 weight=fp8_e5m2 lanes=4 accumulator=fp16",
        "activation=fp4_e2m1 weight=int4 lanes=2 accumulator=fixed16_4",
    ],
    build: |settings| Ok(Box::new(FloatMac::of_entry(settings)?)),
};

/// A dot-product PE with true multipliers.
pub type FloatMac = dot_product::DotProduct<TrueProduct>;

impl FloatMac {
    pub(super) fn of_entry(settings: &Settings) -> Result<FloatMac, UnitError> {
        let multiplier =
            TrueProduct::new(format::scalar(settings, "activation")?, format::scalar(settings, "weight")?)?;
        FloatMac::from_settings(multiplier, settings)
    }
}

/// The exact product of a code of one format and a code of another.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TrueProduct {
    operands: [Scalar; 2],
}

impl TrueProduct {
    /// Products of codes of `activation` and `weight`.
    ///
    /// # Errors
    /// A codebook whose values span too many places for fixed point.
    pub fn new(activation: Scalar, weight: Scalar) -> Result<TrueProduct, UnitError> {
        for operand in [&activation, &weight] {
            Rounded::new(operand.clone(), RoundingMode::NearestEven)?;
        }
        Ok(TrueProduct { operands: [activation, weight] })
    }
}

impl Product for TrueProduct {
    fn name(&self) -> String {
        let [activation, weight] = &self.operands;
        format!("float_mac_{activation}_{weight}")
    }

    fn purpose(&self) -> String {
        let [activation, weight] = &self.operands;
        format!("products of {activation} and {weight}")
    }

    fn operands(&self) -> [&Scalar; 2] {
        self.operands.each_ref()
    }

    fn value(&self, activation: u32, weight: u32) -> Value {
        self.operands[0].decode(activation).multiply(self.operands[1].decode(weight))
    }

    fn circuit<'m>(
        &self,
        m: &'m ModuleBuilder,
        lane: u32,
        activation: Signal<'m>,
        weight: Signal<'m>,
    ) -> Result<Unpacked<'m>, HdlError> {
        let x = circuits::decode(m, &format!("activation_{lane}"), &self.operands[0], activation);
        let y = circuits::decode(m, &format!("weight_{lane}"), &self.operands[1], weight);
        Ok(circuits::multiply(m, &x, &y).named(&format!("product_{lane}")))
    }

    fn register(&self, products: u32) -> AccumulatorShape {
        AccumulatorShape::for_products(&self.operands[0], &self.operands[1], products as usize)
    }
}
