//! Multiplier: the exact product of two codes, rounded once.
//!
//! Meaning: [`bitmill_formats::arithmetic::multiply`]. Timing: combinational.

use std::sync::Arc;

use bitmill_formats::circuits::{self, Reduction, Rounder, RoundingMode};
use bitmill_formats::{Family, Scalar, arithmetic};
use bitmill_hdl::unit::{Model, Random, Unit, Values};
use bitmill_hdl::{BigUint, HdlError, Module, ModuleBuilder, unsigned};

use super::{FORMAT, RANDOM_BITS, ROUNDING, Rounded, VALUES, code, stimulus};
use crate::{Entry, Legal, Parameter, Settings, UnitError};

/// Catalogue entry.
pub const ENTRY: Entry = Entry {
    name: "format_multiplier",
    summary: "exact product of two codes of any scalar format, rounded once",
    parameters: &[
        FORMAT,
        VALUES,
        ROUNDING,
        RANDOM_BITS,
        Parameter {
            name: "reduction",
            default: "rows",
            help: "of partial products: rows (smallest) or tree (fastest)",
            legal: Legal::OneOf(&["rows", "tree"]),
        },
    ],
    examples: &[
        "",
        "format=int8",
        "format=int8 reduction=tree",
        "format=uint4",
        "format=int6_sym rounding=toward_zero",
        "format=fixed8_4_wrap rounding=nearest_away",
        "format=fp4_e2m1",
        "format=fp6_e2m3 rounding=toward_zero",
        "format=fp8_e4m3 rounding=stochastic random_bits=6",
        "format=fp8_e5m2",
        "format=fp8_e4m3_fnuz",
        "format=fp8_e4m3_nonsat",
        "format=fp8_e3m4_ftz",
        "format=bf16",
        "format=fp16",
        "format=fp16 reduction=tree",
        "format=e8m0",
        "format=posit4_1",
        "format=posit8_0",
        "format=posit8_2",
        "format=posit16_1",
        "format=posit16_1 reduction=tree",
        "format=binary",
        "format=ternary",
        "format=bitmod_fp4_n8",
        "format=matgptq4",
    ],
    build: |settings| Ok(Box::new(Multiplier::from_settings(settings)?)),
};

/// Parameters of a multiplier.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Multiplier {
    /// Format of operands and result, and the rounding.
    pub operands: Rounded,
    /// How partial products are added.
    pub reduction: Reduction,
}

impl Multiplier {
    /// A multiplier in `format`, rounding to nearest even.
    ///
    /// # Errors
    /// A codebook too wide for fixed point.
    pub fn new(format: Scalar) -> Result<Multiplier, UnitError> {
        let operands = Rounded::new(format, RoundingMode::NearestEven)?;
        Ok(Multiplier { operands, reduction: Reduction::Rows })
    }

    fn from_settings(settings: &Settings) -> Result<Multiplier, UnitError> {
        let reductions = [("rows", Reduction::Rows), ("tree", Reduction::Tree)];
        let reduction = settings.choice("reduction", &reductions)?;
        Ok(Multiplier { operands: Rounded::from_settings(settings)?, reduction })
    }
}

impl Unit for Multiplier {
    fn module(&self) -> Result<Arc<Module>, HdlError> {
        let Rounded { format, mode } = &self.operands;
        let suffix = if self.reduction == Reduction::Tree { "_tree" } else { "" };
        let m = ModuleBuilder::new(
            format!("bitmill_format_multiplier_{}{suffix}", self.operands.name()),
            format!("product of two codes of {format}, rounded once, {mode}.\nCombinational."),
        );
        m.group("Codes");
        let [a, b] = ["a_i", "b_i"].map(|port| m.input(port, unsigned(format.bits())));
        let rounder = Rounder::new(&m, *mode);
        m.comment("Unpack.");
        let (a, b) = (circuits::decode(&m, "a", format, a), circuits::decode(&m, "b", format, b));
        m.comment("Multiply exactly.");
        let product = circuits::multiply_by(&m, &a, &b, self.reduction).named("product");
        m.comment("Round once.");
        m.output("product_o", circuits::encode(&m, format, &product, &rounder));
        m.finish()
    }

    fn model(&self) -> Box<dyn Model> {
        let operands = self.operands.clone();
        Box::new(move |inputs: &[BigUint]| {
            let (a, b) = (code(&inputs[0]), code(&inputs[1]));
            let product = arithmetic::multiply(&operands.format, a, b, operands.rounding(inputs));
            vec![Some(product.into())]
        })
    }

    fn stimulus(&self, random: &mut Random, cycles: usize) -> Vec<Values> {
        let bits = self.operands.format.bits();
        self.module().map_or(vec![], |module| stimulus::all_or_pairs(&module, random, cycles, bits))
    }
}
