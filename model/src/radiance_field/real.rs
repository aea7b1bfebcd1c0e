//! The image in real numbers: what the integers are measured against.
//!
//! Samples stand where the hardware's do, up to the rounding of rays; nothing is left out but empty voxels.

use bitmill_formats::radiance_field::{AXES, MODES, MOST_SAMPLES};

use super::{Camera, RealFactors, RgbImage, Scene};
use crate::ModelError;
use crate::network::Function;

/// The image of `scene` from `camera` in double precision, its pixels rounded to 8 bits at the end.
///
/// # Errors
/// A camera that cannot be.
pub fn render_real(scene: &Scene, camera: &Camera) -> Result<RgbImage, ModelError> {
    let rays = camera.rays(scene)?;
    let eye = camera.eye_in(scene);
    let pixels = rays.directions.iter().map(|direction| {
        let (mut transmittance, mut sums) = (1.0, [0.0; 3]);
        for number in rays.first..rays.first + MOST_SAMPLES {
            let reach = f64::from(number) * scene.step;
            let place: [f64; AXES] = std::array::from_fn(|axis| eye[axis] + reach * direction[axis]);
            if !is_occupied(scene, place) {
                continue;
            }
            let feature: f64 = products(&scene.density, scene.side, place).iter().sum();
            let weight = transmittance * -(-scene.depth(feature)).exp_m1();
            let colour = colour(scene, place, *direction);
            (0..3).for_each(|channel| sums[channel] += weight * colour[channel]);
            transmittance -= weight;
        }
        std::array::from_fn(|channel| {
            ((sums[channel] + transmittance * scene.background[channel]) * 255.0).round() as u8
        })
    });
    Ok(RgbImage { size: camera.size, pixels: pixels.collect() })
}

fn is_occupied(scene: &Scene, place: [f64; AXES]) -> bool {
    let side = scene.side as f64;
    let is_inside = place.iter().all(|part| (0.0..side).contains(part));
    let voxel = place.map(|part| part as usize);
    is_inside && scene.occupancy[(voxel[0] * scene.side + voxel[1]) * scene.side + voxel[2]]
}

/// Plane times line of each mode and component.
fn products(factors: &RealFactors, side: usize, place: [f64; AXES]) -> Vec<f64> {
    let components = factors.components;
    let ends = place.map(|part| {
        let near = part as usize;
        [(near, 1.0 - part.fract()), ((near + 1).min(side - 1), part.fract())]
    });
    let mut products = Vec::with_capacity(AXES * components);
    for (mode, axes) in MODES.iter().enumerate() {
        let [rows, columns] = axes.plane.map(|axis| ends[axis]);
        for component in 0..components {
            let mut plane = 0.0;
            for (row, by_row) in rows {
                for (column, by_column) in columns {
                    let value =
                        factors.planes[((mode * side + row) * side + column) * components + component];
                    plane += by_row * by_column * f64::from(value);
                }
            }
            let line: f64 = ends[axes.line]
                .iter()
                .map(|(at, share)| {
                    share * f64::from(factors.lines[(mode * side + at) * components + component])
                })
                .sum();
            products.push(plane * line);
        }
    }
    products
}

fn colour(scene: &Scene, place: [f64; AXES], direction: [f64; AXES]) -> Vec<f64> {
    let products = products(&scene.appearance, scene.side, place);
    let sum = |weights: &[f32], inputs: &[f64]| -> f64 {
        weights.iter().zip(inputs).map(|(weight, input)| f64::from(*weight) * input).sum()
    };
    let mut values: Vec<f64> = scene.basis.chunks(products.len()).map(|row| sum(row, &products)).collect();
    values.extend(scene.encode(direction));
    for (index, layer) in scene.layers.iter().enumerate() {
        let rows = layer.weights.chunks(values.len()).zip(&layer.bias);
        let sums = rows.map(|(row, bias)| sum(row, &values) + f64::from(*bias));
        values = match index + 1 == scene.layers.len() {
            true => sums.map(|sum| Function::Sigmoid.at(sum)).collect(),
            false => sums.map(|sum| sum.max(0.0)).collect(),
        };
    }
    values
}
