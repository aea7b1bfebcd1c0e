//! Sherry PE: 3:4 sparse ternary weights, five bits for four of them, three adders for four lanes.
//!
//! Sherry (Tencent AngelSlim, 2025): of four weights exactly one is zero. The column head decodes the five bits
//! into a thermometer of the zero's place and three signs; in the PE a multiplexer a slot skips the zero.
//! Meaning: `result = Σ over steps Σ over lanes activation · weight` with weights of `sherry`, modulo
//! 2^accumulator bits. Timing: a step every cycle; latency 2.

use std::sync::Arc;

use bitmill_formats::{Format, Sherry};
use bitmill_hdl::unit::{Model, Random, Unit, Values, lane, number, signed_number};
use bitmill_hdl::{BigUint, HdlError, Module, ModuleBuilder, Signal, unsigned};

use super::adders::{ACCUMULATOR, ACTIVATION_BITS, AdderSize};
use super::sum::{Control, signed_sum};
use super::{Mode, PeTiming, ProcessingElement, WeightPacker, cell};
use crate::{Entry, Legal, Parameter, Settings, UnitError};

/// Catalogue entry.
pub const ENTRY: Entry = Entry {
    name: "pe_sherry",
    summary: "3:4 sparse ternary weights (Sherry) times integers: five bits and three adders for four lanes",
    parameters: &[
        Parameter {
            name: "lanes",
            default: "16",
            help: "weights a step, a multiple of 4 up to 256",
            legal: Legal::Numbers(4, 256),
        },
        ACTIVATION_BITS,
        ACCUMULATOR,
    ],
    examples: &[
        "",
        "lanes=4 accumulator=16",
        "lanes=12 activation_bits=5",
        "lanes=64 activation_bits=16 accumulator=40",
    ],
    build: |settings| Ok(Box::new(SherryPe::from_settings(settings)?)),
};

/// Bits of a decoded group: three signs, then for each slot whether the zero stands before it.
const GROUP_BITS: u32 = 6;

/// Parameters of a Sherry PE.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct SherryPe {
    size: AdderSize,
}

impl SherryPe {
    /// A PE of `size`.
    ///
    /// # Errors
    /// Lanes that are no multiple of 4 up to 256, activations outside 2 to 16 bits, or an accumulator that one step
    /// can overflow.
    pub fn new(size: AdderSize) -> Result<SherryPe, UnitError> {
        Ok(SherryPe { size: size.check(4, 0)? })
    }

    pub(super) fn from_settings(settings: &Settings) -> Result<SherryPe, UnitError> {
        SherryPe::new(AdderSize::from_settings(settings)?)
    }
}

/// The code of four weights of which one is zero; weights that meet no channel become what is missing.
fn pack_group(weights: &mut [Option<i64>]) -> Option<u32> {
    let zeros = weights.iter().filter(|weight| **weight == Some(0)).count();
    let mut missing = 1usize.checked_sub(zeros)?;
    for weight in weights.iter_mut().filter(|weight| weight.is_none()) {
        *weight = Some(if missing > 0 { 0 } else { 1 });
        missing = 0;
    }
    let ternary: [f32; Sherry::LANES] = std::array::from_fn(|lane| weights[lane].unwrap_or(0) as f32);
    let code = Sherry.encode(ternary);
    (Sherry.decode(code).map(f32::from) == ternary).then_some(code)
}

impl Unit for SherryPe {
    fn module(&self) -> Result<Arc<Module>, HdlError> {
        let name = format!("bitmill_pe_sherry_cell_{}", self.size.name());
        let purpose = format!(
            "3:4 sparse ternary dot-product PE, {} lanes, with its head.\nLatency 2 cycles, interval 1.",
            self.size.lanes
        );
        cell::module(self, &name, &purpose)
    }

    fn model(&self) -> Box<dyn Model> {
        let size = self.size;
        cell::model(self, move |step| {
            let group = |index: u32| -> i128 {
                let weights = Sherry.decode(number(&lane(step.weight, index, Sherry::BITS)) as u32);
                let products = (4 * index..).zip(weights).map(|(lane_index, weight)| {
                    let bits = size.activation_bits;
                    i128::from(signed_number(&lane(step.activation, lane_index, bits), bits))
                        * i128::from(weight)
                });
                products.sum()
            };
            [(0..size.lanes / 4).map(group).sum()]
        })
    }

    fn stimulus(&self, random: &mut Random, cycles: usize) -> Vec<Values> {
        let AdderSize { lanes, activation_bits, .. } = self.size;
        cell::stimulus(self, random, cycles, |random, _| {
            cell::corner_words(random, [(lanes, activation_bits), (lanes / 4, Sherry::BITS)])
        })
    }
}

impl ProcessingElement for SherryPe {
    fn lanes(&self) -> u32 {
        self.size.lanes
    }

    fn activation_bits(&self) -> u32 {
        self.size.lanes * self.size.activation_bits
    }

    fn weight_bits(&self) -> u32 {
        Sherry::BITS * self.size.lanes / 4
    }

    fn result_bits(&self) -> u32 {
        self.size.accumulator_bits
    }

    fn timing(&self) -> PeTiming {
        self.size.timing()
    }

    fn modes(&self) -> Vec<Mode> {
        self.size.modes(Format::Sherry(Sherry))
    }

    fn weight_packer(&self, _: &Mode) -> WeightPacker {
        Box::new(|weights| {
            let groups =
                weights[0].chunks_mut(Sherry::LANES).map(pack_group).collect::<Option<Vec<u32>>>()?;
            let above = |word, code: &u32| (word << Sherry::BITS) | BigUint::from(*code);
            Some(groups.iter().rev().fold(BigUint::ZERO, above))
        })
    }

    fn column_head(&self) -> Result<Option<Arc<Module>>, HdlError> {
        let groups = self.size.lanes / 4;
        let m = ModuleBuilder::new(
            format!("bitmill_sherry_slots_g{groups}"),
            format!("{groups} Sherry codes to the place of the zero and three signs each.\nCombinational."),
        );
        let word = m.input("weight_i", unsigned(Sherry::BITS * groups));
        let slots = |index: u32| {
            let code = word.slice(Sherry::BITS * index, Sherry::BITS);
            let (place, first) = (code.slice(2, 2), code.bit(4));
            // The code holds the first sign, and which of the other two differ from it.
            let signs = [first.xor(code.bit(1)), first.xor(code.bit(0)), first];
            let behind = [2, 1, 0].map(|slot| place.le(m.lit(2, slot)));
            m.concat(&[signs, behind].concat())
        };
        let groups: Vec<Signal> = (0..groups).rev().map(slots).collect();
        m.output("weight_o", m.concat(&groups));
        m.finish().map(Some)
    }

    fn circuit(&self) -> Result<Arc<Module>, HdlError> {
        let lanes = self.size.lanes;
        let m = ModuleBuilder::new(
            format!("bitmill_pe_sherry_{}", self.size.name()),
            format!("3:4 sparse ternary dot-product PE, {lanes} lanes.\nLatency 2 cycles, interval 1."),
        );
        let control = Control::inputs(&m);
        let (activations, weight) = self.size.operands(&m, lanes, GROUP_BITS * lanes / 4);
        m.comment("Slot k takes activation k, or the next one if the zero stands at k or before.");
        let slot = |index: u32| {
            let (group, place) = (index / 3, index % 3);
            let first = (4 * group + place) as usize;
            let [behind, negative] = [place, 3 + place].map(|bit| weight.bit(GROUP_BITS * group + bit));
            let value = behind.mux(activations[first + 1], activations[first]);
            (value.named(&format!("slot_{index}")), negative)
        };
        let terms: Vec<(Signal, Signal)> = (0..lanes / 4 * 3).map(slot).collect();
        let dot_q = m.delay_data("dot_q", signed_sum(&m, &terms));
        let result = control.delayed(&m).accumulate(&m, "", dot_q, self.size.accumulator_bits);
        m.output("result_o", result);
        m.finish()
    }
}
