//! Runs modules under Verilator on their own stimulus: all of them in one simulation, side by side.
//!
//! What is seen equals [`bitmill_hdl::unit::interpret`] bit for bit: state starts at zero, one clock edge
//! with `rst_ni` low and all inputs zero comes first, and in each cycle the inputs are applied, the logic
//! settles, the outputs are sampled, and then the clock rises.
//!
//! The trick: a wrapper gives every module under test one wide input vector and one wide output vector, so
//! that the C++ side is a loop over words and knows neither ports nor widths.

mod vectors;
mod wrapper;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::sync::Arc;

use bitmill_hdl::unit::Values;
use bitmill_hdl::{Design, HdlError, Module, verilog};

use crate::{Sources, TestbenchError, Verilator};
use vectors::Layout;

/// A module under test and what is applied to its input ports, one [`Values`] a cycle.
#[derive(Clone, Copy, Debug)]
pub struct Bench<'a> {
    /// The module.
    pub module: &'a Arc<Module>,
    /// Inputs in the order of the module's input ports.
    pub stimulus: &'a [Values],
}

/// What registers and memories hold before reset.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum PowerUp {
    /// Zero, as in the interpreter.
    #[default]
    Zero,
    /// Random bits from this seed (not 0): shows what depends on state that reset leaves alone.
    Random(u32),
}

/// Outputs of each bench, one [`Values`] a cycle, in the order of the module's output ports.
///
/// # Errors
/// Two different modules of one name, a stimulus that does not fit its module, or a simulation that
/// cannot be built or run.
pub fn run(
    verilator: &Verilator,
    benches: &[Bench],
    power_up: PowerUp,
) -> Result<Vec<Vec<Values>>, TestbenchError> {
    let modules: Vec<Arc<Module>> = benches.iter().map(|bench| Arc::clone(bench.module)).collect();
    let layouts: Vec<Layout> = modules.iter().map(|module| Layout::of(module)).collect();
    let stimulus = vectors::encode(benches, &layouts)?;
    let executable = verilator.build(&sources(&modules)?)?;

    let scratch = tempfile::tempdir().map_err(TestbenchError::io("create", &std::env::temp_dir()))?;
    let [inputs, outputs] = ["stimulus.bin", "responses.bin"].map(|name| scratch.path().join(name));
    fs::write(&inputs, stimulus).map_err(TestbenchError::io("write", &inputs))?;
    let mut arguments: Vec<OsString> = vec![inputs.into(), outputs.clone().into()];
    if let PowerUp::Random(seed) = power_up {
        arguments.push("+verilator+rand+reset+2".into());
        arguments.push(format!("+verilator+seed+{seed}").into());
    }
    executable.run(&arguments)?;
    let responses = fs::read(&outputs).map_err(TestbenchError::io("read", &outputs))?;
    vectors::decode(benches, &layouts, &responses)
}

/// The wrapper around `modules`, everything below them, and the C++ that drives it.
///
/// # Errors
/// Two different modules of one name.
pub fn sources(modules: &[Arc<Module>]) -> Result<Sources, TestbenchError> {
    let mut verilog = BTreeMap::from([(format!("{}.v", wrapper::NAME), wrapper::verilog(modules))]);
    for (_, module) in hierarchy(modules)? {
        verilog.insert(format!("{}.v", module.name), verilog::emit(&module));
    }
    Ok(Sources { top: wrapper::NAME.to_owned(), verilog, main: wrapper::main(modules), flags: Vec::new() })
}

/// All modules below `modules`, themselves included, by name.
fn hierarchy(modules: &[Arc<Module>]) -> Result<BTreeMap<String, Arc<Module>>, HdlError> {
    let mut all: BTreeMap<String, Arc<Module>> = BTreeMap::new();
    for top in modules {
        for module in Design::new(top)?.modules {
            let known = all.entry(module.name.clone()).or_insert_with(|| Arc::clone(&module));
            if !Arc::ptr_eq(known, &module) && *known != module {
                return Err(HdlError::ModuleNameClash { name: module.name.clone() });
            }
        }
    }
    Ok(all)
}
