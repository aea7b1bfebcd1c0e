//! The processing elements that multiply stages may have.

use std::collections::BTreeMap;

use bitmill_formats::Format;

use super::array::{ArrayShape, SUM_BITS, Sums};
use super::steps::Steps;
use crate::pe::{Kind, Request};
use crate::{Legal, Parameter, Settings, UnitError};

/// Kinds of PE: a word of weights is all that a step of them takes.
const KINDS: [&str; 4] = ["integer", "bit_serial", "matryoshka", "ternary"];

/// The parameters that choose one.
pub(super) const PARAMETERS: [Parameter; 2] = [
    Parameter {
        name: "pe",
        default: "integer",
        help: "kind of processing element, with a lane for each sample that a step brings it",
        legal: Legal::OneOf(&KINDS),
    },
    Parameter {
        name: "weight",
        default: "int8",
        help: "format of the weights, such as int8 or int4, as the PE takes it",
        legal: Legal::OneOf(&["int4", "int8", "ternary", "matgptq4", "matgptq8"]),
    },
];

/// The multiply stage for `steps` and `sums` with the PE that `settings` of [`PARAMETERS`] choose.
///
/// # Errors
/// A PE that takes no steps of as many samples, or has several modes or results.
pub(super) fn array(settings: &Settings, steps: Steps, sums: Sums) -> Result<ArrayShape, UnitError> {
    let (kind, weight) = (settings.text("pe"), settings.text("weight"));
    if !KINDS.contains(&kind) {
        return Err(UnitError::illegal("pe", kind, format!("legal are {}", KINDS.join(", "))));
    }
    let format = |name: &str| -> Result<Format, UnitError> {
        name.parse().map_err(|error| UnitError::illegal("weight", name, format!("{error}")))
    };
    let request = Request {
        activations: &[format("int8")?],
        weights: &[format(weight)?],
        lanes: steps.taps_at_once,
        accumulator_bits: SUM_BITS,
        options: &BTreeMap::new(),
    };
    let pe = Kind::find(kind)?.build(&request)?;
    if pe.results() != 1 || pe.mode_bits() > 0 || pe.result_bits() != SUM_BITS {
        return Err(UnitError::illegal("pe", kind, "a PE of one mode and one result is needed"));
    }
    Ok(ArrayShape { steps, sums, pe, pe_name: format!("{kind}_{weight}") })
}

/// Two lists of parameters, one after the other.
pub(super) const fn joined<const N: usize>(first: &[Parameter], second: &[Parameter]) -> [Parameter; N] {
    assert!(first.len() + second.len() == N, "as many parameters as in both lists");
    let mut all = [first[0]; N];
    let mut index = 0;
    while index < N {
        all[index] = if index < first.len() { first[index] } else { second[index - first.len()] };
        index += 1;
    }
    all
}
