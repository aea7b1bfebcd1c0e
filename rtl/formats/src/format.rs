//! Any format: scalar, vector, block or group, read from its name and described in figures.

use std::fmt;
use std::str::FromStr;

use crate::families::block::Block;
use crate::families::complex::Complex;
use crate::families::grouped::Grouped;
use crate::families::sherry::Sherry;
use crate::family::{Family, Policy};
use crate::{Dyadic, FormatError, Scalar};

/// A number format, as a configuration names it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Format {
    /// One real number a code.
    Scalar(Scalar),
    /// Four ternary weights a code.
    Sherry(Sherry),
    /// One complex number a code.
    Complex(Complex),
    /// Scalars that share a scale.
    Block(Block),
    /// Weights that share an integer scale.
    Grouped(Grouped),
}

/// A format in figures.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// The name.
    pub name: String,
    /// The family in a word.
    pub family: &'static str,
    /// Bits a value takes, shared scales included (but not the scale of a whole tensor).
    pub bits_per_value: f64,
    /// Smallest finite number.
    pub lowest: Dyadic,
    /// Largest finite number.
    pub highest: Dyadic,
    /// Smallest number above zero.
    pub smallest_positive: Dyadic,
    /// Smallest distance between two neighbours.
    pub smallest_step: Dyadic,
    /// 20·log10(largest magnitude / smallest positive number), in decibels.
    pub dynamic_range_db: f64,
}

impl Format {
    /// The figures of the format. In a format with a scale for the tensor, for a scale of 1.
    pub fn summary(&self) -> Summary {
        let one = Dyadic::from_integer(1);
        let unit = (one.negate(), one, one, one);
        let (family, bits_per_value, (lowest, highest, smallest_positive, smallest_step)) = match self {
            Self::Scalar(scalar) => (scalar.family_name(), f64::from(scalar.bits()), ends(scalar)),
            Self::Sherry(_) => ("sparse ternary", f64::from(Sherry::BITS) / Sherry::LANES as f64, unit),
            Self::Complex(_) => ("complex", f64::from(Complex::BITS), unit),
            Self::Grouped(grouped) => {
                let choices = grouped.element().group_choices();
                let (_, _, positive, step) = ends(grouped.element());
                let largest = Dyadic::from_integer(grouped.largest_scale().into());
                let extremes = || choices.iter().map(|choice| choice.extremes());
                let lowest = extremes().map(|ends| ends.lowest).min().unwrap_or(Dyadic::ZERO);
                let highest = extremes().map(|ends| ends.highest).max().unwrap_or(Dyadic::ZERO);
                let ends = (lowest.multiply(largest), highest.multiply(largest), positive, step);
                ("grouped", grouped.bits_per_value(), ends)
            }
            Self::Block(block) => {
                let scale_bits = f64::from(block.scale().bits()) / block.size() as f64;
                let (lowest, highest, positive, step) = ends(block.element());
                let scale = block.scale().extremes();
                let (small, large) = (scale.smallest_positive, scale.highest);
                let ends = (
                    lowest.multiply(large),
                    highest.multiply(large),
                    positive.multiply(small),
                    step.multiply(small),
                );
                ("block", f64::from(block.element().bits()) + scale_bits, ends)
            }
        };
        let magnitude = highest.max(lowest.magnitude());
        let dynamic_range_db = match (magnitude.log2_floor(), smallest_positive.log2_floor()) {
            (Some(high), Some(low)) => {
                let significands = magnitude.scale_by_power(-high).to_f64()
                    / smallest_positive.scale_by_power(-low).to_f64();
                20.0 * (significands.log10() + f64::from(high - low) * std::f64::consts::LOG10_2)
            }
            _ => 0.0,
        };
        Summary {
            name: self.to_string(),
            family,
            bits_per_value,
            lowest,
            highest,
            smallest_positive,
            smallest_step,
            dynamic_range_db,
        }
    }

    /// Width of a code in bits; of an element's code in a block format.
    pub fn code_bits(&self) -> u32 {
        match self {
            Self::Scalar(scalar) => scalar.bits(),
            Self::Sherry(_) => Sherry::BITS,
            Self::Complex(_) => Complex::BITS,
            Self::Block(block) => block.element().bits(),
            Self::Grouped(grouped) => grouped.element().bits(),
        }
    }

    /// Real numbers an element stands for: two if it is complex.
    pub fn parts(&self) -> u32 {
        if matches!(self, Self::Complex(_)) { 2 } else { 1 }
    }

    /// The power of two of which every value (every element of a block, before its scale) is a multiple.
    pub fn lsb_exponent(&self) -> i32 {
        match self {
            Self::Scalar(scalar) => scalar.extremes().lsb_exponent,
            Self::Sherry(_) | Self::Complex(_) => 0,
            Self::Block(block) => block.element().extremes().lsb_exponent,
            Self::Grouped(grouped) => grouped.lsb_exponent(),
        }
    }

    /// The written rules of the format.
    pub fn policies(&self) -> Vec<Policy> {
        match self {
            Self::Scalar(scalar) => scalar.policies(),
            Self::Sherry(sherry) => sherry.policies(),
            Self::Complex(complex) => complex.policies(),
            Self::Block(block) => block.policies(),
            Self::Grouped(grouped) => grouped.policies(),
        }
    }

    /// The scalar format, or an error that names the operation that needs one.
    pub fn scalar(&self, operation: &'static str) -> Result<&Scalar, FormatError> {
        match self {
            Self::Scalar(scalar) => Ok(scalar),
            other => Err(FormatError::Unsupported {
                operation,
                needs: "a format of one real number a code",
                format: other.to_string(),
            }),
        }
    }

    /// How the names of every family look, one a line.
    pub fn grammar() -> Vec<&'static str> {
        let others = [Block::GRAMMAR, Grouped::GRAMMAR, Sherry::NAME, Complex::NAME];
        Scalar::GRAMMAR.into_iter().chain(others).collect()
    }
}

/// Lowest, highest, smallest positive, smallest step.
fn ends(scalar: &Scalar) -> (Dyadic, Dyadic, Dyadic, Dyadic) {
    let extremes = scalar.extremes();
    (extremes.lowest, extremes.highest, extremes.smallest_positive, extremes.smallest_step)
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scalar(scalar) => scalar.fmt(f),
            Self::Sherry(sherry) => sherry.fmt(f),
            Self::Complex(complex) => complex.fmt(f),
            Self::Block(block) => block.fmt(f),
            Self::Grouped(grouped) => grouped.fmt(f),
        }
    }
}

impl FromStr for Format {
    type Err = FormatError;

    fn from_str(name: &str) -> Result<Self, FormatError> {
        let block = || Block::parse(name).map(|parsed| parsed.map(Self::Block));
        let sherry = || Sherry::parse(name).map(|parsed| parsed.map(Self::Sherry));
        let complex = || Complex::parse(name).map(|parsed| parsed.map(Self::Complex));
        let grouped = || Grouped::parse(name).map(|parsed| parsed.map(Self::Grouped));
        if let Some(parsed) = block().or_else(grouped).or_else(sherry).or_else(complex) {
            return parsed;
        }
        name.parse().map(Self::Scalar).map_err(|error| match error {
            FormatError::UnknownName { name, .. } => {
                FormatError::UnknownName { name, families: Self::grammar().join("; ") }
            }
            other => other,
        })
    }
}

impl From<Scalar> for Format {
    fn from(scalar: Scalar) -> Self {
        Self::Scalar(scalar)
    }
}
