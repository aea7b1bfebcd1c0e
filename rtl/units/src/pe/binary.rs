//! Binary PE: dot products of ±1 by XNOR and population count.
//!
//! Meaning: `result = Σ over steps Σ over lanes activation · weight` of codes of `binary` (0 is −1, 1 is +1),
//! modulo 2^accumulator bits. Equal bits multiply to +1, so a step adds 2 · popcount(xnor) − lanes, as in
//! BinaryAttention's logits. Timing: a step every cycle; latency 2.

use std::sync::Arc;

use bitmill_formats::{Codebook, Family, Format, Scalar};
use bitmill_hdl::unit::{Model, Random, Unit, Values};
use bitmill_hdl::{BigUint, HdlError, Module, ModuleBuilder, bits_for, signed, unsigned};

use super::adders::ACCUMULATOR;
use super::sum::{Control, fixed_point, popcount};
use super::{Mode, PeTiming, ProcessingElement, cell};
use crate::{Entry, Legal, Parameter, Settings, UnitError};

/// Catalogue entry.
pub const ENTRY: Entry = Entry {
    name: "pe_binary",
    summary: "binary dot products by XNOR and population count",
    parameters: &[
        Parameter {
            name: "lanes",
            default: "64",
            help: "weights a step, 1 to 1024",
            legal: Legal::Numbers(1, 1024),
        },
        ACCUMULATOR,
    ],
    examples: &["", "lanes=1 accumulator=8", "lanes=37 accumulator=16", "lanes=256 accumulator=20"],
    build: |settings| Ok(Box::new(BinaryPe::from_settings(settings)?)),
};

/// Parameters of a binary PE.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct BinaryPe {
    lanes: u32,
    accumulator_bits: u32,
}

impl BinaryPe {
    /// A binary PE.
    ///
    /// # Errors
    /// Lanes outside 1 to 1024, or an accumulator that a single step can overflow or that has more than 64 bits.
    pub fn new(lanes: u32, accumulator_bits: u32) -> Result<BinaryPe, UnitError> {
        if !(1..=1024).contains(&lanes) {
            return Err(UnitError::illegal("lanes", lanes, "1 to 1024 lanes are legal"));
        }
        let least = bits_for(lanes.into()) + 1;
        if !(least..=64).contains(&accumulator_bits) {
            let legal = format!("one step makes up to {least} bits, so {least} to 64 are legal");
            return Err(UnitError::illegal("accumulator", accumulator_bits, legal));
        }
        Ok(BinaryPe { lanes, accumulator_bits })
    }

    pub(super) fn from_settings(settings: &Settings) -> Result<BinaryPe, UnitError> {
        BinaryPe::new(settings.number("lanes", 1..=1024)?, settings.number(ACCUMULATOR.name, 4..=64)?)
    }
}

impl Unit for BinaryPe {
    fn module(&self) -> Result<Arc<Module>, HdlError> {
        let BinaryPe { lanes, accumulator_bits } = *self;
        let m = ModuleBuilder::new(
            format!("bitmill_pe_binary_l{lanes}_acc{accumulator_bits}"),
            format!("binary dot-product PE, {lanes} lanes.\nLatency 2 cycles, interval 1."),
        );
        let control = Control::inputs(&m);
        m.group("Data, lane 0 lowest; 0 is -1, 1 is +1");
        let activation = m.input("activation_i", unsigned(lanes));
        let weight = m.input("weight_i", unsigned(lanes));
        m.comment("Lanes whose product is +1.");
        let agree = activation.xor(weight).not().named("agree");
        let agreeing_q = m.delay_data("agreeing_q", popcount(&m, agree));
        let control_q = control.delayed(&m);
        m.comment("The others count -1: the dot product is twice the count minus the lanes.");
        let twice = agreeing_q.shl(1).to_signed();
        let dot = twice.sub(m.constant(signed(twice.width()), lanes.into())).named("dot");
        m.output("result_o", control_q.accumulate(&m, "", dot, accumulator_bits));
        m.finish()
    }

    fn model(&self) -> Box<dyn Model> {
        let (lanes, format) = (self.lanes, Codebook::binary());
        cell::model(self, move |step| {
            let value =
                |word: &BigUint, lane: u32| fixed_point(&format.decode(word.bit(lane.into()).into()), 0);
            [(0..lanes).map(|lane| value(step.activation, lane) * value(step.weight, lane)).sum()]
        })
    }

    fn stimulus(&self, random: &mut Random, cycles: usize) -> Vec<Values> {
        let lanes = self.lanes;
        cell::stimulus(self, random, cycles, |random, _| {
            [random.corner_bits(lanes), random.corner_bits(lanes)]
        })
    }
}

impl ProcessingElement for BinaryPe {
    fn lanes(&self) -> u32 {
        self.lanes
    }

    fn activation_bits(&self) -> u32 {
        self.lanes
    }

    fn weight_bits(&self) -> u32 {
        self.lanes
    }

    fn result_bits(&self) -> u32 {
        self.accumulator_bits
    }

    fn timing(&self) -> PeTiming {
        PeTiming { latency_cycles: 2, interval_cycles: 1 }
    }

    fn modes(&self) -> Vec<Mode> {
        let binary = Format::Scalar(Scalar::Codebook(Codebook::binary()));
        vec![Mode {
            code: 0,
            activation: binary.clone(),
            weight: binary,
            lanes: self.lanes,
            interval_cycles: 1,
            lsb_exponent: 0,
        }]
    }
}
