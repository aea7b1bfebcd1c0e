//! Predicts the sampler cycle by cycle: the same counters, and samples from the meaning.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bitmill_formats::deformable::Point;
use bitmill_hdl::BigUint;
use bitmill_hdl::unit::{Expected, Model, number, signed_number};

use super::pixel_slot_model::SlotModel;
use super::shape::{ACTIVATION_BITS, Shape};
use super::stimulus::Idle;

impl Shape {
    /// Cycles in which the pixels around `points`, the taps of a step, are read from an image of `size`: as many as
    /// the busiest bank has pixels to read, one at least.
    pub fn step_cycles(&self, points: &[Point], size: [u32; 2]) -> u32 {
        self.cycles_by_bank(points, size, |pixel| self.bank(pixel))
    }

    /// The same where pixels lie in banks of other numbers.
    pub fn cycles_by_bank(&self, points: &[Point], size: [u32; 2], bank: impl Fn([u32; 2]) -> u32) -> u32 {
        let mut banks: BTreeMap<u32, BTreeSet<[u32; 2]>> = BTreeMap::new();
        for pixel in self.pixels_read(points, size) {
            banks.entry(bank(pixel)).or_default().insert(pixel);
        }
        banks.values().map(|pixels| pixels.len() as u32).max().unwrap_or(1)
    }
}

/// A step that is read.
struct Reading {
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
    slot: SlotModel,
    step: Option<Reading>,
    pipeline: VecDeque<Option<BigUint>>,
}

impl SamplerModel {
    pub fn new(shape: Shape, carries_data: bool) -> SamplerModel {
        SamplerModel {
            shape,
            carries_data,
            image: Vec::new(),
            full: false,
            oldest_row: 0,
            slot: SlotModel::new(shape),
            step: None,
            pipeline: std::iter::repeat_n(None, shape.latency_cycles() as usize).collect(),
        }
    }

    /// The samples that wait to be taken.
    pub fn samples(&self) -> Option<&BigUint> {
        self.pipeline.front().and_then(Option::as_ref)
    }

    pub fn saturated(&self) -> BigUint {
        self.slot.saturated()
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
        let has_window = self.full || write_row > self.slot.row() + below;
        let loads = self.slot.has_step() && has_window && free;
        let offsets_ready = self.slot.ready(loads, last_word);

        if advance {
            let done = self.step.take_if(|_| completes);
            if let Some(step) = &done
                && step.row_ends
            {
                self.oldest_row = if step.image_ends { 0 } else { self.oldest_row + 1 };
            }
            if done.as_ref().is_some_and(|step| step.image_ends) {
                self.full = false;
                self.slot.drain();
                self.image.clear();
            }
            if let Some(step) = &mut self.step {
                step.left_cycles -= 1;
            }
            self.pipeline.pop_front();
            self.pipeline.push_back(done.map(|step| step.samples));
        }
        if loads {
            self.load(last, zero_point);
        }
        if let (true, Some(word)) = (image_ready, inputs.image) {
            self.image.push(word.clone());
            self.full = self.image.len() as u32 == words_of_row * (last_row + 1);
        }
        if let (true, Some(offsets)) = (offsets_ready, inputs.offsets) {
            self.slot.take(offsets, inputs.masks);
        }
        Handshake { image_ready, offsets_ready, valid }
    }

    /// Gives the next step to the gather.
    fn load(&mut self, last: [u32; 3], zero_point: i64) {
        let step = self.slot.load(last);
        let [height, width, words] = last.map(|last| last + 1);
        let word = |[row, column]: [u32; 2]| {
            let word = self.image.get(((row * width + column) * words + step.word) as usize);
            word.expect("the rows that taps look at are in")
        };
        let samples = match self.carries_data {
            true => self.shape.samples(&step, [height, width], zero_point, word),
            false => BigUint::ZERO,
        };
        let left_cycles = self.shape.step_cycles(&step.points, [height, width]);
        let (row_ends, image_ends) = (step.row_ends, step.image_ends);
        self.step = Some(Reading { left_cycles, samples, row_ends, image_ends });
    }
}

impl Idle for SamplerModel {
    fn is_idle(&self) -> bool {
        self.image.is_empty()
            && self.slot.is_idle()
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
