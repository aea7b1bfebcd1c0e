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

use crate::{Entry, Legal, Parameter, Settings, UnitError};

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

/// Scalar formats of every family.
pub(crate) const SCALARS: Legal = Legal::OneOf(&[
    "int2…int16",
    "uint1…uint16",
    "int8_wrap",
    "fixed8_5_sym",
    "fixed12_4",
    "fp4_e2m1",
    "fp6_e2m3",
    "fp6_e3m2",
    "fp8_e4m3",
    "fp8_e5m2",
    "fp8_e3m4",
    "fp8_e4m3_fnuz",
    "fp8_e4m3_nonsat",
    "fp7_e3m3",
    "fp16",
    "bf16",
    "fp32",
    "e8m0",
    "posit3_0…posit3_2",
    "posit4_0…posit4_2",
    "posit6_0…posit6_2",
    "posit8_0…posit8_2",
    "posit11_0…posit11_2",
    "posit16_0…posit16_2",
    "binary",
    "ternary",
    "dual_binary",
    "bitmod_fp3_n6",
    "bitmod_fp3",
    "bitmod_fp4",
    "bitmod_fp4_n5",
    "matgptq2…matgptq8",
    "double_rounding2…double_rounding8",
]);
/// Minifloats with a mantissa, of every policy.
pub(crate) const MINIFLOATS: Legal = Legal::OneOf(&[
    "fp4_e2m1",
    "fp5_e2m2",
    "fp6_e2m3",
    "fp6_e3m2",
    "fp7_e3m3",
    "fp8_e4m3",
    "fp8_e4m3_nonsat",
    "fp8_e4m3_fnuz",
    "fp8_e5m2",
    "fp8_e3m4",
    "fp12_e6m5",
    "fp16",
    "bf16",
    "fp32",
]);
/// Integers without a fraction.
pub(crate) const INTEGERS: Legal = Legal::OneOf(&["int2…int16", "uint2…uint16"]);
/// Block formats.
pub(crate) const BLOCKS: Legal = Legal::OneOf(&[
    "mxfp8_e4m3",
    "mxfp8_e5m2",
    "mxfp6_e2m3",
    "mxfp6_e3m2",
    "mxfp4",
    "mxint8",
    "mxfp4_g64",
    "nvfp4",
    "nvint4",
    "bfp4_g16",
    "bfp8_g16",
    "bfp6_g12",
]);

const FORMAT: Parameter = Parameter {
    name: "format",
    default: "fp8_e4m3",
    help: "a scalar format, as in `bitmill formats`; with `values`, the name of a codebook of your own",
    legal: SCALARS,
};
const VALUES: Parameter = Parameter {
    name: "values",
    default: "",
    help: "2 to 256 values of a codebook of your own, code 0 first, separated by commas; ties go to the lower one",
    legal: Legal::OneOf(&[""]),
};
const ROUNDING: Parameter = Parameter {
    name: "rounding",
    default: "nearest_even",
    help: "nearest_even, nearest_away, toward_zero or stochastic",
    legal: Legal::OneOf(&["nearest_even", "nearest_away", "toward_zero", "stochastic"]),
};
const RANDOM_BITS: Parameter = Parameter {
    name: "random_bits",
    default: "8",
    help: "width of the random input of stochastic rounding, 1 to 32 bits",
    legal: Legal::Numbers(1, 32),
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
