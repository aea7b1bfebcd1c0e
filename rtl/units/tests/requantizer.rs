//! The requantizer's circuit against the meaning of its modes, over many more values than the catalogue's walk.

use bitmill_hdl::unit::{Random, Unit, compare, interpret};
use bitmill_units::common::requantizer::ENTRY;

#[test]
fn the_circuit_rounds_as_the_modes_say() {
    for example in ENTRY.examples {
        let unit: Box<dyn Unit> = ENTRY.unit(example.split_whitespace()).expect("a legal example");
        let module = unit.module().unwrap_or_else(|error| panic!("{example}: {error}"));
        let stimulus = unit.stimulus(&mut Random::new(11), 40_000);
        let seen = interpret(&module, &stimulus);
        let mut model = unit.model();
        let compared = compare(&module, model.as_mut(), &stimulus, &seen, "the interpreter")
            .unwrap_or_else(|mismatch| panic!("{example}: {mismatch}"));
        assert!(compared > 39_000);
        let distinct: std::collections::BTreeSet<_> = seen.iter().map(|values| values[0].clone()).collect();
        // Not everything is clamped: most of the range occurs.
        assert!(distinct.len() >= 13, "{example}: {} distinct outputs", distinct.len());
    }
}
