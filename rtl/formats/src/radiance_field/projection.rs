//! A cube as a camera sees it: the pixels that may see it.
//!
//! The cube's ball, its centre and circumscribed radius, is projected as the box around it along the camera's
//! axes. With x the centre's place to the right, z its depth, r the radius and f the focal length, what is in
//! the box appears between `f · (x − r) / (z ± r)` and `f · (x + r) / (z ∓ r)`: by the far face where the
//! numerator points away from the axis, by the near one else.
//!
//! All numbers are integers. The radius grows by 2^-12 of the way to the cube, which holds the roundings of
//! the axes (2^-15) and, from a focal length of a pixel on, that of the focal length (2^-13); and by four
//! last places for those of positions.

use std::ops::Range;

use super::AXES;

/// Bits behind the point of the eye's place, in voxels.
pub const EYE_FRACTION_BITS: u32 = 8;
/// Bits of the eye's place on an axis, sign included: within ± 2^19 voxels.
pub const EYE_BITS: u32 = 20 + EYE_FRACTION_BITS;
/// Bits behind the point of the camera's axes.
pub const AXIS_FRACTION_BITS: u32 = 14;
/// Bits of an axis' part, sign included.
pub const AXIS_BITS: u32 = 2 + AXIS_FRACTION_BITS;
/// Bits behind the point of the focal length, in pixels.
pub const FOCAL_FRACTION_BITS: u32 = 12;
/// Bits of the focal length: below 2^18 pixels.
pub const FOCAL_BITS: u32 = 18 + FOCAL_FRACTION_BITS;
/// Bits of a number of rows or columns, up to 4096.
pub const SIZE_BITS: u32 = 13;
/// Bits of how far a pixel may lie from the middle: as far as an image goes, and more counts as that.
pub const OFFSET_BITS: u32 = 12;
/// The way to a cube, shifted right by this, is what the radius grows by.
pub const MARGIN_SHIFT: u32 = FOCAL_FRACTION_BITS;
/// What the radius grows by besides, in last places of positions.
pub const MARGIN: i64 = 4;
/// √3 / 2 rounded up, in 2^-10: a cube's radius over its side.
pub const RADIUS_OF_SIDE: i64 = 887;

/// A camera in integers, in the voxels of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// Where it stands.
    pub eye: [i64; AXES],
    /// To the right, down and forward.
    pub axes: [[i64; AXES]; AXES],
    /// Focal length.
    pub focal: i64,
    /// Columns and rows.
    pub size: [usize; 2],
}

/// Pixels that may see a cube.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rectangle {
    /// Rows.
    pub rows: Range<usize>,
    /// Columns.
    pub columns: Range<usize>,
}

impl View {
    /// Whether a cube's rectangle takes divisions: it lies a voxel or more before the camera, all of it.
    pub fn is_divided(&self, lowest: [usize; AXES], side: usize) -> bool {
        let BoxAround { near, far, .. } = self.around(lowest, side);
        far > 0 && self.divides(near)
    }

    fn divides(&self, near: i64) -> bool {
        near >= 1 << EYE_FRACTION_BITS && self.focal >= 1 << FOCAL_FRACTION_BITS
    }

    /// The box around a cube's ball.
    fn around(&self, lowest: [usize; AXES], side: usize) -> BoxAround {
        let way: [i64; AXES] = std::array::from_fn(|axis| {
            (((2 * lowest[axis] + side) as i64) << (EYE_FRACTION_BITS - 1)) - self.eye[axis]
        });
        let along =
            |axis: [i64; AXES]| (0..AXES).map(|i| way[i] * axis[i]).sum::<i64>() >> AXIS_FRACTION_BITS;
        let [x, y, depth] = self.axes.map(along);
        let distance = way.iter().map(|part| part.abs()).sum::<i64>();
        let radius = radius(side) + (distance >> MARGIN_SHIFT);
        BoxAround { across: [x, y], radius, near: depth - radius, far: depth + radius }
    }

    /// The pixels that may see a cube with its lowest corner at voxel `lowest`, `side` voxels a side: none
    /// where it lies behind the camera, all where the camera stands in the cube's ball or less than a voxel
    /// from it, or the focal length is below a pixel.
    pub fn candidates(&self, lowest: [usize; AXES], side: usize) -> Rectangle {
        let [width, height] = self.size;
        let BoxAround { across: [x, y], radius, near, far } = self.around(lowest, side);
        if far <= 0 {
            return Rectangle { rows: 0..0, columns: 0..0 };
        }
        if !self.divides(near) {
            return Rectangle { rows: 0..height, columns: 0..width };
        }
        let range = |place: i64, pixels: usize| {
            let (lower, upper) = (place - radius, place + radius);
            let from = (self.focal * lower - 1) >> FOCAL_FRACTION_BITS;
            let to = (self.focal * upper) >> FOCAL_FRACTION_BITS;
            let from = from.div_euclid(if lower < 0 { near } else { far }) + 1;
            let to = to.div_euclid(if upper < 0 { far } else { near }) + 1;
            let [half, odd] = [pixels / 2, pixels % 2].map(|part| part as i64);
            let clamp = |pixel: i64| pixel.clamp(0, pixels as i64) as usize;
            let from = clamp(half + from);
            from..clamp(half + odd + to).max(from)
        };
        Rectangle { rows: range(y, height), columns: range(x, width) }
    }
}

/// The box around a cube's ball along the camera's axes.
struct BoxAround {
    /// Of its centre, to the right and down.
    across: [i64; 2],
    radius: i64,
    /// Depths of the two faces.
    near: i64,
    far: i64,
}

/// A cube's radius with the margin that no distance adds to.
pub fn radius(side: usize) -> i64 {
    ((side as i64 * RADIUS_OF_SIDE) >> (10 - EYE_FRACTION_BITS)) + 1 + MARGIN
}
