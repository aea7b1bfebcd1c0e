//! The format circuits against the value side, under Verilator: every code, every pair, every rounding.
//!
//! By default some circuits of each family are driven through all 2^16 inputs. `BITMILL_FULL` drives every
//! format of the catalogue, all posits of up to 8 bits, every encoder through 2^16 numbers and all pairs of
//! a dozen formats through the converter; circuits with more input bits get 2^17 random and corner inputs.

mod common;

use std::sync::Arc;

use bitmill_formats::{Family, Format, Scalar, catalogue};
use bitmill_hdl::Module;
use bitmill_hdl::unit::{Random, Unit, Values, compare};
use bitmill_testbenches::cosim::{self, Bench, PowerUp};
use bitmill_testbenches::{Verilator, readers};
use bitmill_units::find;

/// Cycles that a circuit is asked for: all inputs where they have at most 16 bits.
const CYCLES: usize = 1 << 17;
/// Circuits in one simulation: their stimulus is held in memory.
const BATCH: usize = 32;

/// A unit of the catalogue with its settings, `name key=value …`.
type Label = String;

fn batch(verilator: &Verilator, labels: &[Label]) -> usize {
    let units: Vec<Box<dyn Unit>> = labels.iter().map(|label| unit(label)).collect();
    let modules: Vec<Arc<Module>> = labels
        .iter()
        .zip(&units)
        .map(|(label, unit)| unit.module().unwrap_or_else(|e| panic!("{label}: {e}")))
        .collect();
    let stimuli: Vec<Vec<Values>> =
        units.iter().zip(0..).map(|(unit, seed)| unit.stimulus(&mut Random::new(seed), CYCLES)).collect();
    let benches: Vec<Bench> =
        modules.iter().zip(&stimuli).map(|(module, stimulus)| Bench { module, stimulus }).collect();
    let seen = cosim::run(verilator, &benches, PowerUp::Zero).unwrap_or_else(|error| panic!("{error}"));
    let mut vectors = 0;
    for (((label, unit), bench), seen) in labels.iter().zip(&units).zip(&benches).zip(&seen) {
        compare(bench.module, &mut *unit.model(), bench.stimulus, seen, "Verilator")
            .unwrap_or_else(|mismatch| panic!("{label}: {mismatch}"));
        vectors += bench.stimulus.len();
    }
    let sources = cosim::sources(&modules).expect("the circuits have distinct names");
    common::tools::unless_missing("lint of the format circuits", readers::lint(&sources));
    vectors
}

fn unit(label: &str) -> Box<dyn Unit> {
    let mut words = label.split_whitespace();
    let entry = words.next().and_then(|name| find(name).ok());
    let entry = entry.unwrap_or_else(|| panic!("{label} begins with no unit's name"));
    entry.unit(words).unwrap_or_else(|error| panic!("{label}: {error}"))
}

fn check(what: &str, labels: &[Label]) {
    let Some(verilator) = common::verilator_for(what) else { return };
    let vectors: usize = labels.chunks(BATCH).map(|labels| batch(&verilator, labels)).sum();
    println!("{what}: {} circuits, {vectors} vectors, all as the value side says", labels.len());
}

fn full() -> bool {
    std::env::var_os("BITMILL_FULL").is_some()
}

fn labels(lines: &[&str]) -> Vec<Label> {
    lines.iter().map(|line| (*line).to_owned()).collect()
}

/// The scalar formats that have a name.
fn scalars() -> Vec<Scalar> {
    let scalar = |format: Format| if let Format::Scalar(scalar) = format { Some(scalar) } else { None };
    catalogue::formats().into_iter().filter_map(scalar).collect()
}

fn stochastic(format: &Scalar) -> bool {
    !matches!(format, Scalar::Codebook(_))
}

/// The roundings of a format; stochastic with as many random bits as fill 16 bits of input.
fn roundings(format: &Scalar, input_bits: u32) -> Vec<String> {
    let mut roundings: Vec<String> =
        ["nearest_even", "nearest_away", "toward_zero"].map(|mode| format!("rounding={mode}")).into();
    if stochastic(format) {
        let random_bits = 16u32.saturating_sub(input_bits).clamp(3, 8);
        roundings.push(format!("rounding=stochastic random_bits={random_bits}"));
    }
    roundings
}

#[test]
fn some_of_each_family_for_all_inputs() {
    let lines = [
        "format_decoder format=fp16",
        "format_decoder format=posit16_1",
        "format_encoder format=fp8_e5m2 significand=7 exponent=6",
        "format_encoder format=bitmod_fp4 significand=7 exponent=6",
        "format_encoder format=e8m0 significand=4 exponent=9",
        "format_encoder format=double_rounding4 significand=9 exponent=4",
        "format_converter from=bf16 to=posit8_0",
        "format_multiplier format=fp8_e4m3",
        "format_multiplier format=posit8_0",
        "format_multiplier format=int8",
        "format_adder format=fp8_e4m3",
        "format_adder format=posit8_2",
        "l_mul_multiplier format=fp8_e5m2",
        "ifairy_encoder bits=8",
    ];
    check("format circuits for all inputs", &labels(&lines));
}

#[test]
fn every_format_multiplies_and_adds() {
    if !full() {
        return;
    }
    let mut labels = vec![];
    let posits = (3..=8).flat_map(|bits| (0..=2).map(move |es| format!("posit{bits}_{es}")));
    let names: Vec<String> = scalars().iter().map(Scalar::to_string).chain(posits).collect();
    let mut seen = std::collections::BTreeSet::new();
    for name in names.iter().filter(|name| seen.insert((*name).clone())) {
        let format: Scalar = name.parse().expect("names of the catalogue are read");
        labels.push(format!("format_decoder format={name}"));
        for unit in ["format_multiplier", "format_adder"] {
            let roundings = roundings(&format, 2 * format.bits());
            // Formats of more than 6 bits leave no room for random bits: these inputs are random too.
            let some = if format.bits() <= 8 { &roundings[..] } else { &roundings[..1] };
            labels.extend(some.iter().map(|rounding| format!("{unit} format={name} {rounding}")));
        }
        if format.bits() <= 8 {
            labels.push(format!("format_multiplier format={name} reduction=tree"));
        }
        if let Scalar::Minifloat(minifloat) = &format
            && minifloat.mantissa_bits() > 0
        {
            labels.push(format!("l_mul_multiplier format={name}"));
        }
    }
    check("multipliers and adders of every format", &labels);
}

#[test]
fn every_format_encodes() {
    if !full() {
        return;
    }
    let mut labels = vec![];
    for format in scalars() {
        // Every rounding, and for the first of them other widths of the number that is rounded.
        let [nearest, others @ ..] = &roundings(&format, 16)[..] else { unreachable!("a format rounds") };
        for numbers in [
            "significand=7 exponent=6",
            "significand=6 exponent=7",
            "significand=9 exponent=4",
            "significand=8 exponent=6 convention=twos_complement",
        ] {
            labels.push(format!("format_encoder format={format} {numbers} {nearest}"));
        }
        for rounding in others {
            labels.push(format!("format_encoder format={format} significand=7 exponent=6 {rounding}"));
        }
    }
    check("encoders of every format", &labels);
}

#[test]
fn formats_convert_into_each_other() {
    if !full() {
        return;
    }
    let names = [
        "int8",
        "uint8",
        "int16",
        "fixed8_4_wrap",
        "fp6_e3m2",
        "fp8_e4m3",
        "fp8_e5m2",
        "fp8_e4m3_fnuz_b11",
        "bf16",
        "fp16",
        "fp32",
        "e8m0",
        "posit8_0",
        "posit8_2",
        "posit16_1",
        "ternary",
        "bitmod_fp3_n6",
        "matgptq3",
    ];
    let mut labels = vec![];
    for from in names {
        for to in names {
            labels.push(format!("format_converter from={from} to={to}"));
            labels.push(format!("format_converter from={from} to={to} rounding=toward_zero"));
        }
    }
    check("conversions between formats", &labels);
}
