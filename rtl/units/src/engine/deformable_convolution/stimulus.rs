//! Images, offsets and masks for the engine: small images mostly, offsets at and beyond the bound, gaps anywhere.

use std::collections::VecDeque;

use bitmill_formats::deformable::{Bound, TAPS};
use bitmill_formats::requantize::MULTIPLIER_BITS;
use bitmill_hdl::unit::{Model, Random, Values, number, pack, signed_number, to_bits};
use bitmill_hdl::{BigUint, Module};

use super::array::{ArrayShape, Sums};
use super::cached_convolution::{CachedConvolution, CachedEngineModel};
use super::cached_model::CachedModel;
use super::cached_shape::CachedShape;
use super::convolution::DeformableConvolution;
use super::convolution_model::EngineModel;
use super::pointwise::PointwiseDeformable;
use super::pointwise_model::PipelineModel;
use super::sampler_model::SamplerModel;
use super::shape::{ACTIVATION_BITS, OFFSET_BITS, Shape};
use crate::common::requantizer::{BIAS_BITS, SHIFT_BITS};

/// A model that knows when nothing is under way, so that settings, weights and scales may change.
pub(super) trait Idle: Model {
    fn is_idle(&self) -> bool;
}

/// Some images of one size, and what is still to come of them.
pub(super) struct Layer {
    shape: Shape,
    /// Last row, column and word, and the zero point.
    settings: Values,
    /// Channels of a word of the image.
    lanes: u32,
    image_beats: u32,
    offset_beats: u32,
    /// One cycle in so many is a gap, in the image, the offsets and the samples; 0 for none.
    gaps: [u64; 3],
}

impl Layer {
    /// One to three images of a random size.
    fn draw(shape: Shape, random: &mut Random) -> Layer {
        let most = if random.one_in(4) { 16 } else { 6 };
        let side = |random: &mut Random| 1 + random.below(shape.longest_side.min(most).into()) as u32;
        let (height, width) = (side(random), side(random));
        let words = 1 + random.below(shape.most_words.min(4).into()) as u32;
        let images = 1 + random.below(3) as u32;
        let mut settings: Values = [height, width, words].map(|size| BigUint::from(size - 1)).into();
        settings.push(random.corner_bits(ACTIVATION_BITS));
        let gaps = std::array::from_fn(|_| if random.one_in(2) { 0 } else { 2 + random.below(3) });
        let pixels = images * height * width;
        Layer { shape, settings, lanes: shape.lanes, image_beats: pixels * words, offset_beats: pixels, gaps }
    }

    /// The same, where `words` of `lanes` channels a pixel come in and make what the sampler takes.
    fn made_of(self, words: u32, lanes: u32) -> Layer {
        Layer { lanes, image_beats: self.offset_beats * words, ..self }
    }

    /// Whether all was taken.
    fn is_over(&self) -> bool {
        self.image_beats == 0 && self.offset_beats == 0
    }

    /// The image, offsets and masks of a cycle, and whether samples are taken.
    fn streams(&self, random: &mut Random) -> (Values, BigUint) {
        let flows =
            |random: &mut Random, index: usize| self.gaps[index] == 0 || !random.one_in(self.gaps[index]);
        let bit = |bit: bool| BigUint::from(u8::from(bit));
        let words: Vec<BigUint> = (0..self.lanes).map(|_| random.corner_bits(ACTIVATION_BITS)).collect();
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
            // Without a bound, most look about as far as a cache reaches.
            let ends =
                if sampling.bound == Bound::NONE { [-12 * one, 12 * one] } else { [i64::MIN, i64::MAX] };
            let [low, high] = ends.map(|end| sampling.saturate(end));
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
    fn took(&mut self, streams: &[BigUint], image_ready: bool, offsets_ready: bool) {
        self.image_beats -= u32::from(streams[0].bit(0) && image_ready);
        self.offset_beats -= u32::from(streams[2].bit(0) && offsets_ready);
    }
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

/// What a layer loads before its images: a weight word and a scale a cycle.
struct Loads {
    weights: Vec<[BigUint; 3]>,
    scales: Vec<[BigUint; 3]>,
}

impl Loads {
    fn draw(array: &ArrayShape, words: u32, groups: u32, random: &mut Random) -> Loads {
        let (taps, packer) = (array.steps.taps_at_once, array.pe.weight_packer(&array.mode()));
        let bits = array.pe.weight_bits() / taps;
        let mut word = || {
            let row = (0..taps).map(|_| Some(signed_number(&random.corner_bits(bits), bits))).collect();
            // Formats that take other values than integers of as many bits are given what they choose.
            packer(&mut [row]).or_else(|| packer(&mut [vec![None; taps as usize]])).unwrap_or_default()
        };
        let steps = (0..groups)
            .flat_map(|group| (0..words).map(move |word| (group, word)))
            .flat_map(|(group, word)| (0..array.steps.of_word).map(move |tap| (group, word, tap)));
        let mut weights = Vec::new();
        for (group, number, tap) in steps {
            let address = array.weight_address(group, number, tap);
            weights.extend((0..array.elements()).map(|element| [element.into(), address.into(), word()]));
        }
        let scaled = if array.group_bits().is_some() { groups } else { words };
        let mut scales = Vec::new();
        for address in 0..scaled {
            for output in 0..array.outputs() {
                // Results that fill the range mostly: sums have about 18 bits.
                let bias = to_bits(i128::from(random.below(1 << 16)) - (1 << 15), BIAS_BITS);
                let multiplier =
                    random.bits(MULTIPLIER_BITS - 1) | BigUint::from(1u8) << (MULTIPLIER_BITS - 1);
                let shift = BigUint::from(36 + random.below(6));
                let scale = (bias << MULTIPLIER_BITS | multiplier) << SHIFT_BITS | shift;
                scales.push([output.into(), address.into(), scale]);
            }
        }
        Loads { weights, scales }
    }

    fn is_over(&self) -> bool {
        self.weights.is_empty() && self.scales.is_empty()
    }

    /// The load ports of a cycle.
    fn next(&mut self) -> Values {
        [&mut self.weights, &mut self.scales]
            .into_iter()
            .flat_map(|list| match list.pop() {
                Some(load) => [vec![BigUint::from(1u8)], load.to_vec()].concat(),
                None => vec![BigUint::ZERO; 4],
            })
            .collect()
    }
}

/// What a unit does next: the images, its settings, and what it loads before them.
struct Task {
    layer: Layer,
    settings: Values,
    loads: Vec<Loads>,
}

/// Layer after layer, each as `draw` gives it once the one before has left the `model`.
fn run(
    mut model: impl Idle,
    random: &mut Random,
    cycles: usize,
    draw: impl Fn(&mut Random) -> Task,
) -> Vec<Values> {
    let mut task = draw(random);
    let mut stimulus = Vec::with_capacity(cycles);
    while stimulus.len() < cycles {
        if task.layer.is_over() && model.is_idle() {
            task = draw(random);
        }
        let (mut values, ready) = task.layer.streams(random);
        if !task.loads.iter().all(Loads::is_over) {
            (values[0], values[2]) = (BigUint::ZERO, BigUint::ZERO);
        }
        values.push(ready);
        values.extend(task.settings.iter().cloned());
        values.extend(task.loads.iter_mut().flat_map(Loads::next));
        let said = model.cycle(&values);
        let is_set = |index: usize| said[index] == Some(BigUint::from(1u8));
        task.layer.took(&values, is_set(0), is_set(1));
        stimulus.push(values);
    }
    stimulus
}

/// The range of results: zero point, lowest, highest.
fn range(random: &mut Random) -> Values {
    let low = -128 + random.below(100) as i128;
    let range = [random.below(40) as i128 - 20, low, 127 - random.below(20) as i128];
    range.map(|value| to_bits(value, ACTIVATION_BITS)).into()
}

/// Stimulus of the sampler.
pub(super) fn sampler(shape: Shape, random: &mut Random, cycles: usize) -> Vec<Values> {
    run(SamplerModel::new(shape, true), random, cycles, |random| {
        let layer = Layer::draw(shape, random);
        Task { settings: layer.settings.clone(), layer, loads: Vec::new() }
    })
}

/// Layer after layer for a unit that reads images from memory, which answers as late as it likes. A word of an image is
/// always the same.
fn run_with_memory(
    mut model: impl Idle,
    lanes: u32,
    random: &mut Random,
    cycles: usize,
    draw: impl Fn(&mut Random) -> Task,
) -> Vec<Values> {
    let (mut task, mut image, mut delay) = (draw(random), random.next_u64(), 1);
    let mut answers = VecDeque::new();
    let mut stimulus = Vec::with_capacity(cycles);
    while stimulus.len() < cycles {
        if task.layer.is_over() && model.is_idle() {
            (task, image, delay) = (draw(random), random.next_u64(), 1 + random.below(4));
        }
        let (streams, ready) = task.layer.streams(random);
        let mut values = streams[2..].to_vec();
        if !task.loads.iter().all(Loads::is_over) {
            values[0] = BigUint::ZERO;
        }
        let (reads, comes) = (!random.one_in(delay + 1), !answers.is_empty() && random.one_in(delay));
        let word = if comes { answers.pop_front().unwrap_or_default() } else { BigUint::ZERO };
        values.extend([ready, BigUint::from(u8::from(reads)), BigUint::from(u8::from(comes)), word]);
        values.extend(task.settings.iter().cloned());
        values.extend(task.loads.iter_mut().flat_map(Loads::next));
        let said = model.cycle(&values);
        let is_set = |index: usize| said[index] == Some(BigUint::from(1u8));
        if let (true, [Some(row), Some(column), Some(word)]) = (is_set(3) && reads, &said[4..]) {
            answers.push_back(memory_word(lanes, image, [row, column, word].map(number)));
        }
        task.layer.offset_beats -= u32::from(values[0].bit(0) && is_set(0));
        stimulus.push(values);
    }
    stimulus
}

/// Stimulus of the sampler without a bound.
pub(super) fn cached(shape: CachedShape, random: &mut Random, cycles: usize) -> Vec<Values> {
    run_with_memory(CachedModel::new(shape, true), shape.shape.lanes, random, cycles, |random| {
        let layer = Layer::draw(shape.shape, random).made_of(0, 0);
        Task { settings: layer.settings.clone(), layer, loads: Vec::new() }
    })
}

/// Stimulus of the engine without a bound.
pub(super) fn cached_engine(unit: &CachedConvolution, random: &mut Random, cycles: usize) -> Vec<Values> {
    let shape = unit.sampler().shape;
    run_with_memory(CachedEngineModel::new(unit, true), shape.lanes, random, cycles, |random| {
        let task = convolution_task(shape, unit.array(), random);
        Task { layer: task.layer.made_of(0, 0), ..task }
    })
}

/// A word of a pixel of an image in memory.
fn memory_word(lanes: u32, image: u64, [row, column, word]: [u64; 3]) -> BigUint {
    let mut random = Random::new(image ^ (row << 40 | column << 20 | word));
    pack(&(0..lanes).map(|_| random.corner_bits(ACTIVATION_BITS)).collect::<Vec<_>>(), ACTIVATION_BITS)
}

/// Some images for an engine, with weights and scales.
fn convolution_task(shape: Shape, array: &ArrayShape, random: &mut Random) -> Task {
    let layer = Layer::draw(shape, random);
    let groups = match array.sums {
        Sums::Depthwise => 1,
        Sums::Full { most_groups, .. } => 1 + random.below(most_groups.min(3).into()) as u32,
    };
    let words = number(&layer.settings[2]) as u32 + 1;
    let loads = vec![Loads::draw(array, words, groups, random)];
    let last_group = array.group_bits().map(|_| vec![BigUint::from(groups - 1)]);
    let settings = [layer.settings.clone(), last_group.unwrap_or_default(), range(random)].concat();
    Task { layer, settings, loads }
}

/// Stimulus of the whole engine.
pub(super) fn engine(unit: &DeformableConvolution, random: &mut Random, cycles: usize) -> Vec<Values> {
    run(EngineModel::new(unit.clone(), true), random, cycles, |random| {
        convolution_task(unit.sampler(), unit.array(), random)
    })
}

/// Stimulus of the fused pipeline.
pub(super) fn pipeline(unit: &PointwiseDeformable, random: &mut Random, cycles: usize) -> Vec<Values> {
    let (pointwise, deformable) = (unit.pointwise(), unit.deformable());
    run(PipelineModel::new(unit.clone(), true), random, cycles, |random| {
        let layer = Layer::draw(deformable.sampler(), random);
        let [row, column, last_word, _] = [0, 1, 2, 3].map(|index| layer.settings[index].clone());
        let groups = number(&last_word) as u32 + 1;
        let words = 1 + random.below(pointwise.steps.most_words.min(4).into()) as u32;
        let loads = vec![
            Loads::draw(pointwise, words, groups, random),
            Loads::draw(deformable.array(), groups, 1, random),
        ];
        let sizes = vec![row, column, BigUint::from(words - 1), last_word];
        let settings = [sizes, range(random), range(random)].concat();
        let layer = layer.made_of(words, pointwise.steps.taps_at_once);
        Task { layer, settings, loads }
    })
}
