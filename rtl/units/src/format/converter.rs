//! Converter: from one scalar format to another, rounded once.
//!
//! Meaning: [`bitmill_formats::arithmetic::convert`]. Timing: combinational.

use std::sync::Arc;

use bitmill_formats::circuits::{self, Rounder, RoundingMode};
use bitmill_formats::{Family, Scalar, arithmetic};
use bitmill_hdl::unit::{Model, Random, Unit, Values};
use bitmill_hdl::{BigUint, HdlError, Module, ModuleBuilder, unsigned};

use super::{RANDOM_BITS, ROUNDING, Rounded, SCALARS, code, rounding_mode, scalar, stimulus};
use crate::{Entry, Parameter, Settings, UnitError};

/// Catalogue entry.
pub const ENTRY: Entry = Entry {
    name: "format_converter",
    summary: "code of one scalar format to the nearest code of another, rounded once",
    parameters: &[
        Parameter { name: "from", default: "bf16", help: "scalar format of the input", legal: SCALARS },
        Parameter { name: "to", default: "fp8_e4m3", help: "scalar format of the result", legal: SCALARS },
        ROUNDING,
        RANDOM_BITS,
    ],
    examples: &[
        "",
        "from=fp32 to=bf16",
        "from=fp32 to=fp16 rounding=stochastic random_bits=12",
        "from=fp16 to=fp8_e5m2 rounding=toward_zero",
        "from=fp8_e5m2 to=fp8_e4m3_nonsat",
        "from=fp8_e4m3 to=fp16",
        "from=fp8_e4m3_fnuz to=fp8_e5m2",
        "from=fp16 to=int8",
        "from=bf16 to=uint8 rounding=nearest_away",
        "from=int16 to=bf16",
        "from=uint12 to=fp6_e3m2",
        "from=int8 to=int4 rounding=toward_zero",
        "from=bf16 to=posit8_0",
        "from=posit16_1 to=fp16",
        "from=posit16_1 to=posit8_0",
        "from=posit8_2 to=int8",
        "from=int8 to=posit8_0",
        "from=fp16 to=e8m0",
        "from=e8m0 to=bf16",
        "from=posit8_0 to=bitmod_fp4",
        "from=bitmod_fp3 to=fp8_e4m3",
        "from=fp16 to=ternary",
        "from=bf16 to=binary",
        "from=int16 to=matgptq4",
    ],
    build: |settings| Ok(Box::new(Converter::from_settings(settings)?)),
};

/// Parameters of a converter.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Converter {
    from: Scalar,
    to: Rounded,
}

impl Converter {
    /// A converter between two formats.
    ///
    /// # Errors
    /// A codebook too wide for fixed point.
    pub fn new(from: Scalar, to: Rounded) -> Result<Converter, UnitError> {
        let Rounded { format: from, .. } = Rounded::new(from, RoundingMode::NearestEven)?;
        Ok(Converter { from, to })
    }

    fn from_settings(settings: &Settings) -> Result<Converter, UnitError> {
        let to = Rounded::new(scalar(settings, "to")?, rounding_mode(settings)?)?;
        Converter::new(scalar(settings, "from")?, to)
    }
}

impl Unit for Converter {
    fn module(&self) -> Result<Arc<Module>, HdlError> {
        let Converter { from, to } = self;
        let m = ModuleBuilder::new(
            format!("bitmill_format_converter_{from}_to_{}", to.name()),
            format!("a code of {from} rounded to {}, {}.\nCombinational.", to.format, to.mode),
        );
        m.group("Code");
        let code = m.input("code_i", unsigned(from.bits()));
        let rounder = Rounder::new(&m, to.mode);
        m.group("Code");
        let x = circuits::decode(&m, "x", from, code);
        m.output("code_o", circuits::encode(&m, &to.format, &x, &rounder));
        m.finish()
    }

    fn model(&self) -> Box<dyn Model> {
        let Converter { from, to } = self.clone();
        Box::new(move |inputs: &[BigUint]| {
            let result = arithmetic::convert(&from, code(&inputs[0]), &to.format, to.rounding(inputs));
            vec![Some(result.into())]
        })
    }

    fn stimulus(&self, random: &mut Random, cycles: usize) -> Vec<Values> {
        self.module().map_or(vec![], |module| stimulus::all_or_random(&module, random, cycles))
    }
}
