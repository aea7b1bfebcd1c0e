//! A radiance field on integers: what a sample of it is worth, and what that makes of a pixel.
//!
//! The field fills a cube of N³ voxels, N a power of two. Its density and its appearance are sums of products of
//! plane and line factors ("VM", Chen et al., TensoRF, ECCV 2022, section 3.2): for each of three [`MODES`] and each
//! component, a plane over two axes, which is interpolated bilinearly, times a line over the third. Nodes stand at
//! whole coordinates; beyond the last, the last is repeated. A pixel looks along a [`Ray`]; its samples are numbered,
//! and sample k stands at `origin + k · increment` whichever way it is come upon, so that whoever walks the cubes of the
//! field and whoever walks the rays evaluate the same points.
//!
//! | step | meaning | bits |
//! |---|---|---|
//! | position | `origin + k · increment`, then [`Grid::point`] drops to `F` fraction bits | 32, 20 behind the point |
//! | line | `half_up(a · 2^F + (b − a) · f, F − G)` | `V + G` |
//! | plane | the same twice, exact in between, rounded once by `2F − G` | `V + G` |
//! | product | plane · line | `2(V + G)` |
//! | density | Σ of the products of all components and modes, in any order | `2(V + G) + ⌈log2 3C⌉` |
//! | alpha | [`AlphaTable`]: entry `clamp(half_up(density, shift), 0, 1023)` | 12, all behind the point |
//! | weight | `half_up(T · alpha, 12)`; what is left is `T − weight` | 17, 16 behind the point |
//! | appearance | `clamp(half_up(product, shift), −128, 127)`, [`activation`] | 8: a channel of the network's input |
//! | colour | Σ of weight · colour, colours from 0 to 255 | 25 |
//! | pixel | `half_up(colour + T · background, 16)` | 8 |
//!
//! `V` are the bits of a factor (signed, in units of its tensor's scale), `G` those kept behind the point of what is
//! interpolated: [`Interpolation`]. `half_up` rounds to nearest, halves up. A sample lighter than the least weight counts as
//! transparent, so that weights and the rest of the transmittance always add up to one, and a pixel whose
//! transmittance falls below a threshold is finished. There is no division.

use std::ops::{Range, RangeInclusive};

mod factors;
mod order;
mod pixel;
pub mod projection;

pub use factors::{Factors, Interpolation, MODES, Mode, activation};
pub use order::outward;
pub use pixel::{ALPHA_BITS, AlphaTable, Pixel, TABLE_BITS, TRANSMITTANCE_BITS, Thresholds};

/// Bits behind the point of where a ray starts and of how far apart its samples are.
pub const RAY_FRACTION_BITS: u32 = 20;
/// Bits of those numbers, sign included: coordinates lie within ± 2048 voxels.
pub const RAY_BITS: u32 = 32;
/// Bits of what lies between two samples, sign included: all samples of a ray lie within those coordinates,
/// so that they are fewer than four voxels apart on each axis.
pub const INCREMENT_BITS: u32 = 24;
/// Most samples of a ray.
pub const MOST_SAMPLES: u32 = 1 << 10;
/// Axes of space.
pub const AXES: usize = 3;

/// Where the samples of a pixel stand, in voxels with [`RAY_FRACTION_BITS`] behind the point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ray {
    /// Sample 0.
    pub origin: [i64; AXES],
    /// From each sample to the next.
    pub increment: [i64; AXES],
}

impl Ray {
    /// A ray without a sample in any field.
    pub const NOWHERE: Self = Self { origin: [-1; AXES], increment: [0; AXES] };

    /// The ray nearest to a real origin and increment in voxels.
    ///
    /// Sample k then lies within `(1 + k) · 2^-21` of where it should, on each axis.
    ///
    /// # Errors
    /// In words, when a coordinate of any of the [`MOST_SAMPLES`] samples would not fit [`RAY_BITS`].
    pub fn nearest(origin: [f64; AXES], increment: [f64; AXES]) -> Result<Self, String> {
        let most = f64::from(1u32 << (RAY_BITS - 1 - RAY_FRACTION_BITS));
        let fixed = |real: f64| (real * f64::from(1 << RAY_FRACTION_BITS)).round() as i64;
        for axis in 0..AXES {
            let last = origin[axis] + increment[axis] * f64::from(MOST_SAMPLES);
            for end in [origin[axis], last] {
                if end.is_nan() || end.abs() >= most {
                    return Err(format!(
                        "a ray's coordinates must lie within ±{most} voxels for all of its {MOST_SAMPLES} samples, found {end}"
                    ));
                }
            }
        }
        Ok(Self { origin: origin.map(fixed), increment: increment.map(fixed) })
    }

    /// Where sample `k` stands.
    pub fn position(&self, k: u32) -> [i64; AXES] {
        std::array::from_fn(|axis| self.origin[axis] + i64::from(k) * self.increment[axis])
    }

    /// The samples that stand in a box, from the voxels `lowest` up to those before `highest`: they follow each other.
    pub fn within(&self, lowest: [usize; AXES], highest: [usize; AXES]) -> Range<u32> {
        let (mut first, mut end) = (0, i64::from(MOST_SAMPLES));
        for axis in 0..AXES {
            let [low, high] = [lowest[axis], highest[axis]]
                .map(|voxel| ((voxel as i64) << RAY_FRACTION_BITS) - self.origin[axis]);
            // Sample k lies inside where low <= k · increment < high.
            let increment = self.increment[axis];
            let [from, to] = match increment.signum() {
                0 if low <= 0 && 0 < high => continue,
                0 => [0, 0],
                1 => [ceiling(low, increment), ceiling(high, increment)],
                _ => [(-high).div_euclid(-increment) + 1, (-low).div_euclid(-increment) + 1],
            };
            first = first.max(from);
            end = end.min(to);
        }
        first as u32..end.max(first) as u32
    }
}

/// The quotient rounded up.
fn ceiling(dividend: i64, divisor: i64) -> i64 {
    -(-dividend).div_euclid(divisor)
}

/// The voxels of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Grid {
    side_bits: u32,
    fraction_bits: u32,
}

/// A place in a field: the voxel that it lies in, and how far behind the voxel's first corner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Point {
    /// Whole coordinates, each below the grid's side.
    pub voxel: [usize; AXES],
    /// The rest, with [`Grid::fraction_bits`] behind the point.
    pub fraction: [i64; AXES],
}

impl Grid {
    /// Most bits of a side: 256 voxels, so that a ray crosses the field in [`MOST_SAMPLES`] steps of half a voxel.
    pub const MOST_SIDE_BITS: u32 = 8;
    /// Fraction bits that are legal.
    pub const LEGAL_FRACTION_BITS: RangeInclusive<u32> = 2..=12;

    /// A grid of 2^`side_bits` voxels a side whose points have `fraction_bits`.
    ///
    /// # Errors
    /// In words, when either is not legal.
    pub fn new(side_bits: u32, fraction_bits: u32) -> Result<Self, String> {
        if !(1..=Self::MOST_SIDE_BITS).contains(&side_bits) {
            let most = 1 << Self::MOST_SIDE_BITS;
            return Err(format!(
                "a field has 2 to {most} voxels a side, a power of two, found 2^{side_bits}"
            ));
        }
        if !Self::LEGAL_FRACTION_BITS.contains(&fraction_bits) {
            return Err(format!("points have 2 to 12 fraction bits, found {fraction_bits}"));
        }
        Ok(Self { side_bits, fraction_bits })
    }

    /// Bits of a voxel's coordinate.
    pub fn side_bits(&self) -> u32 {
        self.side_bits
    }

    /// Voxels a side.
    pub fn side(&self) -> usize {
        1 << self.side_bits
    }

    /// Bits of a point's coordinates behind the point, `F`.
    pub fn fraction_bits(&self) -> u32 {
        self.fraction_bits
    }

    /// The point at a ray's `position`, where it lies in the field; bits below `F` fall off.
    pub fn point(&self, position: [i64; AXES]) -> Option<Point> {
        let inside = |coordinate: &i64| coordinate >> RAY_FRACTION_BITS >> self.side_bits == 0;
        position.iter().all(inside).then(|| {
            let fixed = position.map(|coordinate| coordinate >> (RAY_FRACTION_BITS - self.fraction_bits));
            Point {
                voxel: fixed.map(|coordinate| (coordinate >> self.fraction_bits) as usize),
                fraction: fixed.map(|coordinate| coordinate & ((1 << self.fraction_bits) - 1)),
            }
        })
    }
}
