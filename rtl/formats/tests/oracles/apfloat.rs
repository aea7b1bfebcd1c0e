//! LLVM's APFloat, in its Rust port: also formats of our own choosing, since its semantics are a trait.

use bitmill_formats::Rounding;
use rustc_apfloat::ieee::{self, Double, IeeeFloat, Semantics};
use rustc_apfloat::{Float, FloatConvert, Round};

use crate::Oracle;

const ROUNDINGS: [(Rounding, Round); 3] = [
    (Rounding::NearestEven, Round::NearestTiesToEven),
    (Rounding::NearestAway, Round::NearestTiesToAway),
    (Rounding::TowardZero, Round::TowardZero),
];

fn check<S: Semantics>(format: &str)
where
    Double: FloatConvert<IeeeFloat<S>>,
    IeeeFloat<S>: FloatConvert<Double>,
{
    let of = |code: u32| IeeeFloat::<S>::from_bits(code.into());
    for (rounding, theirs) in ROUNDINGS {
        Oracle {
            format,
            rounding,
            differs: &|_| false,
            encode: &|x| {
                let double = Double::from_bits(x.to_bits().into());
                let converted: IeeeFloat<S> = double.convert_r(theirs, &mut false).value;
                converted.to_bits() as u32
            },
            decode: &|code| {
                let double: Double = of(code).convert(&mut false).value;
                f64::from_bits(double.to_bits() as u64)
            },
            add: &|a, b| of(a).add_r(of(b), theirs).value.to_bits() as u32,
            multiply: &|a, b| of(a).mul_r(of(b), theirs).value.to_bits() as u32,
        }
        .check();
    }
}

/// IEEE-like semantics of any width.
macro_rules! semantics {
    ($($name:ident: $bits:literal, $exponent_bits:literal;)*) => { $(
        struct $name;
        impl Semantics for $name {
            const BITS: usize = $bits;
            const EXP_BITS: usize = $exponent_bits;
        }
    )* };
}

semantics! {
    E3M4: 8, 3;
    E4M3: 8, 4;
    E2M3: 6, 2;
    E3M2: 6, 3;
    E6M5: 12, 6;
    Tf32: 19, 8;
}

#[test]
fn eight_bits() {
    check::<ieee::Float8E5M2S>("fp8_e5m2");
    check::<ieee::Float8E4M3FNS>("fp8_e4m3_nonsat");
}

#[test]
fn ieee_like_formats_of_other_widths() {
    check::<E3M4>("fp8_e3m4");
    check::<E4M3>("fp8_e4m3_ieee");
    check::<E2M3>("fp6_e2m3_ieee");
    check::<E3M2>("fp6_e3m2_ieee");
    check::<E6M5>("fp12_e6m5");
    check::<Tf32>("tf32");
}

#[test]
fn sixteen_and_thirty_two_bits() {
    check::<ieee::HalfS>("fp16");
    check::<ieee::BFloatS>("bf16");
    check::<ieee::SingleS>("fp32");
}
