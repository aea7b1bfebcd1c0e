//! Configurations: what is refused says what would be legal, and the same configuration gives the same bytes.

use bitmill_accelerator::{Accelerator, Configuration};
use bitmill_hdl::{Design, verilog};

const GOOD: &str = "\
name: good
precision: {activations: int8, weights: int8}
pe: {kind: integer, lanes: 4}
array: {rows: 8, columns: 8}
scratchpads: {activations_kib: 16, weights_kib: 16}
";

fn emitted(yaml: &str) -> String {
    let accelerator = Accelerator::new(Configuration::from_yaml(yaml).expect("well-formed")).expect("legal");
    let design = Design::new(&accelerator.module().expect("a checked circuit")).expect("a design");
    design.modules.iter().map(|module| verilog::emit(module)).collect()
}

#[test]
fn the_order_of_keys_does_not_matter() {
    let mut lines: Vec<&str> = GOOD.lines().collect();
    lines.reverse();
    assert_eq!(emitted(GOOD), emitted(GOOD));
    assert_eq!(emitted(GOOD), emitted(&lines.join("\n")));
}

#[test]
fn a_configuration_survives_being_written() {
    let configuration = Configuration::from_yaml(GOOD).unwrap();
    assert_eq!(Configuration::from_yaml(&configuration.to_yaml().unwrap()).unwrap(), configuration);
}

#[test]
fn wrong_values_name_what_is_legal() {
    for (from, to, expected) in [
        ("rows: 8", "rows: 6", "array.rows: 6 is not legal: a power of two from 1 to 64 is needed"),
        (
            "columns: 8",
            "columns: 6",
            "array.columns: 6 is not legal: 6 output channels must fill words of 4, a power of two, in int8",
        ),
        (
            "lanes: 4",
            "lanes: 16",
            "array.columns: 8 is not legal: 8 output channels must fill words of 16, a power of two, in int8",
        ),
        (
            "lanes: 4",
            "lanes: 3",
            "array.columns: 8 is not legal: 8 output channels must fill words of 3, a power of two, in int8",
        ),
        ("weights: int8", "weights: uint1", "pe: weight = u1: 2 to 16 bits are legal"),
        (
            "weights: int8",
            "weights: [int8, int4]",
            "pe: weights = int8,int4: this PE runs one format; name one",
        ),
        (
            "activations: int8",
            "activations: fp16",
            "pe: activation = fp16: an integer format such as int8 or uint4 is needed",
        ),
        (
            "lanes: 4",
            "lanes: 4, options: {radix: 4}",
            "pe: unit pe_integer has no parameter `radix`; it has activation, weight, lanes, accumulator",
        ),
        (
            "kind: integer",
            "kind: analog",
            "pe: kind = analog: legal are integer, bit_serial, bit_serial_grouped, matryoshka, bit_plane, binary, ternary, \
             sherry, dual_binary, complex, float_mac, l_mul, block_dot, rmmec_simd",
        ),
        (
            "name: good",
            "name: Good",
            "name: Good is not legal: lower-case letters, digits and underscores, a letter first",
        ),
        (
            "activations_kib: 16",
            "activations_kib: 16, banks_per_row: 3",
            "scratchpads.banks_per_row: 3 is not legal: a power of two from 1 to 4 is needed",
        ),
        (
            "name: good",
            "name: good\ndeformable: {offsets: square, fraction_bits: 9}",
            "deformable.fraction_bits: 9 is not legal: 0 to 8 are legal",
        ),
        (
            "name: good",
            "name: good\ndeformable: {offsets: per_tap, bound: [1, 7]}",
            "deformable.bound: [1, 7] is not legal: -31 to 0, and 0 to 31 are legal",
        ),
        (
            "name: good",
            "name: good\ndeformable: {offsets: per_tap, longest_side: 100}",
            "deformable.longest_side: 100 is not legal: a power of two from 2 to 1024 is needed",
        ),
        (
            "{activations: int8, weights: int8}",
            "{activations: int16, weights: int8}\ndeformable: {offsets: per_tap}",
            "precision.activations: int16 is not legal: samples are int8: it must be the widest of the signed integers",
        ),
        (
            "activations_kib: 16",
            "activations_kib: 4096",
            "scratchpads.activations_kib: 4096 is not legal: a line has 32 bytes, and 4 to 65536 lines are legal: \
             1 to 2048 KiB",
        ),
    ] {
        let yaml = GOOD.replace(from, to);
        let error = Accelerator::new(Configuration::from_yaml(&yaml).unwrap()).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn formats_that_results_cannot_have_are_refused() {
    let with = |precision: &str, pe: &str| {
        let yaml = GOOD
            .replace("{activations: int8, weights: int8}", precision)
            .replace("{kind: integer, lanes: 4}", pe);
        let error = Accelerator::new(Configuration::from_yaml(&yaml).expect("well-formed"));
        error.expect_err("an illegal configuration").to_string()
    };
    let blocks = |format: &str| {
        let precision = format!("{{activations: {format}, weights: {format}}}");
        with(&precision, "{kind: block_dot, lanes: 4, accumulator_bits: 64}")
    };
    assert_eq!(
        blocks("mxfp8_e4m3"),
        "precision.activations: mxfp8_e4m3 is not legal: a word holds one block; 32 lanes are needed"
    );
    let up = blocks("mxfp4_g4_up");
    assert!(up.contains("with scales rounded down, and to NV blocks: mxfp8_e4m3, mxfp4"), "{up}");
    let wide =
        with("{activations: fp16, weights: int8}", "{kind: float_mac, lanes: 4, accumulator_bits: 97}");
    assert_eq!(wide, "pe: accumulator = 97: 8 to 96 bits are legal");
}

#[test]
fn malformed_files_name_the_line() {
    for (from, to, parts) in [
        ("lanes: 4", "lanes: 4, depth: 2", ["unknown field `depth`", "3"]),
        ("weights: int8", "weights: int99", ["int99", "2"]),
        ("weights: int8", "weights: [int8, int8]", ["format int8 is given twice", "2"]),
        ("weights: int8", "weights: []", ["at least one format is needed", "2"]),
        ("rows: 8", "rows: many", ["many", "4"]),
        ("name: good", "name: good\nname: twice", ["duplicate", "name"]),
        ("name: good", "name: good\nvector: {rounding: [up]}", ["`up` is no rounding", "double_rounding"]),
        ("name: good", "name: good\ndeformable: {offsets: round}", ["round", "per_tap"]),
        ("name: good", "name: good\ndeformable: {bound: [0, 7]}", ["missing field `offsets`", "2"]),
        ("name: good", "name: good\nvector: {rounding: []}", ["at least one rounding", "dyadic_half_up"]),
    ] {
        let error = Configuration::from_yaml(&GOOD.replace(from, to)).unwrap_err().to_string();
        for part in parts {
            assert!(error.contains(part), "{error}");
        }
    }
}
