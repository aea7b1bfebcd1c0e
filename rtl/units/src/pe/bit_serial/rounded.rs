//! The PE with a rounded accumulator, as BitMoD's: aligned activations, and a floating-point sum.
//!
//! Each cycle adds ±magnitude · 2^exponent of every lane, exactly; their sum, at the activations' exponent plus
//! the significance of the cycle, goes to a [`FloatingAccumulator`]. Latency 2 cycles.

use std::sync::Arc;

use bitmill_hdl::unit::{Model, Pipeline, lane, number};
use bitmill_hdl::{BigUint, HdlError, Module, ModuleBuilder, Signal, bits_for, unsigned};

use super::BitSerialPe;
use super::aligned::{AlignedActivations, fields};
use super::core::shift_up_to;
use super::encoder::{SIGNIFICANCE_BITS, TERM_BITS};
use crate::pe::ProcessingElement;
use crate::pe::floating::{FloatingAccumulator, FloatingSum};
use crate::pe::sum::{Control, signed_sum};

/// A rounded PE behind its heads.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct RoundedCore {
    pub activations: AlignedActivations,
    /// Largest exponent of a term, up to 3.
    pub most_exponent: u32,
    /// Largest significance, up to 6.
    pub most_significance: u32,
    /// Bits of the sum's significand.
    pub significand_bits: u32,
}

impl RoundedCore {
    /// Bits of the sum of one cycle.
    pub fn step_bits(&self) -> u32 {
        let lanes = self.activations.lanes;
        let lane_bits = if lanes == 1 { 0 } else { bits_for(u64::from(lanes) - 1) };
        self.activations.magnitude_bits() + self.most_exponent + lane_bits + 1
    }

    /// The accumulator.
    pub fn accumulator(&self) -> FloatingAccumulator {
        let most_exponent = self.activations.most_exponent() + self.most_significance;
        FloatingAccumulator { bits: self.significand_bits, most_exponent }
    }

    /// The circuit.
    pub fn module(&self) -> Result<Arc<Module>, HdlError> {
        let AlignedActivations { format, lanes } = &self.activations;
        let accumulator = self.accumulator();
        let m = ModuleBuilder::new(
            format!(
                "bitmill_pe_bit_serial_{format}_l{lanes}_e{}_s{}_floating{}",
                self.most_exponent, self.most_significance, self.significand_bits
            ),
            format!(
                "bit-serial dot-product PE, {lanes} terms a cycle, with a floating-point sum of {} bits.\n\
                 Latency 2 cycles, interval 1.",
                self.significand_bits
            ),
        );
        let control = Control::inputs(&m);
        m.group("Data, lane 0 lowest");
        let activation = m.input_with_comment(
            "activation_i",
            unsigned(self.activations.word_bits()),
            "exponent, then {sign, magnitude} a lane",
        );
        let weight = m.input_with_comment(
            "weight_i",
            unsigned(SIGNIFICANCE_BITS + lanes * TERM_BITS),
            "significance, then a term a lane",
        );
        let (exponent, activations) = fields(&self.activations, activation);
        m.comment("A shift, a sign and an enable for every lane.");
        let terms: Vec<(Signal, Signal)> = (0..*lanes)
            .zip(activations)
            .map(|(lane, (negative, magnitude))| {
                let term = weight.slice(lane * TERM_BITS, TERM_BITS);
                let gated = magnitude.gate(term.bit(0));
                let shifted = shift_up_to(gated, term.slice(2, 2), self.most_exponent);
                let product = shifted.named(&format!("product_{lane}")).to_signed();
                (product, negative.xor(term.bit(1)))
            })
            .collect();
        let dot = signed_sum(&m, &terms).truncate(self.step_bits());
        let dot_q = m.delay_data("dot_q", dot);
        let significance = weight.slice(lanes * TERM_BITS, SIGNIFICANCE_BITS);
        let width = accumulator.exponent_bits();
        let exponent = if self.most_significance == 0 {
            m.ignore(significance);
            exponent.resize(width)
        } else {
            exponent.resize(width).add_wrapping(significance.resize(width))
        };
        let exponent_q = m.delay_data("dot_exponent_q", exponent);
        accumulator.accumulate(&m, control.delayed(&m), dot_q, exponent_q);
        m.finish()
    }
}

/// The meaning of the cell: rounding depends on the cycles, so this model counts in terms.
pub(super) fn model(pe: &BitSerialPe, core: &RoundedCore) -> Box<dyn Model> {
    let (unit, core) = (pe.clone(), core.clone());
    let (has_mode, has_phase) = (pe.mode_bits() > 0, pe.phase_bits() > 0);
    let (bits, exponent_bits) = (core.significand_bits, core.accumulator().exponent_bits());
    let mut sum = FloatingSum::default();
    let mut shown = None;
    Box::new(Pipeline::new(pe.timing().latency_cycles as usize, 1, move |inputs: &[BigUint]| {
        let (controls, operands) = inputs.split_at(inputs.len() - 2);
        let at = |index: usize| number(&controls[index]) as u32;
        if at(0) == 1 {
            let mode = if has_mode { at(3) } else { 0 };
            let phase = if has_phase { at(controls.len() - 1) } else { 0 };
            if at(1) == 1 {
                sum = FloatingSum::default();
            }
            let width = unit.activation.bits();
            let activations: Vec<u32> =
                (0..unit.lanes()).map(|i| number(&lane(&operands[0], i, width)) as u32).collect();
            let block = core.activations.block(&activations);
            let (codes, select) = unit.encoder.unpack(mode, &operands[1]);
            let weight = unit.encoder.weights()[mode as usize];
            let products = block.values.iter().zip(codes).map(|(value, code)| {
                let term = weight.terms(code, select)[phase as usize];
                let product = i128::from(term.present) * (value << term.exponent);
                if term.negative { -product } else { product }
            });
            let exponent = block.exponent + weight.significance(phase);
            sum = sum.plus(products.sum(), exponent, bits);
            if at(2) == 1 {
                let significand = sum.significand & ((1i128 << bits) - 1);
                let word = (BigUint::from(sum.exponent) << bits) | BigUint::from(significand as u128);
                debug_assert!(word.bits() <= u64::from(bits + exponent_bits), "the exponent fits its field");
                shown = Some(word);
            }
        }
        vec![shown.clone()]
    }))
}
