//! The integer PE against an independent description of the same contract in `rust_hdl`: Yosys proves by
//! temporal induction that no sequence of inputs, of any length, tells the two apart.
//!
//! Widths are chosen so that SAT decides within seconds: proving two different multiplier structures equal
//! takes time exponential in the width. Wider ones are covered by simulation, see `catalogue.rs`.

mod mac;
#[path = "../common/tools.rs"]
mod tools;

use std::collections::BTreeMap;
use std::sync::Arc;

use bitmill_hdl::{Design, Module, Node, Op};
use bitmill_testbenches::formal::{self, Circuit, Start, Verdict};
use bitmill_testbenches::{Sources, TestbenchError};

/// Cycles of induction; the pipeline is two deep.
const DEPTH: u32 = 6;

/// A unit of the catalogue and its second description.
struct Pair {
    settings: &'static str,
    second: fn() -> String,
}

const PAIRS: &[Pair] = &[
    Pair {
        settings: "activation=int4 weight=int4 lanes=2 accumulator=20",
        second: || mac::two_lanes::<4, 4, 8, 8, 20>(true, true),
    },
    Pair {
        settings: "activation=uint5 weight=int3 lanes=2 accumulator=18",
        second: || mac::two_lanes::<5, 3, 10, 6, 18>(false, true),
    },
    Pair {
        settings: "activation=uint4 weight=uint6 lanes=2 accumulator=16",
        second: || mac::two_lanes::<4, 6, 8, 12, 16>(false, false),
    },
    Pair {
        settings: "activation=int2 weight=uint8 lanes=2 accumulator=32",
        second: || mac::two_lanes::<2, 8, 4, 16, 32>(true, false),
    },
];

impl Pair {
    fn module(&self) -> Arc<Module> {
        let entry = bitmill_units::find("pe_integer").expect("the integer PE is in the catalogue");
        let unit = entry.unit(self.settings.split(' ')).expect("the settings are legal");
        unit.module().expect("the unit is legal hardware")
    }

    /// Whether `module` equals the second description. Yosys is asked from two starts: registers at zero
    /// and no reset at all, and registers unknown and reset in the first cycle.
    fn verdicts(&self, module: &Arc<Module>) -> Result<[Verdict; 2], TestbenchError> {
        let first = Sources::of(&Design::new(module)?);
        let second = Sources {
            top: "top".to_owned(),
            verilog: BTreeMap::from([("top.v".to_owned(), (self.second)())]),
            ..Sources::default()
        };
        let gold = Circuit { sources: &first, state: &[("acc_q", "acc_q")] };
        let gate = Circuit { sources: &second, state: &[("acc$q", "acc_q")] };
        let from = |start| formal::compare(gold, gate, start, DEPTH);
        Ok([from(Start::Zero)?, from(Start::Unknown)?])
    }
}

#[test]
fn the_integer_pe_equals_its_second_description() {
    for pair in PAIRS {
        let what = format!("proof of {}", pair.settings);
        let Some(verdicts) = tools::unless_missing(&what, pair.verdicts(&pair.module())) else { return };
        assert_eq!(verdicts, [Verdict::Equal, Verdict::Equal], "{}", pair.settings);
        println!("proved equal for ever: {}", pair.settings);
    }
}

/// What is broken, and how.
type Mutation = (&'static str, fn(&mut Module));

#[test]
fn a_mutated_pe_fails_the_proof() {
    // The last sum made a difference; an enable left out. Each must be told apart from either start.
    let mutations: [Mutation; 2] =
        [("a sum made a difference", subtract_last), ("an enable left out", enable_always)];
    let pair = &PAIRS[0];
    for (what, mutate) in mutations {
        let mut mutant = Module::clone(&pair.module());
        mutate(&mut mutant);
        let Some(verdicts) = tools::unless_missing(what, pair.verdicts(&Arc::new(mutant))) else { return };
        for verdict in verdicts {
            let Verdict::Different(inputs) = verdict else { panic!("{what}: {verdict:?}") };
            assert!(inputs.contains("in_activation_i"), "the counterexample names inputs: {inputs}");
        }
    }
}

fn subtract_last(module: &mut Module) {
    let is_sum = |node: &Node| matches!(node, Node::Operation(Op::Add, _));
    let last = module.signals.iter_mut().rev().find(|s| is_sum(&s.node)).expect("the PE adds");
    if let Node::Operation(op, _) = &mut last.node {
        *op = Op::Sub;
    }
}

fn enable_always(module: &mut Module) {
    let gated =
        module.registers.iter_mut().find(|r| r.enable.is_some()).expect("the accumulator has an enable");
    gated.enable = None;
}
