//! Complex PE: weights 1, i, −1 and −i swap and negate the parts of complex activations; no multiplier.
//!
//! iFairy (Fairy±i, 2025) computes conj(x)·w: Re = xr·wr + xi·wi, Im = xr·wi − xi·wr, of which the weight leaves
//! one signed part each. Meaning: `result = Σ Re`, `result_imaginary = Σ Im` over steps and lanes, each modulo
//! 2^accumulator bits. A lane of the activation word has the real part below the imaginary one.
//! Timing: a step every cycle; latency 2.

use std::sync::Arc;

use bitmill_formats::{Complex, Format};
use bitmill_hdl::unit::{Model, Random, Unit, Values, lane, number, signed_number};
use bitmill_hdl::{HdlError, Module, ModuleBuilder, Signal};

use super::adders::{ACCUMULATOR, ACTIVATION_BITS, AdderSize};
use super::sum::{Control, signed_sum};
use super::{Mode, PeTiming, ProcessingElement, cell};
use crate::{Entry, Parameter, UnitError};

/// Catalogue entry.
pub const ENTRY: Entry = Entry {
    name: "pe_complex",
    summary: "complex weights 1, i, -1, -i (iFairy): swaps and additions, real and imaginary sums",
    parameters: &[
        Parameter { name: "lanes", default: "8", help: "complex weights a step, 1 to 256" },
        ACTIVATION_BITS,
        ACCUMULATOR,
    ],
    examples: &[
        "",
        "lanes=1 accumulator=12",
        "lanes=3 activation_bits=4",
        "lanes=32 activation_bits=16 accumulator=40",
    ],
    build: |settings| Ok(Box::new(ComplexPe::new(AdderSize::from_settings(settings)?)?)),
};

/// Parameters of a complex PE.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ComplexPe {
    size: AdderSize,
}

impl ComplexPe {
    /// A PE of `size`.
    ///
    /// # Errors
    /// Lanes outside 1 to 256, activations outside 2 to 16 bits, or an accumulator that one step can overflow.
    pub fn new(size: AdderSize) -> Result<ComplexPe, UnitError> {
        Ok(ComplexPe { size: size.check(1, 0)? })
    }
}

impl Unit for ComplexPe {
    fn module(&self) -> Result<Arc<Module>, HdlError> {
        let (lanes, bits) = (self.size.lanes, self.size.accumulator_bits);
        let m = ModuleBuilder::new(
            format!("bitmill_pe_complex_{}", self.size.name()),
            format!("complex dot-product PE, {lanes} lanes of conj(x) * w.\nLatency 2 cycles, interval 1."),
        );
        let control = Control::inputs(&m);
        let (parts, weight) = self.size.operands(&m, 2 * lanes, 2 * lanes);
        m.comment("Bit 0 of a weight swaps the parts, bit 1 negates.");
        let mut real_terms: Vec<(Signal, Signal)> = Vec::new();
        let mut imaginary_terms: Vec<(Signal, Signal)> = Vec::new();
        for (part, index) in parts.chunks(2).zip(0..) {
            let (swap, half_turn) = (weight.bit(2 * index), weight.bit(2 * index + 1));
            real_terms.push((swap.mux(part[1], part[0]), half_turn));
            imaginary_terms.push((swap.mux(part[0], part[1]), half_turn.xor(swap).not()));
        }
        let real_q = m.delay_data("real_q", signed_sum(&m, &real_terms));
        let imaginary_q = m.delay_data("imaginary_q", signed_sum(&m, &imaginary_terms));
        let control_q = control.delayed(&m);
        m.output_with_comment("result_o", control_q.accumulate(&m, "", real_q, bits), "real part");
        m.output("result_imaginary_o", control_q.accumulate(&m, "imaginary", imaginary_q, bits));
        m.finish()
    }

    fn model(&self) -> Box<dyn Model> {
        let size = self.size;
        cell::model(self, move |step| {
            (0..size.lanes).fold([0, 0], |[real, imaginary], index| {
                let part = |half| {
                    let bits = size.activation_bits;
                    signed_number(&lane(step.activation, 2 * index + half, bits), bits)
                };
                let weight = number(&lane(step.weight, index, Complex::BITS)) as u32;
                let product = Complex.conjugate_product((part(0), part(1)), weight);
                [real + i128::from(product.0), imaginary + i128::from(product.1)]
            })
        })
    }

    fn stimulus(&self, random: &mut Random, cycles: usize) -> Vec<Values> {
        let AdderSize { lanes, activation_bits, .. } = self.size;
        cell::stimulus(self, random, cycles, |random, _| {
            cell::corner_words(random, [(2 * lanes, activation_bits), (lanes, Complex::BITS)])
        })
    }
}

impl ProcessingElement for ComplexPe {
    fn lanes(&self) -> u32 {
        self.size.lanes
    }

    fn activation_bits(&self) -> u32 {
        2 * self.size.lanes * self.size.activation_bits
    }

    fn weight_bits(&self) -> u32 {
        Complex::BITS * self.size.lanes
    }

    fn result_bits(&self) -> u32 {
        self.size.accumulator_bits
    }

    fn timing(&self) -> PeTiming {
        self.size.timing()
    }

    fn modes(&self) -> Vec<Mode> {
        self.size.modes(Format::Complex(Complex))
    }
}
