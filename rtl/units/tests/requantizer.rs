//! The circuits of requantizer and pair unit against the meaning of the modes, over many more values than the
//! catalogue's walk.

use bitmill_hdl::unit::{Random, Unit, compare, interpret};
use bitmill_units::Entry;
use bitmill_units::common::{pair, requantizer};

fn check(entry: &Entry, least_compared: usize) {
    for example in entry.examples {
        let unit: Box<dyn Unit> = entry.unit(example.split_whitespace()).expect("a legal example");
        let module = unit.module().unwrap_or_else(|error| panic!("{example}: {error}"));
        let stimulus = unit.stimulus(&mut Random::new(11), 40_000);
        let seen = interpret(&module, &stimulus);
        let mut model = unit.model();
        let compared = compare(&module, model.as_mut(), &stimulus, &seen, "the interpreter")
            .unwrap_or_else(|mismatch| panic!("{example}: {mismatch}"));
        assert!(compared > least_compared, "{example}: {compared}");
        let distinct: std::collections::BTreeSet<_> = seen.iter().map(|values| values[0].clone()).collect();
        // Not everything is clamped: most of the range occurs.
        assert!(distinct.len() >= 13, "{example}: {} distinct outputs", distinct.len());
    }
}

#[test]
fn the_requantizer_rounds_as_the_modes_say() {
    check(&requantizer::ENTRY, 39_000);
}

#[test]
fn the_pair_unit_adds_and_multiplies_as_the_modes_say() {
    check(&pair::ENTRY, 25_000);
}

/// The stimulus holds one format; every seed draws another.
#[test]
fn results_have_every_format() {
    let pairs = ["accumulator=96", "activation_bits=16", "formats=fp8_e4m3,posit16_1,bf16"];
    let unit = requantizer::ENTRY.unit(pairs).expect("legal settings");
    let module = unit.module().expect("a legal unit");
    let port = module.inputs().position(|port| port.name == "format_i").expect("there are several formats");
    let mut formats = std::collections::BTreeSet::new();
    for seed in 0..12 {
        let stimulus = unit.stimulus(&mut Random::new(seed), 2_000);
        let seen = interpret(&module, &stimulus);
        compare(&module, unit.model().as_mut(), &stimulus, &seen, "the interpreter")
            .unwrap_or_else(|mismatch| panic!("seed {seed}: {mismatch}"));
        formats.insert(stimulus[0][port].clone());
    }
    assert_eq!(formats.len(), 4, "integers and three formats");
}
