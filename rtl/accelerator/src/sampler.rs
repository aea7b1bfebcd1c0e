//! The sampler that a configuration asks for: its shape, and the words that tell it where a pixel's taps look.

use bitmill_formats::deformable::{Interpolation, Offsets, Sampling, TAPS};
use bitmill_units::engine::deformable_convolution::shape::{ACTIVATION_BITS, OFFSET_BITS, Shape};

use crate::configuration::{ConfigurationError, Deformable, illegal};
use crate::word::WordLayout;

/// Bits of a mask behind the point: all of an activation's but one, since masks are not negative.
const MASK_BITS: u32 = ACTIVATION_BITS - 1;

/// A circuit that samples images of one format.
#[derive(Clone, Debug)]
pub struct Sampler {
    shape: Shape,
}

impl Sampler {
    /// One for images in `word`s, whose activations must have 8 bits.
    pub(crate) fn new(
        deformable: &Deformable,
        word: Option<&WordLayout>,
    ) -> Result<Sampler, ConfigurationError> {
        let Some(word) = word.filter(|word| word.bits() == ACTIVATION_BITS) else {
            let found = word.map_or("no signed integers".to_owned(), |word| word.format.to_string());
            let legal = "samples are int8: it must be the widest of the signed integers";
            return Err(illegal("precision.activations", found, legal));
        };
        let sampling = Sampling {
            offsets: deformable.offsets.offsets(),
            interpolation: Interpolation::Bilinear,
            fraction_bits: deformable.fraction_bits,
            bound: deformable.bound()?,
            mask_bits: deformable.modulation.then_some(MASK_BITS),
        };
        let shape = Shape {
            sampling,
            lanes: word.channels,
            taps_at_once: 1,
            banks: [1, 1],
            longest_side: deformable.longest_side,
            most_words: 1,
        };
        Ok(Sampler { shape })
    }

    /// How its taps look and read.
    pub fn sampling(&self) -> &Sampling {
        &self.shape.sampling
    }

    /// Rows or columns of the largest image.
    pub fn longest_side(&self) -> u32 {
        self.shape.longest_side
    }

    /// How many bits fewer offsets may have behind the point than the sampler: as far as its 16 bits hold them.
    pub fn most_offset_shift(&self) -> u32 {
        (OFFSET_BITS - ACTIVATION_BITS - 1).min(self.shape.sampling.fraction_bits)
    }

    /// Its points and interpolation, one tap at once. Banks are the scratchpad's.
    pub(crate) fn shape(&self) -> &Shape {
        &self.shape
    }

    /// Words of activations that hold the offsets of a pixel.
    pub(crate) fn offset_words(&self) -> u32 {
        (self.shape.sampling.offsets.values() as u32).div_ceil(self.shape.lanes)
    }

    /// Words of activations that hold the masks of a pixel, if there are any.
    pub(crate) fn mask_words(&self) -> u32 {
        self.shape.sampling.mask_bits.map_or(0, |_| (TAPS as u32).div_ceil(self.shape.lanes))
    }

    /// The offsets of a pixel that moves no tap.
    pub(crate) fn regular(&self) -> Vec<i64> {
        match self.shape.sampling.offsets {
            Offsets::PerTap => vec![0; Offsets::PerTap.values()],
            Offsets::Square => vec![1 << self.shape.sampling.fraction_bits],
        }
    }
}
