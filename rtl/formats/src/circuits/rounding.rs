//! The one rounder of the circuits: whether what is cut off moves the last kept place up.

use std::fmt;

use bitmill_hdl::{ModuleBuilder, Signal};

use crate::{FormatError, Rounding};

/// How a circuit rounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum RoundingMode {
    /// To the nearest; a tie goes to the even code.
    #[default]
    NearestEven,
    /// To the nearest; a tie goes away from zero.
    NearestAway,
    /// To the neighbour nearer to zero.
    TowardZero,
    /// Up where the fraction that is cut off exceeds random bits, read as a fraction.
    Stochastic {
        /// Width of the input with the random bits, 1 to 32.
        random_bits: u32,
    },
}

impl RoundingMode {
    /// How the modes are called.
    pub const NAMES: &'static str = "nearest_even, nearest_away, toward_zero, stochastic";

    /// Reads a name; `random_bits` (1 to 32) is for stochastic rounding.
    pub fn parse(name: &str, random_bits: u32) -> Result<Self, FormatError> {
        match name {
            "nearest_even" => Ok(Self::NearestEven),
            "nearest_away" => Ok(Self::NearestAway),
            "toward_zero" => Ok(Self::TowardZero),
            "stochastic" if (1..=32).contains(&random_bits) => Ok(Self::Stochastic { random_bits }),
            "stochastic" => Err(FormatError::illegal(name, "1 to 32 random bits are legal")),
            _ => Err(FormatError::illegal(name, format!("a circuit rounds by one of {}", Self::NAMES))),
        }
    }

    /// What the value side does in this mode with `random` at the input.
    pub fn rounding(self, random: u64) -> Rounding {
        match self {
            Self::NearestEven => Rounding::NearestEven,
            Self::NearestAway => Rounding::NearestAway,
            Self::TowardZero => Rounding::TowardZero,
            Self::Stochastic { random_bits } => Rounding::Drawn { draw: random << (64 - random_bits) },
        }
    }

    /// Width of the random input; 0 for none.
    pub fn random_bits(self) -> u32 {
        if let Self::Stochastic { random_bits } = self { random_bits } else { 0 }
    }

    /// How many bits below the last kept place the mode looks at, besides a sticky bit.
    pub fn tail_bits(self) -> u32 {
        match self {
            Self::NearestEven | Self::NearestAway => 1,
            Self::TowardZero => 0,
            Self::Stochastic { random_bits } => random_bits,
        }
    }
}

impl fmt::Display for RoundingMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NearestEven => f.write_str("nearest_even"),
            Self::NearestAway => f.write_str("nearest_away"),
            Self::TowardZero => f.write_str("toward_zero"),
            Self::Stochastic { random_bits } => write!(f, "stochastic{random_bits}"),
        }
    }
}

/// A rounding mode with its random bits, if it takes any.
#[derive(Clone)]
pub struct Rounder<'m> {
    mode: RoundingMode,
    random: Option<Signal<'m>>,
    prefix: String,
}

impl<'m> Rounder<'m> {
    /// The rounder of `mode` in `m`: stochastic rounding makes an input `random_i`.
    pub fn new(m: &'m ModuleBuilder, mode: RoundingMode) -> Self {
        let random = (mode.random_bits() > 0).then(|| {
            m.group("Rounding");
            let shape = bitmill_hdl::unsigned(mode.random_bits());
            let random = m.input_with_comment("random_i", shape, "uniform and fresh with every number");
            // The products of e8m0 are never rounded: the port stays, as the mode says.
            m.ignore(random);
            random
        });
        Self { mode, random, prefix: String::new() }
    }

    /// The same rounder for another number of the module: the names of its signals begin with `prefix`.
    pub fn prefixed(&self, prefix: &str) -> Self {
        Self { prefix: format!("{prefix}_"), ..self.clone() }
    }

    /// The name of a signal of the encoder.
    pub(super) fn name(&self, signal: &str) -> String {
        format!("{}{signal}", self.prefix)
    }

    /// The mode.
    pub fn mode(&self) -> RoundingMode {
        self.mode
    }

    /// Whether to add 1 in the last kept place. `last` is that place's bit and `tail` all that follows,
    /// jammed; in two's complement `negative` is the sign, for magnitudes it is `None`.
    pub fn round_up(
        &self,
        m: &'m ModuleBuilder,
        last: Signal<'m>,
        tail: Signal<'m>,
        negative: Option<Signal<'m>>,
    ) -> Signal<'m> {
        let half = tail.msb();
        let beyond = if tail.width() > 1 { tail.truncate(tail.width() - 1).any() } else { m.bit(false) };
        match (self.mode, negative) {
            (RoundingMode::NearestEven, _) => half.and(beyond.or(last)),
            (RoundingMode::NearestAway, None) => half,
            // Two's complement cuts towards minus infinity: a negative tie stays where it is.
            (RoundingMode::NearestAway, Some(negative)) => half.and(beyond.or(negative.not())),
            (RoundingMode::TowardZero, None) => m.bit(false),
            (RoundingMode::TowardZero, Some(negative)) => negative.and(tail.any()),
            (RoundingMode::Stochastic { random_bits }, _) => {
                let random = self.random.unwrap_or_else(|| m.lit(random_bits, 0));
                exceeds(m, tail, random, negative)
            }
        }
    }
}

/// tail > random as fractions. The fraction of a negative number counts from the other side: there up is
/// taken where 1 − tail ≤ random, that is, where tail exceeds the complement of random by less than a step.
fn exceeds<'m>(
    m: &'m ModuleBuilder,
    tail: Signal<'m>,
    random: Signal<'m>,
    negative: Option<Signal<'m>>,
) -> Signal<'m> {
    let tail = super::shift::keep_top(m, tail.as_unsigned(), random.width());
    let threshold = match negative {
        None => m.concat(&[random, m.bit(false)]),
        Some(negative) => m.concat(&[random.xor(negative.replicate(random.width())), negative]),
    };
    tail.gt(threshold)
}
