//! Every kind of processing element can be built for a precision, packs weights that it decodes, and refuses others.

use std::collections::BTreeMap;

use bitmill_formats::Format;
use bitmill_units::pe::{Element, Kind, Request};

fn formats(names: &str) -> Vec<Format> {
    names.split(',').map(|name| name.parse().expect("a format")).collect()
}

fn build(kind: &str, activations: &str, weights: &str, lanes: u32, sum: u32) -> Result<Element, String> {
    build_with(kind, activations, weights, lanes, sum, &[])
}

fn build_with(
    kind: &str,
    activations: &str,
    weights: &str,
    lanes: u32,
    accumulator_bits: u32,
    options: &[(&str, &str)],
) -> Result<Element, String> {
    let options: BTreeMap<String, String> =
        options.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
    let (activations, weights) = (formats(activations), formats(weights));
    let request =
        Request { activations: &activations, weights: &weights, lanes, accumulator_bits, options: &options };
    Kind::find(kind).and_then(|kind| kind.build(&request)).map_err(|error| error.to_string())
}

/// Kind, activations, weights, lanes, accumulator bits; then modes and results.
const LEGAL: [(&str, &str, &str, u32, u32, usize, u32); 17] = [
    ("integer", "int8", "int4", 4, 32, 1, 1),
    ("integer", "uint8", "int8", 4, 32, 1, 1),
    ("bit_serial", "int8", "int8,int4,bitmod_fp4,bitmod_fp3", 4, 32, 4, 1),
    ("bit_serial", "fp16", "bitmod_fp4", 4, 64, 1, 1),
    ("bit_serial_grouped", "int8", "bitmod_fp4_g128,bitmod_fp3_g128,int8_g128", 4, 40, 3, 1),
    ("bit_serial_grouped", "fp16", "bitmod_fp4_g64", 4, 72, 1, 1),
    ("matryoshka", "int8", "matgptq8,matgptq4,matgptq2", 4, 32, 3, 1),
    ("bit_plane", "uint2,binary", "binary,int2", 16, 24, 4, 1),
    ("binary", "binary", "binary", 64, 24, 1, 1),
    ("ternary", "int8", "ternary", 16, 32, 1, 1),
    ("sherry", "int8", "sherry", 16, 32, 1, 1),
    ("dual_binary", "int8", "dual_binary", 16, 32, 1, 1),
    ("complex", "int8", "ifairy", 8, 32, 1, 2),
    ("float_mac", "fp8_e4m3", "fp8_e4m3", 4, 48, 1, 1),
    ("l_mul", "fp8_e4m3", "fp8_e4m3", 4, 48, 1, 1),
    ("block_dot", "mxfp4", "mxfp4", 32, 40, 1, 1),
    ("rmmec_simd", "fp4_e2m1,posit8_0,posit16_1", "fp4_e2m1,posit8_0,posit16_1", 4, 128, 3, 1),
];

#[test]
fn every_kind_is_built_as_asked() {
    for (kind, activations, weights, lanes, sum, modes, results) in LEGAL {
        let element = build(kind, activations, weights, lanes, sum).unwrap_or_else(|e| panic!("{kind}: {e}"));
        assert_eq!(element.modes().len(), modes, "{kind}");
        assert_eq!(element.results(), results, "{kind}");
        assert_eq!(element.result_bits(), sum, "{kind}");
    }
    let built: Vec<&str> = LEGAL.iter().map(|row| row.0).collect();
    let missing: Vec<&str> =
        bitmill_units::pe::KINDS.iter().map(|kind| kind.name).filter(|name| !built.contains(name)).collect();
    assert!(missing.is_empty(), "no row of the table builds {missing:?}");
}

#[test]
fn what_a_kind_does_not_run_is_refused_with_what_it_runs() {
    for (kind, activations, weights, lanes, message) in [
        (
            "integer",
            "fp16",
            "int8",
            4,
            "activation = fp16: an integer format such as int8 or uint4 is needed",
        ),
        ("integer", "int8", "int8,int4", 4, "weights = int8,int4: this PE runs one format; name one"),
        ("ternary", "int8", "int2", 4, "weights = int2: this PE runs ternary"),
        ("ternary", "uint8", "ternary", 4, "activations = uint8: int2 to int16 are legal"),
        ("binary", "int8", "binary", 4, "activations = int8: this PE runs binary"),
        (
            "matryoshka",
            "int8",
            "matgptq8,double_rounding4",
            4,
            "weights = double_rounding4: this PE runs matgptq8, matgptq4",
        ),
        (
            "l_mul",
            "fp8_e4m3",
            "fp8_e5m2",
            4,
            "weights = fp8_e5m2: L-Mul multiplies codes of one format; fp8_e4m3 is legal",
        ),
        (
            "bit_serial_grouped",
            "int8",
            "bitmod_fp4_g24",
            4,
            "group = 24: half a group lasts 8 cycles, so multiples of 4 from 32 are legal",
        ),
        (
            "bit_serial_grouped",
            "int8",
            "bitmod_fp4_g32,bitmod_fp3_g64",
            4,
            "weights = bitmod_fp3_g64: this PE runs bitmod_fp4_g32, bitmod_fp3_g32",
        ),
        (
            "bit_serial_grouped",
            "int8",
            "int4",
            4,
            "weights = int4: weights in groups are legal, such as bitmod_fp4_g128 and int4_g128",
        ),
        (
            "bit_serial_grouped",
            "int8",
            "int8_g65536",
            4,
            "accumulator = 32: a group's sum and its scale take",
        ),
        ("rmmec_simd", "int8", "int8", 4, "lanes = 4: this PE has 2 with these formats"),
        ("sherry", "int8", "sherry", 6, "lanes = 6: multiples of 4 up to 256 are legal"),
        (
            "gemm",
            "int8",
            "int8",
            4,
            "kind = gemm: legal are integer, bit_serial, bit_serial_grouped, matryoshka, bit_plane, binary, \
          ternary, sherry, dual_binary, complex, float_mac, l_mul, block_dot, rmmec_simd",
        ),
    ] {
        let error = build(kind, activations, weights, lanes, 32).map(|_| ()).unwrap_err();
        assert!(error.starts_with(message), "{kind}: {error}");
    }
    let unknown = build_with("integer", "int8", "int8", 4, 32, &[("radix", "4")]).map(|_| ()).unwrap_err();
    assert_eq!(
        unknown,
        "unit pe_integer has no parameter `radix`; it has activation, weight, lanes, accumulator"
    );
    let twice = build_with("integer", "int8", "int8", 4, 32, &[("lanes", "8")]).map(|_| ()).unwrap_err();
    assert_eq!(twice, "setting = lanes=8: this key was given before");
}

#[test]
fn weights_pack_to_words_or_are_refused() {
    let pack = |kind: &str, activations: &str, weights: &str, lanes, values: &mut [Vec<Option<i64>>]| {
        let element = build(kind, activations, weights, lanes, 32).unwrap();
        let mode = element.modes().pop().unwrap();
        element.weight_packer(&mode)(values).map(|word| word.iter_u64_digits().next().unwrap_or(0))
    };
    let some = |values: &[i64]| values.iter().map(|&value| Some(value)).collect::<Vec<_>>();
    assert_eq!(pack("integer", "int8", "int4", 2, &mut [some(&[-1, 3])]), Some(0x3f));
    assert_eq!(pack("integer", "int8", "int4", 2, &mut [some(&[-1, 8])]), None, "8 is no int4");
    assert_eq!(pack("binary", "binary", "binary", 3, &mut [some(&[1, -1, 1])]), Some(0b101));
    assert_eq!(pack("binary", "binary", "binary", 3, &mut [some(&[1, 0, 1])]), None, "binary has no zero");
    // FP4 in halves: 5 is a special value, 1.5 is not; both specials at once do not fit one word.
    let bitmod = |values: &[i64]| pack("bit_serial", "int8", "bitmod_fp4", 4, &mut [some(values)]);
    assert_eq!(bitmod(&[1, 2, 10, 0]), Some(0x0821), "special value 5, select 0");
    assert_eq!(bitmod(&[1, 2, -16, 0]), Some(0x3_0821), "special value -8, select 3");
    assert_eq!(bitmod(&[10, -16, 0, 0]), None);
    // Idle weights take what the format needs.
    let mut idle = [vec![Some(1), None, Some(-1), None]];
    assert!(pack("sherry", "int8", "sherry", 4, &mut idle).is_some());
    assert_eq!(idle[0].iter().filter(|weight| **weight == Some(0)).count(), 1);
    assert_eq!(pack("sherry", "int8", "sherry", 4, &mut [some(&[1, 1, 1, 1])]), None, "no zero among four");
    assert_eq!(
        pack("complex", "int8", "ifairy", 2, &mut [some(&[1, 0, 0, -1]), some(&[0, -1, -1, 0])]),
        Some(0b1100)
    );
    assert_eq!(
        pack("complex", "int8", "ifairy", 1, &mut [some(&[1, 0]), some(&[0, 1])]),
        None,
        "not conj(x)·w"
    );
    assert_eq!(pack("matryoshka", "int8", "matgptq2", 2, &mut [some(&[-2, 1])]), Some(0x4080));
}
