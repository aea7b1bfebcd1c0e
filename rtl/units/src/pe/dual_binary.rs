//! Dual-binary PE: two bit planes a weight, α₁·b₁ + α₂·b₂ with α₁ = 2 and α₂ = −1 in units of the group's scale.
//!
//! DB-LLM (Chen et al., 2024) sums each plane by itself. The trick here: the four levels 0, 2, −1 and 1 are all
//! powers of two, so the column head merges both planes into one term and one adder a lane serves them.
//! Meaning: `result = Σ over steps Σ over lanes activation · weight` with weights of `dual_binary`, modulo
//! 2^accumulator bits. Timing: a step every cycle; latency 2.

use std::sync::Arc;

use bitmill_formats::{DualBinary, Family, Format, Scalar};
use bitmill_hdl::unit::{Model, Random, Unit, Values, lane, number, signed_number};
use bitmill_hdl::{HdlError, Module, ModuleBuilder, Signal, unsigned};

use super::adders::{ACCUMULATOR, ACTIVATION_BITS, AdderSize};
use super::sum::{Control, fixed_point, signed_sum};
use super::{Mode, PeTiming, ProcessingElement, cell};
use crate::{Entry, Legal, Parameter, Settings, UnitError};

/// Catalogue entry.
pub const ENTRY: Entry = Entry {
    name: "pe_dual_binary",
    summary: "dual-binary weights (DB-LLM) times integers, one adder for both planes",
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
        "lanes=1 accumulator=16",
        "lanes=6 activation_bits=4",
        "lanes=33 activation_bits=12 accumulator=40",
    ],
    build: |settings| Ok(Box::new(DualBinaryPe::from_settings(settings)?)),
};

/// Bits of a decoded weight: doubled, negative, present, from high to low.
const TERM_BITS: u32 = 3;

/// Parameters of a dual-binary PE.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct DualBinaryPe {
    size: AdderSize,
}

impl DualBinaryPe {
    /// A PE of `size`.
    ///
    /// # Errors
    /// Lanes outside 1 to 256, activations outside 2 to 16 bits, or an accumulator that one step can overflow.
    pub fn new(size: AdderSize) -> Result<DualBinaryPe, UnitError> {
        Ok(DualBinaryPe { size: size.check(1, 1)? })
    }

    pub(super) fn from_settings(settings: &Settings) -> Result<DualBinaryPe, UnitError> {
        DualBinaryPe::new(AdderSize::from_settings(settings)?)
    }
}

impl Unit for DualBinaryPe {
    fn module(&self) -> Result<Arc<Module>, HdlError> {
        let name = format!("bitmill_pe_dual_binary_cell_{}", self.size.name());
        let purpose = format!(
            "dual-binary dot-product PE, {} lanes, with its head.\nLatency 2 cycles, interval 1.",
            self.size.lanes
        );
        cell::module(self, &name, &purpose)
    }

    fn model(&self) -> Box<dyn Model> {
        let (size, format) = (self.size, DualBinary::codebook());
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

impl ProcessingElement for DualBinaryPe {
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
        self.size.modes(Format::Scalar(Scalar::Codebook(DualBinary::codebook())))
    }

    fn column_head(&self) -> Result<Option<Arc<Module>>, HdlError> {
        let lanes = self.size.lanes;
        let m = ModuleBuilder::new(
            format!("bitmill_dual_binary_decoder_l{lanes}"),
            format!("{lanes} dual-binary weights to doubling, sign and presence.\nCombinational."),
        );
        let word = m.input("weight_i", unsigned(2 * lanes));
        let term = |index: u32| {
            let (first, second) = (word.bit(2 * index), word.bit(2 * index + 1));
            m.concat(&[first.and(second.not()), second.and(first.not()), first.or(second)])
        };
        let terms: Vec<Signal> = (0..lanes).rev().map(term).collect();
        m.output("weight_o", m.concat(&terms));
        m.finish().map(Some)
    }

    fn circuit(&self) -> Result<Arc<Module>, HdlError> {
        let lanes = self.size.lanes;
        let m = ModuleBuilder::new(
            format!("bitmill_pe_dual_binary_{}", self.size.name()),
            format!("dual-binary dot-product PE, {lanes} lanes.\nLatency 2 cycles, interval 1."),
        );
        let control = Control::inputs(&m);
        let (activations, weight) = self.size.operands(&m, lanes, TERM_BITS * lanes);
        let terms: Vec<(Signal, Signal)> = (0..)
            .zip(activations)
            .map(|(index, activation)| {
                let term = weight.slice(TERM_BITS * index, TERM_BITS);
                let wide = activation.extend(self.size.activation_bits + 1);
                let doubled = term.bit(2).mux(activation.shl(1), wide);
                (doubled.gate(term.bit(0)), term.bit(1))
            })
            .collect();
        let dot_q = m.delay_data("dot_q", signed_sum(&m, &terms));
        let result = control.delayed(&m).accumulate(&m, "", dot_q, self.size.accumulator_bits);
        m.output("result_o", result);
        m.finish()
    }
}
