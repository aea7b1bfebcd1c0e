//! Every format of the catalogue keeps the promises of its family: names, codes, order, ends.

use bitmill_formats::{
    AccumulatorShape, Codebook, Dyadic, Family, Format, Minifloat, Posit, PowerOfTwo, Rounding, Scalar,
    Slice, SliceRule, Subnormals, Ties, Value, catalogue, text,
};

/// Catalogue formats and others with unusual parameters, at most 16 bits wide, so that codes can be listed.
fn scalars() -> Vec<Scalar> {
    let unusual = [
        "int2_sym",
        "int8_sym",
        "int8_wrap",
        "uint5_wrap",
        "fixed8_6_sym",
        "ufixed6_6",
        "fp2_e1m0",
        "fp3_e1m1_fn",
        "fp4_e3m0",
        "fp4_e1m2",
        "fp5_e2m2_ieee",
        "fp6_e3m2_fnuz_nonsat",
        "fp7_e2m4_b9",
        "fp8_e4m3_fn_nonsat_ftz",
        "fp8_e7m0",
        "fp8_e1m6_ftz",
        "fp8_e2m5_ftz",
        "bf16_ftz",
        "fp16_sat",
        "e2m0",
        "e5m0_sat",
    ];
    let posits = (3..=16).flat_map(|bits| (0..=2).map(move |es| format!("posit{bits}_{es}")));
    let named = catalogue::NAMES.iter().copied().chain(unusual).map(str::to_owned);
    let formats =
        named.chain(posits).map(|name| name.parse::<Format>().unwrap_or_else(|error| panic!("{error}")));
    let mut scalars: Vec<Scalar> = formats
        .filter_map(|format| match format {
            Format::Scalar(scalar) if scalar.bits() <= 16 => Some(scalar),
            _ => None,
        })
        .collect();
    let mine = Codebook::new("nf3", &[-1.0, -0.47, -0.2, 0.0, 0.16, 0.33, 0.58, 1.0], Ties::Lower);
    scalars.push(Scalar::Codebook(mine.expect("eight finite values")));
    scalars
}

#[test]
fn names_round_trip() {
    for name in catalogue::NAMES {
        assert_eq!(name.parse::<Format>().unwrap().to_string(), *name);
    }
    let aliases = [
        ("fp16_e5m10", "fp16"),
        ("fp16_e8m7", "bf16"),
        ("fp32_e8m23_ieee_b127_nonsat", "fp32"),
        ("fp8_e4m3_fn_sat", "fp8_e4m3"),
        ("fp4_e2m1_finite", "fp4_e2m1"),
        ("mxfp4_e2m1", "mxfp4"),
        ("bitmod_fp3_p3", "bitmod_fp3"),
        ("complex", "ifairy"),
        ("block32_of_fp4_e2m1_by_e8m0", "mxfp4"),
        ("mxfp8_e4m3_g32", "mxfp8_e4m3"),
        ("fp8_e4m3_fnuz_b8", "fp8_e4m3_fnuz"),
    ];
    for (alias, name) in aliases {
        assert_eq!(alias.parse::<Format>().unwrap().to_string(), name, "{alias}");
    }
    let others = [
        "mxfp4_g64_up",
        "mxbf16",
        "mxint3",
        "bfp9_g7_up",
        "nvfp4_g32",
        "mxfp8_e4m3_b11_g8",
        "mxfp8_e4m3_b11",
        "block8_of_posit8_1_by_e8m0",
        "block64_of_int4_by_fp8_e5m2",
        "block4_of_ternary_by_e5m0_sat_up",
        "fp9_e5m3_fnuz_b3_nonsat_ftz",
        "fixed12_4_wrap",
    ];
    for name in others {
        assert_eq!(name.parse::<Format>().unwrap_or_else(|error| panic!("{error}")).to_string(), name);
    }
}

/// The error of an illegal name says what would be legal.
#[test]
fn illegal_parameters_name_the_legal_range() {
    let table = [
        ("posit9_7", "N from 3 to 16 and es from 0 to 2"),
        ("posit17_1", "N from 3 to 16"),
        ("posit2_0", "N from 3 to 16"),
        ("fp4_e4m3", "make fp8, and fp4 has 3 bits"),
        ("fp8_e9m0", "1 to 8 exponent bits"),
        ("fp8_e0m7", "1 to 8 exponent bits"),
        ("fp34_e8m25", "0 to 23 mantissa bits"),
        ("fp8", "as in fp8_e4m3"),
        ("fp4_e2m1_nonsat", "overflow can only saturate"),
        ("fp4_e3m0_ieee", "1 mantissa bit"),
        ("fp2_e1m0_fn", "no number but zero"),
        ("fp8_e4m3_b300", "bias is 0 to 255"),
        ("fp8_e4m3_satt", "_nonsat"),
        ("int0", "2 to 16 bits"),
        ("int1", "2 to 16 bits"),
        ("int17", "2 to 16 bits"),
        ("uint0", "1 to 16 bits"),
        ("uint8_sym", "only signed"),
        ("int8_fast", "_sym or _wrap"),
        ("fixed8_0", "1 to 8"),
        ("fixed8_9", "1 to 8"),
        ("e9m0", "2 to 8 bits"),
        ("bitmod_fp5", "bitmod_fp3, bitmod_fp4"),
        ("bitmod_fp3_p9", "1 to 8 in magnitude"),
        ("matgptq9", "2 to 8 bits"),
        ("double_rounding1", "2 to 8 bits"),
        ("bfp8", "bfp8_g16"),
        ("bfp1_g16", "2 to 16 bits"),
        ("mxint1", "2 to 16 bits"),
        ("mxfp4_g0", "1 to 65536"),
        ("mxfp4_g65537", "1 to 65536"),
        ("mxfp8_e4m4", "make fp9"),
        ("nvfp4_up", "never _up"),
        ("nvfp6", "nvfp4 and nvint4"),
        ("block8_of_int4_by_int8", "a power of two (e8m0) or a minifloat"),
        ("block8_of_e8m0_by_e8m0", "a zero and a positive number"),
        ("decimal32", "the families are int<2-16>"),
        ("int08", "the families are"),
        ("", "the families are"),
    ];
    for (name, expected) in table {
        let error = name.parse::<Format>().unwrap_err().to_string();
        assert!(error.contains(expected), "{name}: {error}");
        assert!(error.contains(name), "{name}: {error}");
    }
    for values in [&[][..], &[1.0], &[1.0, 1.0], &[0.0, f64::NAN], &[0.0; 257]] {
        assert!(Codebook::new("mine", values, Ties::Lower).is_err());
    }
    assert!(Codebook::new("Mine", &[0.0, 1.0], Ties::Lower).is_err());
}

/// A code that some real number is encoded to encodes back to itself: so do all codes but a few.
#[test]
fn codes_round_trip() {
    for format in scalars() {
        let mut unreached = 0;
        for code in 0..=format.largest_code() {
            let value = format.decode(code);
            let again = format.encode(&value, Rounding::NearestEven);
            let value_again = format.decode(again);
            unreached += u32::from(again != code);
            assert_eq!(
                value_again,
                format.decode(format.encode(&value_again, Rounding::NearestEven)),
                "{format}"
            );
            // Only clamped ends, spare codes, NaN payloads and flushed subnormals are not reached.
            if again != code && value != Value::Nan {
                let clamped = matches!(format, Scalar::Integer(_) | Scalar::Minifloat(_) | Scalar::Slice(_));
                assert!(value_again == value || clamped, "{format}: {code:#x}");
            }
        }
        let spare = match &format {
            Scalar::Integer(integer) => u32::from(integer.is_symmetric()),
            Scalar::Minifloat(minifloat) if minifloat.subnormals() == Subnormals::FlushToZero => continue,
            Scalar::Minifloat(minifloat) => {
                let specials = 2 * (minifloat.sign_bit() - 1 - minifloat.largest_code());
                specials + u32::from(minifloat.nan() == Some(minifloat.sign_bit()))
            }
            Scalar::Slice(_) => 1,
            Scalar::Codebook(codebook) => (codebook.values().len() - codebook.sorted().len()) as u32,
            _ => 0,
        };
        assert!(
            unreached <= spare,
            "{format}: {unreached} codes are never produced, at most {spare} expected"
        );
    }
}

/// The ends that a family states are those of the list of its values.
#[test]
fn extremes_are_those_of_the_listed_values() {
    for format in scalars() {
        let produced = (0..=format.largest_code()).filter(|code| {
            format.encode(&format.decode(*code), Rounding::NearestEven) == *code
                || matches!(format, Scalar::Slice(_))
        });
        let mut values: Vec<Dyadic> = produced
            .filter_map(|code| format.decode(code).finite())
            .map(|x| if x.is_zero() { Dyadic::ZERO } else { x })
            .collect();
        values.sort();
        values.dedup();
        let extremes = format.extremes();
        assert_eq!(extremes.lowest, values[0], "{format}");
        assert_eq!(extremes.highest, values[values.len() - 1], "{format}");
        let positive = values.iter().find(|x| !x.is_zero() && !x.is_negative());
        assert_eq!(extremes.smallest_positive, *positive.unwrap(), "{format}");
        let step = values.windows(2).map(|pair| pair[1].add(pair[0].negate())).min();
        assert_eq!(extremes.smallest_step, step.unwrap(), "{format}");
        for value in values.iter().filter(|x| !x.is_zero()) {
            assert!(value.exponent() >= extremes.lsb_exponent, "{format}: {value:?}");
        }
    }
}

/// Encoding is the nearest value: checked against all values of the format, on and around the midpoints.
#[test]
fn encoding_takes_the_nearest_value() {
    for format in scalars().into_iter().filter(|format| format.bits() <= 8) {
        // Posits round the bit string and slices round twice; wrapping has no nearest value at the ends.
        let wrapping = matches!(&format, Scalar::Integer(integer) if integer.is_wrapping());
        if matches!(format, Scalar::Posit(_) | Scalar::Slice(_)) || wrapping {
            continue;
        }
        let mut values: Vec<Dyadic> = (0..=format.largest_code())
            .filter(|code| format.encode(&format.decode(*code), Rounding::NearestEven) == *code)
            .filter_map(|code| format.decode(code).finite())
            .filter(|x| !(x.is_zero() && x.is_negative()))
            .collect();
        values.sort();
        for pair in values.windows(2) {
            let middle = pair[0].add(pair[1]).scale_by_power(-1);
            let nudge = Dyadic::new(false, 1, -300);
            let decode = |x: Dyadic, rounding| {
                let x = format.decode(format.encode(&Value::Finite(x), rounding)).finite().unwrap();
                if x.is_zero() { Dyadic::ZERO } else { x }
            };
            let flushed = matches!(&format, Scalar::Minifloat(m) if m.subnormals() == Subnormals::FlushToZero)
                && (pair[0].is_zero() || pair[1].is_zero());
            if flushed {
                continue;
            }
            assert_eq!(
                decode(middle.add(nudge), Rounding::NearestEven),
                pair[1],
                "{format} above {middle:?}"
            );
            assert_eq!(
                decode(middle.add(nudge.negate()), Rounding::NearestEven),
                pair[0],
                "{format} below {middle:?}"
            );
            let even = format.encode(&Value::Finite(middle), Rounding::NearestEven);
            if matches!(format, Scalar::Minifloat(_) | Scalar::Integer(_) | Scalar::PowerOfTwo(_)) {
                assert_eq!(even & 1, 0, "{format}: the tie {middle:?}");
            }
            if pair[0].is_negative() != pair[1].is_negative() && !pair[1].is_zero() {
                continue;
            }
            let (near, far) = if pair[0].is_negative() { (pair[1], pair[0]) } else { (pair[0], pair[1]) };
            assert_eq!(decode(middle, Rounding::NearestAway), far, "{format}");
            let almost = far.add(if far.is_negative() { nudge } else { nudge.negate() });
            assert_eq!(decode(almost, Rounding::TowardZero), near, "{format}");
        }
    }
}

/// NaN, infinities and zeros, format by format: the policies in figures.
#[test]
fn special_values_follow_the_policies() {
    let table = [
        // Format, code of NaN, of +inf, of -inf, of -0, of 1e30.
        ("int8", [0x00, 0x7f, 0x80, 0x00, 0x7f]),
        ("int8_sym", [0x00, 0x7f, 0x81, 0x00, 0x7f]),
        ("int8_wrap", [0x00, 0x7f, 0x80, 0x00, 0x00]),
        ("uint4", [0x0, 0xf, 0x0, 0x0, 0xf]),
        ("fp4_e2m1", [0x8, 0x7, 0xf, 0x8, 0x7]),
        ("fp8_e4m3", [0x7f, 0x7e, 0xfe, 0x80, 0x7e]),
        ("fp8_e4m3_nonsat", [0x7f, 0x7f, 0x7f, 0x80, 0x7f]),
        ("fp8_e4m3_ieee", [0x7c, 0x78, 0xf8, 0x80, 0x78]),
        ("fp8_e4m3_fnuz", [0x80, 0x7f, 0xff, 0x00, 0x7f]),
        ("fp8_e4m3_fnuz_nonsat", [0x80, 0x80, 0x80, 0x00, 0x80]),
        ("fp8_e5m2", [0x7e, 0x7c, 0xfc, 0x80, 0x7c]),
        ("fp8_e5m2_sat", [0x7e, 0x7b, 0xfb, 0x80, 0x7b]),
        ("fp16", [0x7e00, 0x7c00, 0xfc00, 0x8000, 0x7c00]),
        ("e8m0", [0xff, 0xff, 0xff, 0xff, 0xe3]),
        ("e5m0", [0x1f, 0x1f, 0x1f, 0x1f, 0x1f]),
        ("e5m0_sat", [0x1f, 0x1e, 0x1f, 0x1f, 0x1e]),
        ("posit8_1", [0x80, 0x80, 0x80, 0x00, 0x7f]),
        ("binary", [1, 1, 0, 1, 1]),
        ("ternary", [0, 1, 3, 0, 1]),
        ("dual_binary", [0, 1, 2, 0, 1]),
        ("bitmod_fp4", [0x0, 0x7, 0xf, 0x0, 0x7]),
        ("matgptq4", [0x8, 0xf, 0x0, 0x8, 0xf]),
        ("double_rounding4", [0x0, 0x7, 0x8, 0x0, 0x7]),
    ];
    for (name, codes) in table {
        let format: Scalar = name.parse().unwrap();
        let inputs = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, 1e30];
        let encoded = inputs.map(|x| format.encode(&Value::from_f64(x), Rounding::NearestEven));
        assert_eq!(encoded, codes, "{name}");
    }
    for es in 0..=2 {
        let posit = Scalar::Posit(Posit::new(8, es).unwrap());
        for rounding in [Rounding::NearestEven, Rounding::TowardZero, Rounding::Stochastic { seed: 1 }] {
            assert_eq!(posit.encode(&Value::from_f64(-1e-30), rounding), 0xff, "never zero");
            assert_eq!(posit.encode(&Value::from_f64(1e30), rounding), 0x7f, "never NaR");
        }
    }
    let toward_zero =
        |name: &str, x| name.parse::<Scalar>().unwrap().encode(&Value::from_f64(x), Rounding::TowardZero);
    assert_eq!(toward_zero("fp8_e5m2", 1e30), 0x7b, "rounding toward zero never overflows");
    assert_eq!(toward_zero("fp8_e4m3_nonsat", -1e30), 0xfe);
    assert_eq!(toward_zero("e8m0", 1.7e38 * 2.0), 0xfe);
}

/// Each format explains itself, and its figures print exactly.
#[test]
fn every_format_states_its_policies_and_figures() {
    for format in catalogue::formats() {
        assert!(format.policies().len() >= 3, "{format}");
        assert!(format.policies().iter().all(|policy| policy.rule.ends_with('.')), "{format}");
        let summary = format.summary();
        for end in [summary.lowest, summary.highest, summary.smallest_positive, summary.smallest_step] {
            let value = Value::Finite(end);
            assert_eq!(text::parse_real(&text::decimal(&value)).unwrap(), value, "{format}");
        }
    }
    let figures = |name: &str| name.parse::<Format>().unwrap().summary();
    assert_eq!(figures("sherry").bits_per_value, 1.25);
    assert_eq!(figures("mxfp4").bits_per_value, 4.25);
    assert_eq!(figures("nvfp4").bits_per_value, 4.5);
    assert_eq!(figures("fp8_e4m3").highest.to_f64(), 448.0);
    assert_eq!(figures("fp8_e5m2").highest.to_f64(), 57344.0);
    assert_eq!(figures("fp6_e3m2").highest.to_f64(), 28.0);
    assert_eq!(figures("fp6_e2m3").highest.to_f64(), 7.5);
    assert_eq!(figures("posit16_1").highest.to_f64(), 2f64.powi(28));
    assert_eq!(figures("posit8_0").smallest_positive.to_f64(), 2f64.powi(-6));
    assert!((figures("fp4_e2m1").dynamic_range_db - 20.0 * 12f64.log10()).abs() < 1e-9);
    // Hardware sizes that the decoders need.
    let significand_bits = |bits, es| Posit::new(bits, es).unwrap().significand_bits();
    assert_eq!([(4, 1), (8, 0), (16, 1)].map(|(bits, es)| significand_bits(bits, es)), [1, 6, 13]);
    assert_eq!(PowerOfTwo::E8M0.bias(), 127);
    assert_eq!(Minifloat::new(4, 3).unwrap().bias(), 7);
    assert_eq!(Slice::new(4, SliceRule::MatGptq).unwrap().dropped_bits(), 4);
    let fp8: Scalar = "fp8_e4m3".parse().unwrap();
    assert_eq!(AccumulatorShape::for_sums(&fp8, 1), AccumulatorShape { lsb_exponent: -9, width_bits: 19 });
}
