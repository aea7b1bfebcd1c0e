//! Processing elements: what an array is made of.
//!
//! All share one port list, so that any of them drops into the same array (output stationary: each PE
//! keeps the sum of one output): `valid_i`, `first_i`, `last_i`, `activation_i`, `weight_i` → `result_o`.
//! While `valid_i` is set, the dot product of the operands is added to the accumulator; `first_i` starts
//! a new sum, `last_i` hands the sum to `result_o`, where it stays until the next `last_i`.
//!
//! A PE of several formats has a [`Mode`] for each; `mode_i` (in the PE or in its heads) may change where a
//! sum starts. A mode may take several cycles a step. Then the array holds the operands for that many cycles
//! with `valid_i` set and counts them from 0 in `phase_i`; `first_i` is set in the first cycle of the first
//! step only, `last_i` in the last cycle of the last step. Idle cycles may stand between any two of them.
//! So the array needs one counter, whatever the number of PEs, and to a PE a sum is a row of cycles.
//!
//! What all PEs of a column (a row) would compute alike from the weight (activation) word stands once, at
//! the head of the column (row): a combinational circuit `mode_i`, `phase_i`, `weight_i` → `weight_o`
//! (`activation_i` → `activation_o`), see [`ProcessingElement::column_head`]. [`cell`] puts one PE and its
//! heads together.

pub mod adders;
pub mod binary;
pub mod bit_plane;
pub mod bit_serial;
pub mod block_dot;
pub mod cell;
pub mod complex;
pub mod dual_binary;
pub mod float_mac;
pub mod floating;
pub mod integer;
pub mod kind;
pub mod l_mul;
pub mod lane;
pub mod matryoshka;
pub mod rmmec_simd;
pub mod sherry;
mod sum;
pub mod ternary;
mod words;

use std::sync::Arc;

use bitmill_formats::{Format, Multiplication};
use bitmill_hdl::unit::Unit;
use bitmill_hdl::{BigUint, HdlError, Module, bits_for};

pub use kind::{Element, KINDS, Kind, Request};
use words::Codes;
pub use words::WeightPacker;

/// When a PE takes operands and shows results.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct PeTiming {
    /// Cycles from the last operands of a sum to the sum on `result_o`.
    pub latency_cycles: u32,
    /// Cycles from one pair of operands to the next, in the slowest mode.
    pub interval_cycles: u32,
}

/// A pair of formats that a PE runs, and how fast.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Mode {
    /// What `mode_i` selects it with; 0 where there is one mode.
    pub code: u32,
    /// Format of the activations.
    pub activation: Format,
    /// Format of the weights.
    pub weight: Format,
    /// Multiplications a step.
    pub lanes: u32,
    /// Cycles a step.
    pub interval_cycles: u32,
    /// `result_o` counts in units of 2^`lsb_exponent`.
    pub lsb_exponent: i32,
}

impl Mode {
    /// Real activations a step: a complex lane takes two.
    pub fn channels(&self) -> u32 {
        self.lanes * self.weight.parts()
    }
}

/// What stands above the codes of a weight word in groups: the scale, which counts in a group's last word, and whether
/// the group ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GroupEnds {
    /// Where the scale stands in the word.
    pub scale_lsb: u32,
    /// Bits of the scale.
    pub scale_bits: u32,
    /// Fewest cycles of a group.
    pub least_cycles: u32,
}

impl GroupEnds {
    /// `word` as the last of a group with this scale.
    pub fn word(&self, word: BigUint, scale: u32) -> BigUint {
        word | BigUint::from(1 << self.scale_bits | scale) << self.scale_lsb
    }
}

/// What the array and its simulator ask of a PE.
pub trait ProcessingElement: Unit + std::fmt::Debug {
    /// Multiplications a step; the most of all modes.
    fn lanes(&self) -> u32;
    /// Bits of an activation word: all lanes, lane 0 lowest.
    fn activation_bits(&self) -> u32;
    /// Bits of a weight word: all lanes, lane 0 lowest.
    fn weight_bits(&self) -> u32;
    /// Bits of `result_o`, a two's complement integer.
    fn result_bits(&self) -> u32;
    /// When it takes operands and shows results.
    fn timing(&self) -> PeTiming;
    /// The formats it runs, by ascending code.
    fn modes(&self) -> Vec<Mode>;
    /// Bits of `mode_i`; 0 if there is one mode, and no such port.
    fn mode_bits(&self) -> u32 {
        self.modes()
            .iter()
            .map(|mode| mode.code)
            .max()
            .filter(|&code| code > 0)
            .map_or(0, |c| bits_for(c.into()))
    }
    /// Bits of `phase_i`; 0 if every step takes one cycle, and no such port.
    fn phase_bits(&self) -> u32 {
        let last = self.timing().interval_cycles - 1;
        if last == 0 { 0 } else { bits_for(last.into()) }
    }
    /// What becomes of an activation and a weight in a mode.
    fn multiplication(&self, _mode: &Mode) -> Multiplication {
        Multiplication::EXACT
    }
    /// `result_o` is the sum of products, in units of the last place that they have, times 2^this.
    fn result_shift(&self, mode: &Mode) -> u32 {
        let [activation, weight] = [&mode.activation, &mode.weight].map(Format::lsb_exponent);
        let products = self.multiplication(mode).lsb_exponent(activation, weight);
        u32::try_from(products - mode.lsb_exponent).expect("no product ends below the last bit of a sum")
    }
    /// Sums that leave a PE, in the order of its output ports; each is the output of a channel of its own.
    fn results(&self) -> u32 {
        1
    }
    /// Makes the weight words of a mode.
    fn weight_packer(&self, mode: &Mode) -> WeightPacker {
        let codes =
            mode.weight.scalar("weights").map(|format| Codes::new(format, mode.weight.lsb_exponent()));
        Box::new(move |weights| codes.as_ref().ok()?.pack(&mut weights[0]))
    }
    /// How weight words end groups and scale them, if they do: [`Self::weight_packer`] leaves both open.
    fn group_ends(&self) -> Option<GroupEnds> {
        None
    }
    /// The circuit between a column's weight word and `weight_i` of its PEs, if there is one.
    ///
    /// # Errors
    /// Only on our own bugs.
    fn column_head(&self) -> Result<Option<Arc<Module>>, HdlError> {
        Ok(None)
    }
    /// The circuit between a row's activation word and `activation_i` of its PEs, if there is one.
    ///
    /// # Errors
    /// Only on our own bugs.
    fn row_head(&self) -> Result<Option<Arc<Module>>, HdlError> {
        Ok(None)
    }
    /// The circuit of the PE without its heads. It is [`Unit::module`] where there are none.
    ///
    /// # Errors
    /// Only on our own bugs.
    fn circuit(&self) -> Result<Arc<Module>, HdlError> {
        self.module()
    }
}
