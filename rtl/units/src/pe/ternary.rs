//! Ternary PE: weights −1, 0 and 1 gate and negate activations; the rest is one adder tree.
//!
//! Meaning: `result = Σ over steps Σ over lanes activation · weight` with weights of `ternary` (two bits, two's
//! complement; the code of −2 counts as 0), modulo 2^accumulator bits. Timing: a step every cycle; latency 2.

use std::sync::Arc;

use bitmill_formats::{Codebook, Family, Format, Scalar};
use bitmill_hdl::unit::{Model, Random, Unit, Values, lane, number, signed_number};
use bitmill_hdl::{HdlError, Module, ModuleBuilder, Signal};

use super::adders::{ACCUMULATOR, ACTIVATION_BITS, AdderSize};
use super::sum::{Control, fixed_point, signed_sum};
use super::{Mode, PeTiming, ProcessingElement, cell};
use crate::{Entry, Legal, Parameter, Settings, UnitError};

/// Catalogue entry.
pub const ENTRY: Entry = Entry {
    name: "pe_ternary",
    summary: "ternary weights times integers: gates, signs and one adder tree",
    parameters: &[
        Parameter {
            name: "lanes",
            default: "16",
            help: "weights a step, 1 to 256",
            legal: Legal::Numbers(1, 256),
        },
        ACTIVATION_BITS,
        ACCUMULATOR,
    ],
    examples: &[
        "",
        "lanes=1 activation_bits=8 accumulator=16",
        "lanes=5 activation_bits=4",
        "lanes=64 activation_bits=2 accumulator=24",
    ],
    build: |settings| Ok(Box::new(TernaryPe::from_settings(settings)?)),
};

/// Parameters of a ternary PE.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct TernaryPe {
    size: AdderSize,
}

impl TernaryPe {
    /// A PE of `size`.
    ///
    /// # Errors
    /// Lanes outside 1 to 256, activations outside 2 to 16 bits, or an accumulator that one step can overflow.
    pub fn new(size: AdderSize) -> Result<TernaryPe, UnitError> {
        Ok(TernaryPe { size: size.check(1, 0)? })
    }

    pub(super) fn from_settings(settings: &Settings) -> Result<TernaryPe, UnitError> {
        TernaryPe::new(AdderSize::from_settings(settings)?)
    }
}

impl Unit for TernaryPe {
    fn module(&self) -> Result<Arc<Module>, HdlError> {
        let lanes = self.size.lanes;
        let m = ModuleBuilder::new(
            format!("bitmill_pe_ternary_{}", self.size.name()),
            format!("ternary dot-product PE, {lanes} lanes.\nLatency 2 cycles, interval 1."),
        );
        let control = Control::inputs(&m);
        let (activations, weight) = self.size.operands(&m, lanes, 2 * lanes);
        m.comment("Bit 0 of a weight says that it is not zero, bit 1 that it is negative.");
        let terms: Vec<(Signal, Signal)> = (0..)
            .zip(activations)
            .map(|(index, activation)| (activation.gate(weight.bit(2 * index)), weight.bit(2 * index + 1)))
            .collect();
        let dot_q = m.delay_data("dot_q", signed_sum(&m, &terms));
        let result = control.delayed(&m).accumulate(&m, "", dot_q, self.size.accumulator_bits);
        m.output("result_o", result);
        m.finish()
    }

    fn model(&self) -> Box<dyn Model> {
        let (size, format) = (self.size, Codebook::ternary());
        cell::model(self, move |step| {
            let product = |index: u32| {
                let activation =
                    signed_number(&lane(step.activation, index, size.activation_bits), size.activation_bits);
                let weight = format.decode(number(&lane(step.weight, index, 2)) as u32);
                i128::from(activation) * fixed_point(&weight, 0)
            };
            [(0..size.lanes).map(product).sum()]
        })
    }

    fn stimulus(&self, random: &mut Random, cycles: usize) -> Vec<Values> {
        let AdderSize { lanes, activation_bits, .. } = self.size;
        cell::stimulus(self, random, cycles, |random, _| {
            cell::corner_words(random, [(lanes, activation_bits), (lanes, 2)])
        })
    }
}

impl ProcessingElement for TernaryPe {
    fn lanes(&self) -> u32 {
        self.size.lanes
    }

    fn activation_bits(&self) -> u32 {
        self.size.lanes * self.size.activation_bits
    }

    fn weight_bits(&self) -> u32 {
        2 * self.size.lanes
    }

    fn result_bits(&self) -> u32 {
        self.size.accumulator_bits
    }

    fn timing(&self) -> PeTiming {
        self.size.timing()
    }

    fn modes(&self) -> Vec<Mode> {
        self.size.modes(Format::Scalar(Scalar::Codebook(Codebook::ternary())))
    }
}
