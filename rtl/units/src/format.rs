//! Units made of the number formats' circuits: decode, operate exactly, round once.
//!
//! Their meaning is the value side of `bitmill_formats`; the circuits are its `circuits`. Except for the
//! exact accumulator all are combinational, so that a processing element registers them where it likes.

pub mod accumulator;
pub mod adder;
pub mod bitmod_decoder;
pub mod block_scale;
pub mod complex;
pub mod converter;
pub mod decoder;
pub mod encoder;
pub mod l_mul;
pub mod multiplier;
pub mod sherry;
pub mod slicer;
mod stimulus;

use bitmill_formats::circuits::{self, RoundingMode};
use bitmill_formats::{Codebook, Format, FormatError, Scalar, Ties};
use bitmill_hdl::BigUint;
use bitmill_hdl::unit::number;

use crate::{Entry, Parameter, Settings, UnitError};

/// The catalogue's entries of this module.
pub const ENTRIES: [Entry; 14] = [
    decoder::ENTRY,
    encoder::ENTRY,
    converter::ENTRY,
    multiplier::ENTRY,
    adder::ENTRY,
    accumulator::ENTRY,
    l_mul::ENTRY,
    block_scale::ENTRY,
    slicer::ENTRY,
    bitmod_decoder::ENTRY,
    sherry::DECODER,
    sherry::ENCODER,
    complex::ROTATOR,
    complex::ENCODER,
];

const FORMAT: Parameter = Parameter {
    name: "format",
    default: "fp8_e4m3",
    help: "a scalar format, as in `bitmill formats`; with `values`, the name of a codebook of your own",
};
const VALUES: Parameter = Parameter {
    name: "values",
    default: "",
    help: "2 to 256 values of a codebook of your own, code 0 first, separated by commas; ties go to the lower one",
};
const ROUNDING: Parameter = Parameter {
    name: "rounding",
    default: "nearest_even",
    help: "nearest_even, nearest_away, toward_zero or stochastic",
};
const RANDOM_BITS: Parameter = Parameter {
    name: "random_bits",
    default: "8",
    help: "width of the random input of stochastic rounding, 1 to 32 bits",
};

/// A scalar format with a rounding mode that its circuits have.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Rounded {
    /// The format.
    pub format: Scalar,
    /// How results are rounded to it.
    pub mode: RoundingMode,
}

impl Rounded {
    /// The pair.
    ///
    /// # Errors
    /// Stochastic rounding to a codebook, or a codebook too wide for fixed point.
    pub fn new(format: Scalar, mode: RoundingMode) -> Result<Rounded, UnitError> {
        circuits::check(&format, mode)
            .map_err(|error| UnitError::illegal("format", &format, error.to_string()))?;
        Ok(Rounded { format, mode })
    }

    /// From the parameters `format`, `values`, `rounding` and `random_bits`.
    fn from_settings(settings: &Settings) -> Result<Rounded, UnitError> {
        Rounded::new(scalar(settings, "format")?, rounding_mode(settings)?)
    }

    /// The code of the value that `operation` yields, with the random bits at the end of `inputs`.
    fn rounding(&self, inputs: &[BigUint]) -> bitmill_formats::Rounding {
        let random = if self.mode.random_bits() > 0 { inputs.last().map_or(0, number) } else { 0 };
        self.mode.rounding(random)
    }

    /// For a module's name: the format, and the rounding if it is not to nearest even.
    fn name(&self) -> String {
        match self.mode {
            RoundingMode::NearestEven => self.format.to_string(),
            mode => format!("{}_{mode}", self.format),
        }
    }
}

/// The scalar format that parameter `name` names, or the codebook that `values` lists.
pub(crate) fn scalar(settings: &Settings, name: &'static str) -> Result<Scalar, UnitError> {
    let text = settings.text(name);
    let illegal = |error: FormatError| UnitError::illegal(name, text, error.to_string());
    let values = settings.text(VALUES.name);
    if values.is_empty() {
        return text.parse().map_err(illegal);
    }
    let number = |value: &str| {
        value.trim().parse::<f64>().map_err(|_| UnitError::illegal(VALUES.name, value, "numbers are needed"))
    };
    let values: Vec<f64> = values.split(',').map(number).collect::<Result<_, _>>()?;
    Codebook::new(text, &values, Ties::Lower).map(Scalar::Codebook).map_err(illegal)
}

/// The format that parameter `name` names.
pub(crate) fn format(settings: &Settings, name: &'static str) -> Result<Format, UnitError> {
    let text = settings.text(name);
    text.parse().map_err(|error: FormatError| UnitError::illegal(name, text, error.to_string()))
}

fn rounding_mode(settings: &Settings) -> Result<RoundingMode, UnitError> {
    let random_bits = settings.number(RANDOM_BITS.name, 1..=32)?;
    let text = settings.text(ROUNDING.name);
    RoundingMode::parse(text, random_bits)
        .map_err(|error| UnitError::illegal(ROUNDING.name, text, error.to_string()))
}

/// The code in a port value.
pub(crate) fn code(bits: &BigUint) -> u32 {
    number(bits) as u32
}
