//! Runs an accelerator under Verilator.

use std::ffi::OsString;
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use bitmill_accelerator::MemoryPort;
use bitmill_hdl::{Design, Module};
use bitmill_sim::Program;

use super::execution::{Execution, TimedEvent, watched};
use crate::{Sources, TestbenchError, Verilator};

/// Part of a run to record as a waveform.
#[derive(Clone, Copy, Debug)]
pub struct Window<'a> {
    /// FST file to write.
    pub file: &'a Path,
    /// First cycle.
    pub first: u64,
    /// Last cycle.
    pub last: u64,
}

/// Verilog and C++ of the simulation of `top`; with `trace`, it can record waveforms.
///
/// # Errors
/// Two different modules of one name.
pub fn sources(top: &Arc<Module>, port: MemoryPort, trace: bool) -> Result<Sources, TestbenchError> {
    let mut sources = Sources::of(&Design::new(top)?);
    let mut main = String::new();
    let class = format!("V{}", sources.top);
    let mut define = |name: &str, value: &str| {
        writeln!(main, "#define {name} {value}").expect("writing to a string succeeds");
    };
    define("TOP", &class);
    define("TOP_HEADER", &format!("\"{class}.h\""));
    define("BEAT_BYTES", &(port.width_bits / 8).to_string());
    define("LATENCY", &port.latency_cycles.to_string());
    define("INTERVAL", &port.beat_interval_cycles.to_string());
    let bits: Vec<String> = watched()
        .enumerate()
        .map(|(bit, (event, queue))| format!("(top->{} ? {}u : 0u)", event.port(queue), 1 << bit))
        .collect();
    define("EVENTS", &format!("({})", bits.join(" | ")));
    if trace {
        define("TRACE", "1");
        sources.flags.push("--trace-fst".to_owned());
    }
    main.push_str(include_str!("memory.cpp"));
    sources.main = main;
    Ok(sources)
}

/// Runs `program` on the accelerator `top`, with `image` in memory, for at most `limit_cycles`; records `window`.
///
/// # Errors
/// A simulation that cannot be built or run.
pub fn verilate(
    verilator: &Verilator,
    top: &Arc<Module>,
    port: MemoryPort,
    program: &Program,
    image: &[u8],
    limit_cycles: u64,
    window: Option<Window>,
) -> Result<Execution, TestbenchError> {
    let executable = verilator.build(&sources(top, port, window.is_some())?)?;
    let scratch = tempfile::tempdir().map_err(TestbenchError::io("create", &std::env::temp_dir()))?;
    let [before, after, events] =
        ["before.bin", "after.bin", "events.txt"].map(|name| scratch.path().join(name));
    fs::write(&before, image).map_err(TestbenchError::io("write", &before))?;
    let mut arguments: Vec<OsString> = vec![before.into(), after.clone().into(), events.clone().into()];
    let numbers = [u64::from(program.command_address), program.commands.len() as u64, limit_cycles];
    arguments.extend(numbers.map(|n| n.to_string().into()));
    if let Some(window) = window {
        arguments.push(window.file.into());
        arguments.extend([window.first, window.last].map(|n| n.to_string().into()));
    }
    executable.run(&arguments)?;
    let memory = fs::read(&after).map_err(TestbenchError::io("read", &after))?;
    let text = fs::read_to_string(&events).map_err(TestbenchError::io("read", &events))?;
    Ok(parse(&text, memory))
}

/// Reads the event file: `e CYCLE BITS`, `w CYCLE ADDRESS`, `d CYCLE`.
fn parse(text: &str, memory: Vec<u8>) -> Execution {
    let mut execution = Execution { events: Vec::new(), cycles: None, memory, writes: Vec::new() };
    for line in text.lines() {
        let mut words = line.split(' ');
        let kind = words.next();
        let mut number = || words.next().and_then(|word| word.parse::<u64>().ok()).unwrap_or(0);
        let (cycle, value) = (number(), number());
        match kind {
            Some("e") => {
                let happened = watched().enumerate().filter(|(bit, _)| value >> bit & 1 == 1);
                execution.events.extend(happened.map(|(_, (event, queue))| TimedEvent {
                    cycle,
                    queue,
                    event,
                }));
            }
            Some("w") => execution.writes.push((cycle, value as u32)),
            _ => execution.cycles = Some(cycle),
        }
    }
    execution
}
