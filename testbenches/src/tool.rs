//! Runs one program to its end and keeps what it said.

use std::io;
use std::process::{Command, Stdio};

use crate::TestbenchError;

/// Lines of a tool's output that an error shows.
const EXCERPT_LINES: usize = 20;

/// How a program ended and what it said.
pub(crate) struct Outcome {
    pub success: bool,
    pub status: String,
    /// Standard output, then standard error.
    pub text: String,
}

/// A program that we know how to install.
#[derive(Clone, Copy)]
pub(crate) struct Tool {
    pub name: &'static str,
    pub package: &'static str,
}

pub(crate) const VERILATOR: Tool = Tool { name: "verilator", package: "verilator g++ make" };
pub(crate) const YOSYS: Tool = Tool { name: "yosys", package: "yosys" };
pub(crate) const ABC: Tool = Tool { name: "yosys-abc", package: "yosys" };
pub(crate) const ICARUS: Tool = Tool { name: "iverilog", package: "iverilog" };

impl Tool {
    pub(crate) fn command(self) -> Command {
        let mut command = Command::new(self.name);
        command.stdin(Stdio::null());
        command
    }

    /// Runs `command`, made by [`Tool::command`], whatever its exit status.
    pub(crate) fn outcome(self, command: &mut Command) -> Result<Outcome, TestbenchError> {
        outcome(command).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => TestbenchError::ToolMissing { tool: self.name, package: self.package },
            _ => TestbenchError::Io { action: "run", path: self.name.into(), source },
        })
    }

    /// Runs `command` and requires that it succeeds; returns what it said.
    pub(crate) fn run(self, command: &mut Command) -> Result<String, TestbenchError> {
        self.outcome(command)?.into_text(self.name)
    }
}

pub(crate) fn outcome(command: &mut Command) -> io::Result<Outcome> {
    let output = command.output()?;
    let text =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    Ok(Outcome { success: output.status.success(), status: output.status.to_string(), text })
}

impl Outcome {
    pub(crate) fn into_text(self, what: &str) -> Result<String, TestbenchError> {
        if self.success {
            return Ok(self.text);
        }
        Err(TestbenchError::Run {
            what: what.to_owned(),
            status: self.status,
            output: last_lines(&self.text),
        })
    }
}

pub(crate) fn first_lines(text: &str) -> String {
    text.lines().take(EXCERPT_LINES).collect::<Vec<_>>().join("\n")
}

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(EXCERPT_LINES)..].join("\n")
}
