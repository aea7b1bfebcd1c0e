//! Predicts the multiply stage cycle by cycle: the models of its PEs, and results from the requantizer's meaning.

use std::collections::{BTreeMap, VecDeque};

use bitmill_formats::Multiplier;
use bitmill_formats::requantize::MULTIPLIER_BITS;
use bitmill_hdl::BigUint;
use bitmill_hdl::unit::{Model, lane, number, pack, signed_number, to_bits};

use super::array::{ArrayShape, ROUNDING, SUM_BITS, Sums};
use super::shape::ACTIVATION_BITS;
use crate::common::requantizer::{BIAS_BITS, OutputRange, Requantizer, SHIFT_BITS};

/// What is held from the first step in to the last result out.
#[derive(Clone, Copy)]
pub(super) struct ArraySettings {
    pub last_word: u32,
    pub last_group: u32,
    pub range: OutputRange,
}

/// The range that the three ports say.
pub(super) fn output_range(ports: &[BigUint]) -> OutputRange {
    let [zero_point, low, high] = std::array::from_fn(|index| signed_number(&ports[index], ACTIVATION_BITS));
    OutputRange { zero_point, low, high }
}

/// A step at the PEs.
struct Held {
    samples: BigUint,
    weight_address: u32,
    first: bool,
    /// The address of the scale, if a sum ends.
    ends: Option<u32>,
    phase: u32,
}

/// The state of a multiply stage.
pub(super) struct ArrayModel {
    shape: ArrayShape,
    elements: Vec<Box<dyn Model>>,
    weights: BTreeMap<(u32, u32), BigUint>,
    scales: BTreeMap<(u32, u32), BigUint>,
    /// Number of the next step: group, word, tap.
    at: [u32; 3],
    held: Option<Held>,
    /// Sums under way in the PEs, by cycle.
    summing: VecDeque<Option<u32>>,
    /// Results under way, by cycle.
    requantizing: VecDeque<Option<BigUint>>,
    results: VecDeque<BigUint>,
    under_way: u32,
}

impl ArrayModel {
    /// A stage in its state after reset; without data its results are 0, in the same cycles.
    pub fn new(shape: ArrayShape, carries_data: bool) -> ArrayModel {
        let pe_cycles = shape.pe.timing().latency_cycles;
        let rest = shape.latency_cycles() - shape.interval_cycles() - pe_cycles - 1;
        ArrayModel {
            elements: match carries_data {
                true => (0..shape.elements()).map(|_| shape.pe.model()).collect(),
                false => Vec::new(),
            },
            weights: BTreeMap::new(),
            scales: BTreeMap::new(),
            at: [0; 3],
            held: None,
            summing: std::iter::repeat_n(None, pe_cycles as usize).collect(),
            requantizing: std::iter::repeat_n(None, rest as usize).collect(),
            results: VecDeque::new(),
            under_way: 0,
            shape,
        }
    }

    pub fn is_idle(&self) -> bool {
        self.under_way == 0
    }

    /// Whether a step may enter.
    pub fn ready(&self) -> bool {
        let rests = self.held.as_ref().is_some_and(|held| held.phase + 1 < self.shape.interval_cycles());
        self.under_way < self.shape.room() && !rests
    }

    /// The result that waits to be taken.
    pub fn result(&self) -> Option<&BigUint> {
        self.results.front()
    }

    /// Fills the memories of weights and scales as the load ports say: for each, whether, where, address, and word.
    pub fn load(&mut self, ports: &[BigUint]) {
        for (memory, load) in [&mut self.weights, &mut self.scales].into_iter().zip(ports.chunks(4)) {
            if load[0].bit(0) {
                memory.insert((number(&load[1]) as u32, number(&load[2]) as u32), load[3].clone());
            }
        }
    }

    /// The clock edge after samples were offered, while `ready` tells whether the result is taken.
    pub fn step(&mut self, samples: Option<&BigUint>, ready: bool, settings: &ArraySettings) {
        let accepts = self.ready();
        let sums = self.clock_elements();
        let ends = self.held.as_ref().filter(|held| held.phase + 1 == self.shape.interval_cycles());
        self.summing.push_back(ends.and_then(|held| held.ends));
        let finished = self.summing.pop_front().flatten();
        self.requantizing.push_back(finished.map(|address| self.requantize(&sums, address, settings.range)));
        if ready && self.results.pop_front().is_some() {
            self.under_way -= 1;
        }
        self.results.extend(self.requantizing.pop_front().flatten());
        self.held = match self.held.take() {
            Some(held) if held.phase + 1 < self.shape.interval_cycles() => {
                Some(Held { phase: held.phase + 1, ..held })
            }
            _ => samples.filter(|_| accepts).map(|samples| self.accept(samples, settings)),
        };
    }

    fn accept(&mut self, samples: &BigUint, settings: &ArraySettings) -> Held {
        let [group, word, tap] = self.at;
        let tap_ends = tap + 1 == self.shape.steps.of_word;
        let word_ends = tap_ends && word == settings.last_word;
        let (first, ends) = match self.shape.sums {
            Sums::Depthwise => (tap == 0, tap_ends.then_some(word)),
            Sums::Full { .. } => (tap == 0 && word == 0, word_ends.then_some(group)),
        };
        self.at = match (tap_ends, word_ends) {
            (false, _) => [group, word, tap + 1],
            (true, false) => [group, word + 1, 0],
            (true, true) if group == settings.last_group => [0; 3],
            (true, true) => [group + 1, 0, 0],
        };
        self.under_way += u32::from(ends.is_some());
        let weight_address = self.shape.weight_address(group, word, tap);
        Held { samples: samples.clone(), weight_address, first, ends, phase: 0 }
    }

    /// The PEs' sums in this cycle.
    fn clock_elements(&mut self) -> Vec<Option<BigUint>> {
        let (lanes, taps) = (self.shape.steps.lanes, self.shape.steps.taps_at_once);
        let bit = |bit: bool| BigUint::from(u8::from(bit));
        let interval_cycles = self.shape.interval_cycles();
        let (held, weights) = (self.held.as_ref(), &self.weights);
        let elements = self.elements.iter_mut().zip(0..);
        elements
            .map(|(element, index)| {
                let mut inputs = vec![bit(held.is_some())];
                inputs.push(bit(held.is_some_and(|held| held.first && held.phase == 0)));
                inputs.push(bit(
                    held.is_some_and(|held| held.ends.is_some() && held.phase + 1 == interval_cycles)
                ));
                if interval_cycles > 1 {
                    inputs.push(held.map_or(0, |held| held.phase).into());
                }
                let activations = held.map_or(BigUint::ZERO, |held| {
                    let of_tap = |tap| lane(&held.samples, tap * lanes + index % lanes, ACTIVATION_BITS);
                    pack(&(0..taps).map(of_tap).collect::<Vec<_>>(), ACTIVATION_BITS)
                });
                let weight = held.and_then(|held| weights.get(&(index, held.weight_address)));
                inputs.extend([activations, weight.cloned().unwrap_or_default()]);
                element.cycle(&inputs).swap_remove(0)
            })
            .collect()
    }

    /// The result of the PEs' `sums`.
    fn requantize(&self, sums: &[Option<BigUint>], address: u32, range: OutputRange) -> BigUint {
        let number_of =
            |sum: &Option<BigUint>| signed_number(sum.as_ref().expect("a sum has ended"), SUM_BITS);
        let parts = match self.shape.sums {
            Sums::Depthwise => 1,
            Sums::Full { .. } => self.shape.steps.lanes as usize,
        };
        let results: Vec<BigUint> = sums
            .chunks(parts)
            .zip(0..)
            .map(|(parts, output)| {
                let sum = parts.iter().map(number_of).sum();
                let scale = &self.scales[&(output, address)];
                let bias = signed_number(&(scale >> (SHIFT_BITS + MULTIPLIER_BITS)), BIAS_BITS);
                let multiplier = number(&lane(&(scale >> SHIFT_BITS), 0, MULTIPLIER_BITS)) as u32;
                let factor = Multiplier { multiplier, shift: number(&lane(scale, 0, SHIFT_BITS)) as u8 };
                let result = Requantizer::requantize(ROUNDING, sum, bias, factor, range);
                to_bits(result.into(), ACTIVATION_BITS)
            })
            .collect();
        pack(&results, ACTIVATION_BITS)
    }
}
