//! How long layers take whose image is read from memory.

use std::collections::VecDeque;

use bitmill_hdl::BigUint;

use super::cached_convolution::{CachedConvolution, CachedEngineModel};
use super::cached_model::Inputs;
use super::sampler_model::Handshake;
use super::shape::ACTIVATION_BITS;
use super::timing::{LayerSize, cycles, settings, sizes, words_of_result};

/// A memory like the accelerator's: it takes an address a cycle, answers in order, a word no earlier than so many cycles
/// after its address and at the pace of its bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MemoryTiming {
    /// Cycles from an address to its word.
    pub latency_cycles: u64,
    /// Bytes that come a cycle.
    pub bytes_a_cycle: u32,
}

/// What a layer took.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MemoryCycles {
    /// Cycles from the first offsets in to the last result out, both included.
    pub cycles: u64,
    /// Words that were read.
    pub reads: u64,
}

impl CachedConvolution {
    /// The cycles of a layer whose lines are cleared before, when no stream is kept waiting from outside but by `memory`:
    /// by the engine's own model, whose samples are left out. `offsets` tells those of a pixel, numbered row by row.
    pub fn layer_cycles(
        &self,
        size: LayerSize,
        memory: MemoryTiming,
        offsets: impl Fn(u64) -> Vec<i64>,
    ) -> MemoryCycles {
        let mut model = CachedEngineModel::new(self, false);
        let (sizes, settings) = (sizes(size, size.words), settings(size.words, size.groups));
        let inputs = Inputs {
            offsets: None,
            masks: None,
            ready: true,
            read_ready: true,
            data: None,
            settings: &sizes,
        };
        for _ in 0..self.sampler().lines() {
            model.step(inputs, &settings);
        }
        let word_bytes = self.sampler().shape.lanes * ACTIVATION_BITS / 8;
        let interval = u64::from(word_bytes.div_ceil(memory.bytes_a_cycle));
        let (mut now, mut last, mut reads) = (0, 0, 0);
        let mut answers: VecDeque<u64> = VecDeque::new();
        let results = size.pixels() * u64::from(words_of_result(self.array(), size));
        let cycles = cycles([0, results], size.pixels(), offsets, |_, offsets| {
            let data = answers.pop_front_if(|due| *due == now).map(|_| &BigUint::ZERO);
            let said = model.step(Inputs { offsets, data, ..inputs }, &settings);
            if said.read.is_some() {
                last = (now + memory.latency_cycles).max(last + interval);
                answers.push_back(last);
                reads += 1;
            }
            now += 1;
            Handshake { image_ready: false, offsets_ready: said.offsets_ready, valid: said.valid }
        });
        MemoryCycles { cycles, reads }
    }
}
