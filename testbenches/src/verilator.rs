//! Builds simulations with Verilator, each once: a build is kept under the hash of all that went into it.
//!
//! A build happens in a scratch directory that is renamed into place when it is whole, so that an
//! interrupted or concurrent build leaves nothing half made. Flags follow measurements on a two-core
//! machine: `-O1` compiles and runs fastest, and threads inside the simulation slow it down.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::available_parallelism;

use bitmill_hdl::{Design, verilog};
use sha2::{Digest, Sha256};

use crate::TestbenchError;
use crate::tool::{self, VERILATOR};

/// Environment variable with the directory of the builds.
pub const CACHE_VARIABLE: &str = "BITMILL_CACHE";

/// Directory of the builds where [`CACHE_VARIABLE`] is not set.
pub const DEFAULT_CACHE: &str = "target/verilator-cache";

/// Major version with the scheduler (`--timing`, `ico` regions) that the harness was written for.
const OLDEST_MAJOR: u32 = 5;

/// Flags that change what is built. Warnings are the linter's business, see [`crate::readers`]. Trees of bit
/// operations are left as they are: Verilator 5.006 gets exclusive ors in some of them wrong (see its issues
/// 4709 and 5186), which `formats_exhaustive` met in a codebook's rounder.
const FLAGS: &[&str] = &[
    "--cc",
    "--exe",
    "--assert",
    "-Wno-lint",
    "-Wno-style",
    "-fno-const-bit-op-tree",
    "--x-assign",
    "0",
    "-CFLAGS",
    "-O1",
];

/// Name of the program in a finished build.
const PROGRAM: &str = "simulation";

/// An installed Verilator and the directory that keeps its builds.
#[derive(Clone, Debug)]
pub struct Verilator {
    version: String,
    cache: PathBuf,
}

/// Everything that makes one simulation.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Sources {
    /// Top module; the C++ class is `V` and this name.
    pub top: String,
    /// Verilog by file name.
    pub verilog: BTreeMap<String, String>,
    /// C++ with `main`. It should make standard output line-buffered: `$fatal` aborts without flushing it.
    pub main: String,
    /// Further flags, such as `--trace-fst`.
    pub flags: Vec<String>,
}

/// A built simulation.
#[derive(Clone, Debug)]
pub struct Executable {
    program: PathBuf,
}

/// The version of the installed Verilator, such as `5.006`; `None` where there is none.
pub fn verilator_version() -> Option<String> {
    let text = VERILATOR.run(VERILATOR.command().arg("--version")).ok()?;
    text.split_whitespace().nth(1).map(str::to_owned)
}

impl Verilator {
    /// The installed Verilator, with the cache directory from the environment.
    ///
    /// # Errors
    /// Verilator is not installed or is older than version 5.
    pub fn find() -> Result<Verilator, TestbenchError> {
        let missing = TestbenchError::ToolMissing { tool: VERILATOR.name, package: VERILATOR.package };
        let version = verilator_version().ok_or(missing)?;
        let major = version.split('.').next().and_then(|digits| digits.parse::<u32>().ok());
        if major.is_none_or(|major| major < OLDEST_MAJOR) {
            return Err(TestbenchError::ToolTooOld { tool: VERILATOR.name, found: version, needed: "5.0" });
        }
        let cache = std::env::var_os(CACHE_VARIABLE).map_or_else(|| DEFAULT_CACHE.into(), PathBuf::from);
        Ok(Verilator { version, cache })
    }

    /// Keeps builds in `directory` unless the environment says otherwise.
    pub fn with_default_cache(mut self, directory: impl Into<PathBuf>) -> Verilator {
        if std::env::var_os(CACHE_VARIABLE).is_none() {
            self.cache = directory.into();
        }
        self
    }

    /// Version, such as `5.006`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The simulation of `sources`, from the cache where it was built before.
    ///
    /// # Errors
    /// A file that cannot be written, or sources that Verilator or the C++ compiler refuse.
    pub fn build(&self, sources: &Sources) -> Result<Executable, TestbenchError> {
        let home = self.cache.join(self.key(sources));
        let executable = Executable { program: home.join(PROGRAM) };
        if executable.program.is_file() {
            return Ok(executable);
        }
        fs::create_dir_all(&self.cache).map_err(TestbenchError::io("create", &self.cache))?;
        let scratch = tempfile::Builder::new()
            .prefix("building-")
            .tempdir_in(&self.cache)
            .map_err(TestbenchError::io("create a directory in", &self.cache))?;
        self.build_in(scratch.path(), sources)?;
        match fs::rename(scratch.path(), &home) {
            // Somebody else finished the same build first: theirs is as good.
            Err(_) if executable.program.is_file() => {}
            Err(source) => return Err(TestbenchError::Io { action: "create", path: home, source }),
            Ok(()) => drop(scratch.keep()),
        }
        Ok(executable)
    }

    fn key(&self, sources: &Sources) -> String {
        let mut hash = Sha256::new();
        let mut part = |text: &str| {
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text);
        };
        part(&self.version);
        FLAGS.iter().for_each(|flag| part(flag));
        sources.flags.iter().for_each(|flag| part(flag));
        part(&sources.top);
        for (name, text) in &sources.verilog {
            part(name);
            part(text);
        }
        part(&sources.main);
        let digest = hash.finalize();
        digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
    }

    fn build_in(&self, directory: &Path, sources: &Sources) -> Result<(), TestbenchError> {
        sources.write(directory)?;
        let jobs = available_parallelism().map_or(1, usize::from).to_string();
        let mut command = VERILATOR.command();
        command.current_dir(directory).args(FLAGS).args(&sources.flags);
        command.args(["--build", "--build-jobs", &jobs, "--output-split", "20000"]);
        command.args(["--Mdir", "objects", "-o", "simulation", "--top-module", &sources.top, "main.cpp"]);
        command.args(sources.verilog.keys());
        let outcome = VERILATOR.outcome(&mut command)?;
        if !outcome.success {
            let log = self.cache.join(format!("failed-{}.log", sources.top));
            fs::write(&log, &outcome.text).map_err(TestbenchError::io("write", &log))?;
            let excerpt = tool::first_lines(&outcome.text);
            return Err(TestbenchError::Build { top: sources.top.clone(), excerpt, log });
        }
        let objects = directory.join("objects");
        let built = objects.join(PROGRAM);
        fs::rename(&built, directory.join(PROGRAM)).map_err(TestbenchError::io("move", &built))?;
        fs::remove_dir_all(&objects).map_err(TestbenchError::io("remove", &objects))
    }
}

impl Sources {
    /// The modules of `design`, one file each, without a `main`.
    pub fn of(design: &Design) -> Sources {
        let file = |module: &std::sync::Arc<bitmill_hdl::Module>| {
            (format!("{}.v", module.name), verilog::emit(module))
        };
        let verilog = design.modules.iter().map(file).collect();
        Sources { top: design.top.name.clone(), verilog, ..Sources::default() }
    }

    pub(crate) fn write(&self, directory: &Path) -> Result<(), TestbenchError> {
        let main = [("main.cpp", &self.main)];
        for (name, text) in self.verilog.iter().map(|(name, text)| (name.as_str(), text)).chain(main) {
            let path = directory.join(name);
            fs::write(&path, text).map_err(TestbenchError::io("write", &path))?;
        }
        Ok(())
    }
}

impl Executable {
    /// The program.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Runs it to its end and returns what it said.
    ///
    /// # Errors
    /// The program ended with a failure, such as `$fatal`; the error has its last lines.
    pub fn run<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Result<String, TestbenchError> {
        let mut command = Command::new(&self.program);
        command.args(arguments).stdin(Stdio::null());
        tool::outcome(&mut command)
            .map_err(TestbenchError::io("run", &self.program))?
            .into_text("the simulation")
    }
}
