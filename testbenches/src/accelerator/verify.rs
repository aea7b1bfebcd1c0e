//! Verification of one inference: run the circuit, compare, and on a difference say where it comes from.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bitmill_accelerator::Accelerator;
use bitmill_hdl::Module;
use bitmill_model::QuantizedNetwork;
use bitmill_sim::{Keep, Program, SimulationError, Trace, lower, run_on};

use super::locate::{Located, locate};
use super::{Conditions, Difference, Session, Step, Verdict, Window, compare, interpret, run_once, verilate};
use crate::{TestbenchError, Verilator};

/// Cycles recorded before and after the first difference.
const WINDOW_CYCLES: u64 = 32;

/// Who executes the circuit.
#[derive(Clone, Debug)]
pub enum Engine {
    /// The emitted Verilog, under Verilator.
    Verilator(Verilator),
    /// The description, in the built-in interpreter.
    Interpreter,
}

/// Most cycles of one recording: an accelerator of 8 × 8 PEs changes some kilobytes of signals in each.
pub const MOST_RECORDED_CYCLES: u64 = 100_000;

/// A part of a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Span {
    /// From its start to its end.
    Whole,
    /// While commands of a layer run, by its place in the network.
    Layer(usize),
    /// While a command runs, by its number.
    Command(usize),
}

impl Span {
    /// Its first and last cycle, with some around it.
    fn cycles(self, program: &Program, trace: &Trace) -> RangeInclusive<u64> {
        let all = program.commands.iter().zip(&trace.commands).enumerate();
        let chosen = all.filter(|(number, (planned, _))| match self {
            Span::Whole => true,
            Span::Layer(layer) => planned.layer == layer,
            Span::Command(command) => *number == command,
        });
        let (first, last) = chosen.fold((trace.cycles, 0), |(first, last), (_, (_, times))| {
            (times.start.min(first), times.done.max(last))
        });
        first.saturating_sub(WINDOW_CYCLES)..=(last + WINDOW_CYCLES).min(trace.cycles)
    }
}

/// Why a verification did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum VerificationError {
    /// The network does not fit the accelerator.
    #[error(transparent)]
    Simulation(#[from] SimulationError),
    /// The input does not fit the network.
    #[error(transparent)]
    Model(#[from] bitmill_model::ModelError),
    /// A tool could not be run.
    #[error(transparent)]
    Testbench(#[from] TestbenchError),
    /// A recording that would be too large.
    #[error(
        "a recording of {found} cycles would be too large, {MOST_RECORDED_CYCLES} are legal: choose a layer or a command"
    )]
    Recording {
        /// Cycles asked for.
        found: u64,
    },
    /// A command that there is not.
    #[error("no command {found}: the run has 0 to {last}")]
    Command {
        /// Its number.
        found: usize,
        /// The last one's number.
        last: usize,
    },
    /// The circuit did something else.
    #[error("{difference}{}", waves.as_ref().map_or(String::new(), |w| format!("; waveform around it in {}", w.display())))]
    Difference {
        /// The first difference.
        difference: Box<Difference>,
        /// A short recording around it.
        waves: Option<PathBuf>,
    },
}

/// One inference to verify.
pub struct Verification<'a> {
    /// The accelerator.
    pub accelerator: &'a Accelerator,
    /// Its circuit; a test may hand in a broken one.
    pub top: Arc<Module>,
    /// The network.
    pub network: &'a QuantizedNetwork,
    /// Raw integers of the input, channels innermost.
    pub input: &'a [i32],
    /// Tensors to store and compare.
    pub keep: Keep,
    /// Where a recording goes if there is a difference.
    pub waves: Option<PathBuf>,
}

impl Verification<'_> {
    /// Runs the circuit and compares every command's start and end, and every byte of every stored tensor.
    /// `progress` hears the cycle now and then (interpreter only) and the number of cycles in all.
    ///
    /// # Errors
    /// The first difference, or what kept the comparison from being made.
    pub fn run(
        &self,
        engine: &Engine,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<Verdict, VerificationError> {
        let program = lower(self.accelerator, self.network, self.keep)?;
        let tensors = self.network.run(self.input)?;
        let trace = run_on(self.accelerator, &program, self.network, &tensors);
        let image = program.memory_image(self.accelerator, self.network, self.input)?;
        let script = run_once(&program);
        let session = self.session(&image, &script, &trace);
        let execution = match engine {
            Engine::Verilator(verilator) => verilate(verilator, &session, None)?,
            Engine::Interpreter => interpret(&session, &mut |cycle| progress(cycle, trace.cycles)),
        };
        let compared = compare(self.accelerator, self.network, &program, &trace, &tensors, &execution);
        compared.or_else(|difference| match engine {
            Engine::Verilator(verilator) => {
                Err(self.explain(verilator, &session, &program, &trace, difference)?)
            }
            Engine::Interpreter => Err(VerificationError::Difference { difference, waves: None }),
        })
    }

    /// Records the cycles of `span` in the FST file `waves`, under Verilator, and says which they were.
    ///
    /// # Errors
    /// More cycles than [`MOST_RECORDED_CYCLES`], a command that there is not, or a simulation that cannot be run.
    pub fn record(
        &self,
        verilator: &Verilator,
        span: Span,
        waves: &Path,
    ) -> Result<RangeInclusive<u64>, VerificationError> {
        let program = lower(self.accelerator, self.network, self.keep)?;
        let tensors = self.network.run(self.input)?;
        let trace = run_on(self.accelerator, &program, self.network, &tensors);
        if let Span::Command(found) = span
            && found >= program.commands.len()
        {
            return Err(VerificationError::Command { found, last: program.commands.len() - 1 });
        }
        let cycles = span.cycles(&program, &trace);
        let found = cycles.end() - cycles.start() + 1;
        if found > MOST_RECORDED_CYCLES {
            return Err(VerificationError::Recording { found });
        }
        let image = program.memory_image(self.accelerator, self.network, self.input)?;
        let script = run_once(&program);
        let session = self.session(&image, &script, &trace);
        let scratch = tempfile::tempdir().map_err(TestbenchError::io("create", &std::env::temp_dir()))?;
        let file = scratch.path().join("window.fst");
        verilate(
            verilator,
            &session,
            Some(Window { file: &file, first: *cycles.start(), last: *cycles.end() }),
        )?;
        std::fs::copy(&file, waves).map_err(TestbenchError::io("write", waves))?;
        Ok(cycles)
    }

    fn session<'b>(&'b self, image: &'b [u8], script: &'b [Step], trace: &Trace) -> Session<'b> {
        Session {
            top: &self.top,
            port: self.accelerator.configuration().memory,
            image,
            script,
            conditions: Conditions::default(),
            // A run that hangs is given up when it has taken twice as long as predicted.
            limit_cycles: trace.cycles * 2 + 1000,
        }
    }

    /// Records the run up to the difference, finds the first signal that left the description, and records a
    /// short window around it.
    fn explain(
        &self,
        verilator: &Verilator,
        session: &Session,
        program: &Program,
        trace: &Trace,
        mut difference: Box<Difference>,
    ) -> Result<VerificationError, TestbenchError> {
        let scratch = tempfile::tempdir().map_err(TestbenchError::io("create", &std::env::temp_dir()))?;
        let whole = scratch.path().join("whole.fst");
        let record = |window: Window| verilate(verilator, session, Some(window)).map(drop);
        record(Window { file: &whole, first: 0, last: difference.cycle })?;
        let description = self.accelerator.module()?;
        if let Some(located) = locate(&whole, &Session { top: &description, ..*session })? {
            self.refine(&mut difference, located, program, trace);
        }
        let Some(waves) = &self.waves else {
            return Ok(VerificationError::Difference { difference, waves: None });
        };
        let short = scratch.path().join("window.fst");
        let first = difference.cycle.saturating_sub(WINDOW_CYCLES);
        record(Window { file: &short, first, last: difference.cycle + WINDOW_CYCLES })?;
        std::fs::copy(&short, waves).map_err(TestbenchError::io("write", waves))?;
        Ok(VerificationError::Difference { difference, waves: Some(waves.clone()) })
    }

    /// Moves the difference to where it began.
    fn refine(&self, difference: &mut Difference, located: Located, program: &Program, trace: &Trace) {
        difference.cycle = located.cycle;
        let mut module = Arc::clone(&self.top);
        for name in located.instance.split('.').filter(|name| !name.is_empty()) {
            let Some(child) = module.instances.iter().find(|i| i.name == name) else { break };
            module = Arc::clone(&child.module);
        }
        difference.module = module.name.clone();
        let separator = if located.instance.is_empty() { "" } else { "." };
        difference.signal = format!("{}{separator}{}", located.instance, located.signal);
        difference.expected = format!("{:#x}", located.expected);
        difference.seen = format!("{:#x}", located.seen);
        // The latest command that was running then: a compute command before a transfer.
        let running = |index: &usize| {
            let command = &trace.commands[*index];
            (command.start..=command.done).contains(&located.cycle)
        };
        let candidates = (0..program.commands.len()).filter(running);
        let chosen =
            candidates.max_by_key(|&i| (trace.commands[i].queue == bitmill_accelerator::Queue::Compute, i));
        if let Some(index) = chosen {
            difference.command = Some((index, trace.commands[index].queue));
            let layer = program.commands[index].layer;
            difference.layer = self.network.graph().layers()[layer].name.clone();
        }
    }
}
