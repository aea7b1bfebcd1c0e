//! The steps in which samples come to the multiply stage: how many there are, and their numbers.

use bitmill_hdl::bits_for;

use super::shape::{ACTIVATION_BITS, Shape};

/// A step brings some taps of each lane of a word.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Steps {
    /// Channels a word that are summed apart.
    pub lanes: u32,
    /// Samples that a step brings for each of them.
    pub taps_at_once: u32,
    /// Steps of a word.
    pub of_word: u32,
    /// Words of a pixel, a power of 2.
    pub most_words: u32,
}

impl Steps {
    /// Bits of the samples of a step: by tap, then lane.
    pub fn samples_bits(&self) -> u32 {
        self.taps_at_once * self.lanes * ACTIVATION_BITS
    }

    /// Bits of a word's number; at least one, for a port.
    pub fn word_bits(&self) -> u32 {
        bits_for(u64::from(self.most_words) - 1)
    }

    /// Bits of the number of a step within its word; none if there is one.
    pub fn tap_bits(&self) -> u32 {
        self.of_word.next_power_of_two().ilog2()
    }

    /// What tells modules for different steps apart.
    pub fn name(&self) -> String {
        format!("l{}_t{}x{}_w{}", self.lanes, self.of_word, self.taps_at_once, self.most_words)
    }
}

impl Shape {
    /// The steps in which the samples of a sampler come.
    pub fn steps(&self) -> Steps {
        Steps {
            lanes: self.lanes,
            taps_at_once: self.taps_at_once,
            of_word: self.groups(),
            most_words: self.most_words,
        }
    }
}
