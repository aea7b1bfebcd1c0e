//! The bit-serial, bit-plane and multiplier-free PEs: long runs, what they declare, and what they refuse.

use std::sync::Arc;

use bitmill_formats::{Slice, SliceRule};
use bitmill_hdl::Module;
use bitmill_hdl::unit::{Random, compare, interpret};
use bitmill_units::pe::ProcessingElement;
use bitmill_units::pe::bit_plane::{BitPlanePe, PlaneFormat};
use bitmill_units::pe::bit_serial::{Accumulation, BitSerialPe, SerialActivation, SerialWeight, TermEncoder};
use bitmill_units::pe::matryoshka::MatryoshkaPe;

/// The units that this file is about.
const UNITS: &[&str] = &[
    "pe_bit_serial",
    "bit_serial_encoder",
    "bit_serial_dequantizer",
    "bit_serial_grouped",
    "pe_matryoshka",
    "pe_bit_plane",
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
            "pe_bit_serial",
            "accumulator=floating40",
            "activation = int8: sums of integers are exact: a floating sum takes minifloats, such as fp16",
        ),
        (
            "pe_bit_serial",
            "accumulator=floating",
            "accumulator = floating: a number of bits follows, as in floating28",
        ),
        ("pe_matryoshka", "bits=9", "bits = 9: 2 to 8 bits are legal"),
        ("pe_matryoshka", "rule=floor", "rule = floor: legal are matgptq, double_rounding"),
        ("pe_matryoshka", "bits=4,4", "bits = matgptq4: each width may be given once"),
        ("pe_bit_plane", "weights=int4", "weights = int4: binary, uint1…uint3 and int2…int3 are legal"),
        (
            "pe_bit_plane",
            "activations=int1",
            "activations = int1: binary, uint1…uint8 and int2…int8 are legal",
        ),
        (
            "pe_bit_plane",
            "accumulator=16",
            "accumulator = 16: one step makes up to 17 bits, so 17 to 64 are legal",
        ),
        ("pe_binary", "accumulator=7", "accumulator = 7: one step makes up to 8 bits, so 8 to 64 are legal"),
        ("pe_sherry", "lanes=6", "lanes = 6: multiples of 4 up to 256 are legal"),
        ("pe_ternary", "lanes=257", "lanes = 257: a whole number from 1 to 256 is needed"),
        ("pe_complex", "activation_bits=17", "activation_bits = 17: a whole number from 2 to 16 is needed"),
        (
            "pe_dual_binary",
            "accumulator=13",
            "accumulator = 13: one step makes up to 14 bits, so 14 to 64 are legal",
        ),
        (
            "bit_serial_grouped",
            "accumulator=20",
            "accumulator = 20: sums of groups have 8 bits less, 12, and one step makes up to 18 bits, so 18 to 96 are legal",
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

/// Weight format and cycles a step of every mode, by code.
fn cycles(unit: &dyn ProcessingElement) -> Vec<(String, u32)> {
    unit.modes().iter().map(|mode| (mode.weight.to_string(), mode.interval_cycles)).collect()
}

#[test]
fn fewer_bits_take_fewer_cycles() {
    let named = |modes: &[(&str, u32)]| -> Vec<(String, u32)> {
        modes.iter().map(|(name, cycles)| ((*name).to_owned(), *cycles)).collect()
    };
    let weights = ["int8", "int6", "int5", "int4", "bitmod_fp4", "bitmod_fp3"];
    let weights = weights.map(|name| SerialWeight::parse(name).unwrap()).to_vec();
    let encoder = TermEncoder::new(4, weights).unwrap();
    let serial =
        BitSerialPe::new(SerialActivation::parse("fp16").unwrap(), encoder, Accumulation::Exact(64)).unwrap();
    // BitMoD, section IV: int8 in 4 cycles, int6 and int5 in 3, FP4 and FP3 in 2.
    let expected = [("int8", 4), ("int6", 3), ("int5", 3), ("int4", 2), ("bitmod_fp4", 2), ("bitmod_fp3", 2)];
    assert_eq!(cycles(&serial), named(&expected));
    let units: Vec<i32> = serial.modes().iter().map(|mode| mode.lsb_exponent).collect();
    assert_eq!(units, [-24, -24, -24, -24, -25, -24], "FP16 counts in 2^-24, FP4 in halves");

    let slice = |bits| Slice::new(bits, SliceRule::MatGptq).unwrap();
    let matryoshka = MatryoshkaPe::new([8, 6, 4, 3, 2].map(slice).to_vec(), 4, 8, 32).unwrap();
    let expected = [("matgptq8", 4), ("matgptq6", 3), ("matgptq4", 2), ("matgptq3", 2), ("matgptq2", 1)];
    assert_eq!(cycles(&matryoshka), named(&expected));

    let formats = [PlaneFormat::Binary, PlaneFormat::Signed(2), PlaneFormat::Signed(3)];
    let planes = BitPlanePe::new(vec![PlaneFormat::Unsigned(8)], formats.to_vec(), 16, 32).unwrap();
    assert_eq!(cycles(&planes), named(&[("binary", 8), ("int2", 16), ("int3", 24)]));
}
