//! ml_dtypes, gfloat and softposit, where Python has them: `python_oracles.py` recomputes what we send it.
//! The interpreter is `BITMILL_PYTHON`, or `python3`.

use std::fmt::Write as _;

use bitmill_formats::{Family, Rounding, Scalar, Value, arithmetic};

use crate::pairs;

/// Operations on pairs that the library can be asked for.
#[derive(Clone, Copy, PartialEq)]
enum Pairs {
    Compared,
    /// The library has no arithmetic, or computes it in a narrower type.
    Skipped,
}

/// A line for the script: an operation on a format, its inputs, and our outputs.
fn case(
    lines: &mut String,
    operation: &str,
    format: &Scalar,
    rounding: Rounding,
    inputs: &[u64],
    outputs: &[u64],
) {
    let join = |numbers: &[u64]| numbers.iter().map(u64::to_string).collect::<Vec<_>>().join(",");
    writeln!(lines, "{operation} {format} {rounding} {} {}", join(inputs), join(outputs))
        .expect("a string takes any line");
}

/// Every value, every tie and both their neighbours one `f32` away, and the ends of the world.
fn reals(format: &Scalar) -> Vec<f64> {
    let step = (format.largest_code() / 0xfff).max(1) as usize;
    let mut values: Vec<f64> = (0..=format.largest_code())
        .step_by(step)
        .map(|code| format.decode(code).to_f64())
        .filter(|x| x.is_finite())
        .collect();
    values.sort_by(f64::total_cmp);
    let ties: Vec<f64> = values.windows(2).map(|pair| (pair[0] + pair[1]) / 2.0).collect();
    let beyond = format.extremes().highest.to_f64() * 1.25;
    let around = |x: &f64| [*x, (*x as f32).next_up().into(), (*x as f32).next_down().into()];
    values.iter().chain(&ties).flat_map(around).chain([0.0, beyond, -beyond, 1e30, -1e30]).collect()
}

fn check(library: &str, formats: &[(&str, Rounding, Pairs)], omitted: fn(&str, f64) -> bool) {
    let mut lines = String::new();
    for (name, rounding, wanted) in formats {
        let format: Scalar = name.parse().expect("a legal name");
        let codes: Vec<u64> = (0..=format.largest_code()).map(u64::from).collect();
        let values: Vec<u64> =
            codes.iter().map(|code| format.decode(*code as u32).to_f64().to_bits()).collect();
        case(&mut lines, "decode", &format, *rounding, &codes, &values);
        // Integers of numpy are encoded by its casts, which truncate: not an encoding of ours.
        if !matches!(&format, Scalar::Integer(integer) if integer.is_wrapping()) {
            let mut reals = reals(&format);
            reals.extend([f64::INFINITY, f64::NEG_INFINITY, -0.0]);
            reals.retain(|x| !omitted(name, *x));
            let encode = |x: &f64| format.encode(&Value::from_f64(*x), *rounding).into();
            let bits: Vec<u64> = reals.iter().map(|x| x.to_bits()).collect();
            case(
                &mut lines,
                "encode",
                &format,
                *rounding,
                &bits,
                &reals.iter().map(encode).collect::<Vec<_>>(),
            );
        }
        if *wanted == Pairs::Compared {
            let pairs = pairs(&format);
            let inputs: Vec<u64> = pairs.iter().flat_map(|(a, b)| [u64::from(*a), u64::from(*b)]).collect();
            for (operation, work) in [
                ("add", arithmetic::add as fn(&Scalar, u32, u32, Rounding) -> u32),
                ("multiply", arithmetic::multiply),
            ] {
                let outputs: Vec<u64> =
                    pairs.iter().map(|(a, b)| work(&format, *a, *b, *rounding).into()).collect();
                case(&mut lines, operation, &format, *rounding, &inputs, &outputs);
            }
        }
    }
    crate::common::ask("python_oracles.py", &[library], library, &lines);
}

#[test]
fn ml_dtypes() {
    let nearest = [
        "fp4_e2m1",
        "fp6_e2m3",
        "fp6_e3m2",
        "fp8_e3m4",
        "fp8_e4m3_nonsat",
        "fp8_e4m3_ieee",
        "fp8_e4m3_fnuz_nonsat",
        "fp8_e4m3_fnuz_b11_nonsat",
        "fp8_e5m2",
        "fp8_e5m2_fnuz_nonsat",
        "bf16",
        "int2_wrap",
        "int4_wrap",
        "uint2_wrap",
        "uint4_wrap",
    ];
    let mut formats: Vec<_> = nearest.map(|name| (name, Rounding::NearestEven, Pairs::Compared)).into();
    // It takes ties between powers of two up, and computes products in f32, where they underflow.
    formats.push(("e8m0", Rounding::NearestAway, Pairs::Skipped));
    // It rounds all of (2^-127, 2^-126), subnormal numbers of f32, up.
    let subnormal = |name: &str, x: f64| name == "e8m0" && 2f64.powi(-127) < x && x < 2f64.powi(-126);
    check("ml_dtypes", &formats, subnormal);
}

#[test]
fn gfloat() {
    let names = [
        "fp4_e2m1",
        "fp6_e2m3",
        "fp6_e3m2",
        "fp8_e4m3",
        "fp8_e4m3_nonsat",
        "fp8_e5m2",
        "fp8_e5m2_sat",
        "fixed8_6",
        "fp16",
        "bf16",
    ];
    let roundings = [Rounding::NearestEven, Rounding::NearestAway, Rounding::TowardZero];
    let mut formats: Vec<_> =
        names.iter().flat_map(|name| roundings.map(|rounding| (*name, rounding, Pairs::Skipped))).collect();
    formats.push(("e8m0", Rounding::NearestEven, Pairs::Skipped));
    // It has no code for what is not positive, and refuses it instead of answering NaN.
    check("gfloat", &formats, |name, x| name == "e8m0" && x <= 0.0);
}

#[test]
fn softposit() {
    let nearest = Rounding::NearestEven;
    let formats = [("posit8_0", nearest, Pairs::Compared), ("posit16_1", nearest, Pairs::Compared)];
    check("softposit", &formats, |_, _| false);
}
