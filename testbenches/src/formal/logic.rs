//! Proves two circuits without registers equal: Yosys makes and-inverter graphs, ABC compares them.
//!
//! ABC's `cec` simulates, merges what is equal inside (Mishchenko et al., ICCAD 2006) and decides the rest by
//! SAT: for a table against an arithmetic circuit that is far quicker than one SAT problem for all.

use std::fs;
use std::path::Path;

use super::Verdict;
use crate::tool::{ABC, YOSYS};
use crate::{Sources, TestbenchError};

/// Whether the two circuits compute the same. Their ports must agree in name, order and width.
///
/// # Errors
/// Yosys or its ABC is missing or cannot read the sources.
pub fn compare_logic(gold: &Sources, gate: &Sources) -> Result<Verdict, TestbenchError> {
    let directory = tempfile::tempdir().map_err(TestbenchError::io("create", &std::env::temp_dir()))?;
    let path = directory.path();
    for (side, sources) in [("gold", gold), ("gate", gate)] {
        graph(path, side, sources)?;
    }
    let mut command = ABC.command();
    command.current_dir(path).args(["-c", "cec -n gold.aig gate.aig"]);
    Ok(verdict(&ABC.run(&mut command)?))
}

/// Writes `side`.aig, the circuit as an and-inverter graph.
fn graph(directory: &Path, side: &str, sources: &Sources) -> Result<(), TestbenchError> {
    let home = directory.join(side);
    fs::create_dir(&home).map_err(TestbenchError::io("create", &home))?;
    sources.write(&home)?;
    let files: Vec<String> = sources.verilog.keys().map(|name| format!("{side}/{name}")).collect();
    let script = format!(
        "read_verilog {}\nhierarchy -check -top {}\nproc\nflatten\nmemory\nopt -fast\ntechmap\nopt -fast\naigmap\n\
         write_aiger {side}.aig\n",
        files.join(" "),
        sources.top
    );
    let path = directory.join(format!("{side}.ys"));
    fs::write(&path, script).map_err(TestbenchError::io("write", &path))?;
    let mut command = YOSYS.command();
    command.current_dir(directory).args(["-q", &format!("{side}.ys")]);
    YOSYS.run(&mut command).map(drop)
}

fn verdict(text: &str) -> Verdict {
    if text.contains("Networks are equivalent") {
        return Verdict::Equal;
    }
    match text.find("Verification failed").or_else(|| text.find("NOT EQUIVALENT")) {
        Some(at) => Verdict::Different(text[at..].to_owned()),
        None => Verdict::Undecided,
    }
}
