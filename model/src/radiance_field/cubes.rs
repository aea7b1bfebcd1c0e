//! Occupied cubes: blocks of voxels with something in them, in view-dependent order.

use bitmill_formats::radiance_field::projection::{
    AXIS_FRACTION_BITS, EYE_FRACTION_BITS, FOCAL_FRACTION_BITS, View,
};
use bitmill_formats::radiance_field::{AXES, RAY_FRACTION_BITS, outward};

use super::{Camera, Field, Scene};

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

/// What `camera` is to the hardware when it looks at `scene`.
pub(super) fn view(camera: &Camera, scene: &Scene) -> View {
    let fixed = |real: f64, bits: u32| (real * f64::from(1u32 << bits)).round() as i64;
    View {
        // Rounded as the rays' origins are before bits fall off, so that both lie in one voxel.
        eye: camera
            .eye_in(scene)
            .map(|part| fixed(part, RAY_FRACTION_BITS) >> (RAY_FRACTION_BITS - EYE_FRACTION_BITS)),
        axes: camera.axes().map(|axis| axis.map(|part| fixed(part, AXIS_FRACTION_BITS))),
        focal: fixed(camera.focal(), FOCAL_FRACTION_BITS),
        size: camera.size,
    }
}
