//! Sums, dot products, conversions and tensors against definitions that are written independently here.

use bitmill_formats::{
    AccumulatorShape, ExactSum, Family, FixedAccumulator, LMul, Minifloat, Rounding, Scalar, TensorCodec,
    Value, arithmetic, catalogue,
};
use num_bigint::BigInt;

const STOCHASTIC: Rounding = Rounding::Stochastic { seed: 5 };

fn scalar(name: &str) -> Scalar {
    name.parse().expect("a legal name")
}

fn catalogue_scalars() -> Vec<Scalar> {
    catalogue::formats().iter().filter_map(|format| format.scalar("this test").ok().cloned()).collect()
}

fn random_codes(format: &Scalar, seed: u64, count: u64) -> Vec<u32> {
    (0..count).map(|i| Rounding::draw(seed, i) as u32 & format.largest_code()).collect()
}

/// Jammed sums round like the exact ones, also where the terms are far apart.
#[test]
fn sums_of_two_round_like_the_big_integer_sum() {
    for name in ["fp32", "bf16", "fp16", "posit16_2", "fp8_e5m2", "int16"] {
        let format = scalar(name);
        let (a, b) = (random_codes(&format, 5, 20_000), random_codes(&format, 6, 20_000));
        for (a, b) in a.into_iter().zip(b) {
            let mut sum = ExactSum::new();
            sum.add(&format.decode(a));
            sum.add(&format.decode(b));
            for rounding in [
                Rounding::NearestEven,
                Rounding::NearestAway,
                Rounding::TowardZero,
                Rounding::Stochastic { seed: 9 },
            ] {
                // A sum does not know the signs of the zeros it added; adding +0 forgets them here too.
                let unsigned_zero = |code: u32| format.decode(code).add(Value::ZERO);
                let exact = unsigned_zero(format.encode(&sum.value(), rounding));
                let ours = unsigned_zero(arithmetic::add(&format, a, b, rounding));
                assert_eq!(ours, exact, "{name}: {a:#x} + {b:#x}, {rounding}");
            }
        }
    }
}

/// A fused dot product does not depend on the order, and a sum of rounded products would differ.
#[test]
fn dot_products_do_not_depend_on_the_order() {
    let mut differing = 0;
    for name in ["fp8_e4m3", "fp16", "posit8_1", "fp6_e3m2"] {
        let format = scalar(name);
        for round in 0..50 {
            let finite = |codes: Vec<u32>| {
                codes.into_iter().map(|c| if format.decode(c).finite().is_some() { c } else { 1 }).collect()
            };
            let (mut a, mut b): (Vec<u32>, Vec<u32>) = (
                finite(random_codes(&format, 2 * round, 100)),
                finite(random_codes(&format, 2 * round + 1, 100)),
            );
            let fused = |a: &[u32], b: &[u32]| {
                arithmetic::dot((&format, a), (&format, b), &format, Rounding::NearestEven)
            };
            let forward = fused(&a, &b).unwrap();
            let stepwise = a.iter().zip(&b).fold(0, |sum, (a, b)| {
                let product = arithmetic::multiply(&format, *a, *b, Rounding::NearestEven);
                arithmetic::add(&format, sum, product, Rounding::NearestEven)
            });
            differing += u32::from(stepwise != forward);
            a.reverse();
            b.reverse();
            assert_eq!(fused(&a, &b).unwrap(), forward, "{name}");
        }
    }
    assert!(differing > 100, "fused and stepwise sums differ in {differing} of 200 cases");
    let int8 = scalar("int8");
    let error = arithmetic::dot((&int8, &[1, 2]), (&int8, &[1]), &int8, Rounding::NearestEven).unwrap_err();
    assert_eq!(error.to_string(), "elements of the second vector: 1 given, 2 needed");
}

/// Special values in a dot product.
#[test]
fn special_values_pass_through_a_dot_product() {
    let format = scalar("fp8_e5m2");
    let code = |x: f64| format.encode(&Value::from_f64(x), Rounding::NearestEven);
    let (one, infinity, nan) = (code(1.0), code(f64::INFINITY), code(f64::NAN));
    let dot = |a: &[u32], b: &[u32]| {
        arithmetic::dot((&format, a), (&format, b), &format, Rounding::NearestEven).unwrap()
    };
    let minus_infinity = code(f64::NEG_INFINITY);
    assert_eq!(dot(&[one, infinity], &[one, one]), infinity);
    assert_eq!(dot(&[infinity, infinity], &[one, code(-1.0)]), nan);
    assert_eq!(dot(&[infinity, one], &[code(0.0), one]), nan);
    assert_eq!(dot(&[minus_infinity, nan], &[one, one]), nan);
    assert_eq!(dot(&[minus_infinity, one], &[code(2.0), one]), minus_infinity);
    assert_eq!(dot(&[], &[]), 0);
}

/// The register is wide enough for the worst sum, and one bit less is not.
#[test]
fn accumulator_widths_are_tight() {
    let pairs = [
        ("int8", "int8"),
        ("uint8", "int8"),
        ("int4", "uint4"),
        ("fp4_e2m1", "fp4_e2m1"),
        ("fp8_e4m3", "int8"),
        ("fp8_e5m2", "fp8_e4m3"),
        ("posit8_0", "posit8_0"),
        ("posit16_1", "posit16_1"),
        ("ternary", "int8"),
        ("bitmod_fp4", "fp16"),
        ("binary", "binary"),
        ("uint1", "uint2"),
    ];
    for (a_name, b_name) in pairs {
        let (a, b) = (scalar(a_name), scalar(b_name));
        for length in [1, 9, 64, 4608] {
            let shape = AccumulatorShape::for_products(&a, &b, length);
            let narrower = AccumulatorShape { width_bits: shape.width_bits - 1, ..shape };
            let ends = |x: &Scalar| [x.extremes().lowest, x.extremes().highest].map(Value::Finite);
            let mut overflows = false;
            for x in ends(&a) {
                for y in ends(&b) {
                    let (mut exact, mut wide, mut narrow) =
                        (ExactSum::new(), FixedAccumulator::new(shape), FixedAccumulator::new(narrower));
                    for _ in 0..length {
                        exact.add_product(&x, &y);
                        wide.add_product(&x, &y).unwrap();
                        narrow.add_product(&x, &y).unwrap();
                    }
                    assert_eq!(wide.value(), exact.value(), "{a_name} x {b_name}, {length}");
                    overflows |= narrow.value() != exact.value();
                }
            }
            assert!(overflows, "{a_name} x {b_name}, {length}: {} bits would do", narrower.width_bits);
        }
    }
    let width =
        |a: &str, b: &str, length| AccumulatorShape::for_products(&scalar(a), &scalar(b), length).width_bits;
    assert_eq!(width("int8", "int8", 1), 16, "(-128)^2 needs the 16th bit");
    // The published Kulisch widths for 4608 terms (arXiv 2311.12359) bound the maximum by a power of two.
    assert_eq!([width("fp6_e2m3", "fp6_e2m3", 4608), width("fp6_e3m2", "fp6_e3m2", 4608)], [25, 31]);
    // Every multiple of the last bit that products reach fits the posit standard's sizes.
    assert!(width("posit8_0", "posit8_0", 64) <= 32 && width("posit16_1", "posit16_1", 4096) <= 128);
}

/// The golden register wraps like hardware, and refuses bits that it does not have.
#[test]
fn the_register_wraps_and_refuses() {
    let mut register = FixedAccumulator::new(AccumulatorShape { lsb_exponent: 0, width_bits: 8 });
    for _ in 0..2 {
        register.add_product(&Value::from_integer(10), &Value::from_integer(10)).unwrap();
    }
    assert_eq!(*register.register(), BigInt::from(200 - 256));
    assert!(register.add_product(&Value::from_f64(0.5), &Value::from_integer(1)).is_err());
}

/// Conversion rounds once: through every intermediate it would not.
#[test]
fn conversions_round_once() {
    let (fp32, fp16, fp8) = (scalar("fp32"), scalar("fp16"), scalar("fp8_e4m3"));
    // Just above the tie between 1 and 1.125: fp16 rounds it to the tie, and then fp8 to even, 1.
    let code = (1.0625f32 + 2f32.powi(-20)).to_bits();
    assert_eq!(arithmetic::convert(&fp32, code, &fp8, Rounding::NearestEven), 0x39);
    let half = arithmetic::convert(&fp32, code, &fp16, Rounding::NearestEven);
    assert_eq!(arithmetic::convert(&fp16, half, &fp8, Rounding::NearestEven), 0x38);
    // Between all pairs of formats of at most 8 bits: every code of one is a real number for the other.
    let formats: Vec<Scalar> = catalogue_scalars().into_iter().filter(|format| format.bits() <= 8).collect();
    for from in &formats {
        for to in &formats {
            for code in 0..=from.largest_code() {
                let converted = arithmetic::convert(from, code, to, Rounding::NearestEven);
                let value = Value::from_f64(from.decode(code).to_f64());
                assert_eq!(converted, to.encode(&value, Rounding::NearestEven), "{from} to {to}: {code:#x}");
            }
        }
    }
}

/// The fast tensor codec is the exact codec, for every format and every deterministic rounding.
#[test]
fn the_tensor_codec_is_the_exact_codec() {
    let mut values: Vec<f32> = (0..1u32 << 16)
        .flat_map(|top| [top << 16, (top << 16) + 1, (top << 16).wrapping_sub(1)])
        .map(f32::from_bits)
        .collect();
    values.extend((0..100_000).map(|i| f32::from_bits(Rounding::draw(11, i) as u32)));
    let mine = bitmill_formats::Codebook::new(
        "crowded",
        &(0..200).map(|i| 1.0 + f64::from(i) * 2f64.powi(-18)).collect::<Vec<_>>(),
        bitmill_formats::Ties::Lower,
    );
    let crowded = Scalar::Codebook(mine.unwrap());
    let wrapping = scalar("int8_wrap");
    for format in catalogue_scalars().into_iter().chain([crowded, wrapping]) {
        for rounding in [Rounding::NearestEven, Rounding::NearestAway, Rounding::TowardZero, STOCHASTIC] {
            let codec = TensorCodec::new(&format, rounding);
            // Without a table the codec is the exact encoder by construction: a sample will do.
            let by_table = format.bits() <= 8 && rounding != STOCHASTIC;
            let values = if by_table { &values[..] } else { &values[values.len() - 2000..] };
            let codes = codec.encode(values);
            for (index, (value, code)) in values.iter().zip(&codes).enumerate() {
                let exact = format.encode_at(&Value::from_f32(*value), rounding, index as u64);
                assert_eq!(*code, exact, "{format}, {rounding}: {value:e} ({:#x})", value.to_bits());
            }
            for (value, code) in codec.decode(&codes).iter().zip(&codes) {
                assert_eq!(Value::from_f32(*value), Value::from_f32(format.decode(*code).to_f32()));
            }
        }
    }
    let wide = TensorCodec::new(&scalar("fp16"), Rounding::NearestEven);
    assert!(wide.encode_bytes(&[1.0], &mut [0]).unwrap_err().to_string().contains("at most 8 bits"));
    let narrow = TensorCodec::new(&scalar("int4"), Rounding::NearestEven);
    assert!(narrow.encode_bytes(&[1.0], &mut []).is_err() && narrow.decode_bytes(&[1], &mut []).is_err());
}

/// The mean of stochastic encodings is the number itself.
#[test]
fn stochastic_encoding_is_unbiased() {
    const DRAWS: u64 = 40_000;
    for (name, x) in [
        ("int8", 3.3),
        ("int8", -3.3),
        ("fp4_e2m1", 2.2),
        ("fp8_e4m3", -0.07),
        ("bitmod_fp3", 2.4),
        ("binary", 0.2),
    ] {
        let format = scalar(name);
        let encode = |i| {
            format.decode(format.encode_at(&Value::from_f64(x), Rounding::Stochastic { seed: 3 }, i)).to_f64()
        };
        let values: Vec<f64> = (0..DRAWS).map(encode).collect();
        let mean = values.iter().sum::<f64>() / DRAWS as f64;
        let spread = values.iter().map(|v| (v - x).powi(2)).sum::<f64>() / DRAWS as f64;
        // Five standard errors of the mean.
        assert!((mean - x).abs() < 5.0 * (spread / DRAWS as f64).sqrt(), "{name}: mean {mean}, not {x}");
    }
}

/// L-Mul over all pairs of every minifloat of at most 8 bits: what it does is what its page says.
#[test]
fn lmul_keeps_its_rules_for_every_pair() {
    for format in catalogue_scalars() {
        let Scalar::Minifloat(minifloat) = format else { continue };
        if minifloat.bits() > 8 {
            continue;
        }
        let lmul = LMul::new(minifloat).unwrap();
        let sign = minifloat.sign_bit();
        let m = minifloat.mantissa_bits();
        for a in 0..2 * sign {
            for b in 0..2 * sign {
                let product = lmul.multiply(a, b);
                let (x, y, z) = (minifloat.decode(a), minifloat.decode(b), minifloat.decode(product));
                assert_eq!(product, lmul.multiply(b, a));
                let (Some(x), Some(y)) = (x.finite(), y.finite()) else { continue };
                let flushed = (a & (sign - 1)) >> m == 0 || (b & (sign - 1)) >> m == 0;
                let Some(z) = z.finite().filter(|z| !z.is_zero()) else { continue };
                assert!(!flushed, "{minifloat}: a zero or subnormal operand gives zero");
                assert_eq!(z.is_negative(), x.is_negative() != y.is_negative());
                // Away from the ends of the range the error is within that of the exhaustive table.
                if product & (sign - 1) < minifloat.largest_code() {
                    let error = z.to_f64() / (x.to_f64() * y.to_f64()) - 1.0;
                    let bound = [1.0, 0.5, 0.25, 0.125, 0.125][m as usize];
                    assert!(error.abs() <= bound, "{minifloat}: {a:#x} x {b:#x} is off by {error}");
                }
            }
        }
    }
    let one = LMul::new(Minifloat::new(4, 3).unwrap()).unwrap();
    assert_eq!(one.multiply(0x38, 0x38), 0x39, "1 x 1 is 1.125");
    assert_eq!(one.printed_formula(0x38, 0x38).to_f64(), 1.125);
    assert_eq!(
        (one.multiply(0x3c, 0x3c), one.printed_formula(0x3c, 0x3c).to_f64()),
        (0x41, 2.125),
        "1.5 x 1.5"
    );
}
