//! From the density of samples to a pixel: alpha by a table, weights, and their sums.

use crate::deformable::half_up;

/// Bits of an alpha, all behind the point.
pub const ALPHA_BITS: u32 = 12;
/// Bits of an [`AlphaTable`]'s index.
pub const TABLE_BITS: u32 = 10;
/// Bits of a transmittance or weight behind the point; one more stands before it.
pub const TRANSMITTANCE_BITS: u32 = 16;
/// A transmittance of one.
const ONE: u32 = 1 << TRANSMITTANCE_BITS;

/// How much of the light from behind a sample of a density takes away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlphaTable {
    shift: u32,
    alphas: Vec<u16>,
}

impl AlphaTable {
    /// The table of `alpha`, a function of the integer density, in steps of 2^`shift`.
    ///
    /// Within the table's reach an entry is off by at most half a unit of [`ALPHA_BITS`], besides what `alpha` changes by over
    /// half a step; a full alpha is one unit less than 1.
    pub fn new(shift: u32, alpha: impl Fn(f64) -> f64) -> Self {
        let one = f64::from(1u32 << ALPHA_BITS);
        let entry = |index: u32| {
            let density = f64::from(index) * 2f64.powi(shift as i32);
            (alpha(density) * one).round().clamp(0.0, one - 1.0) as u16
        };
        Self { shift, alphas: (0..1 << TABLE_BITS).map(entry).collect() }
    }

    /// Bits of a density that are rounded away to find its entry.
    pub fn shift(&self) -> u32 {
        self.shift
    }

    /// The entries, from density 0 upward.
    pub fn alphas(&self) -> &[u16] {
        &self.alphas
    }

    /// The entry of a density: negative ones count as 0, those beyond the table as its last.
    pub fn index(&self, density: i64) -> usize {
        half_up(density, self.shift).clamp(0, (1 << TABLE_BITS) - 1) as usize
    }

    /// The alpha of a sample of density `density`.
    pub fn alpha(&self, density: i64) -> u16 {
        self.alphas[self.index(density)]
    }
}

/// What is too little to count, with [`TRANSMITTANCE_BITS`] behind the point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Thresholds {
    /// A sample that weighs less counts as transparent.
    pub least_weight: u32,
    /// A pixel with less transmittance is finished.
    pub opaque: u32,
}

/// A pixel under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Pixel {
    /// How much of the light from behind still reaches the camera, from 0 to 2^[`TRANSMITTANCE_BITS`].
    pub transmittance: u32,
    /// Red, green and blue so far: sums of weight · colour.
    pub colour: [u32; 3],
}

impl Pixel {
    /// A pixel that no sample was found for yet.
    pub const CLEAR: Self = Self { transmittance: ONE, colour: [0; 3] };

    /// Whether nothing behind can be seen any more.
    pub fn is_finished(&self, thresholds: &Thresholds) -> bool {
        self.transmittance < thresholds.opaque
    }

    /// Takes the next sample along the ray; its weight, where it has one that counts. A finished pixel takes none.
    pub fn absorb(&mut self, alpha: u16, thresholds: &Thresholds) -> Option<u32> {
        if self.is_finished(thresholds) {
            return None;
        }
        let weight = half_up(i64::from(self.transmittance) * i64::from(alpha), ALPHA_BITS) as u32;
        (weight > 0 && weight >= thresholds.least_weight).then(|| {
            self.transmittance -= weight;
            weight
        })
    }

    /// Adds the colour of a sample of weight `weight`. The order of samples does not matter.
    pub fn add(&mut self, weight: u32, colour: [u8; 3]) {
        for (sum, colour) in self.colour.iter_mut().zip(colour) {
            *sum += weight * u32::from(colour);
        }
    }

    /// Red, green and blue before `background`.
    pub fn finish(&self, background: [u8; 3]) -> [u8; 3] {
        std::array::from_fn(|channel| {
            let sum = self.colour[channel] + self.transmittance * u32::from(background[channel]);
            half_up(sum.into(), TRANSMITTANCE_BITS) as u8
        })
    }
}
