//! The contract of a hardware unit: meaning, timing and circuit in one place.
//!
//! A [`Unit`] offers its circuit as a [`Module`], and its meaning and timing as a [`Model`] that predicts
//! the circuit's outputs cycle by cycle. One test walks every unit and requires that the model, the
//! interpreter and Verilator agree on the unit's own stimulus. Simple units do not write the cycle model
//! themselves: [`Pipeline`] makes it from a function (the meaning) and a latency (the timing).

mod numbers;
mod stimulus;

use std::collections::VecDeque;
use std::sync::Arc;

use num_bigint::BigUint;

use crate::module::Direction;
use crate::{HdlError, Interpreter, Module};

pub use numbers::{lane, number, pack, signed_number, to_bits};
pub use stimulus::Random;

/// A unit with its parameters fixed.
pub trait Unit: Send + Sync {
    /// The circuit.
    ///
    /// # Errors
    /// Only on our own bugs: constructors of units admit legal hardware only.
    fn module(&self) -> Result<Arc<Module>, HdlError>;

    /// The meaning and timing, in the state after reset.
    fn model(&self) -> Box<dyn Model>;

    /// Inputs that exercise the unit, one [`Values`] a cycle, in the order of the module's input ports.
    /// `cycles` is how many the caller would like; exhaustive stimuli may take more.
    fn stimulus(&self, random: &mut Random, cycles: usize) -> Vec<Values>;
}

/// One value for each port of one direction, in port order.
pub type Values = Vec<BigUint>;

/// Predicted outputs of one cycle, in port order; `None` where the contract leaves the value open.
pub type Expected = Vec<Option<BigUint>>;

/// Predicts a circuit's outputs.
pub trait Model {
    /// The outputs that are visible during the cycle in which `inputs` are applied, just before the clock
    /// edge that ends it.
    fn cycle(&mut self, inputs: &[BigUint]) -> Expected;
}

impl<F: FnMut(&[BigUint]) -> Expected> Model for F {
    fn cycle(&mut self, inputs: &[BigUint]) -> Expected {
        self(inputs)
    }
}

/// A model whose meaning is a (possibly stateful) function from one cycle's inputs to outputs that
/// appear `latency_cycles` later. The outputs before the first result are left open.
pub struct Pipeline<F> {
    latency_cycles: usize,
    outputs: usize,
    meaning: F,
    in_flight: VecDeque<Expected>,
}

impl<F: FnMut(&[BigUint]) -> Expected> Pipeline<F> {
    /// `outputs` is the number of output ports.
    pub fn new(latency_cycles: usize, outputs: usize, meaning: F) -> Pipeline<F> {
        Pipeline { latency_cycles, outputs, meaning, in_flight: VecDeque::new() }
    }
}

impl<F: FnMut(&[BigUint]) -> Expected> Model for Pipeline<F> {
    fn cycle(&mut self, inputs: &[BigUint]) -> Expected {
        let result = (self.meaning)(inputs);
        self.in_flight.push_back(result);
        if self.in_flight.len() > self.latency_cycles {
            self.in_flight.pop_front().unwrap_or_default()
        } else {
            vec![None; self.outputs]
        }
    }
}

/// Outputs of the interpreter for `stimulus`, one [`Values`] a cycle.
pub fn interpret(module: &Arc<Module>, stimulus: &[Values]) -> Vec<Values> {
    let mut interpreter = Interpreter::new(module);
    let slots = |direction: Direction, interpreter: &Interpreter| -> Vec<crate::Slot> {
        module
            .ports
            .iter()
            .filter(|p| p.direction == direction)
            .filter_map(|p| interpreter.input(&p.name).or_else(|| interpreter.output(&p.name)))
            .collect()
    };
    let inputs = slots(Direction::Input, &interpreter);
    let outputs = slots(Direction::Output, &interpreter);
    let mut seen = Vec::with_capacity(stimulus.len());
    for values in stimulus {
        for (&slot, value) in inputs.iter().zip(values) {
            interpreter.set_big(slot, value);
        }
        seen.push(outputs.iter().map(|&slot| interpreter.get_big(slot)).collect());
        interpreter.step();
    }
    seen
}

/// A cycle in which a circuit did not do what its model says.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "{module}: cycle {cycle}, output `{port}`: expected {expected:#x}, seen {seen:#x} (by {by}); inputs {inputs}"
)]
pub struct Mismatch {
    /// The module.
    pub module: String,
    /// Cycle of the stimulus, from 0.
    pub cycle: usize,
    /// Output port.
    pub port: String,
    /// What the model says.
    pub expected: BigUint,
    /// What the circuit did.
    pub seen: BigUint,
    /// Who executed the circuit: `the interpreter` or `Verilator`.
    pub by: &'static str,
    /// Input values of that cycle, `name=value`.
    pub inputs: String,
}

/// Compares what `by` saw with what the model predicts, cycle by cycle; returns the number of values compared.
///
/// # Errors
/// The first difference.
pub fn compare(
    module: &Module,
    model: &mut dyn Model,
    stimulus: &[Values],
    seen: &[Values],
    by: &'static str,
) -> Result<usize, Box<Mismatch>> {
    let mut compared = 0;
    for (cycle, (inputs, seen)) in stimulus.iter().zip(seen).enumerate() {
        let expected = model.cycle(inputs);
        for ((port, expected), seen) in module.outputs().zip(expected).zip(seen) {
            let Some(expected) = expected else { continue };
            compared += 1;
            if expected != *seen {
                let inputs: Vec<String> =
                    module.inputs().zip(inputs).map(|(p, v)| format!("{}={v:#x}", p.name)).collect();
                return Err(Box::new(Mismatch {
                    module: module.name.clone(),
                    cycle,
                    port: port.name.clone(),
                    expected,
                    seen: seen.clone(),
                    by,
                    inputs: inputs.join(" "),
                }));
            }
        }
    }
    Ok(compared)
}
