//! Predicts the sampler cycle by cycle: the same counters, and samples from the meaning.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Range;

use bitmill_formats::deformable::{Point, TAPS};
use bitmill_hdl::BigUint;
use bitmill_hdl::unit::{Expected, Model, lane, number, pack, signed_number, to_bits};

use super::shape::{ACTIVATION_BITS, COUNT_BITS, OFFSET_BITS, Shape};
use super::stimulus::Idle;

impl Shape {
    /// Cycles in which the pixels around `points`, the taps of a step, are read from an image of `size`: as many as
    /// the busiest bank has pixels to read, one at least.
    pub fn step_cycles(&self, points: &[Point], size: [u32; 2]) -> u32 {
        let mut banks: BTreeMap<u32, BTreeSet<[u32; 2]>> = BTreeMap::new();
        for point in points {
            for corner in [[0, 0], [0, 1], [1, 0], [1, 1]] {
                if self.sampling.weight(point, corner) == 0 {
                    continue;
                }
                let pixel = [0, 1].map(|axis| {
                    let index = point.whole[axis] + corner[axis] as i64;
                    u32::try_from(index).ok().filter(|index| *index < size[axis])
                });
                if let [Some(row), Some(column)] = pixel {
                    banks.entry(self.bank([row, column])).or_default().insert([row, column]);
                }
            }
        }
        banks.values().map(|pixels| pixels.len() as u32).max().unwrap_or(1)
    }
}

/// A pixel whose steps are under way.
struct Pixel {
    points: [Point; TAPS],
    masks: Vec<i64>,
}

/// A step that is read.
struct Step {
    /// Cycles that it still takes.
    left_cycles: u32,
    samples: BigUint,
    row_ends: bool,
    image_ends: bool,
}

/// What goes in and out besides data, of a cycle.
#[derive(Clone, Copy)]
pub(super) struct Handshake {
    pub image_ready: bool,
    pub offsets_ready: bool,
    pub valid: bool,
}

impl Handshake {
    /// The outputs of a unit: what is ready, what is valid, data, and how many offsets saturated.
    pub fn outputs(self, data: Option<BigUint>, saturated: BigUint) -> Expected {
        let bit = |bit: bool| Some(BigUint::from(u8::from(bit)));
        vec![bit(self.image_ready), bit(self.offsets_ready), bit(self.valid), data, Some(saturated)]
    }
}

/// The input ports of a unit: the streams that all have, and the others.
pub(super) struct Ports<'i> {
    image: Option<&'i BigUint>,
    offsets: Option<&'i BigUint>,
    masks: Option<&'i BigUint>,
    ready: bool,
    pub rest: &'i [BigUint],
}

impl<'i> Ports<'i> {
    pub fn split(inputs: &'i [BigUint], has_masks: bool) -> Ports<'i> {
        let (streams, rest) = inputs.split_at(4 + usize::from(has_masks));
        let given = |valid: usize, data: usize| streams[valid].bit(0).then_some(&streams[data]);
        Ports {
            image: given(0, 1),
            offsets: given(2, 3),
            masks: streams.get(4),
            ready: rest[0].bit(0),
            rest: &rest[1..],
        }
    }

    /// The sampler's part of them, with its `settings`.
    pub fn inputs(&self, settings: &'i [BigUint]) -> Inputs<'i> {
        let Ports { image, offsets, masks, ready, .. } = *self;
        Inputs { image, offsets, masks, ready, settings }
    }
}

/// The inputs of a cycle.
pub(super) struct Inputs<'i> {
    pub image: Option<&'i BigUint>,
    pub offsets: Option<&'i BigUint>,
    pub masks: Option<&'i BigUint>,
    pub ready: bool,
    pub settings: &'i [BigUint],
}

/// The state of a sampler.
pub(super) struct SamplerModel {
    shape: Shape,
    /// Whether samples are made; where they are not, they are 0, in the same cycles.
    carries_data: bool,
    /// The words of the image so far.
    image: Vec<BigUint>,
    full: bool,
    oldest_row: u32,
    pixel: Option<Pixel>,
    at: [u32; 2],
    word: u32,
    group: u32,
    draining: bool,
    step: Option<Step>,
    pipeline: VecDeque<Option<BigUint>>,
    saturated: u64,
}

impl SamplerModel {
    pub fn new(shape: Shape, carries_data: bool) -> SamplerModel {
        SamplerModel {
            shape,
            carries_data,
            image: Vec::new(),
            full: false,
            oldest_row: 0,
            pixel: None,
            at: [0, 0],
            word: 0,
            group: 0,
            draining: false,
            step: None,
            pipeline: std::iter::repeat_n(None, shape.latency_cycles() as usize).collect(),
            saturated: 0,
        }
    }

    /// The samples that wait to be taken.
    pub fn samples(&self) -> Option<&BigUint> {
        self.pipeline.front().and_then(Option::as_ref)
    }

    pub fn saturated(&self) -> BigUint {
        to_bits(self.saturated.into(), COUNT_BITS)
    }

    /// What is said in the cycle of `inputs`, and the clock edge that ends it.
    pub fn step(&mut self, inputs: &Inputs) -> Handshake {
        let last: [u32; 3] = std::array::from_fn(|index| number(&inputs.settings[index]) as u32);
        let [last_row, last_column, last_word] = last;
        let zero_point = signed_number(&inputs.settings[3], ACTIVATION_BITS);
        let [above, below] = self.shape.sampling.reach();
        let words_of_row = (last_column + 1) * (last_word + 1);
        let write_row = self.image.len() as u32 / words_of_row;

        let valid = self.samples().is_some();
        let advance = !valid || inputs.ready;
        let completes = advance && self.step.as_ref().is_some_and(|step| step.left_cycles == 1);
        let free = self.step.is_none() || completes;
        let image_ready = !self.full && write_row + above < self.oldest_row + self.shape.rows();
        let has_window = self.full || write_row > self.at[0] + below;
        let loads = self.pixel.is_some() && !self.draining && has_window && free;
        let pixel_ends = loads && self.group + 1 == self.shape.groups() && self.word == last_word;
        let offsets_ready = self.pixel.is_none() || pixel_ends;

        if advance {
            let done = self.step.take_if(|_| completes);
            if let Some(step) = &done
                && step.row_ends
            {
                self.oldest_row = if step.image_ends { 0 } else { self.oldest_row + 1 };
            }
            if done.as_ref().is_some_and(|step| step.image_ends) {
                (self.full, self.draining) = (false, false);
                self.image.clear();
            }
            if let Some(step) = &mut self.step {
                step.left_cycles -= 1;
            }
            self.pipeline.pop_front();
            self.pipeline.push_back(done.map(|step| step.samples));
        }
        if loads {
            self.load(last, zero_point, pixel_ends);
        }
        if let (true, Some(word)) = (image_ready, inputs.image) {
            self.image.push(word.clone());
            self.full = self.image.len() as u32 == words_of_row * (last_row + 1);
        }
        if let (true, Some(offsets)) = (offsets_ready, inputs.offsets) {
            self.take(offsets, inputs.masks);
        }
        Handshake { image_ready, offsets_ready, valid }
    }

    /// Takes the offsets of the next pixel.
    fn take(&mut self, offsets: &BigUint, masks: Option<&BigUint>) {
        let sampling = self.shape.sampling;
        let given: Vec<i64> = (0..sampling.offsets.values() as u32)
            .map(|index| signed_number(&lane(offsets, index, OFFSET_BITS), OFFSET_BITS))
            .collect();
        let held: Vec<i64> = given.iter().map(|offset| sampling.saturate(*offset)).collect();
        self.saturated += given.iter().zip(&held).filter(|(given, held)| given != held).count() as u64;
        let at = self.at.map(i64::from);
        let masks = self.shape.mask_width().zip(masks).map_or_else(Vec::new, |(width, masks)| {
            (0..TAPS as u32).map(|tap| number(&lane(masks, tap, width)) as i64).collect()
        });
        self.pixel = Some(Pixel { points: std::array::from_fn(|tap| sampling.point(at, tap, &held)), masks });
    }

    /// Gives the next step to the gather.
    fn load(&mut self, last: [u32; 3], zero_point: i64, pixel_ends: bool) {
        let [last_row, last_column, last_word] = last;
        let pixel = self.pixel.as_ref().expect("only a pixel has steps");
        let at_once = self.shape.taps_at_once as usize;
        let taps = self.group as usize * at_once..(self.group as usize + 1) * at_once;
        let size = [last_row + 1, last_column + 1];
        let points = &pixel.points[taps.clone()];
        let row_ends = pixel_ends && self.at[1] == last_column;
        let image_ends = row_ends && self.at[0] == last_row;
        let left_cycles = self.shape.step_cycles(points, size);
        let samples = match self.carries_data {
            true => self.samples_of(pixel, taps, last, zero_point),
            false => BigUint::ZERO,
        };
        self.step = Some(Step { left_cycles, samples, row_ends, image_ends });

        self.group = (self.group + 1) % self.shape.groups();
        if self.group == 0 {
            self.word = if self.word == last_word { 0 } else { self.word + 1 };
        }
        if pixel_ends {
            self.pixel = None;
            self.at = match self.at {
                [row, column] if column < last_column => [row, column + 1],
                [row, _] if row < last_row => [row + 1, 0],
                _ => [0, 0],
            };
            self.draining = image_ends;
        }
    }

    /// The samples of a step.
    fn samples_of(&self, pixel: &Pixel, taps: Range<usize>, last: [u32; 3], zero_point: i64) -> BigUint {
        let [last_row, last_column, last_word] = last;
        let size = [last_row + 1, last_column + 1];
        let mut samples = Vec::new();
        for tap in taps {
            for index in 0..self.shape.lanes {
                let look = |row: i64, column: i64| {
                    let inside = |index: i64, size: u32| (0..i64::from(size)).contains(&index);
                    if !inside(row, size[0]) || !inside(column, size[1]) {
                        return zero_point;
                    }
                    let pixel = row as usize * size[1] as usize + column as usize;
                    let word = self.image.get(pixel * (last_word as usize + 1) + self.word as usize);
                    let word = word.expect("the rows that taps look at are in");
                    signed_number(&lane(word, index, ACTIVATION_BITS), ACTIVATION_BITS)
                };
                let mask = pixel.masks.get(tap).copied();
                let sample = self.shape.sampling.sample(&pixel.points[tap], mask, zero_point, look);
                samples.push(to_bits(sample.into(), ACTIVATION_BITS));
            }
        }
        pack(&samples, ACTIVATION_BITS)
    }
}

impl Idle for SamplerModel {
    fn is_idle(&self) -> bool {
        self.image.is_empty()
            && self.pixel.is_none()
            && self.step.is_none()
            && self.pipeline.iter().all(Option::is_none)
    }
}

impl Model for SamplerModel {
    fn cycle(&mut self, inputs: &[BigUint]) -> Expected {
        let ports = Ports::split(inputs, self.shape.mask_width().is_some());
        let (samples, saturated) = (self.samples().cloned(), self.saturated());
        self.step(&ports.inputs(ports.rest)).outputs(samples, saturated)
    }
}
