//! Parameters of the sampler without a bound, and the sizes of its cache.

use bitmill_formats::deformable::Bound;

use super::elements;
use super::shape::{COMMON, Shape, power_of_two};
use crate::{Legal, Parameter, Settings, UnitError};

/// Bits of an image's number in a tag: so many images less one are read before all lines are cleared again.
pub(super) const IMAGE_BITS: u32 = 4;

const CACHE: [Parameter; 4] = [
    Parameter {
        name: "cache_rows",
        default: "16",
        help: "rows of pixels that the cache holds: a power of 2 from 2 up to the longest side",
        legal: Legal::OneOf(&["2", "4", "8", "16", "32", "64"]),
    },
    Parameter {
        name: "cache_columns",
        default: "16",
        help: "columns of pixels that the cache holds: a power of 2 from 2 up to the longest side",
        legal: Legal::OneOf(&["2", "4", "8", "16", "32", "64"]),
    },
    Parameter {
        name: "queue_steps",
        default: "32",
        help: "steps that wait for memory: a power of 2 from 2 to 64",
        legal: Legal::OneOf(&["2", "4", "8", "16", "32", "64"]),
    },
    Parameter {
        name: "most_reads",
        default: "32",
        help: "words under way from memory: a power of 2 from 4, the pixels around a tap, to 64",
        legal: Legal::OneOf(&["4", "8", "16", "32", "64"]),
    },
];

/// Parameters of the sampler without a bound.
pub const PARAMETERS: [Parameter; 11] = elements::joined(&COMMON, &CACHE);

/// A sampler's parameters, checked.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct CachedShape {
    /// What it samples, a tap in a step. The four pixels around a tap lie in banks of their own.
    pub shape: Shape,
    /// Rows and columns of pixels that the cache holds, powers of 2.
    pub cache: [u32; 2],
    /// Steps that wait for memory, a power of 2.
    pub queue_steps: u32,
    /// Words under way from memory, a power of 2. The four pixels around a tap have room together: the first of their
    /// words are taken only when the last one was asked for.
    pub most_reads: u32,
}

impl CachedShape {
    /// The shape that `settings` of [`PARAMETERS`] describe.
    ///
    /// # Errors
    /// A value outside what the parameters' help states.
    pub fn from_settings(settings: &Settings) -> Result<CachedShape, UnitError> {
        let shape = Shape::common(settings, Bound::NONE, 1, [1, 1])?;
        let banks = if shape.interpolates() { [2, 2] } else { [1, 1] };
        let size = |name: &'static str, least: u32, most: u32| {
            let size = power_of_two(settings, name, 64)?;
            if !(least..=most).contains(&size) {
                return Err(UnitError::illegal(
                    name,
                    size,
                    format!("powers of 2 from {least} to {most} are legal"),
                ));
            }
            Ok(size)
        };
        let side = |name: &'static str| size(name, 2, shape.longest_side);
        Ok(CachedShape {
            shape: Shape { banks, ..shape },
            cache: [side("cache_rows")?, side("cache_columns")?],
            queue_steps: size("queue_steps", 2, 64)?,
            most_reads: size("most_reads", 4, 64)?,
        })
    }

    /// Banks of the cache.
    pub fn banks(&self) -> u32 {
        self.shape.banks[0] * self.shape.banks[1]
    }

    /// Along an axis: the bits of an index that choose the bank, and where those of the line end.
    pub(super) fn line_ends(&self, axis: usize) -> [u32; 2] {
        [self.shape.banks[axis].ilog2(), self.cache[axis].ilog2()]
    }

    /// Lines of a bank, each a word of a pixel.
    pub fn lines(&self) -> u32 {
        (self.cache[0] * self.cache[1] / self.banks()) << self.shape.word_bits()
    }

    /// Bits of a line's number.
    pub fn line_bits(&self) -> u32 {
        self.lines().ilog2()
    }

    /// Bits of a tag: the image's number, and what of row and column does not choose the line.
    pub fn tag_bits(&self) -> u32 {
        IMAGE_BITS + 2 * self.shape.side_bits() - self.cache[0].ilog2() - self.cache[1].ilog2()
    }

    /// What tells modules of different shapes apart.
    pub fn name(&self) -> String {
        let [rows, columns] = self.cache;
        format!("{}_c{rows}x{columns}_q{}_r{}", self.shape.name(), self.queue_steps, self.most_reads)
    }
}
