//! The sparse search unit under Verilator: model, interpreter and Verilator agree, cycle for cycle, on tensors of 0.1 % to
//! 100 % density in every form, corrupt entries among them, hits, misses and duplicates, and gaps on both sides.
//! `BITMILL_FULL` takes more than a million requests.

mod common;

use std::sync::Arc;

use bitmill_hdl::Module;
use bitmill_hdl::unit::{Random, Unit, Values, compare, interpret};
use bitmill_testbenches::cosim::{self, Bench, PowerUp};
use bitmill_units::engine::sparse_search::{requests, search};

/// Sizes: blocks of 16 to 256 positions, in one word and in several, banks that meet often and seldom.
const SIZES: [&str; 6] = [
    "requests=2 banks=4 index_bits=5 leaves=8 value_bits=8",
    "requests=4 banks=8 index_bits=6 leaves=16 value_bits=8 value_address_bits=10",
    "requests=4 banks=2 index_bits=6 leaves=4 value_bits=5 block_address_bits=6",
    "requests=3 banks=1 index_bits=4 leaves=2 value_bits=12 value_address_bits=8",
    "requests=1 banks=4 index_bits=8 leaves=8 value_bits=16 block_address_bits=5",
    "requests=4 banks=16 index_bits=7 leaves=16 value_bits=1 block_address_bits=5",
];

/// Requests of a full run.
const MOST_REQUESTS: u64 = 1_000_000;

#[test]
fn searches_run_as_predicted() {
    let Some(verilator) = common::verilator_for("the sparse search unit under Verilator") else { return };
    let full = std::env::var_os("BITMILL_FULL").is_some();
    let (cycles, sizes) = if full { (40_000, &SIZES[..]) } else { (3_000, &SIZES[..2]) };
    let units: Vec<(Box<dyn Unit>, Arc<Module>)> = sizes
        .iter()
        .map(|size| {
            let unit =
                search::ENTRY.unit(size.split_whitespace()).unwrap_or_else(|error| panic!("{size}: {error}"));
            let module = unit.module().unwrap_or_else(|error| panic!("{size}: {error}"));
            (unit, module)
        })
        .collect();
    let (mut taken, mut values) = (0, 0);
    for seed in 0.. {
        let stimuli: Vec<Vec<Values>> =
            units.iter().map(|(unit, _)| unit.stimulus(&mut Random::new(seed), cycles)).collect();
        let benches: Vec<Bench> =
            units.iter().zip(&stimuli).map(|((_, module), stimulus)| Bench { module, stimulus }).collect();
        let seen =
            cosim::run(&verilator, &benches, PowerUp::Random(3)).unwrap_or_else(|error| panic!("{error}"));
        for ((unit, module), (stimulus, seen)) in units.iter().zip(stimuli.iter().zip(&seen)) {
            let agree = |seen: &[Values], by| {
                compare(module, unit.model().as_mut(), stimulus, seen, by)
                    .unwrap_or_else(|mismatch| panic!("seed {seed}: {mismatch}"))
            };
            values += agree(seen, "Verilator");
            taken += requests(module, stimulus, seen);
            if seed == 0 {
                agree(&interpret(module, stimulus), "the interpreter");
            }
        }
        if !full || taken >= MOST_REQUESTS {
            break;
        }
    }
    println!("{taken} requests, {values} values agree under Verilator, 0 differ");
    assert!(taken >= if full { MOST_REQUESTS } else { 2_000 }, "only {taken} requests");
}
