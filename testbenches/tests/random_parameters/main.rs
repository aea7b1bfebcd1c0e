//! Parameters drawn at random over the whole catalogue: whatever a unit's constructor takes must be a right
//! circuit, and whatever it does not take must be refused with what would be legal, never with a panic.
//!
//! What is drawn stands in the parameters themselves ([`bitmill_units::Legal`]), so a new unit is drawn with
//! no further word. Each drawn unit is linted, and its model, the interpreter and Verilator must agree.
//! `BITMILL_FULL` draws others, larger ones and five times as many (more than 200 of processing elements); `BITMILL_SEED` draws again what failed.

#[path = "../common/mod.rs"]
mod common;
mod draw;

use std::collections::BTreeSet;
use std::sync::Arc;

use bitmill_hdl::Module;
use bitmill_hdl::unit::{Random, Values, compare, interpret};
use bitmill_testbenches::cosim::{self, Bench, PowerUp};
use bitmill_testbenches::{Verilator, readers};
use bitmill_units::{Entry, Legal, catalogue};
use draw::Drawn;

/// How much is drawn.
struct Plan {
    /// Sets of parameters for all processing elements together.
    processing_elements: usize,
    /// Sets of parameters for each unit of other kinds.
    others: usize,
    /// Signals of the largest circuit: C++ compilers take long over larger ones.
    most_signals: usize,
    /// Cycles of each simulation.
    cycles: usize,
    /// Modules in one simulation.
    batch: usize,
}

/// Draws for one circuit.
const MOST_DRAWS: usize = 40;

fn plan() -> Plan {
    if full() {
        Plan { processing_elements: 240, others: 5, most_signals: 2000, cycles: 2000, batch: 60 }
    } else {
        Plan { processing_elements: 48, others: 1, most_signals: 800, cycles: 300, batch: 80 }
    }
}

fn full() -> bool {
    std::env::var_os("BITMILL_FULL").is_some()
}

fn seed() -> u64 {
    let given = std::env::var("BITMILL_SEED").ok().map(|text| text.parse().expect("a seed is a number"));
    given.unwrap_or(if full() { 2 } else { 1 })
}

/// A drawn unit with its circuit and what is applied to it.
struct Case {
    drawn: Drawn,
    module: Arc<Module>,
    stimulus: Vec<Values>,
}

fn is_processing_element(entry: &Entry) -> bool {
    ["pe_", "bit_serial_", "vector_lane"].iter().any(|prefix| entry.name.starts_with(prefix))
}

/// The next distinct circuit of `entry` that is not too large, or the smallest of many where all are.
fn case(entry: &Entry, random: &mut Random, plan: &Plan, known: &mut BTreeSet<String>) -> Case {
    let mut smallest: Option<(usize, Drawn, Arc<Module>)> = None;
    for _ in 0..MOST_DRAWS {
        let drawn = draw::legal(entry, random);
        let module = drawn.unit.module().unwrap_or_else(|error| panic!("{}: {error}", drawn.label));
        let size = draw::size(&module);
        if !known.contains(&drawn.label) && smallest.as_ref().is_none_or(|(least, ..)| size < *least) {
            smallest = Some((size, drawn, module));
            if size <= plan.most_signals {
                break;
            }
        }
    }
    let (_, drawn, module) = smallest.unwrap_or_else(|| panic!("{}: nothing new was drawn", entry.name));
    known.insert(drawn.label.clone());
    let stimulus = drawn.unit.stimulus(random, plan.cycles);
    Case { drawn, module, stimulus }
}

fn cases(plan: &Plan) -> Vec<Case> {
    let mut random = Random::new(seed());
    let entries = catalogue();
    let elements = entries.iter().filter(|entry| is_processing_element(entry)).count();
    let mut known = BTreeSet::new();
    let mut cases = vec![];
    for entry in &entries {
        let element = is_processing_element(entry);
        let wanted = if element { plan.processing_elements.div_ceil(elements) } else { plan.others };
        // A unit without parameters, or with one of a few values, has no more than these.
        let most = possibilities(entry).unwrap_or(usize::MAX);
        for _ in 0..wanted.min(most) {
            cases.push(case(entry, &mut random, plan, &mut known));
        }
    }
    cases
}

/// A lower bound for the sets of parameters of a unit; `None` if they are many.
fn possibilities(entry: &Entry) -> Option<usize> {
    match entry.parameters {
        [] => Some(1),
        [one] => match one.legal {
            Legal::OneOf(words) => Some(words.iter().map(|word| Legal::expand(word).len()).sum()),
            _ => None,
        },
        _ => None,
    }
}

/// Drawn units under one roof: lint, interpreter and Verilator.
fn check(verilator: &Verilator, cases: &[Case]) -> usize {
    let agree = |case: &Case, seen: &[Values], by| {
        compare(&case.module, &mut *case.drawn.unit.model(), &case.stimulus, seen, by)
            .unwrap_or_else(|mismatch| panic!("{}: {mismatch}", case.drawn.label))
    };
    for case in cases {
        agree(case, &interpret(&case.module, &case.stimulus), "the interpreter");
    }
    let modules: Vec<Arc<Module>> = cases.iter().map(|case| Arc::clone(&case.module)).collect();
    let sources = cosim::sources(&modules).unwrap_or_else(|error| panic!("{error}"));
    common::tools::unless_missing("lint of drawn units", readers::lint(&sources));
    let benches: Vec<Bench> =
        cases.iter().map(|case| Bench { module: &case.module, stimulus: &case.stimulus }).collect();
    let seen = cosim::run(verilator, &benches, PowerUp::Random(7)).unwrap_or_else(|error| panic!("{error}"));
    cases.iter().zip(&seen).map(|(case, seen)| agree(case, seen, "Verilator")).sum()
}

#[test]
fn drawn_units_agree_with_their_models() {
    let Some(verilator) = common::verilator_for("units with drawn parameters") else { return };
    let plan = plan();
    let mut cases = cases(&plan);
    // Large and small ones mixed, so that batches take equally long.
    cases.sort_by_key(|case| case.drawn.label.len() % 7);
    let compared: usize = cases.chunks(plan.batch).map(|batch| check(&verilator, batch)).sum();
    for entry in catalogue() {
        let own = |case: &&Case| case.drawn.label.split(' ').next() == Some(entry.name);
        println!("{:>4} sets of parameters  {}", cases.iter().filter(own).count(), entry.name);
    }
    println!("{} sets in all: lint clean, {compared} values agree under Verilator", cases.len());
}

/// What a constructor takes is hardware: far more sets than can be simulated, large ones too.
#[test]
fn drawn_units_can_be_built() {
    let draws = if full() { 1000 } else { 50 };
    let mut random = Random::new(seed() + 100);
    let mut failures = vec![];
    for entry in catalogue() {
        for _ in 0..draws {
            let drawn = draw::legal(&entry, &mut random);
            failures.extend(drawn.unit.module().err().map(|error| format!("{}: {error}", drawn.label)));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    println!("{draws} sets of parameters of every unit are legal hardware");
}

/// Texts that no parameter takes.
const NONSENSE: &[&str] =
    &["", "-1", "2.5", "0x4", "99999999999999999999", "int0", "posit9_7", "fp4_e4m3", "mxfp8", ",", "é…"];

/// The settings with one parameter replaced.
fn with(entry: &Entry, pairs: &[String], name: &str, value: &str) -> Vec<String> {
    let others = pairs.iter().filter(|pair| pair.split('=').next() != Some(name)).cloned();
    let pairs: Vec<String> = others.chain([format!("{name}={value}")]).collect();
    assert!(entry.parameters.iter().any(|parameter| parameter.name == name));
    pairs
}

#[test]
fn what_is_illegal_is_refused_with_what_is_legal() {
    let mut refused = 0;
    let mut random = Random::new(seed());
    for entry in catalogue() {
        let legal = draw::settings(&entry, &mut random);
        for parameter in entry.parameters {
            let refusal = |value: &str| {
                let pairs = with(&entry, &legal, parameter.name, value);
                let label = draw::label(&entry, &pairs);
                let error = draw::make(&entry, &pairs).err().unwrap_or_else(|| panic!("{label} is taken"));
                draw::check_words(&label, &error);
                error.to_string()
            };
            // Own values of a codebook are free text until they are read: see what format_units says.
            for value in NONSENSE.iter().filter(|value| parameter.name != "values" || !value.is_empty()) {
                refusal(value);
                refused += 1;
            }
            if let Legal::Numbers(low, high) = parameter.legal {
                for value in [low.checked_sub(1), high.checked_add(1)].into_iter().flatten() {
                    let error = refusal(&value.to_string());
                    // Parameters that are not legal together may be refused for that first.
                    let names_it = error.contains(&high.to_string()) || draw::make(&entry, &legal).is_err();
                    assert!(names_it, "{}: {error}", entry.name);
                    refused += 1;
                }
            }
        }
    }
    println!("{refused} illegal sets of parameters, each refused in words");
}

#[test]
fn garbled_settings_are_taken_or_refused_but_never_panic() {
    let mut random = Random::new(seed());
    let letters: Vec<char> = "0123456789abdefimnopstux_,-= …".chars().collect();
    let (mut taken, mut refused) = (0, 0);
    for entry in catalogue().iter().filter(|entry| !entry.parameters.is_empty()) {
        for _ in 0..200 {
            let mut pairs = draw::settings(entry, &mut random);
            let Some(pair) = pairs.last_mut() else { continue };
            let mut text: Vec<char> = pair.chars().collect();
            let at = text.iter().position(|c| *c == '=').map_or(0, |at| at + 1);
            for _ in 0..=random.below(2) {
                let at = at + random.below((text.len() - at) as u64 + 1) as usize;
                let letter = letters[random.below(letters.len() as u64) as usize];
                if random.one_in(2) && at < text.len() { text[at] = letter } else { text.insert(at, letter) }
            }
            *pair = text.into_iter().collect();
            match draw::make(entry, &pairs) {
                Ok(_) => taken += 1,
                Err(error) => {
                    draw::check_words(&draw::label(entry, &pairs), &error);
                    refused += 1;
                }
            }
        }
    }
    println!("{taken} garbled sets are legal, {refused} are refused in words");
}
