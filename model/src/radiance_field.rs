//! Radiance fields: scenes in real numbers, the integers that the hardware renders them with, cameras and images.
//!
//! | part | what |
//! |---|---|
//! | [`Scene`] | a field of plane and line factors with its network, as read from a file |
//! | [`Camera`] | from where it is looked at |
//! | [`QuantizedScene`] | a scene's integers: a [`Field`], and the network that makes its colours |
//! | [`render_real`] | the image in real numbers: the reference |
//! | [`render`] | the image as the hardware computes it, in any [`Order`], and the [`Work`] that it took, step by step |
//! | [`psnr`] | how far apart two images are |
//!
//! What a sample is worth is specified in [`bitmill_formats::radiance_field`].

mod camera;
mod cubes;
mod field;
mod image;
mod network;
mod real;
mod render;
mod scene;

pub use camera::{Camera, Rays};
pub use cubes::Cubes;
pub use field::{Field, FieldConfig, QuantizedScene, direction_channels};
pub use image::{RgbImage, psnr};
pub use real::render_real;
pub use render::{Order, Rendering, Step, Work, render};
pub use scene::{Cube, Dense, RealFactors, Scene};
