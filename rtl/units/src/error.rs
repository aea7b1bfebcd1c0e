//! Why a unit cannot be built as asked.

use bitmill_hdl::HdlError;

/// A unit that is not legal as asked.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum UnitError {
    /// No unit of that name.
    #[error("no unit is called `{name}`; there are {legal}")]
    UnknownUnit {
        /// What was asked for.
        name: String,
        /// Names in the catalogue.
        legal: String,
    },
    /// The unit has no such parameter.
    #[error("unit {unit} has no parameter `{name}`; it has {legal}")]
    UnknownParameter {
        /// The unit.
        unit: &'static str,
        /// What was asked for.
        name: String,
        /// Parameters of the unit.
        legal: String,
    },
    /// A parameter's value is not legal.
    #[error("{parameter} = {value}: {legal}")]
    IllegalValue {
        /// The parameter.
        parameter: &'static str,
        /// What was given.
        value: String,
        /// What would be legal.
        legal: String,
    },
    /// The circuit was refused by the hardware description layer: a bug of the unit.
    #[error(transparent)]
    Hdl(#[from] HdlError),
}

impl UnitError {
    /// `value` is not legal for `parameter`.
    pub fn illegal(parameter: &'static str, value: impl ToString, legal: impl Into<String>) -> UnitError {
        UnitError::IllegalValue { parameter, value: value.to_string(), legal: legal.into() }
    }
}
