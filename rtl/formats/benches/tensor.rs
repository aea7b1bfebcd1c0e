//! Speed of tensor encoding and decoding on one core, beside `half` and (if Python has it) ml_dtypes.
//!
//! `cargo bench -p bitmill-formats --bench tensor`. A million values from a normal distribution, as weights have, and a
//! million random bit patterns of all magnitudes, which is the worst case for tables.

use std::process::Command;

use bitmill_formats::{Codebook, Rounding, Scalar, TensorCodec, Ties};
use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};

const COUNT: usize = 1 << 20;
const FORMATS: [&str; 8] =
    ["int8", "int4", "fp4_e2m1", "fp8_e4m3", "fp8_e5m2", "posit8_1", "e8m0", "bitmod_fp4"];

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

fn draw(i: usize) -> u64 {
    Rounding::draw(1, i as u64)
}

/// Seeded normal values: sums of twelve uniform draws.
fn normal_values() -> Vec<f32> {
    let uniform = |i: usize| draw(i) as f32 / u64::MAX as f32;
    (0..COUNT).map(|i| (0..12).map(|k| uniform(12 * i + k)).sum::<f32>() - 6.0).collect()
}

/// Seeded bit patterns.
fn any_values() -> Vec<f32> {
    (0..COUNT).map(|i| f32::from_bits(draw(i) as u32)).collect()
}

fn bench_encode(bencher: Bencher, format: &Scalar, values: &[f32]) {
    let codec = TensorCodec::new(format, Rounding::NearestEven);
    let mut codes = vec![0u8; COUNT];
    bencher.counter(ItemsCount::new(COUNT)).bench_local(|| codec.encode_bytes(black_box(values), &mut codes));
}

#[divan::bench(args = FORMATS)]
fn encode_normal(bencher: Bencher, name: &str) {
    bench_encode(bencher, &scalar(name), &normal_values());
}

#[divan::bench(args = FORMATS)]
fn encode_any_bits(bencher: Bencher, name: &str) {
    bench_encode(bencher, &scalar(name), &any_values());
}

/// A codebook so crowded that its runs must be searched: the slowest byte format there can be.
#[divan::bench]
fn encode_crowded_codebook(bencher: Bencher) {
    let values: Vec<f64> = (0..256).map(|i| 1.0 + f64::from(i) * 2f64.powi(-20)).collect();
    let codebook = Codebook::new("crowded", &values, Ties::Lower).expect("256 values");
    bench_encode(bencher, &Scalar::Codebook(codebook), &normal_values());
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
    let values = normal_values();
    bencher.counter(ItemsCount::new(COUNT)).bench_local(|| codec.encode(black_box(&values)));
}

#[divan::bench]
fn half_f16_encode(bencher: Bencher) {
    let values = normal_values();
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
    let values = normal_values();
    let mut codes = vec![bf16::ZERO; COUNT];
    bencher.counter(ItemsCount::new(COUNT)).bench_local(|| codes.convert_from_f32_slice(black_box(&values)));
}
