//! What makes pixels of a radiance field's samples, bit for bit as [`bitmill_formats::radiance_field`] says.
//!
//! [`projection`] tells which pixels may see a cube of the field, [`intersection`] which samples of a ray stand in a cube.
//! [`interpolator`] makes densities and appearance of factors between nodes; [`weight`] makes weights of densities
//! and keeps what is left of pixels' transmittance; [`pixel_sums`] adds weighted colours up to pixels.
//! [`sampler`] is a pipeline of all but the last, with the search before them.

pub mod fetch;
pub mod interpolator;
pub mod intersection;
pub mod pixel_sums;
pub mod projection;
pub mod sampler;
mod sampler_model;
mod sweep;
pub mod weight;

use crate::Entry;

/// The catalogue's entries.
pub const ENTRIES: [Entry; 6] = [
    projection::ENTRY,
    intersection::ENTRY,
    sampler::ENTRY,
    interpolator::ENTRY,
    weight::ENTRY,
    pixel_sums::ENTRY,
];
