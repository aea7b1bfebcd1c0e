//! What makes pixels of a radiance field's samples, bit for bit as [`bitmill_formats::radiance_field`] says.
//!
//! [`interpolator`] makes densities and appearance of factors between nodes; [`weight`] makes weights of densities
//! and keeps what is left of pixels' transmittance; [`pixel_sums`] adds weighted colours up to pixels.

pub mod interpolator;
pub mod pixel_sums;
mod sweep;
pub mod weight;

use crate::Entry;

/// The catalogue's entries.
pub const ENTRIES: [Entry; 3] = [interpolator::ENTRY, weight::ENTRY, pixel_sums::ENTRY];
