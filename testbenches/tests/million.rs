//! A million cycles of every processing element, and of what rounds its results, in Verilator: model = Verilator,
//! sums, modes and gaps drawn anew.
//!
//! Runs under `BITMILL_FULL`; the quick suite has the walk over the catalogue. `BITMILL_UNIT=pe_sherry` narrows
//! it to units whose names start so.

mod common;

use std::sync::Arc;

use bitmill_hdl::Module;
use bitmill_hdl::unit::{Random, Unit, Values, compare};
use bitmill_testbenches::cosim::{self, Bench, PowerUp};
use bitmill_units::catalogue;

/// Runs of one simulation and their length: 1.02·10^6 cycles for each example of each unit.
const RUNS: u64 = 51;
const CYCLES: usize = 20_000;

/// Prefixes of the units that are meant.
const PREFIXES: &[&str] =
    &["pe_", "bit_serial_", "vector_lane", "pair", "requantizer", "result_encoder", "block_encoder"];

#[test]
fn every_processing_element_agrees_for_a_million_cycles() {
    if std::env::var_os("BITMILL_FULL").is_none() {
        return;
    }
    let Some(verilator) = common::verilator_for("a million cycles of every processing element") else {
        return;
    };
    let wanted = std::env::var("BITMILL_UNIT").unwrap_or_default();
    for entry in catalogue() {
        if !PREFIXES.iter().any(|prefix| entry.name.starts_with(prefix)) || !entry.name.starts_with(&wanted) {
            continue;
        }
        let units: Vec<(Box<dyn Unit>, Arc<Module>)> = entry
            .examples
            .iter()
            .map(|example| {
                let unit = entry.unit(example.split_whitespace()).unwrap_or_else(|error| panic!("{error}"));
                let module = unit.module().unwrap_or_else(|error| panic!("{error}"));
                (unit, module)
            })
            .collect();
        let mut compared = vec![0; units.len()];
        for seed in 0..RUNS {
            let stimuli: Vec<Vec<Values>> =
                units.iter().map(|(unit, _)| unit.stimulus(&mut Random::new(seed), CYCLES)).collect();
            let benches: Vec<Bench> = units
                .iter()
                .zip(&stimuli)
                .map(|((_, module), stimulus)| Bench { module, stimulus })
                .collect();
            let seen =
                cosim::run(&verilator, &benches, PowerUp::Zero).unwrap_or_else(|error| panic!("{error}"));
            for (index, (unit, module)) in units.iter().enumerate() {
                let model = &mut *unit.model();
                compared[index] += compare(module, model, &stimuli[index], &seen[index], "Verilator")
                    .unwrap_or_else(|mismatch| panic!("{}, seed {seed}: {mismatch}", entry.name));
            }
        }
        for (example, compared) in entry.examples.iter().zip(&compared) {
            println!("{compared:>9} values  0 mismatches  {} {example}", entry.name);
        }
    }
}
