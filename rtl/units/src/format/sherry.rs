//! Sherry: 3:4 sparse ternary weights, four in five bits.
//!
//! Meaning: [`bitmill_formats::Sherry`]. Timing: combinational.

use std::sync::Arc;

use bitmill_formats::Sherry;
use bitmill_hdl::unit::{Model, Random, Unit, Values, pack, signed_number, to_bits};
use bitmill_hdl::{BigUint, HdlError, Module, ModuleBuilder, signed, unsigned};

use super::{code, stimulus};
use crate::{Entry, Legal, Parameter, Settings, UnitError};

/// Catalogue entry of the decoder.
pub const DECODER: Entry = Entry {
    name: "sherry_decoder",
    summary: "5-bit Sherry code to four ternary weights",
    parameters: &[],
    examples: &[""],
    build: |_| Ok(Box::new(SherryDecoder)),
};

/// Catalogue entry of the encoder.
pub const ENCODER: Entry = Entry {
    name: "sherry_encoder",
    summary: "four integers to the Sherry code that keeps the three largest",
    parameters: &[Parameter {
        name: "bits",
        default: "8",
        help: "of a signed integer, 2 to 16",
        legal: Legal::Numbers(2, 16),
    }],
    examples: &["", "bits=4", "bits=2"],
    build: |settings| Ok(Box::new(SherryEncoder::from_settings(settings)?)),
};

/// A decoder of Sherry codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SherryDecoder;

/// Parameters of an encoder to Sherry codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SherryEncoder {
    bits: u32,
}

impl Unit for SherryDecoder {
    fn module(&self) -> Result<Arc<Module>, HdlError> {
        let m = ModuleBuilder::new(
            "bitmill_sherry_decoder",
            "four ternary weights of a 5-bit code.\nCombinational.",
        );
        let code = m.input("code_i", unsigned(Sherry::BITS));
        let mut weights = Sherry.decode_circuit(&m, code);
        weights.reverse();
        m.output_with_comment("weights_o", m.concat(&weights), "2 bits each, two's complement, first lowest");
        m.finish()
    }

    fn model(&self) -> Box<dyn Model> {
        Box::new(|inputs: &[BigUint]| {
            let weights = Sherry.decode(code(&inputs[0])).map(|weight| to_bits(weight.into(), 2));
            vec![Some(pack(&weights, 2))]
        })
    }

    fn stimulus(&self, random: &mut Random, cycles: usize) -> Vec<Values> {
        self.module().map_or(vec![], |module| stimulus::all_or_random(&module, random, cycles))
    }
}

impl SherryEncoder {
    fn from_settings(settings: &Settings) -> Result<SherryEncoder, UnitError> {
        Ok(SherryEncoder { bits: settings.number("bits", 2..=16)? })
    }
}

impl Unit for SherryEncoder {
    fn module(&self) -> Result<Arc<Module>, HdlError> {
        let bits = self.bits;
        let m = ModuleBuilder::new(
            format!("bitmill_sherry_encoder_int{bits}"),
            "the Sherry code of four integers: the smallest becomes zero.\nCombinational.",
        );
        let weights =
            ["weight_0_i", "weight_1_i", "weight_2_i", "weight_3_i"].map(|port| m.input(port, signed(bits)));
        m.output("code_o", Sherry.encode_circuit(&m, weights));
        m.finish()
    }

    fn model(&self) -> Box<dyn Model> {
        let bits = self.bits;
        Box::new(move |inputs: &[BigUint]| {
            let weights = std::array::from_fn(|lane| signed_number(&inputs[lane], bits) as f32);
            vec![Some(Sherry.encode(weights).into())]
        })
    }

    fn stimulus(&self, random: &mut Random, cycles: usize) -> Vec<Values> {
        let Ok(module) = self.module() else { return vec![] };
        let mut all = stimulus::all_or_random(&module, random, cycles);
        if all.len() == cycles {
            // Equal magnitudes show which of them is dropped.
            for values in &mut all {
                let (from, to) = (random.below(4) as usize, random.below(4) as usize);
                values[to] = values[from].clone();
            }
        }
        all
    }
}
