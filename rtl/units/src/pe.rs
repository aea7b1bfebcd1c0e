//! Processing elements: what an array is made of.
//!
//! All share one port list, so that any of them drops into the same array (output stationary: each PE
//! keeps the sum of one output): `valid_i`, `first_i`, `last_i`, `activation_i`, `weight_i` → `result_o`.
//! While `valid_i` is set, the dot product of the operands is added to the accumulator; `first_i` starts
//! a new sum, `last_i` hands the sum to `result_o`, where it stays until the next `last_i`.

pub mod integer;
pub mod lane;

use std::sync::Arc;

use bitmill_hdl::unit::Unit;
use bitmill_hdl::{HdlError, Module};

/// When a PE takes operands and shows results.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct PeTiming {
    /// Cycles from the last operands of a sum to the sum on `result_o`.
    pub latency_cycles: u32,
    /// Cycles from one pair of operands to the next.
    pub interval_cycles: u32,
}

/// What the array and its simulator ask of a PE.
pub trait ProcessingElement: Unit {
    /// Multiplications a step.
    fn lanes(&self) -> u32;
    /// Bits of `activation_i`: all lanes, lane 0 lowest.
    fn activation_bits(&self) -> u32;
    /// Bits of `weight_i`: all lanes, lane 0 lowest.
    fn weight_bits(&self) -> u32;
    /// Bits of `result_o`, a two's complement integer.
    fn result_bits(&self) -> u32;
    /// When it takes operands and shows results.
    fn timing(&self) -> PeTiming;
    /// The circuit, as [`Unit::module`].
    ///
    /// # Errors
    /// Only on our own bugs.
    fn circuit(&self) -> Result<Arc<Module>, HdlError> {
        self.module()
    }
}
