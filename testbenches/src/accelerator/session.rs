//! What is done to an accelerator in a simulation: the host's steps, the memory's contents and its moods.

use std::sync::Arc;

use bitmill_accelerator::{Counters, MemoryPort, Register, registers};
use bitmill_hdl::Module;
use bitmill_sim::Program;

/// A simulation to run.
pub struct Session<'a> {
    /// The accelerator's circuit.
    pub top: &'a Arc<Module>,
    /// Its memory port.
    pub port: MemoryPort,
    /// Memory before.
    pub image: &'a [u8],
    /// What the host does.
    pub script: &'a [Step],
    /// How the memory and the host behave.
    pub conditions: Conditions,
    /// Cycles after which a simulation that has not ended is given up.
    pub limit_cycles: u64,
}

/// A step of the host, taken when the step before has ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// Writes a register.
    Write {
        /// Its byte address.
        offset: u32,
        /// The value.
        value: u32,
    },
    /// Reads a register.
    Read {
        /// Its byte address.
        offset: u32,
    },
    /// Waits for the interrupt.
    Interrupt,
    /// Lets cycles pass.
    Cycles(u64),
    /// Pulls the reset of accelerator and memory for one cycle; the memory keeps its contents.
    Reset,
}

impl Step {
    /// Writes `register`.
    pub fn write(register: &Register, value: u32) -> Step {
        Step::Write { offset: register.offset, value }
    }

    /// Reads `register`.
    pub fn read(register: &Register) -> Step {
        Step::Read { offset: register.offset }
    }
}

/// How the memory and the host behave.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Conditions {
    /// Delays every channel at random, and answers different read IDs out of order; `None` keeps to the
    /// model that the simulator charges.
    pub seed: Option<u64>,
    /// A burst that the memory answers with an error.
    pub fault: Option<MemoryFault>,
}

/// A burst that the memory answers with an error.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MemoryFault {
    /// A write burst, else a read burst.
    pub write: bool,
    /// Its number, from 0, counted from the last reset on.
    pub burst: u64,
    /// DECERR, else SLVERR.
    pub decode: bool,
}

impl MemoryFault {
    /// RRESP or BRESP of the burst.
    pub(super) fn response(&self) -> u64 {
        if self.decode { 0b11 } else { 0b10 }
    }
}

/// The steps that start `program`, up to the end of its run.
pub fn start_and_wait(program: &Program) -> Vec<Step> {
    let interrupts = registers::DONE_INTERRUPT.mask() | registers::ERROR_INTERRUPT.mask();
    vec![
        Step::write(&registers::INTERRUPT_ENABLE, interrupts),
        Step::write(&registers::COMMAND_ADDRESS, program.command_address),
        Step::write(&registers::COMMAND_COUNT, program.commands.len() as u32),
        Step::write(&registers::CONTROL, registers::START.mask()),
        Step::Interrupt,
        Step::write(&registers::INTERRUPT_STATUS, interrupts),
    ]
}

/// Registers that tell how a run has ended, in the order in which [`run_once`] reads them.
pub fn outcome_registers() -> Vec<&'static Register> {
    let how = [&registers::STATUS, &registers::ERROR, &registers::ERROR_COMMAND];
    how.into_iter().chain(Counters::REGISTERS).collect()
}

/// The steps of one run of `program`, and the reading of how it went.
pub fn run_once(program: &Program) -> Vec<Step> {
    let mut steps = start_and_wait(program);
    steps.extend(outcome_registers().into_iter().map(Step::read));
    steps
}
