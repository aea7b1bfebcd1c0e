//! The deformable convolution engine on whole layers, interpreted.

use bitmill_hdl::unit::{Random, compare, interpret};

/// Every unit of the engine at every example, longer than the walk of the catalogue goes.
#[test]
fn examples_agree_over_many_images() {
    for entry in bitmill_units::engine::deformable_convolution::ENTRIES {
        for (seed, example) in entry.examples.iter().enumerate() {
            let unit = entry.unit(example.split_whitespace()).expect("an example is legal");
            let module = unit.module().expect("legal hardware");
            let stimulus = unit.stimulus(&mut Random::new(seed as u64), 8000);
            let seen = interpret(&module, &stimulus);
            let compared = compare(&module, unit.model().as_mut(), &stimulus, &seen, "the interpreter")
                .unwrap_or_else(|mismatch| panic!("{example}: {mismatch}"));
            println!("{compared} values  {example}");
        }
    }
}
