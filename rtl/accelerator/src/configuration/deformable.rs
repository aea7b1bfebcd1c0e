//! The section `deformable`: a sampler beside the activation scratchpad, for deformable convolutions.

use bitmill_formats::deformable::{Bound, MOST_FRACTION_BITS, Offsets};
use serde::{Deserialize, Serialize};

use super::{ConfigurationError, illegal, power_of_two, range};

/// A sampler: it reads pixels where offsets tell, as many points at once as rows are drained.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deformable {
    /// What is said of where the taps of a pixel look: `per_tap` or `square`.
    pub offsets: OffsetKind,
    /// Bits of an offset behind the point, 0 to 8. With 0 offsets are rounded when they are quantized, and each point
    /// reads one pixel.
    #[serde(default = "default_fraction_bits")]
    pub fraction_bits: u32,
    /// Where offsets saturate, in whole pixels: two numbers, from -31 to 0 and from 0 to 31.
    #[serde(default = "default_bound")]
    pub bound: [i32; 2],
    /// Whether a mask a tap says how much it counts.
    #[serde(default)]
    pub modulation: bool,
    /// Rows or columns of the largest image: a power of two from 2 to 1024.
    #[serde(default = "default_longest_side")]
    pub longest_side: u32,
}

/// Values that tell where the taps of a pixel look, see [`Offsets`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OffsetKind {
    /// Two a tap.
    PerTap,
    /// One: the distance of neighbouring taps.
    Square,
}

impl OffsetKind {
    /// Their meaning.
    pub fn offsets(self) -> Offsets {
        match self {
            OffsetKind::PerTap => Offsets::PerTap,
            OffsetKind::Square => Offsets::Square,
        }
    }
}

fn default_fraction_bits() -> u32 {
    4
}

fn default_bound() -> [i32; 2] {
    Bound::WIDEST.ends()
}

fn default_longest_side() -> u32 {
    64
}

impl Deformable {
    /// The bound by value.
    pub(crate) fn bound(&self) -> Result<Bound, ConfigurationError> {
        let [lowest, highest] = self.bound;
        Bound::new(lowest, highest)
            .map_err(|legal| illegal("deformable.bound", format!("[{lowest}, {highest}]"), legal))
    }

    pub(super) fn check(&self) -> Result<(), ConfigurationError> {
        range("deformable.fraction_bits", self.fraction_bits, 0, MOST_FRACTION_BITS)?;
        self.bound()?;
        power_of_two("deformable.longest_side", self.longest_side, 2, 1024)
    }
}
