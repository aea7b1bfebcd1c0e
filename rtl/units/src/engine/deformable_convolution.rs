//! The deformable convolution engine, after CoDeNet (Huang et al., FPGA 2021), and what it is made of.
//!
//! An image streams into a line buffer that is as deep as the bound on the offsets asks for; for each output pixel
//! its offsets stream in. The [`sampler`] gathers the pixels that the taps look at from banks, several taps at once,
//! and interpolates; the [`mod@array`] multiplies with the PEs of the accelerator's array and requantizes. The whole engine is
//! a [`convolution`]; its meaning is [`bitmill_formats::deformable`]. In [`pointwise`], a 1 × 1 convolution streams into it.
//! Without a bound, [`cached`] samples an image in memory, and [`cached_convolution`] is the engine behind it.

pub mod array;
mod array_model;
mod cache_fill;
mod cache_lookup;
pub mod cached;
pub mod cached_convolution;
mod cached_model;
pub mod cached_shape;
pub mod convolution;
mod convolution_model;
mod elements;
pub mod front_end;
pub mod gather;
pub mod interpolator;
mod line_buffer;
pub mod memory_timing;
mod multiply;
mod pixel_slot;
mod pixel_slot_model;
pub mod points;
pub mod pointwise;
mod pointwise_model;
mod ports;
pub(in crate::engine) mod queue;
mod replay;
pub mod sampler;
mod sampler_model;
pub mod shape;
pub mod steps;
mod stimulus;
pub mod timing;

use crate::Entry;
pub use stimulus::layers;

/// The catalogue's entries.
pub const ENTRIES: [Entry; 5] =
    [convolution::ENTRY, pointwise::ENTRY, cached_convolution::ENTRY, sampler::ENTRY, cached::ENTRY];
