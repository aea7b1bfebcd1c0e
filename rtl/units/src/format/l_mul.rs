//! L-Mul: multiplication of minifloats by one integer addition (Luo and Sun, 2024).
//!
//! Meaning: [`bitmill_formats::LMul::multiply`], the integer adder with its offset and its written rules for
//! zero, underflow, overflow, infinity and NaN. Timing: combinational.

use std::sync::Arc;

use bitmill_formats::{Family, LMul, Scalar};
use bitmill_hdl::unit::{Model, Random, Unit, Values};
use bitmill_hdl::{BigUint, HdlError, Module, ModuleBuilder, unsigned};

use super::{FORMAT, MINIFLOATS, code, scalar, stimulus};
use crate::{Entry, Parameter, Settings, UnitError};

/// Catalogue entry.
pub const ENTRY: Entry = Entry {
    name: "l_mul_multiplier",
    summary: "L-Mul: product of two minifloats by one integer addition",
    parameters: &[Parameter {
        name: FORMAT.name,
        default: FORMAT.default,
        help: "a minifloat with a mantissa, such as fp8_e4m3 or bf16",
        legal: MINIFLOATS,
    }],
    examples: &[
        "",
        "format=fp4_e2m1",
        "format=fp6_e3m2",
        "format=fp8_e5m2",
        "format=fp8_e4m3_nonsat",
        "format=fp8_e4m3_fnuz",
        "format=fp8_e3m4",
        "format=fp16",
        "format=bf16",
        "format=fp32",
    ],
    build: |settings| Ok(Box::new(LMulMultiplier::from_settings(settings)?)),
};

/// Parameters of an L-Mul multiplier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LMulMultiplier {
    arithmetic: LMul,
}

impl LMulMultiplier {
    /// The multiplier.
    pub fn new(arithmetic: LMul) -> LMulMultiplier {
        LMulMultiplier { arithmetic }
    }

    fn from_settings(settings: &Settings) -> Result<LMulMultiplier, UnitError> {
        let Scalar::Minifloat(minifloat) = scalar(settings, FORMAT.name)? else {
            let text = settings.text(FORMAT.name);
            return Err(UnitError::illegal(FORMAT.name, text, "L-Mul works on minifloats, such as fp8_e4m3"));
        };
        let arithmetic = LMul::new(minifloat)
            .map_err(|error| UnitError::illegal(FORMAT.name, minifloat, error.to_string()))?;
        Ok(LMulMultiplier::new(arithmetic))
    }
}

impl Unit for LMulMultiplier {
    fn module(&self) -> Result<Arc<Module>, HdlError> {
        let format = self.arithmetic.format();
        let m = ModuleBuilder::new(
            format!("bitmill_l_mul_multiplier_{format}"),
            format!(
                "L-Mul product of two codes of {format}: magnitudes add, with an offset.\nCombinational."
            ),
        );
        m.group("Codes");
        let [a, b] = ["a_i", "b_i"].map(|port| m.input(port, unsigned(format.bits())));
        m.output("product_o", self.arithmetic.multiply_circuit(&m, a, b));
        m.finish()
    }

    fn model(&self) -> Box<dyn Model> {
        let arithmetic = self.arithmetic;
        Box::new(move |inputs: &[BigUint]| {
            vec![Some(arithmetic.multiply(code(&inputs[0]), code(&inputs[1])).into())]
        })
    }

    fn stimulus(&self, random: &mut Random, cycles: usize) -> Vec<Values> {
        let bits = self.arithmetic.format().bits();
        self.module().map_or(vec![], |module| stimulus::all_or_pairs(&module, random, cycles, bits))
    }
}
