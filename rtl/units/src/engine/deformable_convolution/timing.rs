//! How long a layer takes on the engine, exactly, without computing it.
//!
//! Where taps never meet in a bank, no data matter: see [`DeformableConvolution::steady_cycles`].

use bitmill_hdl::BigUint;
use bitmill_hdl::unit::{pack, to_bits};

use super::array::Sums;
use super::array_model::ArraySettings;
use super::convolution::DeformableConvolution;
use super::convolution_model::EngineModel;
use super::sampler_model::Inputs;
use super::shape::OFFSET_BITS;
use crate::common::requantizer::OutputRange;

/// The sizes of a layer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LayerSize {
    /// Rows.
    pub height: u32,
    /// Columns.
    pub width: u32,
    /// Words of a pixel: input channels by the lanes.
    pub words: u32,
    /// Groups of output channels, 1 where the convolution is depthwise.
    pub groups: u32,
}

impl LayerSize {
    fn pixels(self) -> u64 {
        u64::from(self.height) * u64::from(self.width)
    }
}

impl DeformableConvolution {
    /// Cycles of a layer from its first beat in to its last result out, both included, when no stream is kept waiting
    /// from outside: by the engine's own model, whose samples are left out. `offsets` tells those of a pixel, numbered
    /// row by row.
    pub fn layer_cycles(&self, size: LayerSize, offsets: impl Fn(u64) -> Vec<i64>) -> u64 {
        let mut model = EngineModel::new(self.clone(), false);
        let settings = ArraySettings {
            last_word: size.words - 1,
            last_group: size.groups - 1,
            range: OutputRange { zero_point: 0, low: 0, high: 0 },
        };
        let sizes: Vec<BigUint> =
            [size.height - 1, size.width - 1, size.words - 1, 0].map(BigUint::from).into();
        let of_pixel = |pixel: u64| {
            let bits = |offset: &i64| to_bits((*offset).into(), OFFSET_BITS);
            pack(&offsets(pixel).iter().map(bits).collect::<Vec<_>>(), OFFSET_BITS)
        };
        let beats_of_pixel = match self.array().sums {
            Sums::Depthwise => size.words,
            Sums::Full { .. } => size.groups,
        };
        let mut image_left = size.pixels() * u64::from(size.words);
        let mut results_left = size.pixels() * u64::from(beats_of_pixel);
        let (mut pixel, mut next, mut cycles) = (0, Some(of_pixel(0)), 0);
        while results_left > 0 {
            let inputs = Inputs {
                image: (image_left > 0).then_some(&BigUint::ZERO),
                offsets: next.as_ref(),
                masks: None,
                ready: true,
                settings: &sizes,
            };
            let said = model.step(inputs, &settings);
            image_left -= u64::from(said.image_ready && image_left > 0);
            if said.offsets_ready && next.is_some() {
                pixel += 1;
                next = (pixel < size.pixels()).then(|| of_pixel(pixel));
            }
            results_left -= u64::from(said.valid);
            cycles += 1;
        }
        cycles
    }

    /// Cycles of a layer whose taps never meet in a bank: the rows below the first one stream in, then a step of every
    /// pixel, word, group of output channels and group of taps is multiplied at the pace of the PEs. Where the line buffer
    /// has no row to spare ([`Shape::rows`](super::shape::Shape::rows)), a row of the image may add two cycles.
    pub fn steady_cycles(&self, size: LayerSize) -> u64 {
        let shape = self.sampler();
        let [_, below] = shape.sampling.reach();
        let row = u64::from(size.width * size.words);
        let interval = self.array().interval_cycles();
        let steps = size.words * size.groups * shape.groups() * interval;
        let pixel_in_replay = match self.array().sums {
            Sums::Depthwise => 0,
            Sums::Full { .. } => u64::from(size.words * shape.groups()) + 1,
        };
        // A step is loaded the cycle after its rows are in; the samples, the PEs and the results follow.
        let latency = 2 + shape.latency_cycles() + self.array().latency_cycles() - interval;
        u64::from(size.height.min(below + 1)) * row
            + pixel_in_replay
            + size.pixels() * u64::from(steps)
            + u64::from(latency)
    }
}
