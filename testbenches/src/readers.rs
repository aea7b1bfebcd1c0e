//! Whether the tools that people use take the Verilog that is emitted.

use std::fs;

use tempfile::TempDir;

use crate::tool::{ICARUS, VERILATOR, YOSYS};
use crate::{Sources, TestbenchError};

/// Requires that `verilator --lint-only -Wall` has nothing to say about the design.
///
/// # Errors
/// A missing tool, or what it says.
pub fn lint(sources: &Sources) -> Result<(), TestbenchError> {
    let directory = written(sources)?;
    let mut command = VERILATOR.command();
    command.current_dir(directory.path()).args(["--lint-only", "-Wall", "--top-module", &sources.top]);
    command.args(&sources.flags).args(sources.verilog.keys());
    silent("verilator --lint-only -Wall", VERILATOR.outcome(&mut command)?)
}

/// Requires that Yosys reads the design, finds every module, and makes only flip-flops, memories and
/// logic of it: no warning, no latch, no loop, no wire with two drivers or none.
///
/// # Errors
/// A missing tool, or what it says.
pub fn yosys(sources: &Sources) -> Result<(), TestbenchError> {
    let directory = written(sources)?;
    let files: Vec<&str> = sources.verilog.keys().map(String::as_str).collect();
    let script = format!(
        "read_verilog {}\nhierarchy -check -top {}\nproc\nselect -assert-none t:$dlatch\ncheck -assert\n",
        files.join(" "),
        sources.top
    );
    let path = directory.path().join("read.ys");
    fs::write(&path, script).map_err(TestbenchError::io("write", &path))?;
    let mut command = YOSYS.command();
    // `-e .` makes every warning an error.
    command.current_dir(directory.path()).args(["-q", "-e", ".", "read.ys"]);
    silent("yosys", YOSYS.outcome(&mut command)?)
}

/// Requires that Icarus Verilog elaborates the design as Verilog-2001 without a word.
///
/// # Errors
/// A missing tool, or what it says.
pub fn icarus(sources: &Sources) -> Result<(), TestbenchError> {
    let directory = written(sources)?;
    let mut command = ICARUS.command();
    command.current_dir(directory.path()).args(["-g2001", "-Wall", "-t", "null", "-s", &sources.top]);
    command.args(sources.verilog.keys());
    silent("iverilog -Wall", ICARUS.outcome(&mut command)?)
}

fn written(sources: &Sources) -> Result<TempDir, TestbenchError> {
    let directory = tempfile::tempdir().map_err(TestbenchError::io("create", &std::env::temp_dir()))?;
    sources.write(directory.path())?;
    Ok(directory)
}

fn silent(what: &str, mut outcome: crate::tool::Outcome) -> Result<(), TestbenchError> {
    outcome.success &= outcome.text.trim().is_empty();
    outcome.into_text(what).map(drop)
}
