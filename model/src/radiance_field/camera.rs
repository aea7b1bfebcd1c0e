//! Cameras: pinholes that look at a point, and the rays of their pixels.
//!
//! Pixel (row, column) looks through the point `((column − width/2) / f, (row − height/2) / f)` of the image plane, to the right and
//! down, with f the focal length in pixels: the convention of NeRF's own code (Mildenhall et al., ECCV 2020), which
//! puts the axis on the corner between the four middle pixels.

use bitmill_formats::radiance_field::projection::{EYE_BITS, EYE_FRACTION_BITS};
use bitmill_formats::radiance_field::{AXES, Ray};

use super::Scene;
use crate::ModelError;

/// Most pixels a side.
const MOST_PIXELS: usize = 4096;

/// Voxels from the field's corner, on each axis, that a camera must stand within.
const MOST_VOXELS: f64 = (1 << (EYE_BITS - EYE_FRACTION_BITS - 1)) as f64;

/// A pinhole camera whose third axis, up, is the scene's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Camera {
    /// Where it stands, in the scene's coordinates.
    pub eye: [f64; AXES],
    /// What it looks at.
    pub target: [f64; AXES],
    /// Horizontal field of view in degrees.
    pub view_degrees: f64,
    /// Columns and rows of the image.
    pub size: [usize; 2],
}

/// The rays of all pixels, row by row.
#[derive(Debug, Clone, PartialEq)]
pub struct Rays {
    /// Where their samples stand, in voxels.
    pub rays: Vec<Ray>,
    /// Their unit directions.
    pub directions: Vec<[f64; AXES]>,
    /// Sample 0 of all rays is so many steps from the camera: none before it lies in the field.
    pub first: u32,
}

impl Camera {
    /// A camera at an azimuth and elevation, in degrees, and a distance from its target. At azimuth 0 it stands along the second
    /// axis, at 90 along the first.
    pub fn orbit(
        target: [f64; AXES],
        [azimuth_degrees, elevation_degrees, distance]: [f64; 3],
        view_degrees: f64,
        size: [usize; 2],
    ) -> Self {
        let (azimuth, elevation) = (azimuth_degrees.to_radians(), elevation_degrees.to_radians());
        let outward = [azimuth.sin() * elevation.cos(), azimuth.cos() * elevation.cos(), elevation.sin()];
        let eye = std::array::from_fn(|axis| target[axis] + distance * outward[axis]);
        Self { eye, target, view_degrees, size }
    }

    /// In words, what is wrong with the camera.
    fn problem(&self) -> Option<String> {
        let Self { eye, target, view_degrees, size } = self;
        if eye.iter().chain(target).any(|part| !part.is_finite()) {
            return Some("the camera and its target need finite coordinates".to_owned());
        }
        if norm(difference(*target, *eye)) < 1e-6 {
            return Some("the camera stands on its target; give a distance above 0".to_owned());
        }
        if !(1.0..=170.0).contains(view_degrees) {
            return Some(format!("a field of view is 1 to 170 degrees, found {view_degrees}"));
        }
        size.iter()
            .find(|side| !(1..=MOST_PIXELS).contains(*side))
            .map(|side| format!("an image has 1 to {MOST_PIXELS} pixels a side, found {side}"))
    }

    /// To the right, down and forward: unit vectors.
    pub(super) fn axes(&self) -> [[f64; AXES]; AXES] {
        let forward = unit(difference(self.target, self.eye));
        // Straight up or down, the second axis stands in for the third.
        let up = if forward[2].abs() > 0.999_999 { [0.0, 1.0, 0.0] } else { [0.0, 0.0, 1.0] };
        let right = unit(cross(forward, up));
        [right, cross(forward, right), forward]
    }

    /// Focal length in pixels.
    pub(super) fn focal(&self) -> f64 {
        0.5 * self.size[0] as f64 / (0.5 * self.view_degrees.to_radians()).tan()
    }

    /// The camera's place in the voxels of `scene`.
    pub(super) fn eye_in(&self, scene: &Scene) -> [f64; AXES] {
        std::array::from_fn(|axis| (self.eye[axis] - scene.cube.lowest[axis]) / scene.voxel())
    }

    /// The rays of all pixels through `scene`.
    ///
    /// # Errors
    /// A camera that cannot be: what is wrong with it and what would be legal.
    pub fn rays(&self, scene: &Scene) -> Result<Rays, ModelError> {
        if let Some(problem) = self.problem() {
            return Err(ModelError::Input(problem));
        }
        let eye = self.eye_in(scene);
        let farthest = eye.iter().fold(0f64, |farthest, part| farthest.max(part.abs()));
        if farthest >= MOST_VOXELS {
            return Err(ModelError::Input(format!(
                "the camera stands {farthest:.0} voxels from the field; less than {MOST_VOXELS} are legal"
            )));
        }
        let half = scene.side as f64 / 2.0;
        let nearest = norm(eye.map(|part| part - half)) - half * 3f64.sqrt();
        let first = (nearest / scene.step).floor().max(0.0);
        let ([right, down, forward], focal, [width, height]) = (self.axes(), self.focal(), self.size);
        let (mut rays, mut directions) = (Vec::new(), Vec::new());
        for (row, column) in (0..height).flat_map(|row| (0..width).map(move |column| (row, column))) {
            let x = (column as f64 - width as f64 / 2.0) / focal;
            let y = (row as f64 - height as f64 / 2.0) / focal;
            let direction =
                unit(std::array::from_fn(|axis| x * right[axis] + y * down[axis] + forward[axis]));
            directions.push(direction);
            if misses(eye, direction, half) {
                rays.push(Ray::NOWHERE);
                continue;
            }
            let increment = direction.map(|part| part * scene.step);
            let origin = std::array::from_fn(|axis| eye[axis] + first * increment[axis]);
            rays.push(Ray::nearest(origin, increment).map_err(ModelError::Input)?);
        }
        Ok(Rays { rays, directions, first: first as u32 })
    }
}

/// Whether a ray from `eye` passes a cube of 2 · `half` from 0 at more than a voxel from the ball around it, or the ball lies behind.
fn misses(eye: [f64; AXES], direction: [f64; AXES], half: f64) -> bool {
    let to_centre = eye.map(|part| half - part);
    let along = (0..AXES).map(|axis| to_centre[axis] * direction[axis]).sum::<f64>().max(0.0);
    let closest = std::array::from_fn(|axis| to_centre[axis] - along * direction[axis]);
    norm(closest) > half * 3f64.sqrt() + 1.0
}

fn difference(a: [f64; AXES], b: [f64; AXES]) -> [f64; AXES] {
    std::array::from_fn(|axis| a[axis] - b[axis])
}

fn norm(vector: [f64; AXES]) -> f64 {
    vector.iter().map(|part| part * part).sum::<f64>().sqrt()
}

fn unit(vector: [f64; AXES]) -> [f64; AXES] {
    let length = norm(vector);
    vector.map(|part| part / length)
}

fn cross(a: [f64; AXES], b: [f64; AXES]) -> [f64; AXES] {
    std::array::from_fn(|axis| {
        let (next, last) = ((axis + 1) % AXES, (axis + 2) % AXES);
        a[next] * b[last] - a[last] * b[next]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_camera_on_an_orbit_looks_inward_with_the_third_axis_up() {
        let camera = Camera::orbit([0.0; AXES], [90.0, 0.0, 4.0], 90.0, [8, 6]);
        let close = |a: [f64; AXES], b: [f64; AXES]| assert!(norm(difference(a, b)) < 1e-12, "{a:?} {b:?}");
        close(camera.eye, [4.0, 0.0, 0.0]);
        let [right, down, forward] = camera.axes();
        close(forward, [-1.0, 0.0, 0.0]);
        close(right, [0.0, 1.0, 0.0]);
        close(down, [0.0, 0.0, -1.0]);
        assert!((camera.focal() - 4.0).abs() < 1e-12);
    }

    #[test]
    fn cameras_that_cannot_be_are_refused() {
        let camera = |eye, view_degrees, size| Camera { eye, target: [0.0; AXES], view_degrees, size };
        for (camera, words) in [
            (camera([0.0; AXES], 40.0, [8, 8]), "the camera stands on its target"),
            (camera([f64::NAN, 0.0, 0.0], 40.0, [8, 8]), "finite coordinates"),
            (camera([1.0; AXES], 180.0, [8, 8]), "1 to 170 degrees, found 180"),
            (camera([1.0; AXES], 40.0, [0, 8]), "1 to 4096 pixels a side, found 0"),
        ] {
            let problem = camera.problem().expect("a problem");
            assert!(problem.contains(words), "{problem}");
        }
    }
}
