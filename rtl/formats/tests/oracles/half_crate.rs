//! The crate `half` (through `f32`: its conversion from `f64` reads the upper 32 bits only) for fp16 and bf16, and the machine's own arithmetic for fp32.

use bitmill_formats::Rounding;
use half::{bf16, f16};

use crate::Oracle;

#[test]
fn fp16() {
    let of = |code: u32| f16::from_bits(code as u16);
    Oracle {
        format: "fp16",
        rounding: Rounding::NearestEven,
        differs: &|_| false,
        encode: &|x| f16::from_f32(x as f32).to_bits().into(),
        decode: &|code| of(code).to_f64(),
        add: &|a, b| (of(a) + of(b)).to_bits().into(),
        multiply: &|a, b| (of(a) * of(b)).to_bits().into(),
    }
    .check();
}

#[test]
fn bf16_() {
    let of = |code: u32| bf16::from_bits(code as u16);
    Oracle {
        format: "bf16",
        rounding: Rounding::NearestEven,
        differs: &|_| false,
        encode: &|x| bf16::from_f32(x as f32).to_bits().into(),
        decode: &|code| of(code).to_f64(),
        add: &|a, b| (of(a) + of(b)).to_bits().into(),
        multiply: &|a, b| (of(a) * of(b)).to_bits().into(),
    }
    .check();
}

#[test]
fn fp32_is_the_machines() {
    Oracle {
        format: "fp32",
        rounding: Rounding::NearestEven,
        differs: &|_| false,
        encode: &|x| (x as f32).to_bits(),
        decode: &|code| f32::from_bits(code).into(),
        add: &|a, b| (f32::from_bits(a) + f32::from_bits(b)).to_bits(),
        multiply: &|a, b| (f32::from_bits(a) * f32::from_bits(b)).to_bits(),
    }
    .check();
}
