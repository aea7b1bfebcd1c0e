//! The bit-serial, bit-plane and multiplier-free PEs: long runs, what they declare, and what they refuse.

use std::sync::Arc;

use bitmill_hdl::Module;
use bitmill_hdl::unit::{Random, compare, interpret};

/// The units that this file is about.
const UNITS: &[&str] = &[
    "pe_bit_serial",
    "bit_serial_encoder",
    "bit_serial_dequantizer",
    "pe_matryoshka",
    "pe_binary",
    "pe_ternary",
    "pe_sherry",
    "pe_dual_binary",
    "pe_complex",
];

/// Cycles of a run and how many runs; `BITMILL_FULL` asks for 10^6 cycles in all.
fn runs() -> (usize, u64) {
    if std::env::var_os("BITMILL_FULL").is_some() { (20_000, 50) } else { (2_000, 2) }
}

#[test]
fn circuits_do_what_their_models_say() {
    let (cycles, seeds) = runs();
    for name in UNITS {
        let entry = bitmill_units::find(name).unwrap();
        for example in entry.examples {
            let unit = entry.unit(example.split_whitespace()).unwrap();
            let module: Arc<Module> =
                unit.module().unwrap_or_else(|error| panic!("{name} {example}: {error}"));
            let mut compared = 0;
            for seed in 0..seeds {
                let stimulus = unit.stimulus(&mut Random::new(seed), cycles);
                let seen = interpret(&module, &stimulus);
                compared += compare(&module, unit.model().as_mut(), &stimulus, &seen, "the interpreter")
                    .unwrap_or_else(|mismatch| panic!("{name} {example}: {mismatch}"));
            }
            println!("{compared:>9} values  {name} {example}");
        }
    }
}

#[test]
fn illegal_settings_name_what_is_legal() {
    let cases = [
        ("pe_bit_serial", "weights=int9", "weights = int9: int2…int8, bitmod_fp3 and bitmod_fp4 are legal"),
        ("pe_bit_serial", "weights=int8,int8", "weights = int8: each format may be given once"),
        ("pe_bit_serial", "fp4_specials=5,9,1,2", "specials = 9: ±1 to ±8 are legal"),
        (
            "pe_bit_serial",
            "fp4_specials=5,6",
            "fp4_specials = 5,6: four integers separated by commas are needed",
        ),
        (
            "pe_bit_serial",
            "activation=fp32",
            "activation = fp32: int2…int16 or a minifloat of at most 64 places, such as fp16, are legal",
        ),
        (
            "pe_bit_serial",
            "accumulator=17",
            "accumulator = 17: one step makes up to 18 bits, so 18 to 96 are legal",
        ),
        (
            "bit_serial_dequantizer",
            "result_bits=39",
            "result_bits = 39: a scaled sum has 40 bits, so 40 to 96 are legal",
        ),
    ];
    for (unit, setting, expected) in cases {
        let error = bitmill_units::find(unit).unwrap().unit([setting]).err().unwrap();
        assert_eq!(error.to_string(), expected);
    }
}
