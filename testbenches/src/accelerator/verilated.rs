//! Runs an accelerator under Verilator.

use std::ffi::OsString;
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use bitmill_accelerator::{COMMAND_BYTES, MemoryPort, RUN_DONE_PORT, RUN_START_PORT};
use bitmill_hdl::{Design, Module};

use super::execution::{Answer, Execution, TimedEvent, watched};
use super::{Session, Step};
use crate::{Sources, TestbenchError, Verilator};

/// Part of a run to record as a waveform.
#[derive(Clone, Copy, Debug)]
pub struct Window<'a> {
    /// FST file to write.
    pub file: &'a Path,
    /// First cycle, counted from the start of the run.
    pub first: u64,
    /// Last cycle, with which the simulation ends.
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
    define("RUN_START", RUN_START_PORT);
    define("RUN_DONE", RUN_DONE_PORT);
    let bits: Vec<String> = watched()
        .enumerate()
        .map(|(bit, (event, queue))| format!("(top->{} ? {}u : 0u)", event.port(queue), 1 << bit))
        .collect();
    define("EVENTS", &format!("({})", bits.join(" | ")));
    let checker = format!("bitmill_{CHECKER}.sv");
    sources.verilog.insert(checker, include_str!("axi_checker.sv").to_owned());
    sources.verilog.insert("bind.sv".to_owned(), bind(top, port));
    if trace {
        define("TRACE", "1");
        sources.flags.push("--trace-fst".to_owned());
    }
    main.push_str(include_str!("harness.cpp"));
    sources.main = main;
    Ok(sources)
}

/// Name of the module that checks the rules of AXI.
const CHECKER: &str = "axi_checker";

/// Binds the checker to the ports of `top`.
fn bind(top: &Module, port: MemoryPort) -> String {
    let mut connections = vec![".clk_i(clk_i)".to_owned(), ".rst_ni(rst_ni)".to_owned()];
    for port in &top.ports {
        let bare = port.name.trim_end_matches("_i").trim_end_matches("_o");
        let inside = match (bare.strip_prefix("m_axi_"), bare.strip_prefix("s_axi_")) {
            (Some("arcache" | "arprot" | "awcache" | "awprot"), _) | (None, None) => continue,
            (Some(name), _) => name.to_owned(),
            (None, Some(name)) => format!("lite_{name}"),
        };
        connections.push(format!(".{inside}({})", port.name));
    }
    let bytes = port.width_bits / 8;
    // A command is always one burst.
    let burst = port.burst_beats.max(COMMAND_BYTES as u32 / bytes);
    let (reads, writes) = (port.outstanding_reads, port.outstanding_writes);
    format!(
        "bind {} bitmill_{CHECKER} #(.BEAT_BYTES({bytes}), .LONGEST_BURST({burst}), .OUTSTANDING_READS({reads}), \
         .OUTSTANDING_WRITES({writes})) i_{CHECKER} (\n  {}\n);\n",
        top.name,
        connections.join(",\n  ")
    )
}

/// Runs `session`; records `window`.
///
/// # Errors
/// A simulation that cannot be built or run.
pub fn verilate(
    verilator: &Verilator,
    session: &Session,
    window: Option<Window>,
) -> Result<Execution, TestbenchError> {
    let executable = verilator.build(&sources(session.top, session.port, window.is_some())?)?;
    let scratch = tempfile::tempdir().map_err(TestbenchError::io("create", &std::env::temp_dir()))?;
    let [image, result, log, script] =
        ["image.bin", "result.bin", "log.txt", "script.txt"].map(|name| scratch.path().join(name));
    fs::write(&image, session.image).map_err(TestbenchError::io("write", &image))?;
    fs::write(&script, script_text(session.script)).map_err(TestbenchError::io("write", &script))?;
    let mut arguments: Vec<OsString> = Vec::new();
    let mut argument = |name: &str, value: OsString| {
        let mut text = OsString::from(format!("{name}="));
        text.push(value);
        arguments.push(text);
    };
    for (name, path) in [("image", &image), ("result", &result), ("log", &log), ("script", &script)] {
        argument(name, path.into());
    }
    argument("limit", session.limit_cycles.to_string().into());
    if let Some(seed) = session.conditions.seed {
        argument("seed", seed.to_string().into());
    }
    if let Some(fault) = session.conditions.fault {
        let direction = if fault.write { 'w' } else { 'r' };
        argument("fault", format!("{direction} {} {}", fault.burst, fault.response()).into());
    }
    if let Some(window) = window {
        argument("waves", window.file.into());
        argument("first", window.first.to_string().into());
        argument("last", window.last.to_string().into());
    }
    executable.run(&arguments)?;
    let memory = fs::read(&result).map_err(TestbenchError::io("read", &result))?;
    let text = fs::read_to_string(&log).map_err(TestbenchError::io("read", &log))?;
    Ok(parse(&text, memory))
}

/// A step a line: its letter and two numbers.
fn script_text(script: &[Step]) -> String {
    let line = |step: &Step| match *step {
        Step::Write { offset, value } => format!("w {offset} {value}\n"),
        Step::Read { offset } => format!("r {offset} 0\n"),
        Step::Interrupt => "i 0 0\n".to_owned(),
        Step::Cycles(cycles) => format!("c {cycles} 0\n"),
        Step::Reset => "x 0 0\n".to_owned(),
    };
    script.iter().map(line).collect()
}

/// Reads the log: `s` start of a run, `e CYCLE BITS` events, `d CYCLE` end, `w CYCLE ADDRESS` beat written,
/// `a OFFSET VALUE RESPONSE` answer to the host, `f` end of the script.
fn parse(text: &str, memory: Vec<u8>) -> Execution {
    let mut execution = Execution { memory, ..Execution::default() };
    for line in text.lines() {
        let mut words = line.split(' ');
        let kind = words.next();
        let mut number = || words.next().and_then(|word| word.parse::<u64>().ok()).unwrap_or(0);
        let (first, second) = (number(), number());
        match kind {
            Some("s") => {
                (execution.events, execution.writes) = (Vec::new(), Vec::new());
                execution.cycles = None;
            }
            Some("e") => {
                let happened = watched().enumerate().filter(|(bit, _)| second >> bit & 1 == 1);
                execution.events.extend(happened.map(|(_, (event, queue))| TimedEvent {
                    cycle: first,
                    queue,
                    event,
                }));
            }
            Some("d") => execution.cycles = Some(first),
            Some("w") => execution.writes.push((first, second as u32)),
            Some("a") => {
                let (offset, value) = (first as u32, second as u32);
                execution.answers.push(Answer { offset, value, error: number() != 0 });
            }
            _ => execution.finished = true,
        }
    }
    execution
}
