//! Complex PE: weights 1, i, −1 and −i swap and negate the parts of complex activations; no multiplier.
//!
//! iFairy (Fairy±i, 2025) computes conj(x)·w: Re = xr·wr + xi·wi, Im = xr·wi − xi·wr, of which the weight
//! leaves one signed part each. Weights on the real axis and on the imaginary one have a scale each, so
//! `axes=split` keeps their sums apart; `axes=joint` serves layers whose scales are equal, with half the adders.
//!
//! Meaning: `result = Σ Re`, `result_imaginary = Σ Im` over steps and lanes, each modulo 2^accumulator bits;
//! split, these are over the weights ±1, and `result_turned`, `result_imaginary_turned` over the weights ±i.
//! A lane of the activation word has the real part below the imaginary one.
//! Timing: a step every cycle; latency 2.

use std::sync::Arc;

use bitmill_formats::{Complex, Format};
use bitmill_hdl::unit::{Model, Random, Unit, Values, lane, number, signed_number};
use bitmill_hdl::{BigUint, HdlError, Module, ModuleBuilder, Signal};

use super::adders::{ACCUMULATOR, ACTIVATION_BITS, AdderSize};
use super::sum::{Control, signed_sum};
use super::{Mode, PeTiming, ProcessingElement, WeightPacker, cell};
use crate::{Entry, Legal, Parameter, Settings, UnitError};

/// Catalogue entry.
pub const ENTRY: Entry = Entry {
    name: "pe_complex",
    summary: "complex weights 1, i, -1, -i (iFairy): swaps and additions, real and imaginary sums",
    parameters: &[
        Parameter {
            name: "lanes",
            default: "8",
            help: "complex weights a step, 1 to 256",
            legal: Legal::Numbers(1, 256),
        },
        Parameter {
            name: "axes",
            default: "joint",
            help: "joint, or split: sums of their own for the weights 1, -1 and for i, -i",
            legal: Legal::OneOf(&["joint", "split"]),
        },
        ACTIVATION_BITS,
        ACCUMULATOR,
    ],
    examples: &[
        "",
        "lanes=1 accumulator=12",
        "lanes=3 activation_bits=4 axes=split",
        "lanes=32 activation_bits=16 accumulator=40",
        "axes=split",
    ],
    build: |settings| Ok(Box::new(ComplexPe::from_settings(settings)?)),
};

/// Whether weights on both axes share their sums.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Axes {
    /// One complex sum.
    Joint,
    /// A complex sum for the weights ±1 and one for ±i.
    Split,
}

/// Parameters of a complex PE.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ComplexPe {
    size: AdderSize,
    axes: Axes,
}

impl ComplexPe {
    /// A PE of `size`.
    ///
    /// # Errors
    /// Lanes outside 1 to 256, activations outside 2 to 16 bits, or an accumulator that one step can overflow.
    pub fn new(size: AdderSize, axes: Axes) -> Result<ComplexPe, UnitError> {
        Ok(ComplexPe { size: size.check(1, 0)?, axes })
    }

    pub(super) fn from_settings(settings: &Settings) -> Result<ComplexPe, UnitError> {
        let axes = settings.choice("axes", &[("joint", Axes::Joint), ("split", Axes::Split)])?;
        ComplexPe::new(AdderSize::from_settings(settings)?, axes)
    }
}

/// A value and whether it is subtracted.
type Term<'m> = (Signal<'m>, Signal<'m>);

/// The terms whose lane is enabled; the others are 0.
fn gated<'m>(terms: &[Term<'m>], enables: &[Signal<'m>]) -> Vec<Term<'m>> {
    let gate = |(term, &enable): (&Term<'m>, &Signal<'m>)| (term.0.gate(enable), term.1.and(enable));
    terms.iter().zip(enables).map(gate).collect()
}

/// The sum of the terms, one clock later.
fn registered<'m>(m: &'m ModuleBuilder, name: &str, terms: &[Term<'m>]) -> Signal<'m> {
    m.delay_data(name, signed_sum(m, terms))
}

impl Unit for ComplexPe {
    fn module(&self) -> Result<Arc<Module>, HdlError> {
        let (lanes, bits) = (self.size.lanes, self.size.accumulator_bits);
        let suffix = if self.axes == Axes::Split { "_split" } else { "" };
        let m = ModuleBuilder::new(
            format!("bitmill_pe_complex_{}{suffix}", self.size.name()),
            format!("complex dot-product PE, {lanes} lanes of conj(x) * w.\nLatency 2 cycles, interval 1."),
        );
        let control = Control::inputs(&m);
        let (parts, weight) = self.size.operands(&m, 2 * lanes, 2 * lanes);
        m.comment("Bit 0 of a weight swaps the parts, bit 1 negates.");
        let turned: Vec<Signal> = (0..lanes).map(|index| weight.bit(2 * index)).collect();
        let (mut real, mut imaginary): (Vec<Term>, Vec<Term>) = (vec![], vec![]);
        for (index, part) in (0..).zip(parts.chunks(2)) {
            let (swap, half_turn) = (turned[index as usize], weight.bit(2 * index + 1));
            real.push((swap.mux(part[1], part[0]), half_turn));
            imaginary.push((swap.mux(part[0], part[1]), half_turn.xor(swap).not()));
        }
        let control_q = control.delayed(&m);
        if self.axes == Axes::Joint {
            let (real_q, imaginary_q) =
                (registered(&m, "real_q", &real), registered(&m, "imaginary_q", &imaginary));
            m.output_with_comment("result_o", control_q.accumulate(&m, "", real_q, bits), "real part");
            m.output("result_imaginary_o", control_q.accumulate(&m, "imaginary", imaginary_q, bits));
            return m.finish();
        }
        let straight: Vec<Signal> = turned.iter().map(|turned| turned.not()).collect();
        for (name, enable, terms, comment) in [
            ("", &straight, &real, "real part, weights 1 and -1"),
            ("imaginary", &straight, &imaginary, "imaginary part, weights 1 and -1"),
            ("turned", &turned, &real, "real part, weights i and -i"),
            ("imaginary_turned", &turned, &imaginary, "imaginary part, weights i and -i"),
        ] {
            let stage = if name.is_empty() { "dot_q".to_owned() } else { format!("dot_{name}_q") };
            let port = if name.is_empty() { "result_o".to_owned() } else { format!("result_{name}_o") };
            let dot_q = registered(&m, &stage, &gated(terms, enable));
            m.output_with_comment(&port, control_q.accumulate(&m, name, dot_q, bits), comment);
        }
        m.finish()
    }

    fn model(&self) -> Box<dyn Model> {
        let size = self.size;
        let product = move |step: &cell::Step, index: u32| {
            let bits = size.activation_bits;
            let part = |half| signed_number(&lane(step.activation, 2 * index + half, bits), bits);
            let weight = number(&lane(step.weight, index, Complex::BITS)) as u32;
            let (real, imaginary) = Complex.conjugate_product((part(0), part(1)), weight);
            (Complex.decode(weight).0 == 0, [i128::from(real), i128::from(imaginary)])
        };
        match self.axes {
            Axes::Joint => cell::model(self, move |step| {
                let products = (0..size.lanes).map(|index| product(&step, index).1);
                products.fold([0; 2], |sum, [real, imaginary]| [sum[0] + real, sum[1] + imaginary])
            }),
            Axes::Split => cell::model(self, move |step| {
                let mut sums = [0; 4];
                for (turned, parts) in (0..size.lanes).map(|index| product(&step, index)) {
                    let first = 2 * usize::from(turned);
                    sums[first] += parts[0];
                    sums[first + 1] += parts[1];
                }
                sums
            }),
        }
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

    fn results(&self) -> u32 {
        if self.axes == Axes::Joint { 2 } else { 4 }
    }

    /// Each complex weight stands in both rows: its real part and imaginary part in the first, by which real and
    /// imaginary activations go into the real sum; turned as conj(x)·w says in the second.
    fn weight_packer(&self, _: &Mode) -> WeightPacker {
        Box::new(|rows| {
            let [real, imaginary] = rows else { return None };
            let mut word = BigUint::ZERO;
            for (straight, turned) in real.chunks_mut(2).zip(imaginary.chunks_mut(2)).rev() {
                let code = (0..4).find(|&code| {
                    let (re, im) = Complex.decode(code);
                    let fits = |weight: Option<i64>, part: i8| weight.is_none_or(|w| w == i64::from(part));
                    fits(straight[0], re)
                        && fits(straight[1], im)
                        && fits(turned[0], im)
                        && fits(turned[1], -re)
                })?;
                let (re, im) = Complex.decode(code);
                for (weight, part) in straight.iter_mut().chain(turned.iter_mut()).zip([re, im, im, -re]) {
                    *weight = Some(part.into());
                }
                word = (word << Complex::BITS) | BigUint::from(code);
            }
            Some(word)
        })
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
