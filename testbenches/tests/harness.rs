//! The harness itself: what it refuses, how it fails, and that it builds a thing once.

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;

use bitmill_hdl::unit::{Values, interpret};
use bitmill_hdl::{BigUint, Module, ModuleBuilder, unsigned};
use bitmill_testbenches::cosim::{self, Bench, PowerUp};
use bitmill_testbenches::{Sources, TestbenchError, Verilator};

/// Adds `amount` to its input, one cycle later.
fn adder(name: &str, amount: u64) -> Arc<Module> {
    let m = ModuleBuilder::new(name, "adds a constant.");
    let a = m.input("a_i", unsigned(8));
    let sum_q = m.delay("sum_q", a.add(m.lit(8, amount)));
    m.output("sum_o", sum_q);
    m.finish().expect("an adder is legal")
}

fn values(numbers: impl IntoIterator<Item = u64>) -> Vec<Values> {
    numbers.into_iter().map(|number| vec![BigUint::from(number)]).collect()
}

/// A program around `module test (input wire clk_i); … endmodule` that raises the clock once.
fn one_edge(body: &str) -> Sources {
    let main = "#include <cstdio>\n#include \"Vtest.h\"\n\
        int main() {\n  std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);\n  Vtest top;\n  \
        top.clk_i = 0;\n  top.eval();\n  top.clk_i = 1;\n  top.eval();\n}\n";
    Sources {
        top: "test".to_owned(),
        verilog: BTreeMap::from([(
            "test.v".to_owned(),
            format!("module test (input wire clk_i);\n{body}\nendmodule\n"),
        )]),
        main: main.to_owned(),
        flags: Vec::new(),
    }
}

fn run(
    verilator: &Verilator,
    module: &Arc<Module>,
    stimulus: &[Values],
) -> Result<Vec<Values>, TestbenchError> {
    let bench = Bench { module, stimulus };
    cosim::run(verilator, &[bench], PowerUp::Zero).map(|mut seen| seen.remove(0))
}

#[test]
fn a_module_answers_as_in_the_interpreter() {
    let Some(verilator) = common::verilator_for("a module under Verilator") else { return };
    let (module, stimulus) = (adder("bitmill_test_adder", 3), values([0, 1, 255, 7]));
    let seen = run(&verilator, &module, &stimulus).expect("it runs");
    assert_eq!(seen, values([0, 3, 4, 258]));
    assert_eq!(seen, interpret(&module, &stimulus));
}

#[test]
fn state_without_reset_starts_as_in_the_interpreter() {
    let Some(verilator) = common::verilator_for("state without reset under Verilator") else { return };
    let m = ModuleBuilder::new("bitmill_test_counters", "counts, with and without reset.");
    let step = m.input("step_i", unsigned(1)).extend(4);
    for (name, register) in [
        ("free", m.register("free_q", unsigned(4)).without_reset()),
        ("zero", m.register("zero_q", unsigned(4))),
        ("nine", m.register("nine_q", unsigned(4)).reset_to(9)),
    ] {
        register.set(register.q().add_wrapping(step).increment());
        m.output(&format!("{name}_o"), register.q());
    }
    let module = m.finish().expect("counters are legal");
    let stimulus = values([0, 1, 1, 0, 1]);
    let seen = run(&verilator, &module, &stimulus).expect("it runs");
    // One edge in reset has passed: only the register without reset has counted it.
    assert_eq!(seen[0], [1u8, 0, 9].map(BigUint::from));
    assert_eq!(seen, interpret(&module, &stimulus));
}

#[test]
fn benches_of_unequal_length_run_side_by_side() {
    let Some(verilator) = common::verilator_for("several modules under Verilator") else { return };
    let modules = [adder("bitmill_test_adder", 3), adder("bitmill_test_adder_5", 5)];
    let stimuli = [values(0..3), values(0..100), values([])];
    let benches = [
        Bench { module: &modules[0], stimulus: &stimuli[0] },
        Bench { module: &modules[1], stimulus: &stimuli[1] },
        Bench { module: &modules[0], stimulus: &stimuli[2] },
    ];
    let seen = cosim::run(&verilator, &benches, PowerUp::Random(5)).expect("they run");
    assert_eq!(seen, benches.map(|bench| interpret(bench.module, bench.stimulus)));
}

#[test]
fn a_stimulus_must_fit_its_module() {
    let Some(verilator) = common::verilator_for("stimulus checks") else { return };
    let module = adder("bitmill_test_adder", 3);
    let error = run(&verilator, &module, &values([1, 256])).expect_err("256 has nine bits");
    assert_eq!(
        error.to_string(),
        "stimulus of bitmill_test_adder, cycle 1: 0x100 does not fit `a_i` (8 bits unsigned)"
    );
    let error = run(&verilator, &module, &[vec![]]).expect_err("a value is missing");
    assert_eq!(error.to_string(), "stimulus of bitmill_test_adder, cycle 0: 0 values for 1 input ports");
}

#[test]
fn two_modules_of_one_name_are_refused() {
    let modules = [adder("bitmill_test_adder", 3), adder("bitmill_test_adder", 4)];
    let error = cosim::sources(&modules).expect_err("they differ");
    assert_eq!(
        error.to_string(),
        "two different modules are called bitmill_test_adder: their parameters must show in the name"
    );
    assert!(cosim::sources(&[adder("bitmill_test_adder", 3), adder("bitmill_test_adder", 3)]).is_ok());
}

#[test]
fn a_fatal_simulation_is_an_error_with_its_words() {
    let Some(verilator) = common::verilator_for("$fatal") else { return };
    let sources =
        one_edge("always @(posedge clk_i) begin $display(\"the mill is on fire\"); $fatal(1, \"out\"); end");
    let simulation = verilator.build(&sources).expect("it builds");
    let error = simulation.run::<&str>(&[]).expect_err("it dies");
    assert!(matches!(error, TestbenchError::Run { .. }));
    assert!(error.to_string().contains("the mill is on fire"), "{error}");
}

#[test]
fn sources_that_do_not_compile_are_refused_with_a_log() {
    let Some(verilator) = common::verilator_for("a build that fails") else { return };
    let error = verilator.build(&one_edge("assign nonsense = 1'b0")).expect_err("a semicolon is missing");
    let TestbenchError::Build { top, excerpt, log } = &error else { panic!("{error}") };
    assert_eq!(top, "test");
    assert!(excerpt.contains("syntax error"), "{excerpt}");
    let whole = std::fs::read_to_string(log).expect("the log is kept");
    assert!(whole.starts_with(excerpt));
}

#[test]
fn a_simulation_is_built_once() {
    let Some(verilator) = common::verilator_for("the cache of builds") else { return };
    let sources = one_edge("");
    let first = verilator.build(&sources).expect("it builds");
    let built = |program: &std::path::Path| std::fs::metadata(program).and_then(|m| m.modified()).ok();
    let time = built(first.program());
    let second = verilator.build(&sources).expect("it is there");
    assert_eq!((first.program(), time), (second.program(), built(second.program())));
    let other = Sources { flags: vec!["-O0".to_owned()], ..sources };
    assert_ne!(verilator.build(&other).expect("it builds").program(), first.program());
}
