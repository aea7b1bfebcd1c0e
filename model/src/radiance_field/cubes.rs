//! Occupied cubes: blocks of voxels with something in them, in view-dependent order, and the pixels that may see them.
//!
//! A cube's ball, centre and circumscribed radius, is projected: pixels that may see it lie in a rectangle that holds the
//! ball's image. For a ball of radius r at (x, z), z its depth, every point of it appears within
//! `r · (z + |x|) / (z · (z − r))` of x / z. All numbers are integers, with a margin that holds their roundings.

use std::ops::Range;

use bitmill_formats::radiance_field::{AXES, RAY_FRACTION_BITS, outward};

use super::{Camera, Field, Scene};

/// Bits behind the point of the camera's axes.
const AXIS_BITS: u32 = 14;
/// Bits behind the point of pixel coordinates and of the focal length.
const PIXEL_BITS: u32 = 8;
/// Added to a ball's radius for the roundings of axes: 1/16 voxel, above 2^-15 · 887, the longest way through a field.
const MARGIN: i64 = 1 << (RAY_FRACTION_BITS - 4);

/// The cubes of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cubes {
    /// Voxels along a side are 2 to this.
    side_bits: u32,
    /// Cubes along a side of the field.
    count: usize,
    /// Whether there is an occupied voxel in a cube; the last axis innermost.
    occupied: Vec<bool>,
}

/// Pixels that may see a cube.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rectangle {
    /// Rows.
    pub rows: Range<usize>,
    /// Columns.
    pub columns: Range<usize>,
}

impl Cubes {
    /// The cubes of a field.
    pub fn of(field: &Field) -> Self {
        Self::new(&field.occupancy, field.grid.side(), field.cube_side_bits)
    }

    /// The cubes of 2^`side_bits` voxels a side of an occupancy with `side` voxels a side.
    pub fn new(occupancy: &[bool], side: usize, side_bits: u32) -> Self {
        let side_bits = side_bits.min(side.ilog2());
        let count = side >> side_bits;
        let mut occupied = vec![false; count.pow(3)];
        for (index, _) in occupancy.iter().enumerate().filter(|(_, is_occupied)| **is_occupied) {
            let cube = [index / side / side, index / side % side, index % side].map(|v| v >> side_bits);
            occupied[(cube[0] * count + cube[1]) * count + cube[2]] = true;
        }
        Self { side_bits, count, occupied }
    }

    /// Voxels along a cube's side.
    pub fn side(&self) -> usize {
        1 << self.side_bits
    }

    /// Rows of cubes: what is looked through for occupied ones, a row at a time.
    pub fn rows(&self) -> usize {
        self.count * self.count
    }

    /// Occupied cubes from front to back for a camera in voxel `eye`, which may lie outside the field.
    pub fn front_to_back(&self, eye: [i64; AXES]) -> impl Iterator<Item = [usize; AXES]> {
        let [x, y, z] = eye.map(|voxel| outward(self.count, voxel >> self.side_bits).collect::<Vec<_>>());
        let all = x.into_iter().flat_map(move |x| {
            let (y, z) = (y.clone(), z.clone());
            y.into_iter().flat_map(move |y| z.clone().into_iter().map(move |z| [x, y, z]))
        });
        all.filter(|[x, y, z]| self.occupied[(x * self.count + y) * self.count + z])
    }

    /// Lowest voxel of a cube, and the first behind it on each axis.
    pub fn voxels(&self, cube: [usize; AXES]) -> [[usize; AXES]; 2] {
        let lowest = cube.map(|place| place << self.side_bits);
        [lowest, lowest.map(|voxel| voxel + self.side())]
    }
}

/// A camera in integers, in the voxels of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Projection {
    eye: [i64; AXES],
    axes: [[i64; AXES]; AXES],
    focal: i64,
    size: [usize; 2],
}

impl Projection {
    /// Of `camera` looking at `scene`.
    pub fn new(camera: &Camera, scene: &Scene) -> Self {
        let fixed = |real: f64, bits: u32| (real * f64::from(1u32 << bits)).round() as i64;
        Self {
            eye: camera.eye_in(scene).map(|part| fixed(part, RAY_FRACTION_BITS)),
            axes: camera.axes().map(|axis| axis.map(|part| fixed(part, AXIS_BITS))),
            focal: fixed(camera.focal(), PIXEL_BITS),
            size: camera.size,
        }
    }

    /// The voxel that the camera stands in, or would if the field went on.
    pub fn eye_voxel(&self) -> [i64; AXES] {
        self.eye.map(|part| part >> RAY_FRACTION_BITS)
    }

    /// Columns of the image.
    pub fn width(&self) -> usize {
        self.size[0]
    }

    /// The pixels that may see a cube with its lowest corner at voxel `lowest`, `side` voxels a side: none behind the camera, all where
    /// the camera stands in the cube's ball or close to it.
    pub fn candidates(&self, lowest: [usize; AXES], side: usize) -> Rectangle {
        let [width, height] = self.size;
        let centre: [i64; AXES] =
            std::array::from_fn(|axis| ((2 * lowest[axis] + side) as i64) << (RAY_FRACTION_BITS - 1));
        let along = |axis: [i64; AXES]| -> i64 {
            (0..AXES).map(|i| (centre[i] - self.eye[i]) * axis[i]).sum::<i64>() >> AXIS_BITS
        };
        let [x, y, depth] = self.axes.map(along);
        // √3 / 2 rounded up, in 2^-10.
        let radius = ((side as i64 * 887) << (RAY_FRACTION_BITS - 10)) + MARGIN;
        if depth + radius <= 0 {
            return Rectangle { rows: 0..0, columns: 0..0 };
        }
        if depth - radius < 1 << RAY_FRACTION_BITS {
            return Rectangle { rows: 0..height, columns: 0..width };
        }
        let range = |x: i64, pixels: usize| {
            let middle = i128::from(self.focal * x).div_euclid(depth.into());
            let reach = i128::from(self.focal) * i128::from(radius) * i128::from(depth + x.abs())
                / (i128::from(depth) * i128::from(depth - radius));
            let pixel = |place: i128| {
                let whole = (place + (pixels as i128) * (1 << (PIXEL_BITS - 1))) >> PIXEL_BITS;
                whole.clamp(0, pixels as i128) as usize
            };
            pixel(middle - reach - 1)..pixel(middle + reach + (2 << PIXEL_BITS))
        };
        Rectangle { rows: range(y, height), columns: range(x, width) }
    }
}
