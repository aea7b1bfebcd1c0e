//! The circuits of an accelerator, one file a block, and their timing in one place.

mod arbiter;
mod array;
mod drain;
mod fetch;
mod gather;
mod load;
mod postprocessor;
mod queue;
mod scratchpad;
mod sequencer;
mod store;
pub mod timing;
mod tokens;
mod top;
mod vector;

use bitmill_hdl::{ModuleBuilder, Signal, unsigned};

use crate::command::COMMAND_WORDS;

pub use top::Event;
pub(crate) use top::top;

/// Bits of a byte address in memory.
pub(crate) const ADDRESS_BITS: u32 = 32;
/// Bits of a burst's length in beats.
pub(crate) const BURST_BITS: u32 = 9;

/// Ports for the words `used` of a command, and zeros in place of the others.
fn command_inputs<'m>(m: &'m ModuleBuilder, used: &[usize]) -> Vec<Signal<'m>> {
    (0..COMMAND_WORDS)
        .map(|word| {
            if used.contains(&word) { m.input(&format!("word_{word}_i"), unsigned(64)) } else { m.lit(64, 0) }
        })
        .collect()
}
