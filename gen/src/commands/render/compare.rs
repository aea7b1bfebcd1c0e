//! A frame beside the same frame by uniform sampling, and ray by ray, from a field that is stored whole; and what each way of storing takes.

use std::error::Error;

use bitmill_formats::sparse::{Form, FormRule};
use bitmill_model::radiance_field::{Camera, Order};
use bitmill_sim::radiance_field::{Storing, storage};

use super::{Frame, Stage};

/// The ways of storing a field, by name.
const STORINGS: [(&str, Storing); 5] = [
    ("dense", Storing::Dense),
    ("bitmap", Storing::Sparse(FormRule::Always(Form::Bitmap))),
    ("coordinates", Storing::Sparse(FormRule::Always(Form::Coordinates))),
    ("hybrid, switched at 80 %", Storing::Sparse(FormRule::RT_NERF)),
    ("hybrid", Storing::Sparse(FormRule::Smaller)),
];

/// What came of the comparison.
pub struct Compared {
    /// The frame by uniform sampling.
    pub uniform: Frame,
    /// The frame ray by ray, with empty voxels left out and rays stopped early, from a field stored whole.
    pub by_rays: Frame,
    /// Cycles by uniform sampling over the frame's own.
    pub speed_up: f64,
    /// Traffic by uniform sampling over the frame's own.
    pub traffic_ratio: f64,
    /// PSNR by uniform sampling less the frame's own, both against real numbers.
    pub psnr_change_db: f64,
    /// Bytes of each way of storing.
    pub stored_bytes: Vec<(&'static str, u64)>,
}

impl Compared {
    /// Of `own`, the frame of `camera`.
    pub fn new(stage: &Stage, camera: &Camera, own: &Frame) -> Result<Compared, Box<dyn Error>> {
        let uniform = stage.frame(camera, Order::Uniform, Storing::Dense)?;
        let ratio = |of: fn(&Frame) -> u64| of(&uniform) as f64 / of(own) as f64;
        let bytes = |(name, storing): (&'static str, Storing)| {
            Ok((name, storage(&stage.quantized.field, storing)?.bytes()))
        };
        let stored_bytes =
            STORINGS.into_iter().map(bytes).collect::<Result<_, bitmill_formats::FormatError>>()?;
        let is_same = uniform.rendering.image == own.rendering.image;
        Ok(Compared {
            speed_up: ratio(|frame| frame.report.cycles),
            traffic_ratio: ratio(|frame| frame.report.traffic.total()),
            psnr_change_db: if is_same { 0.0 } else { uniform.psnr_db - own.psnr_db },
            stored_bytes,
            by_rays: stage.frame(camera, Order::Rays, Storing::Dense)?,
            uniform,
        })
    }

    /// Bytes stored whole over those of a way of storing.
    pub fn storage_ratio(&self, bytes: u64) -> f64 {
        self.stored_bytes[0].1 as f64 / bytes as f64
    }
}
