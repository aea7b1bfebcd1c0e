//! Deformable convolution: the integers against real numbers, the real numbers against ONNX's reference evaluator.

mod common;

use std::fmt::Write as _;

use bitmill_formats::deformable::real::{Inputs, Layer, Pair};
use bitmill_formats::deformable::{
    Bound, Channels, Deformation, Image, Interpolation, Offsets, Sampling, TAPS, convolve,
};
use bitmill_hdl::unit::Random;

fn between(random: &mut Random, low: i64, high: i64) -> i64 {
    low + random.below((high - low + 1) as u64) as i64
}

/// Every combination of modes, with a bound each.
fn samplings() -> Vec<Sampling> {
    let mut all = Vec::new();
    for offsets in [Offsets::PerTap, Offsets::Square] {
        for interpolation in [Interpolation::Bilinear, Interpolation::Rounded] {
            for (mask_bits, fraction_bits) in [(None, 4), (Some(8), 4), (None, 0), (Some(3), 8)] {
                for (lowest, highest) in [(0, 7), (-2, 3), (0, 1), (-5, 0), (0, 0)] {
                    let bound = Bound::new(lowest, highest).expect("a legal bound");
                    all.push(Sampling { offsets, interpolation, fraction_bits, bound, mask_bits });
                }
            }
        }
    }
    all
}

/// A layer of integers, and where its taps look in real numbers, in ONNX's order.
struct Case {
    image: Image,
    zero_point: i64,
    offsets: Vec<i64>,
    masks: Vec<i64>,
    channels: Channels,
    weights: Vec<i64>,
}

fn case(sampling: &Sampling, random: &mut Random) -> Case {
    let size = |random: &mut Random| 1 + random.below(9) as usize;
    let (height, width, channels) = (size(random), size(random), 1 + random.below(3) as usize);
    let values = (0..height * width * channels).map(|_| between(random, -128, 127)).collect();
    let one = 1 << sampling.fraction_bits;
    // Offsets beyond every bound, whole ones often.
    let mut offset = || match random.below(3) {
        0 => between(random, -10, 10) * one,
        _ => between(random, -10 * one, 10 * one),
    };
    let offsets = (0..height * width * sampling.offsets.values()).map(|_| offset()).collect();
    let most = 1i64 << sampling.mask_bits.unwrap_or(0);
    let masks = (0..height * width * TAPS).map(|_| between(random, 0, most)).collect();
    let kind = if random.one_in(2) { Channels::Depthwise } else { Channels::Full(2) };
    let kernels = if kind == Channels::Depthwise { 1 } else { 2 };
    let weights = (0..kernels * TAPS * channels).map(|_| between(random, -128, 127)).collect();
    let image = Image { height, width, channels, values };
    Case { image, zero_point: between(random, -128, 127), offsets, masks, channels: kind, weights }
}

/// The offset of a tap in real numbers, as the table of the integer specification has it.
fn real_offset(sampling: &Sampling, offsets: &[i64], tap: usize, axis: usize) -> f64 {
    let one = f64::from(1 << sampling.fraction_bits);
    let real = |offset: i64| {
        let real = sampling.saturate(offset) as f64 / one;
        if sampling.interpolation == Interpolation::Rounded { (real + 0.5).floor() } else { real }
    };
    match sampling.offsets {
        Offsets::PerTap => real(offsets[2 * tap + axis]),
        Offsets::Square => {
            [tap / 3, tap % 3].map(|place| place as f64 - 1.0)[axis] * (real(offsets[0]) - 1.0)
        }
    }
}

impl Case {
    fn integers(&self, sampling: &Sampling) -> Vec<i64> {
        let deformation = Deformation { offsets: &self.offsets, masks: &self.masks };
        let sums =
            convolve(sampling, &self.image, self.zero_point, deformation, self.channels, &self.weights);
        assert_eq!(
            sums.saturated as usize,
            self.offsets.iter().filter(|offset| sampling.saturate(**offset) != **offset).count()
        );
        sums.image.values
    }

    /// The same in real numbers, in the order of the integers, less what the zero point adds.
    fn reals(&self, sampling: &Sampling) -> Vec<f64> {
        let Image { height, width, channels, .. } = self.image;
        let (groups, outputs) = match self.channels {
            Channels::Depthwise => (channels, channels),
            Channels::Full(outputs) => (1, outputs),
        };
        let pixels = height * width;
        let values = sampling.offsets.values();
        let x: Vec<f64> = (0..channels * pixels)
            .map(|i| (self.image.values[i % pixels * channels + i / pixels] - self.zero_point) as f64)
            .collect();
        let offsets: Vec<f64> = (0..2 * TAPS * pixels)
            .map(|i| {
                let (plane, pixel) = (i / pixels, i % pixels);
                real_offset(sampling, &self.offsets[pixel * values..], plane / 2, plane % 2)
            })
            .collect();
        let one = f64::from(1 << sampling.mask_bits.unwrap_or(0));
        let mask: Vec<f64> =
            (0..TAPS * pixels).map(|i| self.masks[i % pixels * TAPS + i / pixels] as f64 / one).collect();
        let per_group = channels / groups;
        let weights: Vec<f64> = (0..outputs * per_group * TAPS)
            .map(|i| {
                let (output, channel, tap) = (i / (per_group * TAPS), i / TAPS % per_group, i % TAPS);
                let index = match self.channels {
                    Channels::Depthwise => tap * channels + output,
                    Channels::Full(_) => (output * TAPS + tap) * channels + channel,
                };
                self.weights[index] as f64
            })
            .collect();
        let layer = Layer {
            images: 1,
            channels,
            outputs,
            size: [height, width],
            kernel: [3, 3],
            strides: [1, 1],
            dilations: [1, 1],
            pads_before: [1, 1],
            pads_after: [1, 1],
            groups,
            offset_groups: 1,
        };
        let mask = sampling.mask_bits.map(|_| mask.as_slice());
        let inputs = Inputs { x: &x, weights: &weights, offsets: &offsets, bias: None, mask };
        let planes = layer.convolve(&inputs);
        (0..pixels * outputs).map(|i| planes[i % outputs * pixels + i / outputs]).collect()
    }

    /// Σ of the weights of an output channel, and of their magnitudes.
    fn weight_sums(&self, output: usize) -> [i64; 2] {
        let channels = self.image.channels;
        let own: Vec<i64> = match self.channels {
            Channels::Depthwise => (0..TAPS).map(|tap| self.weights[tap * channels + output]).collect(),
            Channels::Full(_) => self.weights[output * TAPS * channels..][..TAPS * channels].to_vec(),
        };
        [own.iter().sum(), own.iter().map(|weight| weight.abs()).sum()]
    }
}

#[test]
fn integers_are_the_real_numbers_with_each_sample_rounded() {
    let mut random = Random::new(11);
    for sampling in samplings() {
        for _ in 0..12 {
            let case = case(&sampling, &mut random);
            let (integers, reals) = (case.integers(&sampling), case.reals(&sampling));
            assert_eq!(integers.len(), reals.len());
            let exact = sampling.interpolation == Interpolation::Rounded && sampling.mask_bits.is_none();
            for (index, (integer, real)) in integers.iter().zip(&reals).enumerate() {
                let outputs = integers.len() / (case.image.height * case.image.width);
                let [sum, magnitudes] = case.weight_sums(index % outputs);
                let difference = (*integer - case.zero_point * sum) as f64 - real;
                // A sample is off by half at most; sums of whole numbers are exact in double precision.
                let most = if exact { 0.0 } else { 0.5 * magnitudes as f64 + 1e-6 };
                assert!(difference.abs() <= most, "{sampling:?}: off by {difference}, {most} is legal");
            }
        }
    }
}

#[test]
fn a_sample_is_rounded_once() {
    let bound = Bound::new(0, 2).expect("a legal bound");
    let sampling = Sampling {
        offsets: Offsets::PerTap,
        interpolation: Interpolation::Bilinear,
        fraction_bits: 2,
        bound,
        mask_bits: Some(2),
    };
    let mut offsets = [0; 18];
    // The tap in the middle looks a quarter down, three quarters right.
    (offsets[8], offsets[9]) = (1, 3);
    let point = sampling.point([5, 6], 4, &offsets);
    assert_eq!((point.whole, point.fraction), ([5, 6], [1, 3]));
    let pixel = |row: i64, column: i64| [[10, 20], [30, 41]][row as usize - 5][column as usize - 6];
    // 10·3·1 + 20·3·3 + 30·1·1 + 41·1·3 = 363 sixteenths; three quarters of it are 17.02, not 17.25 → 23 · 3/4.
    assert_eq!(sampling.sample(&point, Some(3), 0, pixel), 17);
    assert_eq!(sampling.sample(&point, Some(4), 0, pixel), 23);
    assert_eq!(sampling.sample(&point, Some(7), 0, pixel), 23);
    // The zero point is what a mask of 0 leaves.
    assert_eq!(sampling.sample(&point, Some(0), -7, pixel), -7);
    assert_eq!([-9, -1, 0, 5, 8, 9].map(|offset| sampling.saturate(offset)), [0, 0, 0, 5, 8, 8]);
}

fn numbers(random: &mut Random, count: usize, low: i64, high: i64) -> Vec<f64> {
    // Multiples of 1/64 and, one time in four, whole: ties and the very border are met.
    (0..count)
        .map(|_| {
            let number = between(random, low * 64, high * 64) as f64 / 64.0;
            if random.one_in(4) { number.round() } else { number }
        })
        .collect()
}

/// A case for the script: a layer of any shape, its inputs, and our output.
fn line(random: &mut Random) -> String {
    let pair = |random: &mut Random, low: i64, high: i64| -> Pair {
        [(); 2].map(|()| between(random, low, high) as usize)
    };
    let [groups, offset_groups] = [(); 2].map(|()| 1 << random.below(2));
    let channels = 2 * (1 + random.below(2) as usize);
    let layer = Layer {
        images: 1 + random.below(2) as usize,
        channels,
        outputs: groups * (1 + random.below(2) as usize),
        size: pair(random, 3, 8),
        kernel: pair(random, 1, 3),
        strides: pair(random, 1, 2),
        dilations: pair(random, 1, 2),
        pads_before: pair(random, 1, 2),
        pads_after: pair(random, 1, 2),
        groups,
        offset_groups,
    };
    let (size, kernel) = (layer.output_size(), layer.kernel);
    let planes = offset_groups * kernel[0] * kernel[1];
    let shapes = [
        [layer.images, channels, layer.size[0], layer.size[1]],
        [layer.outputs, channels / groups, kernel[0], kernel[1]],
        [layer.images, 2 * planes, size[0], size[1]],
        [layer.images, planes, size[0], size[1]],
    ];
    let count = |shape: [usize; 4]| shape.iter().product();
    let x = numbers(random, count(shapes[0]), -1, 1);
    let weights = numbers(random, count(shapes[1]), -1, 1);
    let offsets = numbers(random, count(shapes[2]), -4, 4);
    let bias = random.one_in(2).then(|| numbers(random, layer.outputs, -1, 1));
    let mask = random.one_in(2).then(|| numbers(random, count(shapes[3]), 0, 1));
    let inputs =
        Inputs { x: &x, weights: &weights, offsets: &offsets, bias: bias.as_deref(), mask: mask.as_deref() };
    let y = layer.convolve(&inputs);
    let or_null =
        |numbers: &Option<Vec<f64>>| numbers.as_ref().map_or("null".to_owned(), |n| format!("{n:?}"));
    let ([above, left], [below, right]) = (layer.pads_before, layer.pads_after);
    let mut line = String::new();
    writeln!(
        line,
        r#"{{"attributes": {{"kernel_shape": {kernel:?}, "strides": {:?}, "dilations": {:?},
"pads": [{above}, {left}, {below}, {right}], "group": {groups}, "offset_group": {offset_groups}}},
"shapes": {{"x": {:?}, "weights": {:?}, "offsets": {:?}, "mask": {:?}, "bias": [{}]}},
"x": {x:?}, "weights": {weights:?}, "offsets": {offsets:?}, "bias": {}, "mask": {}, "y": {y:?}}}"#,
        layer.strides,
        layer.dilations,
        shapes[0],
        shapes[1],
        shapes[2],
        shapes[3],
        layer.outputs,
        or_null(&bias),
        or_null(&mask),
    )
    .expect("a string takes any line");
    line.replace(",\n", ", ")
}

#[test]
fn onnx_recomputes_the_real_numbers() {
    let mut random = Random::new(12);
    let lines: String = (0..60).map(|_| line(&mut random)).collect();
    common::ask("deformable_oracle.py", &[], "deformable convolution in ONNX", &lines);
}
