//! Bit-serial PE: weights come as terms ±2^(e + bsig), a term a cycle, so fewer weight bits take fewer cycles.
//!
//! After BitMoD (Chen et al., HPCA 2025, section IV): int8 weights take 4 cycles a step, int6 and int5 3, int4
//! and BitMoD's FP4 and FP3 with special values 2. The encoder stands at the head of the column; activations in
//! floating point become fixed point at the head of the row. The trick against the paper's PE: fixed point is
//! converted once a row, so no PE aligns, rounds or normalises, and sums are exact in any order.
//!
//! Meaning: `result = Σ over steps Σ over lanes activation · weight` in units of 2^`lsb_exponent` of the mode,
//! modulo 2^accumulator bits. Timing: a cycle for every term; latency 2.

pub(crate) mod activation;
pub(crate) mod core;
pub mod dequantizer;
pub mod encoder;
pub mod weight;

use std::sync::Arc;

use bitmill_hdl::unit::{Model, Random, Unit, Values, lane, number};
use bitmill_hdl::{HdlError, Module};

pub use activation::SerialActivation;
pub use encoder::TermEncoder;
pub use weight::{SerialWeight, Term};

use self::core::{SerialCore, step_bits};
use super::{Mode, PeTiming, ProcessingElement, cell};
use crate::{Entry, Parameter, Settings, UnitError};

/// Catalogue entry.
pub const ENTRY: Entry = Entry {
    name: "pe_bit_serial",
    summary: "bit-serial MAC of BitMoD: int8 weights in 4 cycles, int6 in 3, FP4 and FP3 in 2",
    parameters: &[
        Parameter { name: "activation", default: "int8", help: "int2…int16, or a minifloat such as fp16" },
        encoder::LANES,
        encoder::WEIGHTS,
        encoder::FP4_SPECIALS,
        encoder::FP3_SPECIALS,
        Parameter { name: "accumulator", default: "32", help: "bits of the sum, up to 96" },
    ],
    examples: &[
        "",
        "activation=fp16 accumulator=64",
        "weights=int8 lanes=1 accumulator=24",
        "weights=bitmod_fp4 lanes=8 accumulator=24",
        "weights=int6,bitmod_fp3,int2 fp3_specials=7,-7,5,-1 activation=int16 lanes=3 accumulator=40",
        "activation=fp8_e4m3 weights=int4,bitmod_fp4 lanes=4 accumulator=40",
    ],
    build: |settings| Ok(Box::new(BitSerialPe::from_settings(settings)?)),
};

/// Parameters of a bit-serial PE.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct BitSerialPe {
    activation: SerialActivation,
    encoder: TermEncoder,
    accumulator_bits: u32,
}

impl BitSerialPe {
    /// A PE for the weights that `encoder` encodes.
    ///
    /// # Errors
    /// An accumulator that a single step can overflow or that has more than 96 bits.
    pub fn new(
        activation: SerialActivation,
        encoder: TermEncoder,
        accumulator_bits: u32,
    ) -> Result<BitSerialPe, UnitError> {
        let weight_bits = encoder.weights().iter().map(|weight| weight.value_bits()).max().unwrap_or(1);
        let least = step_bits(encoder.lanes(), activation.fixed_bits(), weight_bits);
        if !(least..=96).contains(&accumulator_bits) {
            let legal = format!("one step makes up to {least} bits, so {least} to 96 are legal");
            return Err(UnitError::illegal("accumulator", accumulator_bits, legal));
        }
        Ok(BitSerialPe { activation, encoder, accumulator_bits })
    }

    fn from_settings(settings: &Settings) -> Result<BitSerialPe, UnitError> {
        BitSerialPe::new(
            SerialActivation::parse(settings.text("activation"))?,
            TermEncoder::from_settings(settings)?,
            settings.number("accumulator", 4..=96)?,
        )
    }

    fn core(&self) -> SerialCore {
        let weights = self.encoder.weights();
        let significances = weights.iter().flat_map(|w| (0..w.cycles()).map(|phase| w.significance(phase)));
        let booth_only = weights.iter().all(|weight| matches!(weight, SerialWeight::Integer(_)));
        SerialCore {
            lanes: self.lanes(),
            activation_bits: self.activation.fixed_bits(),
            most_exponent: if booth_only { 1 } else { 3 },
            most_significance: significances.max().unwrap_or(0),
            accumulator_bits: self.accumulator_bits,
        }
    }
}

impl Unit for BitSerialPe {
    fn module(&self) -> Result<Arc<Module>, HdlError> {
        let (activation, lanes) = (self.activation.format(), self.lanes());
        let name = format!(
            "bitmill_pe_bit_serial_cell_{activation}_l{lanes}_{}_acc{}",
            self.encoder.weights_name(),
            self.accumulator_bits
        );
        let modes: Vec<String> =
            self.modes().iter().map(|mode| format!("{} {}", mode.weight, mode.interval_cycles)).collect();
        let purpose = format!(
            "bit-serial dot-product PE with its heads, {lanes} lanes, {activation} activations.\n\
             Latency 2 cycles; cycles a step by weight: {}.",
            modes.join(", ")
        );
        cell::module(self, &name, &purpose)
    }

    fn model(&self) -> Box<dyn Model> {
        let unit = self.clone();
        cell::model(self, move |step| {
            let (codes, select) = unit.encoder.unpack(step.mode, step.weight);
            let weight = unit.encoder.weights()[step.mode as usize];
            let products = (0..).zip(codes).map(|(index, code)| {
                let activation = lane(step.activation, index, unit.activation.bits());
                unit.activation.value(number(&activation) as u32) * i128::from(weight.value(code, select))
            });
            [products.sum()]
        })
    }

    fn stimulus(&self, random: &mut Random, cycles: usize) -> Vec<Values> {
        let (lanes, activation_bits) = (self.lanes(), self.activation.bits());
        let word_bits = self.weight_bits();
        cell::stimulus(self, random, cycles, |random, mode| {
            let [activation, _] = cell::corner_words(random, [(lanes, activation_bits), (1, 1)]);
            let code_bits = mode.weight.code_bits();
            let [_, codes] = cell::corner_words(random, [(1, 1), (lanes, code_bits)]);
            // The bits that this mode does not read may be anything; the select is among the highest.
            [activation, codes | (random.bits(word_bits) >> (lanes * code_bits) << (lanes * code_bits))]
        })
    }
}

impl ProcessingElement for BitSerialPe {
    fn lanes(&self) -> u32 {
        self.encoder.lanes()
    }

    fn activation_bits(&self) -> u32 {
        self.lanes() * self.activation.bits()
    }

    fn weight_bits(&self) -> u32 {
        self.encoder.word_bits()
    }

    fn result_bits(&self) -> u32 {
        self.accumulator_bits
    }

    fn timing(&self) -> PeTiming {
        PeTiming { latency_cycles: 2, interval_cycles: self.encoder.most_cycles() }
    }

    fn modes(&self) -> Vec<Mode> {
        let mode = |(code, weight): (u32, &SerialWeight)| Mode {
            code,
            activation: self.activation.format(),
            weight: weight.format(),
            lanes: self.lanes(),
            interval_cycles: weight.cycles(),
            lsb_exponent: self.activation.lsb_exponent() + weight.lsb_exponent(),
        };
        (0..).zip(self.encoder.weights()).map(mode).collect()
    }

    fn column_head(&self) -> Result<Option<Arc<Module>>, HdlError> {
        self.encoder.module().map(Some)
    }

    fn row_head(&self) -> Result<Option<Arc<Module>>, HdlError> {
        self.activation.row_head(self.lanes())
    }

    fn circuit(&self) -> Result<Arc<Module>, HdlError> {
        self.core().module()
    }
}
