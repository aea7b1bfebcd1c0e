//! Images, offsets and masks for the engine: small images mostly, offsets at and beyond the bound, gaps anywhere.

use bitmill_formats::deformable::TAPS;
use bitmill_hdl::unit::{Model, Random, Values, number, pack, to_bits};
use bitmill_hdl::{BigUint, Module};

use super::sampler_model::SamplerModel;
use super::shape::{ACTIVATION_BITS, OFFSET_BITS, Shape};

/// Some images of one size, and what is still to come of them.
pub(super) struct Layer {
    shape: Shape,
    /// Last row, column and word, and the zero point.
    pub settings: Values,
    image_beats: u32,
    offset_beats: u32,
    /// One cycle in so many is a gap, in the image, the offsets and the samples; 0 for none.
    gaps: [u64; 3],
}

impl Layer {
    /// Nothing, in a shape.
    pub fn none(shape: Shape) -> Layer {
        Layer { shape, settings: vec![BigUint::ZERO; 4], image_beats: 0, offset_beats: 0, gaps: [0; 3] }
    }

    /// One to three images of a random size.
    pub fn draw(shape: Shape, random: &mut Random) -> Layer {
        let most = if random.one_in(4) { 16 } else { 6 };
        let side = |random: &mut Random| 1 + random.below(shape.longest_side.min(most).into()) as u32;
        let (height, width) = (side(random), side(random));
        let words = 1 + random.below(shape.most_words.min(4).into()) as u32;
        let images = 1 + random.below(3) as u32;
        let mut settings: Values = [height, width, words].map(|size| BigUint::from(size - 1)).into();
        settings.push(random.corner_bits(ACTIVATION_BITS));
        let gaps = std::array::from_fn(|_| if random.one_in(2) { 0 } else { 2 + random.below(3) });
        let pixels = images * height * width;
        Layer { shape, settings, image_beats: pixels * words, offset_beats: pixels, gaps }
    }

    /// Whether all was taken.
    pub fn is_over(&self) -> bool {
        self.image_beats == 0 && self.offset_beats == 0
    }

    /// The image, offsets and masks of a cycle, and whether samples are taken.
    pub fn streams(&self, random: &mut Random) -> (Values, BigUint) {
        let flows =
            |random: &mut Random, index: usize| self.gaps[index] == 0 || !random.one_in(self.gaps[index]);
        let bit = |bit: bool| BigUint::from(u8::from(bit));
        let words: Vec<BigUint> =
            (0..self.shape.lanes).map(|_| random.corner_bits(ACTIVATION_BITS)).collect();
        let offsets: Vec<BigUint> =
            (0..self.shape.sampling.offsets.values()).map(|_| self.offset(random)).collect();
        let mut streams = vec![
            bit(self.image_beats > 0 && flows(random, 0)),
            pack(&words, ACTIVATION_BITS),
            bit(self.offset_beats > 0 && flows(random, 1)),
            pack(&offsets, OFFSET_BITS),
        ];
        streams.extend(self.shape.mask_width().map(|width| {
            let masks: Vec<BigUint> = (0..TAPS).map(|_| random.corner_bits(width)).collect();
            pack(&masks, width)
        }));
        (streams, bit(flows(random, 2)))
    }

    /// An offset: any, within the bound, or whole.
    fn offset(&self, random: &mut Random) -> BigUint {
        let sampling = self.shape.sampling;
        let one = 1i64 << sampling.fraction_bits;
        let within = |random: &mut Random| {
            let [low, high] = [i64::MIN, i64::MAX].map(|end| sampling.saturate(end));
            low - 1 + random.below((high - low + 3) as u64) as i64
        };
        let offset = match random.below(8) {
            0 => return random.corner_bits(OFFSET_BITS),
            1..=3 => within(random),
            _ => within(random) / one * one,
        };
        to_bits(offset.into(), OFFSET_BITS)
    }

    /// Notes what was taken of `streams`.
    pub fn took(&mut self, streams: &[BigUint], image_ready: bool, offsets_ready: bool) {
        self.image_beats -= u32::from(streams[0].bit(0) && image_ready);
        self.offset_beats -= u32::from(streams[2].bit(0) && offsets_ready);
    }
}

/// Stimulus of the sampler.
pub(super) fn sampler(shape: Shape, random: &mut Random, cycles: usize) -> Vec<Values> {
    let (mut model, mut layer) = (SamplerModel::new(shape), Layer::none(shape));
    (0..cycles)
        .map(|_| {
            if layer.is_over() && model.is_idle() {
                layer = Layer::draw(shape, random);
            }
            let (mut values, ready) = layer.streams(random);
            values.push(ready);
            values.extend(layer.settings.iter().cloned());
            let said = model.cycle(&values);
            let is_set = |index: usize| said[index] == Some(BigUint::from(1u8));
            layer.took(&values, is_set(0), is_set(1));
            values
        })
        .collect()
}

/// How many images went in whole: `stimulus` and what was `seen` of a unit whose ports are like the sampler's.
pub fn layers(module: &Module, stimulus: &[Values], seen: &[Values]) -> usize {
    let input = |name: &str| module.inputs().position(|port| port.name == name);
    let output = |name: &str| module.outputs().position(|port| port.name == name);
    let (Some(valid), Some(ready)) = (input("offsets_valid_i"), output("offsets_ready_o")) else { return 0 };
    let lasts = ["last_row_i", "last_column_i"].map(input);
    let (mut images, mut pixels) = (0, 0);
    for (inputs, outputs) in stimulus.iter().zip(seen) {
        pixels += u64::from(inputs[valid].bit(0) && outputs[ready].bit(0));
        let size: u64 = lasts.iter().map(|port| port.map_or(1, |port| number(&inputs[port]) + 1)).product();
        if pixels == size {
            (images, pixels) = (images + 1, 0);
        }
    }
    images
}
