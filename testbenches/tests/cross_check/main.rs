//! A leaf of each family against an independent description of the same contract in `rust_hdl`: Yosys proves by
//! temporal induction that no sequence of inputs, of any length, tells the two apart; circuits without
//! registers are proved equal by ABC.
//!
//! Nothing is shared with the units. Widths are chosen so that SAT decides within seconds: proving two different
//! multiplier structures equal takes time exponential in the width. Wider ones are covered by simulation, see
//! `catalogue.rs`. What `rust_hdl` cannot express (widths from values, several modes) is left to it too.

mod accumulator;
mod bit_serial;
mod l_mul;
mod mac;
mod popcount;
#[path = "../common/tools.rs"]
mod tools;

use std::collections::BTreeMap;
use std::sync::Arc;

use bitmill_hdl::{Design, Module, Node, Op};
use bitmill_testbenches::formal::{self, Circuit, Start, Verdict};
use bitmill_testbenches::{Sources, TestbenchError};
use bitmill_units::pe::ProcessingElement;
use bitmill_units::pe::bit_serial::{Accumulation, BitSerialPe, SerialActivation, SerialWeight, TermEncoder};

/// Cycles of induction; the pipeline is two deep.
const DEPTH: u32 = 6;

/// A leaf and its second description.
struct Pair {
    what: &'static str,
    module: fn() -> Arc<Module>,
    second: fn() -> String,
}

const PAIRS: &[Pair] = &[
    Pair {
        what: "pe_integer activation=int4 weight=int4 lanes=2 accumulator=20",
        module: || unit("pe_integer", "activation=int4 weight=int4 lanes=2 accumulator=20"),
        second: || mac::two_lanes::<4, 4, 8, 8, 20>(true, true),
    },
    Pair {
        what: "pe_integer activation=uint5 weight=int3 lanes=2 accumulator=18",
        module: || unit("pe_integer", "activation=uint5 weight=int3 lanes=2 accumulator=18"),
        second: || mac::two_lanes::<5, 3, 10, 6, 18>(false, true),
    },
    Pair {
        what: "pe_integer activation=uint4 weight=uint6 lanes=2 accumulator=16",
        module: || unit("pe_integer", "activation=uint4 weight=uint6 lanes=2 accumulator=16"),
        second: || mac::two_lanes::<4, 6, 8, 12, 16>(false, false),
    },
    Pair {
        what: "pe_integer activation=int2 weight=uint8 lanes=2 accumulator=32",
        module: || unit("pe_integer", "activation=int2 weight=uint8 lanes=2 accumulator=32"),
        second: || mac::two_lanes::<2, 8, 4, 16, 32>(true, false),
    },
    Pair {
        what: "pe_binary lanes=9 accumulator=12",
        module: || unit("pe_binary", "lanes=9 accumulator=12"),
        second: popcount::verilog::<12>,
    },
    // An accumulator of one step: a significance of 7, which no encoder makes, then means the same to both.
    Pair {
        what: "the term datapath of pe_bit_serial for int8",
        module: || term_datapath("int8", 13),
        second: || bit_serial::two_lanes::<4, 8, 13>(false, 7),
    },
    Pair {
        what: "the term datapath of pe_bit_serial for bitmod_fp4",
        module: || term_datapath("bitmod_fp4", 16),
        second: || bit_serial::two_lanes::<4, 8, 16>(true, 1),
    },
    Pair {
        what: "l_mul_multiplier format=fp8_e4m3",
        module: || unit("l_mul_multiplier", "format=fp8_e4m3"),
        second: || l_mul::verilog::<8>(3, 55, 126, 127),
    },
    Pair {
        what: "l_mul_multiplier format=fp6_e2m3",
        module: || unit("l_mul_multiplier", "format=fp6_e2m3"),
        second: || l_mul::verilog::<6>(3, 7, 31, 64),
    },
];

fn unit(name: &str, settings: &str) -> Arc<Module> {
    let entry = bitmill_units::find(name).expect("the unit is in the catalogue");
    let unit = entry.unit(settings.split(' ')).expect("the settings are legal");
    unit.module().expect("the unit is legal hardware")
}

/// A bit-serial PE of two int4 lanes without its heads.
fn term_datapath(weight: &str, accumulator_bits: u32) -> Arc<Module> {
    let activation = SerialActivation::parse("int4").expect("int4 is legal");
    let weight = SerialWeight::parse(weight).expect("the weight is legal");
    let encoder = TermEncoder::new(2, vec![weight]).expect("two lanes are legal");
    let pe =
        BitSerialPe::new(activation, encoder, Accumulation::Exact(accumulator_bits)).expect("the sum fits");
    pe.circuit().expect("the PE is legal hardware")
}

impl Pair {
    /// Whether `module` equals the second description. Where there are registers Yosys is asked from two starts:
    /// registers at zero and no reset at all, and registers unknown and reset in the first cycle.
    fn verdicts(&self, module: &Arc<Module>) -> Result<Vec<Verdict>, TestbenchError> {
        let first = Sources::of(&Design::new(module)?);
        let second = Sources {
            top: "top".to_owned(),
            verilog: BTreeMap::from([("top.v".to_owned(), (self.second)())]),
            ..Sources::default()
        };
        if !module.clocked {
            return Ok(vec![formal::compare_logic(&first, &second)?]);
        }
        let gold = Circuit { sources: &first, state: &[("acc_q", "acc_q")] };
        let gate = Circuit { sources: &second, state: &[("accumulator.acc$q", "acc_q")] };
        [Start::Zero, Start::Unknown]
            .map(|start| formal::compare(gold, gate, start, DEPTH))
            .into_iter()
            .collect()
    }
}

#[test]
fn leaves_equal_their_second_descriptions() {
    for pair in PAIRS {
        let what = format!("proof of {}", pair.what);
        let Some(verdicts) = tools::unless_missing(&what, pair.verdicts(&(pair.module)())) else { return };
        assert!(verdicts.iter().all(|verdict| *verdict == Verdict::Equal), "{what}: {verdicts:?}");
        println!("proved equal for ever: {}", pair.what);
    }
}

/// What is broken, and how.
type Mutation = (&'static str, fn(&mut Module));

#[test]
fn mutated_leaves_fail_the_proof() {
    // The last sum made a difference; an enable left out. Each must be told apart from either start.
    let mutations: [Mutation; 2] =
        [("a sum made a difference", subtract_last), ("an enable left out", enable_always)];
    for pair in PAIRS {
        let module = (pair.module)();
        for (broken, mutate) in mutations {
            let mut mutant = Module::clone(&module);
            mutate(&mut mutant);
            if mutant == *module {
                continue;
            }
            let what = format!("{}, {broken}", pair.what);
            let Some(verdicts) = tools::unless_missing(&what, pair.verdicts(&Arc::new(mutant))) else {
                return;
            };
            for verdict in verdicts {
                let Verdict::Different(inputs) = verdict else { panic!("{what}: {verdict:?}") };
                let named = inputs.contains("in_activation_i") || !module.clocked;
                assert!(named, "{what}: the counterexample names inputs: {inputs}");
            }
            println!("told apart: {what}");
        }
    }
}

fn subtract_last(module: &mut Module) {
    let is_sum = |node: &Node| matches!(node, Node::Operation(Op::Add, _));
    let last = module.signals.iter_mut().rev().find(|s| is_sum(&s.node)).expect("every leaf adds");
    if let Node::Operation(op, _) = &mut last.node {
        *op = Op::Sub;
    }
}

fn enable_always(module: &mut Module) {
    if let Some(gated) = module.registers.iter_mut().find(|r| r.enable.is_some()) {
        gated.enable = None;
    }
}
