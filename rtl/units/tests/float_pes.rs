//! What the floating-point, block and reconfigurable PEs refuse, in which words, and what an array may take of them.

use bitmill_formats::circuits::RoundingMode;
use bitmill_units::format::Rounded;
use bitmill_units::pe::float_mac::dot_product::Accumulation;
use bitmill_units::pe::float_mac::{FloatMac, TrueProduct};

#[test]
fn illegal_settings_name_what_is_legal() {
    let cases = [
        ("pe_l_mul", "format=fp4_e3m0", "L-Mul needs a minifloat with a mantissa"),
        ("pe_l_mul", "format=posit8_0", "format = posit8_0: L-Mul works on minifloats, such as fp8_e4m3"),
        ("pe_l_mul", "range=full", "range = full: legal are format, wide"),
        ("pe_float_mac", "lanes=65", "lanes = 65: a whole number from 1 to 64 is needed"),
        ("pe_float_mac", "lanes=8 length=7", "length = 7: a step has 8 products, so 8 to 1048576 are legal"),
        (
            "pe_float_mac",
            "accumulator_bits=46",
            "accumulator_bits = 46: the sum has up to 47 bits: 47 or more are legal, or auto, or more dropped_bits",
        ),
        ("pe_float_mac", "dropped_bits=36", "dropped_bits = 36: a product has 37 bits, so 0 to 35 are legal"),
        (
            "pe_float_mac",
            "activation=posit8_0 dropped_bits=1",
            "dropped_bits = 1: places can be left out of products of minifloats only; 0 is legal",
        ),
        (
            "pe_float_mac",
            "accumulator=fp16 result=bf16",
            "result = bf16: legal with accumulator=exact only, not with fp16",
        ),
        (
            "pe_float_mac",
            "accumulator_bits=1025",
            "accumulator_bits = 1025: a whole number from 2 to 1024 is needed",
        ),
        ("pe_block_dot", "activation=fp8_e4m3", "a block format is needed, such as mxfp8_e4m3"),
        (
            "pe_block_dot",
            "weight=nvfp4",
            "weight = nvfp4: blocks of 32 elements, as those of mxfp8_e4m3, are needed",
        ),
        ("pe_block_dot", "lanes=3", "lanes = 3: it does not divide a block of 32; use 1, 2, 4, 8, 16, 32"),
        ("pe_block_dot", "accumulator=fixed accumulator_bits=65", "a whole number from 8 to 64 is needed"),
        ("pe_block_dot", "accumulator=fixed lsb=201", "lsb = 201: -200 to 200 are legal"),
        (
            "pe_rmmec_simd",
            "modes=fp8_e5m2",
            "modes = fp8_e5m2: legal are fp4_e2m1, posit4_1, int4, fp8_e4m3, posit8_0, int8, bf16, posit16_1, int16",
        ),
        ("pe_rmmec_simd", "modes=int8,int8", "modes = int8: it stands there twice; each counts once"),
        ("pe_rmmec_simd", "result_bits=129", "a whole number from 16 to 128 is needed"),
    ];
    for (unit, settings, expected) in cases {
        let error = bitmill_units::find(unit).unwrap().unit(settings.split_whitespace()).err();
        let error = error.unwrap_or_else(|| panic!("{settings} is accepted")).to_string();
        assert!(error.contains(expected), "{settings}: {error}");
    }
}

#[test]
fn arrays_take_pes_with_integer_results_only() {
    let rounded = |name: &str| Rounded::new(name.parse().unwrap(), RoundingMode::NearestEven).unwrap();
    let pe = |accumulation| {
        let product = TrueProduct::new("fp8_e4m3".parse().unwrap(), "fp4_e2m1".parse().unwrap()).unwrap();
        FloatMac::new(product, 4, 64, accumulation).unwrap()
    };
    let exact = pe(Accumulation::Exact { width_bits: Some(32), dropped_bits: 0, result: None });
    assert_eq!(exact.array_element().unwrap().modes()[0].lsb_exponent, -10);
    assert_eq!(exact.array_element().unwrap().result_bits(), 32);
    let fixed = pe(Accumulation::InFormat(rounded("fixed16_4")));
    assert_eq!(fixed.array_element().unwrap().modes()[0].lsb_exponent, -4);
    let error = pe(Accumulation::InFormat(rounded("fp16"))).array_element().err().unwrap();
    let expected =
        "accumulator = fp16: an array takes integers: exact, or a format such as fixed16_8, is legal";
    assert_eq!(error.to_string(), expected);
}
