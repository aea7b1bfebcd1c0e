//! Bit-serial PE: weights come as terms ±2^(e + bsig), a term a cycle, so fewer weight bits take fewer cycles.
//!
//! After BitMoD (Chen et al., HPCA 2025, section IV): int8 weights take 4 cycles a step, int6 and int5 3, int4
//! and BitMoD's FP4 and FP3 with special values 2. The encoder stands at the head of the column; activations in
//! floating point become fixed point at the head of the row. The trick against the paper's PE: fixed point is
//! converted once a row, so no PE aligns, rounds or normalises, and sums are exact in any order. The paper's own
//! rounded sum is the option `accumulator=floating<bits>`, see `bit_serial/rounded.rs`.
//!
//! Meaning: `result = Σ over steps Σ over lanes activation · weight` in units of 2^`lsb_exponent` of the mode,
//! modulo 2^accumulator bits. Timing: a cycle for every term; latency 2.

pub(crate) mod activation;
mod aligned;
pub(crate) mod core;
pub mod dequantizer;
pub mod encoder;
pub mod grouped;
mod rounded;
pub mod weight;

use std::sync::Arc;

use bitmill_hdl::unit::{Model, Random, Unit, Values, lane, number};
use bitmill_hdl::{BigUint, HdlError, Module};

pub use activation::SerialActivation;
pub use encoder::TermEncoder;
pub use weight::{SerialWeight, Term};

use self::core::{SerialCore, step_bits};
use self::rounded::RoundedCore;
use super::{Mode, PeTiming, ProcessingElement, WeightPacker, cell};
use crate::{Entry, Legal, Parameter, Settings, UnitError};

/// Catalogue entry.
pub const ENTRY: Entry = Entry {
    name: "pe_bit_serial",
    summary: "bit-serial MAC of BitMoD: int8 weights in 4 cycles, int6 in 3, FP4 and FP3 in 2",
    parameters: &[
        activation::ACTIVATION,
        encoder::LANES,
        encoder::WEIGHTS,
        encoder::FP4_SPECIALS,
        encoder::FP3_SPECIALS,
        Parameter {
            name: "accumulator",
            default: "32",
            help: "bits of the exact sum, up to 96; or floating<bits>: activations aligned with three more bits, \
                   and a rounded sum with a significand of so many bits, up to 64",
            legal: Legal::OneOf(&["4…96", "floating9…floating64"]),
        },
    ],
    examples: &[
        "",
        "activation=fp16 accumulator=64",
        "weights=int8 lanes=1 accumulator=24",
        "weights=bitmod_fp4 lanes=8 accumulator=24",
        "weights=int6,bitmod_fp3,int2 fp3_specials=7,-7,5,-1 activation=int16 lanes=3 accumulator=40",
        "activation=fp8_e4m3 weights=int4,bitmod_fp4 lanes=4 accumulator=40",
        "activation=fp16 accumulator=floating28",
        "activation=bf16 weights=bitmod_fp4,bitmod_fp3 accumulator=floating24",
        "activation=fp8_e5m2 weights=int2 lanes=1 accumulator=floating9",
        "activation=fp8_e4m3 weights=int3,bitmod_fp3 lanes=5 accumulator=floating64",
    ],
    build: |settings| Ok(Box::new(BitSerialPe::from_settings(settings)?)),
};

/// Parameters of a bit-serial PE.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct BitSerialPe {
    activation: SerialActivation,
    encoder: TermEncoder,
    accumulation: Accumulation,
}

/// How a bit-serial PE sums.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Accumulation {
    /// Integers of so many bits, exactly.
    Exact(u32),
    /// Aligned activations, and a rounded sum with a significand of so many bits.
    Floating(u32),
}

impl Accumulation {
    /// For a module's name.
    fn name(self) -> String {
        match self {
            Accumulation::Exact(bits) => format!("acc{bits}"),
            Accumulation::Floating(bits) => format!("floating{bits}"),
        }
    }
}

/// The circuit behind the heads.
enum Core {
    Exact(SerialCore),
    Rounded(RoundedCore),
}

impl BitSerialPe {
    /// A PE for the weights that `encoder` encodes.
    ///
    /// # Errors
    /// An accumulator that a single step can overflow or that has more than 96 bits (64 if it is floating),
    /// activations that are too wide for exact sums, or integers with a floating sum.
    pub fn new(
        activation: SerialActivation,
        encoder: TermEncoder,
        accumulation: Accumulation,
    ) -> Result<BitSerialPe, UnitError> {
        let pe = BitSerialPe { activation, encoder, accumulation };
        match pe.core() {
            Core::Exact(core) => {
                if core.activation_bits > 64 {
                    let legal = "int2…int16 or a minifloat of at most 64 places, such as fp16, are legal";
                    return Err(UnitError::illegal("activation", pe.activation.format(), legal));
                }
                let least = step_bits(core.lanes, core.activation_bits, pe.encoder.value_bits());
                if !(least..=96).contains(&core.accumulator_bits) {
                    let legal = format!("one step makes up to {least} bits, so {least} to 96 are legal");
                    return Err(UnitError::illegal("accumulator", core.accumulator_bits, legal));
                }
            }
            Core::Rounded(core) => {
                if pe.activation.is_integer() {
                    let legal = "sums of integers are exact: a floating sum takes minifloats, such as fp16";
                    return Err(UnitError::illegal("activation", pe.activation.format(), legal));
                }
                let (least, given) = (core.step_bits(), core.significand_bits);
                if !(least..=64).contains(&given) {
                    let legal = format!(
                        "one cycle makes up to {least} bits, so floating{least} to floating64 are legal"
                    );
                    return Err(UnitError::illegal("accumulator", format!("floating{given}"), legal));
                }
            }
        }
        Ok(pe)
    }

    pub(super) fn from_settings(settings: &Settings) -> Result<BitSerialPe, UnitError> {
        let accumulator = settings.text("accumulator");
        let accumulation = match accumulator.strip_prefix("floating") {
            Some(bits) => Accumulation::Floating(bits.parse().map_err(|_| {
                UnitError::illegal("accumulator", accumulator, "a number of bits follows, as in floating28")
            })?),
            None => Accumulation::Exact(settings.number("accumulator", 4..=96)?),
        };
        BitSerialPe::new(
            SerialActivation::parse(settings.text("activation"))?,
            TermEncoder::from_settings(settings)?,
            accumulation,
        )
    }

    fn core(&self) -> Core {
        let weights = self.encoder.weights();
        let significances = weights.iter().flat_map(|w| (0..w.cycles()).map(|phase| w.significance(phase)));
        let booth_only = weights.iter().all(|weight| matches!(weight, SerialWeight::Integer(_)));
        let most_exponent = if booth_only { 1 } else { 3 };
        let most_significance = significances.max().unwrap_or(0);
        match self.accumulation {
            Accumulation::Exact(accumulator_bits) => Core::Exact(SerialCore {
                lanes: self.lanes(),
                activation_bits: self.activation.fixed_bits(),
                most_exponent,
                most_significance,
                accumulator_bits,
            }),
            Accumulation::Floating(significand_bits) => Core::Rounded(RoundedCore {
                activations: self.activation.aligned(self.lanes()),
                most_exponent,
                most_significance,
                significand_bits,
            }),
        }
    }

    /// The PE as an array takes it, whose results are integers.
    ///
    /// # Errors
    /// A floating sum.
    pub fn array_element(&self) -> Result<&dyn ProcessingElement, UnitError> {
        match self.accumulation {
            Accumulation::Exact(_) => Ok(self),
            Accumulation::Floating(bits) => {
                let legal = "an array takes integers: a number of bits is legal";
                Err(UnitError::illegal("accumulator", format!("floating{bits}"), legal))
            }
        }
    }
}

impl BitSerialPe {
    /// The dot product of a step.
    fn dot(&self, step: cell::Step) -> [i128; 1] {
        let (codes, select) = self.encoder.unpack(step.mode, step.weight);
        let weight = self.encoder.weights()[step.mode as usize];
        let products = (0..).zip(codes).map(|(index, code)| {
            let activation = lane(step.activation, index, self.activation.bits());
            self.activation.value(number(&activation) as u32) * i128::from(weight.value(code, select))
        });
        [products.sum()]
    }

    /// Words of a step.
    fn operands(&self, random: &mut Random, mode: &Mode) -> [BigUint; 2] {
        let (lanes, word_bits) = (self.lanes(), self.weight_bits());
        let [activation, _] = cell::corner_words(random, [(lanes, self.activation.bits()), (1, 1)]);
        let code_bits = mode.weight.code_bits();
        let [_, codes] = cell::corner_words(random, [(1, 1), (lanes, code_bits)]);
        // The bits that this mode does not read may be anything; the select is among the highest.
        [activation, codes | (random.bits(word_bits) >> (lanes * code_bits) << (lanes * code_bits))]
    }
}

impl Unit for BitSerialPe {
    fn module(&self) -> Result<Arc<Module>, HdlError> {
        let (activation, lanes) = (self.activation.format(), self.lanes());
        let name = format!(
            "bitmill_pe_bit_serial_cell_{activation}_l{lanes}_{}_{}",
            self.encoder.weights_name(),
            self.accumulation.name()
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
        if let Core::Rounded(core) = self.core() {
            return rounded::model(self, &core);
        }
        let unit = self.clone();
        cell::model(self, move |step| unit.dot(step))
    }

    fn stimulus(&self, random: &mut Random, cycles: usize) -> Vec<Values> {
        cell::stimulus(self, random, cycles, |random, mode| self.operands(random, mode))
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
        match self.core() {
            Core::Exact(core) => core.accumulator_bits,
            Core::Rounded(core) => core.significand_bits + core.accumulator().exponent_bits(),
        }
    }

    fn timing(&self) -> PeTiming {
        PeTiming { latency_cycles: 2, interval_cycles: self.encoder.most_cycles() }
    }

    fn modes(&self) -> Vec<Mode> {
        let activation_lsb = match self.core() {
            Core::Exact(_) => self.activation.lsb_exponent(),
            Core::Rounded(core) => core.activations.lsb_exponent(),
        };
        let mode = |(code, weight): (u32, &SerialWeight)| Mode {
            code,
            activation: self.activation.format(),
            weight: weight.format(),
            lanes: self.lanes(),
            interval_cycles: weight.cycles(),
            lsb_exponent: activation_lsb + weight.lsb_exponent(),
        };
        (0..).zip(self.encoder.weights()).map(mode).collect()
    }

    fn weight_packer(&self, mode: &Mode) -> WeightPacker {
        self.encoder.packer(mode.code)
    }

    fn column_head(&self) -> Result<Option<Arc<Module>>, HdlError> {
        self.encoder.module().map(Some)
    }

    fn row_head(&self) -> Result<Option<Arc<Module>>, HdlError> {
        match self.core() {
            Core::Exact(_) => self.activation.row_head(self.lanes()),
            Core::Rounded(core) => core.activations.row_head().map(Some),
        }
    }

    fn circuit(&self) -> Result<Arc<Module>, HdlError> {
        match self.core() {
            Core::Exact(core) => core.module(),
            Core::Rounded(core) => core.module(),
        }
    }
}
