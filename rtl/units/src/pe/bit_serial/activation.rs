//! Activations of a bit-serial PE: integers as they are, FP16 brought to fixed point at the head of a row.

use std::sync::Arc;

use bitmill_formats::{Family, Format, Scalar, circuits};
use bitmill_hdl::{HdlError, Module, ModuleBuilder, Signal, unsigned};

use super::aligned::AlignedActivations;
use crate::pe::sum::{fixed_point, negate_if};
use crate::{Legal, Parameter, UnitError};

/// The parameter that [`SerialActivation::parse`] reads.
pub const ACTIVATION: Parameter = Parameter {
    name: "activation",
    default: "int8",
    help: "int2…int16, or a minifloat such as fp16",
    legal: Legal::OneOf(&["int2…int16", "fp16", "fp8_e4m3", "fp8_e5m2", "fp6_e3m2", "fp4_e2m1"]),
};

/// Format of the activations.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct SerialActivation {
    format: Scalar,
}

impl SerialActivation {
    /// `int2` to `int16`, or a minifloat, such as `fp16`.
    ///
    /// # Errors
    /// Any other format.
    pub fn new(format: Scalar) -> Result<SerialActivation, UnitError> {
        let activation = SerialActivation { format };
        let legal = match &activation.format {
            Scalar::Integer(integer) => integer.is_signed() && integer.fraction_bits() == 0,
            Scalar::Minifloat(_) => true,
            _ => false,
        };
        if !legal {
            let legal = "int2…int16 or a minifloat, such as fp16, are legal";
            return Err(UnitError::illegal("activation", &activation.format, legal));
        }
        Ok(activation)
    }

    /// Reads the name of a legal format.
    ///
    /// # Errors
    /// A format that is not legal.
    pub fn parse(name: &str) -> Result<SerialActivation, UnitError> {
        let format = name.parse::<Scalar>();
        SerialActivation::new(format.map_err(|e| UnitError::illegal("activation", name, e.to_string()))?)
    }

    /// The format.
    pub fn format(&self) -> Format {
        Format::Scalar(self.format.clone())
    }

    /// Bits of a code.
    pub fn bits(&self) -> u32 {
        self.format.bits()
    }

    /// Bits of an activation as a two's complement integer in units of 2^`lsb_exponent`.
    pub fn fixed_bits(&self) -> u32 {
        match self.format {
            Scalar::Integer(_) => self.format.bits(),
            _ => {
                let highest = self.format.extremes().highest.log2_floor().unwrap_or(0);
                (highest - self.lsb_exponent() + 2) as u32
            }
        }
    }

    /// The unit that activations count in, as a power of two.
    pub fn lsb_exponent(&self) -> i32 {
        match self.format {
            Scalar::Integer(_) => 0,
            _ => self.format.extremes().lsb_exponent,
        }
    }

    /// What a code stands for, in that unit. Infinities and NaN count as 0.
    pub fn value(&self, code: u32) -> i128 {
        fixed_point(&self.format.decode(code), self.lsb_exponent())
    }

    /// Whether it is an integer.
    pub(super) fn is_integer(&self) -> bool {
        matches!(self.format, Scalar::Integer(_))
    }

    /// The activations of a step of `lanes`, with one exponent.
    pub(super) fn aligned(&self, lanes: u32) -> AlignedActivations {
        AlignedActivations { format: self.format.clone(), lanes }
    }

    /// The row head that makes integers of `lanes` codes; `None` if they are integers.
    pub(super) fn row_head(&self, lanes: u32) -> Result<Option<Arc<Module>>, HdlError> {
        let Scalar::Minifloat(_) = self.format else { return Ok(None) };
        let (format, bits) = (&self.format, self.fixed_bits());
        let m = ModuleBuilder::new(
            format!("bitmill_{format}_to_fixed_l{lanes}"),
            format!(
                "{lanes} activations, {format} to {bits}-bit fixed point in units of 2^{}; infinities and NaN to 0.\n\
                 Combinational.",
                self.lsb_exponent()
            ),
        );
        let word = m.input("activation_i", unsigned(lanes * format.bits()));
        let mut fixed: Vec<Signal> = (0..lanes)
            .map(|index| {
                let code = word.slice(index * format.bits(), format.bits());
                let x = circuits::decode(&m, &format!("x_{index}"), format, code);
                let special = m.any(&[x.infinite, x.nan].into_iter().flatten().collect::<Vec<_>>());
                let places = x.exponent.above_low(&m, self.lsb_exponent());
                let magnitude = x.significand.extend(bits).shift_left(places).gate(special.not());
                negate_if(x.sign(&m), magnitude.as_signed()).as_unsigned().named(&format!("fixed_{index}"))
            })
            .collect();
        fixed.reverse();
        m.output_with_comment("activation_o", m.concat(&fixed), "lane 0 lowest");
        m.finish().map(Some)
    }
}
