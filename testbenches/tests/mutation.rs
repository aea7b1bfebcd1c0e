//! The catalogue's comparison must notice a broken circuit: operations, enables and addresses of each unit are broken,
//! one at a time, and the comparison with the unit's model must fail.
//!
//! Some mutants mean the same as the original (a bit that is 0 anyway, or `|` where never both are set), so
//! a share of them must be caught; the survivors are printed.

#[path = "common/cases.rs"]
mod cases;
mod common;
#[path = "common/parallel.rs"]
mod parallel;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use bitmill_hdl::unit::{Random, Values, compare, interpret};
use bitmill_hdl::{Design, Module, Node, Op, SignalId};
use bitmill_testbenches::cosim::{self, Bench, PowerUp};
use cases::{Case, agreement};
use parallel::on_every_core;

/// Share of a unit's mutants that must be caught, in percent.
const UNIT_PERCENT: usize = 35;

/// Share of all mutants that must be caught, in percent.
const ALL_PERCENT: usize = 85;

/// Cycles that each unit is asked for.
const CYCLES: usize = 500;

/// Cycles for what these leave unnoticed.
const LONG_CYCLES: usize = 5_000;

/// Mutants tried of each unit, spread over its operations; all of them with `BITMILL_FULL`.
fn mutants_per_unit() -> usize {
    if std::env::var_os("BITMILL_FULL").is_some() { usize::MAX } else { 16 }
}

/// A broken copy of one module of a design.
struct Mutation {
    module: Arc<Module>,
    mutant: Module,
    what: String,
}

impl Mutation {
    fn of(module: &Arc<Module>, what: String, change: impl FnOnce(&mut Module)) -> Mutation {
        let mut mutant = Module::clone(module);
        change(&mut mutant);
        Mutation { module: Arc::clone(module), mutant, what: format!("{}: {what}", module.name) }
    }
}

/// Another operation on the same operands, of the same shape.
fn broken(op: Op, operands: &[SignalId]) -> Option<Node> {
    let swapped = |a: usize, b: usize| {
        let mut operands = operands.to_vec();
        operands.swap(a, b);
        Some(Node::Operation(op, operands))
    };
    let op = match op {
        Op::Add => Op::Sub,
        Op::Sub | Op::Mul => Op::Add,
        Op::And | Op::Xor => Op::Or,
        Op::Or => Op::And,
        Op::Not => Op::Reinterpret,
        Op::Equal => Op::Less,
        Op::ShiftLeft => Op::ShiftRight,
        Op::ShiftRight => Op::ShiftLeft,
        Op::ReduceOr | Op::ReduceXor => Op::ReduceAnd,
        Op::ReduceAnd => Op::ReduceOr,
        Op::Less | Op::LessEqual => return swapped(0, 1),
        Op::Mux => return swapped(1, 2),
        Op::Select if operands.len() > 2 => return swapped(1, 2),
        Op::Slice { lsb } if lsb > 0 => Op::Slice { lsb: lsb - 1 },
        _ => return None,
    };
    Some(Node::Operation(op, operands.to_vec()))
}

/// Signals whose value reaches an output, a register that does, or an instance.
fn used(module: &Module) -> Vec<bool> {
    let mut used = vec![false; module.signals.len()];
    let mut work: Vec<SignalId> = module.outputs().map(|port| port.signal).collect();
    work.extend(module.instances.iter().flat_map(|i| i.reads()));
    for m in &module.memories {
        work.extend([m.write_enable, m.write_address, m.write_data, m.read_enable, m.read_address]);
    }
    while let Some(id) = work.pop() {
        if !std::mem::replace(&mut used[id.index()], true) {
            work.extend(module.operands(id));
            if let Node::Register(number) = module.signal(id).node {
                let register = &module.registers[number];
                work.extend(register.next.iter().chain(&register.enable));
            }
        }
    }
    used
}

fn mutations(top: &Arc<Module>) -> Vec<Mutation> {
    let design = Design::new(top).expect("the catalogue's designs are whole");
    let mutations: Vec<Mutation> = design.modules.iter().flat_map(mutations_of).collect();
    let step = mutations.len().div_ceil(mutants_per_unit()).max(1);
    mutations.into_iter().step_by(step).collect()
}

/// Another operation, an enable left out, or a memory's addresses exchanged.
fn mutations_of(module: &Arc<Module>) -> Vec<Mutation> {
    let used = used(module);
    let mut mutations = Vec::new();
    for (at, signal) in module.signals.iter().enumerate().filter(|(at, _)| used[*at]) {
        if let Node::Operation(op, operands) = &signal.node
            && let Some(node) = broken(*op, operands)
        {
            let operands: Vec<String> = operands.iter().map(|&o| module.describe(o)).collect();
            let what = format!("{op:?} of {} at {} made {node:?}", operands.join(" and "), signal.at);
            mutations.push(Mutation::of(module, what, |m| m.signals[at].node = node));
        }
    }
    for (number, register) in module.registers.iter().enumerate() {
        if register.enable.is_some() && used[register.q.index()] {
            let what = format!("{} without its enable", module.describe(register.q));
            mutations.push(Mutation::of(module, what, |m| m.registers[number].enable = None));
        }
    }
    for (number, memory) in module.memories.iter().enumerate() {
        let what = format!("{} with its addresses exchanged", memory.name);
        mutations.push(Mutation::of(module, what, |m| {
            let memory = &mut m.memories[number];
            std::mem::swap(&mut memory.read_address, &mut memory.write_address);
        }));
    }
    mutations
}

/// `top` with the mutation in every instance of the mutated module.
fn mutated(top: &Arc<Module>, mutation: &Mutation) -> Arc<Module> {
    fn rebuild(
        module: &Arc<Module>,
        mutation: &Mutation,
        done: &mut HashMap<*const Module, Arc<Module>>,
    ) -> Arc<Module> {
        if let Some(known) = done.get(&Arc::as_ptr(module)) {
            return Arc::clone(known);
        }
        let broken = Arc::ptr_eq(module, &mutation.module);
        let mut copy = if broken { mutation.mutant.clone() } else { Module::clone(module) };
        for instance in &mut copy.instances {
            instance.module = rebuild(&instance.module, mutation, done);
        }
        let copy = Arc::new(copy);
        done.insert(Arc::as_ptr(module), Arc::clone(&copy));
        copy
    }
    rebuild(top, mutation, &mut HashMap::new())
}

fn caught(case: &Case, stimulus: &[Values], mutation: &Mutation) -> bool {
    let mutant = mutated(&case.module, mutation);
    let seen = interpret(&mutant, stimulus);
    compare(&case.module, &mut *case.unit.model(), stimulus, &seen, "the interpreter").is_err()
}

/// The mutants that neither the usual stimulus nor a longer one catches.
fn survivors<'a>(case: &Case, mutations: &'a [Mutation]) -> Vec<&'a Mutation> {
    let mut left: Vec<&Mutation> =
        mutations.iter().filter(|mutation| !caught(case, &case.stimulus, mutation)).collect();
    if !left.is_empty() {
        let longer = case.unit.stimulus(&mut Random::new(1), LONG_CYCLES);
        left.retain(|mutation| !caught(case, &longer, mutation));
    }
    left
}

#[test]
fn broken_operations_are_caught() {
    let totals = Mutex::new((0, 0, Vec::new()));
    on_every_core(&cases::cases(CYCLES), |case| {
        let mutations = mutations(&case.module);
        let survivors = survivors(case, &mutations);
        let (count, caught) = (mutations.len(), mutations.len() - survivors.len());
        let mut report = format!("{caught:>4} of {count:>4} mutants caught  {}", case.label);
        survivors.iter().for_each(|m| report += &format!("\n     survives  {}", m.what));
        println!("{report}");
        let (tried, missed, complaints) = &mut *totals.lock().expect("no thread panics");
        if 100 * caught < UNIT_PERCENT * count {
            let missed = survivors.len();
            complaints.push(format!("{}: {missed} of {count} broken circuits go unnoticed", case.label));
        }
        *tried += count;
        *missed += survivors.len();
    });
    let (tried, missed, complaints) = totals.into_inner().expect("no thread panics");
    println!("{} of {tried} mutants caught", tried - missed);
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    assert!(
        100 * (tried - missed) >= ALL_PERCENT * tried,
        "{missed} of {tried} broken circuits go unnoticed"
    );
}

#[test]
fn a_broken_circuit_is_caught_under_verilator() {
    let Some(verilator) = common::verilator_for("a broken circuit under Verilator") else { return };
    let case = cases::cases(CYCLES).swap_remove(0);
    let mutations = mutations(&case.module);
    let mutation =
        mutations.iter().find(|m| caught(&case, &case.stimulus, m)).expect("the interpreter catches some");
    let mutant = mutated(&case.module, mutation);
    let bench = Bench { module: &mutant, stimulus: &case.stimulus };
    let seen = cosim::run(&verilator, &[bench], PowerUp::Zero).unwrap_or_else(|error| panic!("{error}"));
    let mismatch = agreement(&case, &seen[0], "Verilator").expect_err("Verilator runs the broken circuit");
    assert_eq!(mismatch.module, case.module.name);
    println!("caught: {mismatch}");
}
