//! The deformable convolution engine in every mode: model, interpreter and Verilator agree, cycle for cycle,
//! on images drawn at random with offsets at and beyond the bound and the borders, and gaps in every stream.
//! `BITMILL_FULL` takes more and longer runs.

mod common;

use std::sync::Arc;

use bitmill_hdl::Module;
use bitmill_hdl::unit::{Random, Unit, Values, compare, interpret};
use bitmill_testbenches::cosim::{self, Bench, PowerUp};
use bitmill_units::Entry;
use bitmill_units::engine::deformable_convolution::{
    cached, cached_convolution, convolution, layers, pointwise,
};

struct Case {
    label: String,
    unit: Box<dyn Unit>,
    module: Arc<Module>,
    stimulus: Vec<Values>,
}

/// Settings of the sampler in every mode: offsets, interpolation, modulation, taps at once, with bounds and banks
/// that take turns.
fn modes() -> Vec<String> {
    let mut all = Vec::new();
    let bounds = [(0, 7), (2, 2), (0, 1), (1, 3), (0, 0), (3, 0)];
    let banks = [(2, 2), (4, 2), (1, 1), (1, 4), (2, 4)];
    for offsets in ["square", "per_tap"] {
        for interpolation in ["bilinear", "rounded"] {
            for (mask_bits, fraction_bits) in [(0, 4), (8, 3), (0, 0)] {
                for taps in [1, 3, 9] {
                    let (lowest, highest) = bounds[all.len() % bounds.len()];
                    let (rows, columns) = banks[all.len() % banks.len()];
                    let (lanes, words) = [(1, 4), (2, 2), (2, 1)][all.len() / 2 % 3];
                    all.push(format!(
                        "offsets={offsets} interpolation={interpolation} mask_bits={mask_bits} \
                         fraction_bits={fraction_bits} taps_at_once={taps} lowest={lowest} highest={highest} \
                         bank_rows={rows} bank_columns={columns} lanes={lanes} most_words={words} longest_side=16"
                    ));
                }
            }
        }
    }
    all
}

/// The same of the sampler without a bound, with caches and queues that take turns.
fn cached_modes() -> Vec<String> {
    let mut all = Vec::new();
    let queues = [(2, 4), (4, 8), (16, 4), (8, 32)];
    for offsets in ["square", "per_tap"] {
        for interpolation in ["bilinear", "rounded"] {
            for (mask_bits, fraction_bits) in [(0, 4), (8, 3), (0, 0)] {
                for (rows, columns) in [(2, 2), (4, 8), (16, 4)] {
                    let (steps, reads) = queues[all.len() % queues.len()];
                    let (lanes, words) = [(1, 4), (2, 2), (2, 1)][all.len() / 2 % 3];
                    all.push(format!(
                        "offsets={offsets} interpolation={interpolation} mask_bits={mask_bits} \
                         fraction_bits={fraction_bits} cache_rows={rows} cache_columns={columns} \
                         queue_steps={steps} most_reads={reads} lanes={lanes} most_words={words} longest_side=16"
                    ));
                }
            }
        }
    }
    all
}

/// What the engine has besides a sampler: channels, processing elements and weights take turns.
const ARRAYS: [&str; 5] = [
    "channels=depthwise weight=int4",
    "channels=full columns=2 most_groups=3",
    "channels=depthwise pe=bit_serial",
    "channels=full columns=1 most_groups=2 pe=matryoshka weight=matgptq4",
    "channels=depthwise",
];

/// What a pipeline has besides a sampler: input words and PEs take turns.
const POINTWISE: [&str; 3] = [
    "input_lanes=3 most_input_words=2 weight=int4",
    "input_lanes=1 most_input_words=4",
    "input_lanes=2 most_input_words=1 pe=bit_serial",
];

/// An engine in one of its modes, with one of the lists of what it has besides a sampler.
fn case(entry: Entry, beside: &[&str], number: usize, mode: &str, cycles: usize) -> Case {
    let label = format!("{mode} {}", beside[number % beside.len()]);
    let unit = entry.unit(label.split_whitespace()).unwrap_or_else(|error| panic!("{label}: {error}"));
    let module = unit.module().unwrap_or_else(|error| panic!("{label}: {error}"));
    let stimulus = unit.stimulus(&mut Random::new(number as u64), cycles);
    Case { label, unit, module, stimulus }
}

fn agree(case: &Case, seen: &[Values], by: &'static str) -> usize {
    compare(&case.module, case.unit.model().as_mut(), &case.stimulus, seen, by)
        .unwrap_or_else(|mismatch| panic!("{}: {mismatch}", case.label))
}

/// Runs `entry` in every mode under Verilator and in the interpreter, in a few modes and for fewer cycles where not all
/// is asked for.
fn run_as_predicted(entry: Entry, modes: &[String], beside: &[&str]) {
    let Some(verilator) = common::verilator_for(&format!("{} under Verilator", entry.name)) else {
        return;
    };
    let full = std::env::var_os("BITMILL_FULL").is_some();
    // Without more, a few modes in which every number of taps is met.
    let (cycles, stride) = if full { (20_000, 1) } else { (1_200, 7) };
    let cases: Vec<Case> = modes
        .iter()
        .enumerate()
        .step_by(stride)
        .map(|(number, mode)| case(entry, beside, number, mode, cycles))
        .collect();
    let (mut values, mut images) = (0, 0);
    for batch in cases.chunks(6) {
        let benches: Vec<Bench> =
            batch.iter().map(|case| Bench { module: &case.module, stimulus: &case.stimulus }).collect();
        let seen =
            cosim::run(&verilator, &benches, PowerUp::Random(3)).unwrap_or_else(|error| panic!("{error}"));
        for (case, seen) in batch.iter().zip(&seen) {
            agree(case, &interpret(&case.module, &case.stimulus), "the interpreter");
            values += agree(case, seen, "Verilator");
            images += layers(&case.module, &case.stimulus, seen);
        }
    }
    let sets = cases.len();
    println!(
        "{}: {sets} sets of parameters, {images} images, {values} values agree under Verilator",
        entry.name
    );
    assert!(images >= if full { 1000 } else { 10 }, "only {images} images");
}

#[test]
fn engines_run_as_predicted() {
    run_as_predicted(convolution::ENTRY, &modes(), &ARRAYS);
}

#[test]
fn pipelines_run_as_predicted() {
    run_as_predicted(pointwise::ENTRY, &modes(), &POINTWISE);
}

#[test]
fn samplers_without_a_bound_run_as_predicted() {
    run_as_predicted(cached::ENTRY, &cached_modes(), &[""]);
}

#[test]
fn engines_without_a_bound_run_as_predicted() {
    run_as_predicted(cached_convolution::ENTRY, &cached_modes(), &ARRAYS);
}
