//! Predicts the sampler without a bound cycle by cycle: tags, queues, and samples from the words that came.

use std::collections::{BTreeMap, VecDeque};

use bitmill_hdl::BigUint;
use bitmill_hdl::unit::{Expected, Model, number, signed_number};

use super::cached_shape::{CachedShape, IMAGE_BITS};
use super::pixel_slot_model::{SlotModel, Step};
use super::queue::QueueModel;
use super::shape::ACTIVATION_BITS;
use super::stimulus::Idle;

/// A line of the cache: row and column of the place in it, and the word.
type Line = [u32; 3];

/// A step between its lookup and its reading.
struct Waiting {
    step: Step,
    /// Pixels that were not there.
    misses: VecDeque<[u32; 2]>,
    size: [u32; 2],
}

/// A step that is looked up.
struct Lookup {
    waiting: Waiting,
    /// Reads that were sent.
    sent: usize,
}

/// The input streams of a cycle.
#[derive(Clone, Copy)]
pub(super) struct Inputs<'i> {
    pub offsets: Option<&'i BigUint>,
    pub masks: Option<&'i BigUint>,
    pub ready: bool,
    pub read_ready: bool,
    pub data: Option<&'i BigUint>,
    /// Last row, column and word, and the zero point.
    pub settings: &'i [BigUint],
}

impl<'i> Inputs<'i> {
    /// The first input ports of a unit, and the others.
    pub fn split(inputs: &'i [BigUint], has_masks: bool) -> (Inputs<'i>, &'i [BigUint]) {
        let (streams, rest) = inputs.split_at(2 + usize::from(has_masks));
        let (memory, rest) = rest.split_at(4);
        let (settings, rest) = rest.split_at(4);
        let inputs = Inputs {
            offsets: streams[0].bit(0).then_some(&streams[1]),
            masks: streams.get(2),
            ready: memory[0].bit(0),
            read_ready: memory[1].bit(0),
            data: memory[2].bit(0).then_some(&memory[3]),
            settings,
        };
        (inputs, rest)
    }
}

/// What is said in a cycle besides samples.
#[derive(Clone, Copy)]
pub(super) struct Said {
    pub offsets_ready: bool,
    pub valid: bool,
    /// Row, column and word that are asked for.
    pub read: Option<[u32; 3]>,
}

impl Said {
    /// The outputs of a unit: what is ready, what is valid, data, and a read.
    pub fn outputs(self, data: Option<BigUint>) -> Expected {
        let bit = |bit: bool| Some(BigUint::from(u8::from(bit)));
        let mut outputs = vec![bit(self.offsets_ready), bit(self.valid), data, bit(self.read.is_some())];
        outputs.extend((0..3).map(|index| self.read.map(|read| BigUint::from(read[index]))));
        outputs
    }
}

/// The state of a sampler.
pub(super) struct CachedModel {
    shape: CachedShape,
    carries_data: bool,
    slot: SlotModel,
    lookup: Option<Lookup>,
    /// Number of the image, 0 while lines are cleared.
    image: u32,
    cleared: u32,
    /// Of each line, the pixel that it will have, once its word has come.
    tags: BTreeMap<Line, [u32; 2]>,
    /// Words that there is room for.
    room: u32,
    steps: QueueModel<Waiting>,
    words: QueueModel<BigUint>,
    lines: BTreeMap<Line, BigUint>,
    pipeline: VecDeque<Option<BigUint>>,
}

impl CachedModel {
    /// A sampler in its state after reset; without data its samples are 0, in the same cycles.
    pub fn new(shape: CachedShape, carries_data: bool) -> CachedModel {
        CachedModel {
            slot: SlotModel::new(shape.shape),
            lookup: None,
            image: 0,
            cleared: 0,
            tags: BTreeMap::new(),
            room: shape.most_reads,
            steps: QueueModel::new(shape.queue_steps),
            words: QueueModel::new(shape.most_reads),
            lines: BTreeMap::new(),
            pipeline: std::iter::repeat_n(None, shape.shape.latency_cycles() as usize).collect(),
            shape,
            carries_data,
        }
    }

    /// The samples that wait to be taken.
    pub fn samples(&self) -> Option<&BigUint> {
        self.pipeline.front().and_then(Option::as_ref)
    }

    /// Where the word of a pixel lies.
    fn line(&self, [row, column]: [u32; 2], word: u32) -> Line {
        [row % self.shape.cache[0], column % self.shape.cache[1], word]
    }

    /// What is said in the cycle of `inputs`, and the clock edge that ends it.
    pub fn step(&mut self, inputs: &Inputs) -> Said {
        let last: [u32; 3] = std::array::from_fn(|index| number(&inputs.settings[index]) as u32);
        let zero_point = signed_number(&inputs.settings[3], ACTIVATION_BITS);
        let valid = self.samples().is_some();
        let advance = !valid || inputs.ready;

        // The step that is read, and whether the word that came first is for it.
        let has_word = self.words.first().is_some();
        let left = self.steps.first().map(|waiting| waiting.misses.len());
        let takes = advance && has_word && left.is_some_and(|left| left > 0);
        let completes = advance && left.is_some_and(|left| left == usize::from(takes));
        // The step that is looked up, and its read.
        let wanted = self.lookup.as_ref().and_then(|lookup| {
            lookup.waiting.misses.get(lookup.sent).map(|pixel| [pixel[0], pixel[1], lookup.waiting.step.word])
        });
        let read = wanted.filter(|_| self.room > 0);
        let sends = read.is_some() && inputs.read_ready;
        let is_done = |lookup: &Lookup| lookup.sent + usize::from(sends) == lookup.waiting.misses.len();
        let leaves = self.lookup.as_ref().is_some_and(is_done) && self.steps.is_free();
        let free = (self.lookup.is_none() || leaves) && self.image > 0;
        let loads = self.slot.has_step() && free;
        let offsets_ready = self.slot.ready(loads, last[2]);

        let word = self.words.step(inputs.data.cloned(), takes);
        let filled = self.steps.first().filter(|_| takes).and_then(|waiting| {
            let pixel = waiting.misses.pop_front()?;
            Some((pixel, waiting.step.word))
        });
        if let (Some(word), Some((pixel, number))) = (word, filled) {
            self.lines.insert(self.line(pixel, number), word);
        }
        self.room = self.room + u32::from(takes) - u32::from(sends);
        if let Some(lookup) = &mut self.lookup {
            lookup.sent += usize::from(sends);
        }
        let left = self.lookup.take_if(|_| leaves).map(|lookup| lookup.waiting);
        self.count_images(left.as_ref().is_some_and(|waiting| waiting.step.image_ends));
        let done = self.steps.step(left, completes);
        if advance {
            self.pipeline.pop_front();
            self.pipeline.push_back(done.map(|waiting| self.sample(&waiting, zero_point)));
        }
        if loads {
            self.load(last);
        }
        if let (true, Some(offsets)) = (offsets_ready, inputs.offsets) {
            self.slot.take(offsets, inputs.masks);
        }
        Said { offsets_ready, valid, read }
    }

    /// The next image begins when the last step of one was looked up, and when all lines are cleared.
    fn count_images(&mut self, ends: bool) {
        if ends {
            self.image = (self.image + 1) % (1 << IMAGE_BITS);
            self.tags.clear();
            self.slot.drain();
        } else if self.image == 0 {
            self.cleared = (self.cleared + 1) % self.shape.lines();
            self.image = u32::from(self.cleared == 0);
        }
    }

    /// Looks the next step up.
    fn load(&mut self, last: [u32; 3]) {
        let step = self.slot.load(last);
        let size = [last[0] + 1, last[1] + 1];
        let mut pixels = self.shape.shape.pixels_read(&step.points, size);
        pixels.sort_by_key(|pixel| self.shape.shape.bank(*pixel));
        let mut misses = VecDeque::new();
        for pixel in pixels {
            let line = self.line(pixel, step.word);
            if self.tags.insert(line, pixel) != Some(pixel) {
                misses.push_back(pixel);
            }
        }
        self.lookup = Some(Lookup { waiting: Waiting { step, misses, size }, sent: 0 });
    }

    /// The samples of a step whose words have come.
    fn sample(&self, waiting: &Waiting, zero_point: i64) -> BigUint {
        if !self.carries_data {
            return BigUint::ZERO;
        }
        let word = |pixel: [u32; 2]| {
            let word = self.lines.get(&self.line(pixel, waiting.step.word));
            word.expect("the words of a step have come")
        };
        self.shape.shape.samples(&waiting.step, waiting.size, zero_point, word)
    }
}

impl Idle for CachedModel {
    fn is_idle(&self) -> bool {
        self.slot.is_idle()
            && self.lookup.is_none()
            && self.steps.is_idle()
            && self.pipeline.iter().all(Option::is_none)
    }
}

impl Model for CachedModel {
    fn cycle(&mut self, inputs: &[BigUint]) -> Expected {
        let (inputs, _) = Inputs::split(inputs, self.shape.shape.mask_width().is_some());
        let samples = self.samples().cloned();
        self.step(&inputs).outputs(samples)
    }
}
