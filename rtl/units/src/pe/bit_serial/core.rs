//! The PE behind a term encoder: each cycle adds ±activation · 2^exponent of every lane, times 2^significance.
//!
//! No multiplier: a term shifts by up to 2^3 and decides on sign and presence; the significance, one for all
//! lanes, shifts their sum once. Latency 2 cycles: the lanes' sum is registered before it is accumulated.

use std::sync::Arc;

use bitmill_hdl::{HdlError, Module, ModuleBuilder, Signal, bits_for, unsigned};

use super::encoder::{SIGNIFICANCE_BITS, TERM_BITS};
use crate::pe::sum::{Control, signed_sum};

/// Size of a bit-serial PE.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct SerialCore {
    /// Lanes.
    pub lanes: u32,
    /// Bits of an activation, two's complement.
    pub activation_bits: u32,
    /// Largest exponent of a term, up to 3.
    pub most_exponent: u32,
    /// Largest significance, up to 6.
    pub most_significance: u32,
    /// Bits of the sum.
    pub accumulator_bits: u32,
}

impl SerialCore {
    /// The circuit.
    pub fn module(&self) -> Result<Arc<Module>, HdlError> {
        let SerialCore { lanes, activation_bits, most_exponent, most_significance, accumulator_bits } = *self;
        let m = ModuleBuilder::new(
            format!(
                "bitmill_pe_bit_serial_a{activation_bits}_l{lanes}_e{most_exponent}_s{most_significance}\
                 _acc{accumulator_bits}"
            ),
            format!("bit-serial dot-product PE, {lanes} terms a cycle.\nLatency 2 cycles, interval 1."),
        );
        let control = Control::inputs(&m);
        m.group("Data, lane 0 lowest");
        let activation = m.input("activation_i", unsigned(lanes * activation_bits));
        let weight = m.input_with_comment(
            "weight_i",
            unsigned(SIGNIFICANCE_BITS + lanes * TERM_BITS),
            "significance, then a term a lane",
        );
        m.comment("A shift, a sign and an enable for every lane.");
        let terms: Vec<(Signal, Signal)> = (0..lanes)
            .map(|lane| {
                let a = activation.slice(lane * activation_bits, activation_bits).as_signed();
                let term = weight.slice(lane * TERM_BITS, TERM_BITS);
                let shifted = shift_up_to(a, term.slice(2, 2), most_exponent);
                (shifted.gate(term.bit(0)).named(&format!("product_{lane}")), term.bit(1))
            })
            .collect();
        let dot_q = m.delay_data("dot_q", signed_sum(&m, &terms));
        let significance = weight.slice(lanes * TERM_BITS, SIGNIFICANCE_BITS);
        let control_q = control.delayed(&m);

        m.comment("One shift for all lanes, and the accumulator.");
        let addend = if most_significance == 0 {
            m.ignore(significance);
            dot_q
        } else {
            let significance_q = m.delay_data("significance_q", significance);
            shift_up_to(dot_q, significance_q, most_significance).named("addend")
        };
        m.output("result_o", control_q.accumulate(&m, "", addend, accumulator_bits));
        m.finish()
    }
}

/// `value` · 2^amount, for amounts of at most `most`; wide enough for all of them.
pub(super) fn shift_up_to<'m>(value: Signal<'m>, amount: Signal<'m>, most: u32) -> Signal<'m> {
    if most == 0 {
        return value;
    }
    let needed = bits_for(most.into()).min(amount.width());
    value.extend(value.width() + most).shift_left(amount.truncate(needed))
}

/// Bits of an accumulator that holds one step of `lanes` products.
pub(crate) fn step_bits(lanes: u32, activation_bits: u32, weight_bits: u32) -> u32 {
    activation_bits + weight_bits + if lanes == 1 { 0 } else { bits_for(u64::from(lanes) - 1) }
}
