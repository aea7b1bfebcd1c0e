//! The one error type of the crate.

/// What can be wrong with a format, a code or a number that a user gave.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// The name belongs to no family.
    #[error("unknown format `{name}`; the families are {families}")]
    UnknownName {
        /// The name as given.
        name: String,
        /// How the names of every family look.
        families: String,
    },
    /// The name belongs to a family, which does not have these parameters.
    #[error("`{name}` is not a legal format: {legal}")]
    IllegalParameters {
        /// The name as given.
        name: String,
        /// What is wrong, and what would be legal.
        legal: String,
    },
    /// A code has more bits than the format.
    #[error("code {code} lies outside 0 to {largest:#x}, the {bits}-bit codes of {format}")]
    CodeOutOfRange {
        /// The code as given.
        code: u64,
        /// Largest legal code.
        largest: u32,
        /// Width of a code in bits.
        bits: u32,
        /// Name of the format.
        format: String,
    },
    /// Text that should be a real number is not.
    #[error("`{text}` is not a number; give a decimal (-1.5e-3), a hexadecimal float (0x1.8p-3), inf or nan")]
    NotANumber {
        /// The text as given.
        text: String,
    },
    /// Text that should name a rounding does not.
    #[error(
        "`{text}` is not a rounding; give nearest_even, nearest_away, toward_zero, stochastic:<seed> or drawn:<draw>"
    )]
    NotARounding {
        /// The text as given.
        text: String,
    },
    /// The operation does not exist for this format.
    #[error("{operation} needs {needs}, and {format} is not one")]
    Unsupported {
        /// What was asked.
        operation: &'static str,
        /// What it works on.
        needs: &'static str,
        /// Name of the format.
        format: String,
    },
    /// A parameter's value is not legal.
    #[error("{parameter} = {value}: {legal}")]
    IllegalValue {
        /// The parameter.
        parameter: &'static str,
        /// The value as given.
        value: String,
        /// What would be legal.
        legal: String,
    },
    /// Two slices that must agree in length do not.
    #[error("{what}: {given} given, {expected} needed")]
    Length {
        /// What is counted.
        what: &'static str,
        /// The count given.
        given: usize,
        /// The count needed.
        expected: usize,
    },
}

impl FormatError {
    pub(crate) fn illegal(name: &str, legal: impl Into<String>) -> Self {
        Self::IllegalParameters { name: name.to_owned(), legal: legal.into() }
    }
}
