//! What can go wrong between us and the tools.

use std::io;
use std::path::{Path, PathBuf};

use bitmill_hdl::HdlError;

/// A tool is missing, or did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum TestbenchError {
    /// The program is not on the search path.
    #[error("{tool} is not installed; on Debian or Ubuntu: apt-get install {package}")]
    ToolMissing {
        /// Program.
        tool: &'static str,
        /// Debian package that has it.
        package: &'static str,
    },
    /// The program is older than the flags that we use.
    #[error("{tool} {found} is too old; {needed} or later is needed")]
    ToolTooOld {
        /// Program.
        tool: &'static str,
        /// Version found.
        found: String,
        /// Oldest version that will do.
        needed: &'static str,
    },
    /// A file or a process could not be handled.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried, such as `write`.
        action: &'static str,
        /// The file or program.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Verilator or the C++ compiler refused the sources.
    #[error("building the simulation of {top} failed; whole log in {}\n{excerpt}", log.display())]
    Build {
        /// Top module.
        top: String,
        /// First lines of what the tools said.
        excerpt: String,
        /// File with all they said.
        log: PathBuf,
    },
    /// A tool or a simulation ended with a failure.
    #[error("{what} failed ({status})\n{output}")]
    Run {
        /// What was run.
        what: String,
        /// Exit status or signal.
        status: String,
        /// Last lines of what it said.
        output: String,
    },
    /// A stimulus does not fit the module's input ports.
    #[error("stimulus of {module}, cycle {cycle}: {problem}")]
    Stimulus {
        /// Module.
        module: String,
        /// Cycle, from 0.
        cycle: usize,
        /// What does not fit.
        problem: String,
    },
    /// The simulation wrote fewer or more bytes than its cycles make.
    #[error("the simulation wrote {found} bytes of responses where {needed} are due")]
    Responses {
        /// Bytes found.
        found: usize,
        /// Bytes needed.
        needed: usize,
    },
    /// A recorded waveform cannot be read.
    #[error("cannot read the waveform {}: {problem}", path.display())]
    Waves {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The modules do not form a design.
    #[error(transparent)]
    Hdl(#[from] HdlError),
}

impl TestbenchError {
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> TestbenchError {
        let path = path.to_owned();
        move |source| TestbenchError::Io { action, path, source }
    }

    /// Whether the cause is a tool that is not there or too old, so that a test may be skipped.
    pub fn is_missing_tool(&self) -> bool {
        matches!(self, TestbenchError::ToolMissing { .. } | TestbenchError::ToolTooOld { .. })
    }
}
