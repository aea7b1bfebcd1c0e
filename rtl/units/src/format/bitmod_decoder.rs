//! BitMoD decoder: the code of −0 reads as the special value that the group selects.
//!
//! Meaning: [`bitmill_formats::BitMod`], in fixed point: integers for FP3, halves for FP4. Timing: combinational.

use std::sync::Arc;

use bitmill_formats::{BitMod, Dyadic, Family, Value};
use bitmill_hdl::unit::{Model, Random, Unit, Values, to_bits};
use bitmill_hdl::{BigUint, HdlError, Module, ModuleBuilder, unsigned};

use super::{code, stimulus};
use crate::{Entry, Legal, Parameter, Settings, UnitError};

/// Catalogue entry.
pub const ENTRY: Entry = Entry {
    name: "bitmod_decoder",
    summary: "BitMoD code and the group's 2-bit select to fixed point",
    parameters: &[Parameter {
        name: "bits",
        default: "4",
        help: "of a code: 3 (integers) or 4 (halves)",
        legal: Legal::OneOf(&["3", "4"]),
    }],
    examples: &["", "bits=3"],
    build: |settings| Ok(Box::new(BitModDecoder::from_settings(settings)?)),
};

/// Parameters of a BitMoD decoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BitModDecoder {
    family: BitMod,
    bits: u32,
}

impl BitModDecoder {
    fn from_settings(settings: &Settings) -> Result<BitModDecoder, UnitError> {
        let (bits, family) = settings.choice("bits", &[("3", (3, BitMod::FP3)), ("4", (4, BitMod::FP4))])?;
        Ok(BitModDecoder { family, bits })
    }

    /// Places behind the binary point of the result.
    pub fn fraction_bits(&self) -> u32 {
        if self.bits == 4 { 1 } else { 0 }
    }

    /// Bits of the result: the largest magnitude is 6 of FP3, 8 of FP4.
    pub fn result_bits(&self) -> u32 {
        if self.bits == 4 { 6 } else { 4 }
    }
}

impl Unit for BitModDecoder {
    fn module(&self) -> Result<Arc<Module>, HdlError> {
        let bits = self.bits;
        let m = ModuleBuilder::new(
            format!("bitmill_bitmod_decoder_fp{bits}"),
            format!("BitMoD FP{bits} with its group's special value, in fixed point.\nCombinational."),
        );
        let code = m.input("code_i", unsigned(bits));
        let select = m.input_with_comment("select_i", unsigned(2), "special value of the group");
        let x = self.family.decode_circuit(&m, "x", code, select);
        let comment = format!("in units of 2^-{}", self.fraction_bits());
        m.output_with_comment("value_o", x.significand, &comment);
        m.finish()
    }

    fn model(&self) -> Box<dyn Model> {
        let unit = *self;
        Box::new(move |inputs: &[BigUint]| {
            let special = unit.family.specials()[code(&inputs[1]) as usize];
            let value = unit.family.codebook(special).map(|book| book.decode(code(&inputs[0])));
            let units = |x: Dyadic| x.scale_by_power(unit.fraction_bits() as i32).to_f64() as i128;
            vec![value.ok().as_ref().and_then(Value::finite).map(|x| to_bits(units(x), unit.result_bits()))]
        })
    }

    fn stimulus(&self, random: &mut Random, cycles: usize) -> Vec<Values> {
        self.module().map_or(vec![], |module| stimulus::all_or_random(&module, random, cycles))
    }
}
