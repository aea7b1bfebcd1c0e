//! iFairy: weights 1, i, −1, −i, so that a product is a swap and two signs.
//!
//! Meaning: [`bitmill_formats::Complex`]. Timing: combinational.

use std::sync::Arc;

use bitmill_formats::Complex;
use bitmill_hdl::unit::{Model, Random, Unit, Values, signed_number, to_bits};
use bitmill_hdl::{BigUint, HdlError, Module, ModuleBuilder, signed, unsigned};

use super::{code, stimulus};
use crate::{Entry, Legal, Parameter, Settings, UnitError};

const BITS: Parameter = Parameter {
    name: "bits",
    default: "8",
    help: "of real and imaginary part, 2 to 16",
    legal: Legal::Numbers(2, 16),
};

/// Catalogue entry of the rotator.
pub const ROTATOR: Entry = Entry {
    name: "ifairy_rotator",
    summary: "conj(x)*w of a complex integer and a weight of 1, i, -1, -i",
    parameters: &[BITS],
    examples: &["", "bits=4"],
    build: |settings| Ok(Box::new(Rotator { bits: settings.number(BITS.name, 2..=16)? })),
};

/// Catalogue entry of the encoder.
pub const ENCODER: Entry = Entry {
    name: "ifairy_encoder",
    summary: "complex integer to the nearest of 1, i, -1, -i by its phase",
    parameters: &[BITS],
    examples: &["", "bits=3"],
    build: |settings| Ok(Box::new(PhaseEncoder::from_settings(settings)?)),
};

/// Parameters of a rotator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotator {
    bits: u32,
}

/// Parameters of an encoder by phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PhaseEncoder {
    bits: u32,
}

fn parts(m: &ModuleBuilder, bits: u32) -> [bitmill_hdl::Signal<'_>; 2] {
    m.group("Complex integer");
    ["real_i", "imaginary_i"].map(|port| m.input(port, signed(bits)))
}

fn integers(inputs: &[BigUint], bits: u32) -> (i64, i64) {
    (signed_number(&inputs[0], bits), signed_number(&inputs[1], bits))
}

impl Unit for Rotator {
    fn module(&self) -> Result<Arc<Module>, HdlError> {
        let bits = self.bits;
        let m = ModuleBuilder::new(
            format!("bitmill_ifairy_rotator_int{bits}"),
            "conj(x) * w of a complex integer and a weight of 1, i, -1, -i.\nCombinational.",
        );
        let [real, imaginary] = parts(&m, bits);
        m.group("Weight");
        let weight = m.input_with_comment("weight_i", unsigned(Complex::BITS), "quarter turns");
        m.group("Product");
        let (real, imaginary) = Complex.conjugate_product_circuit((real, imaginary), weight);
        m.output("real_o", real);
        m.output("imaginary_o", imaginary);
        m.finish()
    }

    fn model(&self) -> Box<dyn Model> {
        let bits = self.bits;
        Box::new(move |inputs: &[BigUint]| {
            let (real, imaginary) = Complex.conjugate_product(integers(inputs, bits), code(&inputs[2]));
            [real, imaginary].map(|part| Some(to_bits(part.into(), bits + 1))).into()
        })
    }

    fn stimulus(&self, random: &mut Random, cycles: usize) -> Vec<Values> {
        self.module().map_or(vec![], |module| stimulus::all_or_random(&module, random, cycles))
    }
}

impl PhaseEncoder {
    fn from_settings(settings: &Settings) -> Result<PhaseEncoder, UnitError> {
        Ok(PhaseEncoder { bits: settings.number(BITS.name, 2..=16)? })
    }
}

impl Unit for PhaseEncoder {
    fn module(&self) -> Result<Arc<Module>, HdlError> {
        let bits = self.bits;
        let m = ModuleBuilder::new(
            format!("bitmill_ifairy_encoder_int{bits}"),
            "the quadrant of a complex integer, cut at the diagonals.\nCombinational.",
        );
        let [real, imaginary] = parts(&m, bits);
        m.group("Weight");
        let weight = Complex.encode_circuit(&m, real, imaginary);
        m.output_with_comment("weight_o", weight, "quarter turns");
        m.finish()
    }

    fn model(&self) -> Box<dyn Model> {
        let bits = self.bits;
        Box::new(move |inputs: &[BigUint]| {
            let (real, imaginary) = integers(inputs, bits);
            vec![Some(Complex.encode(real as f32, imaginary as f32).into())]
        })
    }

    fn stimulus(&self, random: &mut Random, cycles: usize) -> Vec<Values> {
        self.module().map_or(vec![], |module| stimulus::all_or_pairs(&module, random, cycles, self.bits))
    }
}
