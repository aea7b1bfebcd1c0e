//! Where the taps of a deformable convolution look, and what they read there. The convolution over the samples is an
//! ordinary one, of nine taps in a row ([`Taps::window`]).
//!
//! The meaning is [`bitmill_formats::deformable`]'s. Offsets have a scale of 2^-F, F bits behind the point; masks have
//! 2^-B and stand for 0 at their format's least integer, so that none is negative.

use bitmill_formats::deformable::{
    Bound, Deformation, Image, Interpolation, MOST_FRACTION_BITS, Offsets, Sampling, TAPS, real, samples,
};

use crate::quantized::{ActivationFormat, Quantization};
use crate::shape::{Extent, Shape, Window};

/// Where the taps of a 3 × 3 kernel look (stride, dilation and padding 1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Taps {
    /// What is said of it.
    pub offsets: Offsets,
    /// Where offsets saturate once they are integers.
    pub bound: Bound,
    /// Whether a mask a tap says how much it counts (DCNv2).
    pub is_modulated: bool,
}

impl Taps {
    /// Inputs of the layer: image, offsets, and masks if there are any.
    pub fn inputs(self) -> usize {
        2 + usize::from(self.is_modulated)
    }

    /// The window of a convolution over the samples.
    pub fn window() -> Window {
        let kernel = Extent::new(1, TAPS);
        Window { kernel, stride: kernel, ..Window::square(1) }
    }

    /// Shape of the samples.
    pub(crate) fn output_shape(self, shapes: &[Shape]) -> Result<Shape, String> {
        let image = shapes[0];
        let channels = [("offsets", self.offsets.values()), ("masks", TAPS)];
        for (shape, (what, channels)) in shapes[1..].iter().zip(channels) {
            if *shape != (Shape { channels, ..image }) {
                let legal = Shape { channels, ..image };
                return Err(format!("the {what} of an image of {image} must be {legal}, found {shape}"));
            }
        }
        let width = image.width.checked_mul(TAPS).ok_or("its samples are too many")?;
        Ok(Shape { width, ..image })
    }

    /// How the taps look and read, on tensors of these quantizations: image, offsets, masks.
    ///
    /// # Errors
    /// In words, a quantization that offsets or masks cannot have.
    pub fn sampling(self, inputs: &[Quantization]) -> Result<Sampling, String> {
        let fraction_bits = bits_behind_the_point(&inputs[1]).ok_or_else(|| {
            format!("offsets need a scale of 2^-{MOST_FRACTION_BITS} to 1, found {}", inputs[1].scale)
        })?;
        let mask_bits = inputs.get(2).map(|masks| {
            mask_bits(masks).ok_or_else(|| {
                let Quantization { scale, zero_point, .. } = masks;
                let legal = masks.min();
                format!(
                    "masks need a scale of 2^-{MOST_FRACTION_BITS} to 1 and zero point {legal}, found {scale} and \
                     {zero_point}"
                )
            })
        });
        let (offsets, bound) = (self.offsets, self.bound);
        let interpolation = Interpolation::Bilinear;
        Ok(Sampling { offsets, interpolation, fraction_bits, bound, mask_bits: mask_bits.transpose()? })
    }

    /// The finest legal quantization for offsets from `least` to `most`, as far as the bound lets them go, with up to so
    /// many bits behind the point.
    pub(crate) fn offset_quantization(
        self,
        ends: [f64; 2],
        format: ActivationFormat,
        most_fraction_bits: u32,
        is_symmetric: bool,
    ) -> Quantization {
        let [lowest, highest] = self.bound.ends().map(f64::from);
        let [least, most] = [ends[0].min(0.0).max(lowest), ends[1].max(0.0).min(highest)];
        let coarsest = Quantization { format, scale: 1.0, zero_point: 0 };
        let [min, max] = [coarsest.min(), coarsest.max()].map(f64::from);
        let finer = (0..=most_fraction_bits.min(MOST_FRACTION_BITS)).rev().map(|bits| {
            let scale = 2f64.powi(-(bits as i32));
            let zero_point = if is_symmetric { 0.0 } else { (min - (least / scale).floor()).clamp(min, max) };
            Quantization { scale, zero_point: zero_point as i32, ..coarsest }
        });
        let holds = |q: &Quantization| q.dequantize(q.min()) <= least && q.dequantize(q.max()) >= most;
        finer.into_iter().find(holds).unwrap_or(coarsest)
    }

    /// The finest quantization of masks that has 1.
    pub(crate) fn mask_quantization(format: ActivationFormat) -> Quantization {
        let bits = (format.bits() - 1).min(MOST_FRACTION_BITS);
        let unit = Quantization { format, scale: 2f64.powi(-(bits as i32)), zero_point: 0 };
        Quantization { zero_point: unit.min(), ..unit }
    }

    /// The samples of real numbers: image of `shape`, offsets, masks.
    pub(crate) fn real(self, shape: Shape, inputs: &[&[f32]]) -> Vec<f32> {
        let Shape { height, width, channels } = shape;
        let layer = real::Layer {
            images: 1,
            channels,
            outputs: channels,
            size: [height, width],
            kernel: [3, 3],
            strides: [1, 1],
            dilations: [1, 1],
            pads_before: [1, 1],
            pads_after: [1, 1],
            groups: 1,
            offset_groups: 1,
        };
        let x = channels_first(inputs[0], channels);
        let offsets = match self.offsets {
            Offsets::PerTap => channels_first(inputs[1], 2 * TAPS),
            Offsets::Square => square(2 * TAPS)
                .flat_map(|place| inputs[1].iter().map(move |&d| place * (f64::from(d) - 1.0)))
                .collect(),
        };
        let masks = inputs.get(2).map(|masks| channels_first(masks, TAPS));
        let inputs =
            real::Inputs { x: &x, weights: &[], offsets: &offsets, bias: None, mask: masks.as_deref() };
        let positions = (0..height).flat_map(|row| (0..width).map(move |column| [row, column]));
        positions
            .flat_map(|at| (0..TAPS).map(move |tap| (at, tap)))
            .flat_map(|(at, tap)| (0..channels).map(move |channel| (at, tap, channel)))
            .map(|(at, tap, channel)| layer.sample(&inputs, 0, channel, tap, at) as f32)
            .collect()
    }

    /// The samples of integers: image of `shape`, offsets, masks, and their quantizations, which are checked.
    pub(crate) fn integers(
        self,
        shape: Shape,
        inputs: &[&[i32]],
        quantizations: &[Quantization],
    ) -> Vec<i64> {
        let Shape { height, width, channels } = shape;
        let sampling = self.sampling(quantizations).expect("a network's quantizations are checked");
        let values = inputs[0].iter().map(|&x| x.into()).collect();
        let image = Image { height, width, channels, values };
        let [offsets, masks] = [1, 2].map(|index| match inputs.get(index) {
            Some(integers) => centred(integers, &quantizations[index]),
            None => Vec::new(),
        });
        let deformation = Deformation { offsets: &offsets, masks: &masks };
        let zero_point = quantizations[0].zero_point.into();
        let positions = (0..height).flat_map(|row| (0..width).map(move |column| [row, column]));
        positions
            .flat_map(|at| {
                let (samples, _) = samples(&sampling, &image, zero_point, at, deformation);
                (0..TAPS).flat_map(move |tap| samples.clone().into_iter().map(move |taps| taps[tap]))
            })
            .collect()
    }
}

/// What each of the first `count` offsets of a tap its own (row, column, row, …) is, per unit that the distance of
/// square offsets exceeds 1.
pub(crate) fn square(count: usize) -> impl Iterator<Item = f64> {
    (0..count).map(|index| {
        let (tap, axis) = (index / 2, index % 2);
        [tap / 3, tap % 3][axis] as f64 - 1.0
    })
}

/// The integers less their zero point.
pub fn centred(integers: &[i32], quantization: &Quantization) -> Vec<i64> {
    integers.iter().map(|&x| i64::from(x) - i64::from(quantization.zero_point)).collect()
}

/// B of masks with a scale of 2^-B, if they are legal.
pub(crate) fn mask_bits(masks: &Quantization) -> Option<u32> {
    bits_behind_the_point(masks).filter(|_| masks.zero_point == masks.min())
}

/// F of a scale 2^-F, if it is one.
pub(crate) fn bits_behind_the_point(quantization: &Quantization) -> Option<u32> {
    (0..=MOST_FRACTION_BITS).find(|&bits| quantization.scale == 2f64.powi(-(bits as i32)))
}

/// A tensor in ONNX's order, channels before rows.
fn channels_first(values: &[f32], channels: usize) -> Vec<f64> {
    let of_channel = |channel: usize| values.iter().skip(channel).step_by(channels);
    (0..channels).flat_map(|channel| of_channel(channel).map(|&x| x.into())).collect()
}
