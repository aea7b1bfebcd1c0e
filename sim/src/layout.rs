//! How tensors, weights and parameters lie in scratchpad lines and in memory.
//!
//! An activation tensor lies as `[channel block][pixel group]` lines; a line has a word for each array row,
//! a word the channels of one pixel, as many as its format fits. Channels beyond the tensor's last hold its idle
//! value. In memory each word takes a slot of a power-of-two number of bits, so that
//! it does not cross a beat, and each line whole beats. Pixels count row by row.

use bitmill_accelerator::{Accelerator, Target, WordLayout};
use bitmill_formats::requantize::MULTIPLIER_BITS;
use bitmill_hdl::BigUint;
use bitmill_model::Shape;
use bitmill_units::common::requantizer::{BIAS_BITS, BIAS_PLACES_BITS};

/// Place of an activation tensor.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TensorPlace {
    /// Its shape.
    pub shape: Shape,
    /// First line in the activation scratchpad.
    pub line: u32,
    /// How a word holds its channels.
    pub word: WordLayout,
    /// The integer (in floating point the ordinal) that channels beyond the last hold.
    pub idle: i32,
}

impl TensorPlace {
    /// Channel blocks.
    pub fn blocks(&self) -> u32 {
        (self.shape.channels as u32).div_ceil(self.word.channels)
    }

    /// Lines of one channel block: groups of pixels.
    pub fn groups(&self, accelerator: &Accelerator) -> u32 {
        self.pixels().div_ceil(accelerator.rows())
    }

    /// Pixels.
    pub fn pixels(&self) -> u32 {
        (self.shape.height * self.shape.width) as u32
    }

    /// Lines in all.
    pub fn lines(&self, accelerator: &Accelerator) -> u32 {
        self.blocks() * self.groups(accelerator)
    }

    /// Beats of a copy to or from memory.
    pub fn beats(&self, accelerator: &Accelerator) -> u32 {
        self.lines(accelerator) * accelerator.beats_per_line(Target::Activations)
    }

    /// Bytes in memory.
    pub fn bytes(&self, accelerator: &Accelerator) -> usize {
        (self.beats(accelerator) * accelerator.beat_bytes()) as usize
    }

    /// Bit offset in memory of the word of a pixel and a channel block, from the tensor's first byte.
    fn word_bit(&self, accelerator: &Accelerator, pixel: usize, block: usize) -> usize {
        let rows = accelerator.rows() as usize;
        let line = block * self.groups(accelerator) as usize + pixel / rows;
        let row = pixel % rows;
        let beat = row / accelerator.words_per_beat() as usize;
        let slot = row % accelerator.words_per_beat() as usize;
        (line * accelerator.beats_per_line(Target::Activations) as usize + beat)
            * accelerator.beat_bits() as usize
            + slot * accelerator.word_slot_bits() as usize
    }

    /// Each pixel and channel block, with the bit offset of its word.
    fn words<'a>(&'a self, accelerator: &'a Accelerator) -> impl Iterator<Item = (usize, usize, usize)> + 'a {
        let all = move |pixel| (0..self.blocks() as usize).map(move |block| (pixel, block));
        let pixels = (0..self.pixels() as usize).flat_map(all);
        pixels.map(move |(pixel, block)| (pixel, block, self.word_bit(accelerator, pixel, block)))
    }
}

/// The tensor (height, width, channels; channels innermost) as it lies in memory.
pub fn pack_tensor(accelerator: &Accelerator, place: &TensorPlace, values: &[i32]) -> Vec<u8> {
    let mut bytes = vec![0; place.bytes(accelerator)];
    if values.is_empty() {
        return bytes;
    }
    let (channels, lanes) = (place.shape.channels, place.word.channels as usize);
    let widths = place.word.widths();
    let mut word = vec![place.idle; lanes];
    for (pixel, block, mut at) in place.words(accelerator) {
        let present = lanes.min(channels - block * lanes);
        word.fill(place.idle);
        word[..present].copy_from_slice(&values[pixel * channels + block * lanes..][..present]);
        for (code, &bits) in place.word.codes(&word).into_iter().zip(&widths) {
            put_bits(&mut bytes, at, bits, code.into());
            at += bits as usize;
        }
    }
    bytes
}

/// The tensor whose bytes lie in memory.
pub fn unpack_tensor(accelerator: &Accelerator, place: &TensorPlace, bytes: &[u8]) -> Vec<i32> {
    let (channels, lanes) = (place.shape.channels, place.word.channels as usize);
    let widths = place.word.widths();
    let mut values = vec![0; place.shape.elements()];
    for (pixel, block, mut at) in place.words(accelerator) {
        let code = |&bits: &u32| {
            at += bits as usize;
            get_bits(bytes, at - bits as usize, bits) as u32
        };
        let codes: Vec<u32> = widths.iter().map(code).collect();
        let present = lanes.min(channels - block * lanes);
        let word = place.word.values(&codes);
        values[pixel * channels + block * lanes..][..present].copy_from_slice(&word[..present]);
    }
    values
}

/// A one wherever a bit of the tensor lies in memory: its channels', and its blocks' scales.
pub fn tensor_bits(accelerator: &Accelerator, place: &TensorPlace) -> Vec<u8> {
    let mut bytes = vec![0; place.bytes(accelerator)];
    let lanes = place.word.channels as usize;
    for (_, block, mut at) in place.words(accelerator) {
        let present = lanes.min(place.shape.channels - block * lanes);
        for (field, &bits) in place.word.widths().iter().enumerate() {
            if field < present || field >= lanes {
                put_bits(&mut bytes, at, bits, u64::MAX);
            }
            at += bits as usize;
        }
    }
    bytes
}

/// Lines of the weight or parameter scratchpad under construction, as they lie in memory.
pub(crate) struct Lines {
    bytes: Vec<u8>,
    line_bytes: usize,
    parameter_bits: u32,
    shift_bits: u32,
}

/// Parameters of one output channel, as its requantizer takes them.
#[derive(Clone, Copy)]
pub(crate) struct ChannelParameters {
    pub bias: i32,
    /// Places by which the bias stands higher than the sums; 0 where sums are narrow.
    pub bias_places: u32,
    pub multiplier: u32,
    pub shift: u32,
}

impl Lines {
    pub fn new(accelerator: &Accelerator, target: Target, lines: u32) -> Lines {
        let line_bytes = (accelerator.beats_per_line(target) * accelerator.beat_bytes()) as usize;
        Lines {
            bytes: vec![0; line_bytes * lines as usize],
            line_bytes,
            parameter_bits: accelerator.parameter_bits(),
            shift_bits: accelerator.requantizer().shift_bits(),
        }
    }

    /// Puts the low `bits` of `value` at `bit` of `line`.
    pub fn put(&mut self, line: u32, bit: u32, bits: u32, value: i64) {
        put_bits(&mut self.bytes, line as usize * self.line_bytes * 8 + bit as usize, bits, value as u64);
    }

    /// Puts `word`, of `bits` at most, at `bit` of `line`.
    pub fn put_word(&mut self, line: u32, bit: u32, bits: u32, word: &BigUint) {
        for (index, digit) in (0u32..).zip(word.iter_u64_digits()) {
            self.put(line, bit + 64 * index, (bits - 64 * index).min(64), digit as i64);
        }
    }

    /// Puts the parameters of one channel, one above the other.
    pub fn put_parameters(&mut self, line: u32, lane: u32, parameters: ChannelParameters) {
        let mut at = lane * self.parameter_bits;
        for (bits, value) in [
            (BIAS_BITS, parameters.bias.into()),
            (MULTIPLIER_BITS, parameters.multiplier.into()),
            (self.shift_bits, parameters.shift.into()),
            (BIAS_PLACES_BITS, parameters.bias_places.into()),
        ] {
            if value != 0 {
                self.put(line, at, bits, value);
            }
            at += bits;
        }
    }

    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

fn put_bits(bytes: &mut [u8], at: usize, bits: u32, value: u64) {
    let (mut at, mut value) = (at, value);
    let end = at + bits as usize;
    while at < end {
        let (byte, shift) = (at / 8, at % 8);
        let taken = (8 - shift).min(end - at);
        let mask = u8::MAX >> (8 - taken);
        bytes[byte] = bytes[byte] & !(mask << shift) | (value as u8 & mask) << shift;
        value >>= taken;
        at += taken;
    }
}

fn get_bits(bytes: &[u8], at: usize, bits: u32) -> u64 {
    (0..bits as usize).fold(0, |value, bit| {
        let (byte, shift) = ((at + bit) / 8, (at + bit) % 8);
        value | u64::from(bytes[byte] >> shift & 1) << bit
    })
}
