//! Speed of tensor encoding and decoding on one core, beside `half` and (if Python has it) ml_dtypes.
//!
//! `cargo bench -p bitmill-formats`. A million values from a normal distribution, as weights have, and a
//! million random bit patterns of all magnitudes, which is the worst case for tables.

use std::process::Command;

use bitmill_formats::{Rounding, Scalar, TensorCodec};
use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};

const COUNT: usize = 1 << 20;
const FORMATS: [&str; 8] =
    ["int8", "int4", "fp4_e2m1", "fp8_e4m3", "fp8_e5m2", "posit8_1", "e8m0", "bitmod_fp4"];
const INPUTS: [&str; 2] = ["normal", "any_bits"];

fn main() {
    divan::main();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/ml_dtypes_speed.py");
    let python = std::env::var("BITMILL_PYTHON").unwrap_or_else(|_| "python3".into());
    match Command::new(&python).arg(script).status() {
        Ok(status) if status.success() => {}
        _ => println!("skipped: ml_dtypes, since {python} cannot import it (set BITMILL_PYTHON)"),
    }
}

fn scalar(name: &str) -> Scalar {
    name.parse().expect("a legal name")
}

/// A million seeded values; the normal ones by the sum of twelve uniform draws.
fn input(kind: &str) -> Vec<f32> {
    let draw = |i: usize| Rounding::draw(1, i as u64);
    let uniform = |i: usize| draw(i) as f32 / u64::MAX as f32;
    let normal = |i: usize| (0..12).map(|k| uniform(12 * i + k)).sum::<f32>() - 6.0;
    match kind {
        "normal" => (0..COUNT).map(normal).collect(),
        _ => (0..COUNT).map(|i| f32::from_bits(draw(i) as u32)).collect(),
    }
}

#[divan::bench(args = FORMATS, consts = [0, 1])]
fn encode<const INPUT: usize>(bencher: Bencher, name: &str) {
    let codec = TensorCodec::new(&scalar(name), Rounding::NearestEven);
    let values = input(INPUTS[INPUT]);
    let mut codes = vec![0u8; COUNT];
    bencher
        .counter(ItemsCount::new(COUNT))
        .bench_local(|| codec.encode_bytes(black_box(&values), &mut codes));
}

#[divan::bench(args = FORMATS)]
fn decode(bencher: Bencher, name: &str) {
    let codec = TensorCodec::new(&scalar(name), Rounding::NearestEven);
    let codes: Vec<u8> = (0..COUNT).map(|i| Rounding::draw(2, i as u64) as u8).collect();
    let mut values = vec![0f32; COUNT];
    bencher
        .counter(ItemsCount::new(COUNT))
        .bench_local(|| codec.decode_bytes(black_box(&codes), &mut values));
}

/// Formats wider than a byte go through the exact encoder.
#[divan::bench(args = ["fp16", "bf16", "posit16_1", "int16"])]
fn encode_wide(bencher: Bencher, name: &str) {
    let codec = TensorCodec::new(&scalar(name), Rounding::NearestEven);
    let values = input("normal");
    bencher.counter(ItemsCount::new(COUNT)).bench_local(|| codec.encode(black_box(&values)));
}

#[divan::bench]
fn half_f16_encode(bencher: Bencher) {
    let values = input("normal");
    let mut codes = vec![f16::ZERO; COUNT];
    bencher.counter(ItemsCount::new(COUNT)).bench_local(|| codes.convert_from_f32_slice(black_box(&values)));
}

#[divan::bench]
fn half_f16_decode(bencher: Bencher) {
    let codes: Vec<f16> = (0..COUNT).map(|i| f16::from_bits(i as u16)).collect();
    let mut values = vec![0f32; COUNT];
    bencher
        .counter(ItemsCount::new(COUNT))
        .bench_local(|| black_box(&codes).convert_to_f32_slice(&mut values));
}

#[divan::bench]
fn half_bf16_encode(bencher: Bencher) {
    let values = input("normal");
    let mut codes = vec![bf16::ZERO; COUNT];
    bencher.counter(ItemsCount::new(COUNT)).bench_local(|| codes.convert_from_f32_slice(black_box(&values)));
}
