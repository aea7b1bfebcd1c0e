//! Random legal modules: the interpreter and Verilator agree, and every tool reads what is emitted.
//!
//! Each module may instantiate earlier ones. The seed is the module's number, so that a failure names all
//! that is needed to see it again.

#[path = "../common/mod.rs"]
mod common;
mod generator;
mod operations;

use std::sync::Arc;

use bitmill_hdl::unit::{Random, Values, compare, interpret};
use bitmill_hdl::{BigUint, Module, verilog};
use bitmill_testbenches::cosim::{self, Bench, PowerUp};
use bitmill_testbenches::{Sources, readers};

/// Cycles that each module is run for.
const CYCLES: usize = 60;

/// Modules a module may instantiate: the ones just before it.
const FAMILY: usize = 12;

fn modules() -> Vec<Arc<Module>> {
    let count = if std::env::var_os("BITMILL_FULL").is_some() { 1500 } else { 250 };
    let mut modules: Vec<Arc<Module>> = Vec::new();
    for seed in 0..count {
        let family = &modules[modules.len().saturating_sub(FAMILY)..];
        let module = generator::module(seed, family);
        modules.push(module);
    }
    modules
}

/// Simulations and lints take this many modules at a time, which keeps the compilers' memory in bounds.
fn batches(modules: &[Arc<Module>]) -> impl Iterator<Item = &[Arc<Module>]> {
    modules.chunks(250)
}

#[test]
fn verilator_does_what_the_interpreter_does() {
    let Some(verilator) = common::verilator_for("random modules under Verilator") else { return };
    let modules = modules();
    let mut compared = 0;
    for batch in batches(&modules) {
        let stimuli: Vec<Vec<Values>> = batch
            .iter()
            .map(|module| {
                let mut random = Random::new(module.signals.len() as u64);
                (0..CYCLES).map(|_| random.inputs(module)).collect()
            })
            .collect();
        let benches: Vec<Bench> =
            batch.iter().zip(&stimuli).map(|(module, stimulus)| Bench { module, stimulus }).collect();
        let seen = cosim::run(&verilator, &benches, PowerUp::Zero).unwrap_or_else(|error| panic!("{error}"));
        for (bench, seen) in benches.iter().zip(&seen) {
            compared += agree(bench, seen);
        }
    }
    println!("{compared} values of {} random modules agree", modules.len());
}

/// Compares what Verilator saw with the interpreter; returns the number of values.
fn agree(bench: &Bench, seen: &[Values]) -> usize {
    let mut expected = interpret(bench.module, bench.stimulus).into_iter();
    let mut replay = |_: &[BigUint]| expected.next().unwrap_or_default().into_iter().map(Some).collect();
    compare(bench.module, &mut replay, bench.stimulus, seen, "Verilator")
        .unwrap_or_else(|mismatch| panic!("{mismatch}\n{}", verilog::emit(bench.module)))
}

#[test]
fn verilators_linter_has_nothing_to_say() {
    each_batch("lint of random modules", readers::lint);
}

#[test]
fn yosys_reads_them() {
    each_batch("reading random modules with Yosys", readers::yosys);
}

#[test]
fn icarus_reads_them() {
    each_batch("reading random modules with Icarus Verilog", readers::icarus);
}

fn each_batch(what: &str, read: impl Fn(&Sources) -> Result<(), bitmill_testbenches::TestbenchError>) {
    for batch in batches(&modules()) {
        let sources = cosim::sources(batch).expect("every seed makes a name of its own");
        if common::tools::unless_missing(what, read(&sources)).is_none() {
            return;
        }
    }
}

#[test]
fn the_text_reads_as_handwritten() {
    for module in modules() {
        for (number, line) in verilog::emit(&module).lines().enumerate() {
            let at = format!("{}.v:{}: {line}", module.name, number + 1);
            assert!(line.len() <= 110, "longer than 110 characters: {at}");
            assert!(!line.ends_with(' '), "ends in a space: {at}");
            assert!(!line.contains("_T_") && !line.contains("__"), "a name nobody would write: {at}");
            assert!(!line.contains(".rs:"), "a Rust line number: {at}");
        }
    }
}

#[test]
fn the_same_seed_emits_the_same_text() {
    let emit =
        |modules: Vec<Arc<Module>>| -> Vec<String> { modules.iter().map(|m| verilog::emit(m)).collect() };
    assert_eq!(emit(modules()), emit(modules()));
}
