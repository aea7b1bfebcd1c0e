//! How long a layer takes on the engine, exactly, without computing it.
//!
//! Where taps never meet in a bank, no data matter: see [`DeformableConvolution::steady_cycles`].

use bitmill_hdl::BigUint;
use bitmill_hdl::unit::{pack, to_bits};

use super::array::{ArrayShape, Sums};
use super::array_model::ArraySettings;
use super::convolution::DeformableConvolution;
use super::convolution_model::EngineModel;
use super::pointwise::PointwiseDeformable;
use super::pointwise_model::PipelineModel;
use super::sampler_model::{Handshake, Inputs};
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
    pub(super) fn pixels(self) -> u64 {
        u64::from(self.height) * u64::from(self.width)
    }
}

/// Cycles until `results` have come, when no stream is kept waiting from outside. `step` is given whether there is a word
/// of the image and the offsets of a pixel, and tells what a cycle says.
pub(super) fn cycles(
    [mut image, mut results]: [u64; 2],
    pixels: u64,
    offsets: impl Fn(u64) -> Vec<i64>,
    mut step: impl FnMut(Option<&BigUint>, Option<&BigUint>) -> Handshake,
) -> u64 {
    let of_pixel = |pixel: u64| {
        let bits = |offset: &i64| to_bits((*offset).into(), OFFSET_BITS);
        pack(&offsets(pixel).iter().map(bits).collect::<Vec<_>>(), OFFSET_BITS)
    };
    let (mut pixel, mut next, mut cycles) = (0, Some(of_pixel(0)), 0);
    while results > 0 {
        let said = step((image > 0).then_some(&BigUint::ZERO), next.as_ref());
        image -= u64::from(said.image_ready && image > 0);
        if said.offsets_ready && next.is_some() {
            pixel += 1;
            next = (pixel < pixels).then(|| of_pixel(pixel));
        }
        results -= u64::from(said.valid);
        cycles += 1;
    }
    cycles
}

/// Words of a pixel of the result.
pub(super) fn words_of_result(array: &ArrayShape, size: LayerSize) -> u32 {
    match array.sums {
        Sums::Depthwise => size.words,
        Sums::Full { .. } => size.groups,
    }
}

/// Settings of a multiply stage whose results do not matter.
pub(super) fn settings(words: u32, groups: u32) -> ArraySettings {
    let range = OutputRange { zero_point: 0, low: 0, high: 0 };
    ArraySettings { last_word: words - 1, last_group: groups - 1, range }
}

/// Settings of a sampler of pixels of so many `words`.
pub(super) fn sizes(size: LayerSize, words: u32) -> [BigUint; 4] {
    [size.height - 1, size.width - 1, words - 1, 0].map(BigUint::from)
}

impl DeformableConvolution {
    /// Cycles of a layer from its first beat in to its last result out, both included, when no stream is kept waiting
    /// from outside: by the engine's own model, whose samples are left out. `offsets` tells those of a pixel, numbered
    /// row by row.
    pub fn layer_cycles(&self, size: LayerSize, offsets: impl Fn(u64) -> Vec<i64>) -> u64 {
        let mut model = EngineModel::new(self.clone(), false);
        let (sizes, settings) = (sizes(size, size.words), settings(size.words, size.groups));
        let beats =
            [size.words, words_of_result(self.array(), size)].map(|words| size.pixels() * u64::from(words));
        cycles(beats, size.pixels(), offsets, |image, offsets| {
            model.step(Inputs { image, offsets, masks: None, ready: true, settings: &sizes }, &settings)
        })
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

impl PointwiseDeformable {
    /// Cycles of a layer from its first beat in to its last result out, both included, when no stream is kept waiting
    /// from outside; see [`DeformableConvolution::layer_cycles`]. `size` has the words of the input, and as groups those
    /// of a result.
    pub fn layer_cycles(&self, size: LayerSize, offsets: impl Fn(u64) -> Vec<i64>) -> u64 {
        let mut model = PipelineModel::new(self.clone(), false);
        let sizes = sizes(size, size.groups);
        let (pointwise, depthwise) = (settings(size.words, size.groups), settings(size.groups, 1));
        let beats = [size.words, size.groups].map(|words| size.pixels() * u64::from(words));
        cycles(beats, size.pixels(), offsets, |image, offsets| {
            let inputs = Inputs { image, offsets, masks: None, ready: true, settings: &sizes };
            model.step(inputs, &pointwise, &depthwise)
        })
    }

    /// Cycles of a layer whose taps never meet in a bank, but for a few a row. Both stages take a step every interval of
    /// their PEs, and while the rows that the last taps look at come in the slower one has worked without a gap: it has
    /// all rows to do, the other one those that the first or last taps need.
    pub fn steady_cycles(&self, size: LayerSize) -> u64 {
        let (pointwise, array) = (self.pointwise(), self.deformable().array());
        let shape = self.deformable().sampler();
        let [_, below] = shape.sampling.reach();
        let row = |steps: u32, interval: u32| u64::from(size.width * size.groups * steps * interval);
        let rows =
            [row(size.words, pointwise.interval_cycles()), row(shape.groups(), array.interval_cycles())];
        let (all, first) = (u64::from(size.height), u64::from(size.height.min(below + 1)));
        // A pixel is played two cycles after its last word came, and a step loaded the cycle after its rows are in.
        let latency = 4 + pointwise.latency_cycles() - pointwise.interval_cycles()
            + shape.latency_cycles()
            + array.latency_cycles()
            - array.interval_cycles();
        (all * rows[0] + first * rows[1]).max(first * rows[0] + all * rows[1])
            + u64::from(size.words)
            + u64::from(latency)
    }
}
