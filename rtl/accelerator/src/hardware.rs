//! The circuits of an accelerator, one file a block, and their timing in one place.

mod array;
mod axi;
mod bursts;
mod control;
mod drain;
mod fetch;
mod gather;
mod groups;
mod lite;
mod load;
mod lookup;
mod memory_side;
mod others;
mod pairing;
mod postprocessor;
mod queue;
mod read_port;
mod residual;
mod rows;
mod sampler;
mod scratchpad;
mod sequencer;
mod store;
pub mod timing;
mod tokens;
mod top;
mod validate;
mod vector;
mod write_port;

use bitmill_hdl::{ModuleBuilder, Signal, unsigned};

use bitmill_units::pe::Mode;

use crate::command::COMMAND_WORDS;
use crate::{Accelerator, WordLayout};

pub(crate) use top::top;
pub use top::{Event, RUN_DONE_PORT, RUN_START_PORT};

/// Bits of a byte address in memory.
pub(crate) const ADDRESS_BITS: u32 = 32;
/// Bits of the number of commands of a run, and of a command's number.
pub(crate) const COUNT_BITS: u32 = 24;
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

/// `signal`, so many cycles later.
fn later<'m>(m: &'m ModuleBuilder, name: &str, signal: Signal<'m>, cycles: u32, reset: bool) -> Signal<'m> {
    (1..=cycles).fold(signal, |signal, cycle| {
        let name = format!("{name}_{cycle}_q");
        if reset { m.delay(&name, signal) } else { m.delay_data(&name, signal) }
    })
}

/// The number that stands at `selector`; a constant where there is nothing to choose.
fn choose<'m>(m: &'m ModuleBuilder, selector: Signal<'m>, numbers: &[u64], width: u32) -> Signal<'m> {
    if numbers.iter().all(|number| *number == numbers[0]) {
        m.ignore(selector);
        return m.lit(width, numbers[0]);
    }
    let items: Vec<Signal> = numbers.iter().map(|&number| m.lit(width, number)).collect();
    selector.select(&items, items[0])
}

/// One number for every code that a command's `mode` may have; codes without a mode take the first mode's.
fn by_mode(accelerator: &Accelerator, number: impl Fn(&Mode) -> u64) -> Vec<u64> {
    let modes = accelerator.modes();
    let most = modes.iter().map(|mode| mode.code).max().unwrap_or(0);
    let of_code = |code| modes.iter().find(|mode| mode.code == code).or(modes.first());
    (0..=most).map(|code| of_code(code).map_or(0, &number)).collect()
}

/// One number for each format of the results.
fn by_output(accelerator: &Accelerator, number: impl Fn(&WordLayout) -> u64) -> Vec<u64> {
    accelerator.words().iter().map(number).collect()
}
