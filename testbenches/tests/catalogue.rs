//! Walks the catalogue of units over {model, interpreter, Verilator}: every unit, every example.
//!
//! Each unit's model predicts what its circuit does on the unit's own stimulus. The interpreter must agree,
//! Verilator must agree from a zero and from a random state before reset, and the tools that people use must
//! read what is emitted.

#[path = "common/cases.rs"]
mod cases;
mod common;

use std::sync::Arc;

use bitmill_hdl::Module;
use bitmill_hdl::unit::{Values, interpret};
use bitmill_testbenches::cosim::{self, Bench, PowerUp};
use bitmill_testbenches::readers;
use cases::{Case, agreement, cases};

/// Cycles that each unit is asked for; `BITMILL_FULL` asks for more.
fn cycles() -> usize {
    if std::env::var_os("BITMILL_FULL").is_some() { 20_000 } else { 2_000 }
}

/// What `by` saw, compared with the unit's model; returns the number of values.
fn check(case: &Case, seen: &[Values], by: &'static str) -> usize {
    let compared = agreement(case, seen, by).unwrap_or_else(|mismatch| panic!("{}: {mismatch}", case.label));
    assert!(compared > 0, "{}: the model leaves every output of every cycle open", case.label);
    compared
}

#[test]
fn the_interpreter_does_what_the_models_say() {
    for case in cases(cycles()) {
        let compared = check(&case, &interpret(&case.module, &case.stimulus), "the interpreter");
        println!("{compared:>8} values  interpreter  {}", case.label);
    }
}

#[test]
fn verilator_does_what_the_models_say() {
    let Some(verilator) = common::verilator_for("the catalogue under Verilator") else { return };
    let cases = cases(cycles());
    let benches: Vec<Bench> =
        cases.iter().map(|case| Bench { module: &case.module, stimulus: &case.stimulus }).collect();
    for (power_up, by) in [
        (PowerUp::Zero, "Verilator, state zero before reset"),
        (PowerUp::Random(7), "Verilator, state random before reset"),
    ] {
        let seen = cosim::run(&verilator, &benches, power_up).unwrap_or_else(|error| panic!("{error}"));
        for (case, seen) in cases.iter().zip(&seen) {
            println!("{:>8} values  {by}  {}", check(case, seen, by), case.label);
        }
    }
}

#[test]
fn tools_read_every_unit() {
    let modules: Vec<Arc<Module>> = cases(cycles()).into_iter().map(|case| case.module).collect();
    let sources = cosim::sources(&modules).expect("the catalogue's modules have distinct names");
    common::tools::unless_missing("lint of the catalogue", readers::lint(&sources));
    common::tools::unless_missing("reading the catalogue with Yosys", readers::yosys(&sources));
    common::tools::unless_missing("reading the catalogue with Icarus Verilog", readers::icarus(&sources));
}
