//! The committed calibration is what the fit makes of the committed measurements, and errs as little as it says.
//!
//! `tests/measured/TECHNOLOGY.tsv` holds area and delay of designs as `cost_model/measure/designs.py` measured them.
//! When gates are counted differently, this test prints the calibration to commit instead.

use std::collections::BTreeMap;
use std::sync::Arc;

use bitmill_accelerator::{Accelerator, Configuration};
use bitmill_cost_model::{Calibration, Sample, count_gates};
use bitmill_hdl::{Design, Module};

/// Technology, area of its smallest NAND2 in µm² (sky130_fd_sc_hd__nand2_1, NAND2xp5_ASAP7_75t_R, sg13g2_nand2_1), and
/// measurements.
const MEASURED: [(&str, f64, &str); 3] = [
    ("sky130hd", 3.7536, include_str!("measured/sky130hd.tsv")),
    ("asap7", 0.05832, include_str!("measured/asap7.tsv")),
    ("sg13g2", 7.2576, include_str!("measured/sg13g2.tsv")),
];

const METHOD: &str = "cells before layout, flattened, mapped with pyosys 0.70 (Yosys and ABC with sizing, no delay target); memories left out";

/// What is required of the errors on held-out designs: median, what nine in ten are within, Kendall's rank correlation, and
/// how many there must be.
const MEDIAN: f64 = 0.05;
const PERCENTILE_90: f64 = 0.12;
const KENDALL: f64 = 0.95;
const HELD_OUT: usize = 60;

/// Smaller designs than so many NAND2 are a handful of cells, and left out.
const SMALLEST_NANDS: f64 = 50.0;

#[test]
fn the_committed_calibration_is_that_of_the_measurements() {
    for (technology, nand_um2, text) in MEASURED {
        let (mut training, mut held_out) = (Vec::new(), Vec::new());
        for (name, area_um2) in measurements(text, nand_um2 * SMALLEST_NANDS) {
            let design = Design::new(&module(name)).expect("distinct names");
            let sample = Sample { gates: count_gates(&design), area_um2 };
            if is_held_out(name) { held_out.push((name, sample)) } else { training.push((name, sample)) }
        }
        let samples = |named: &[(&str, Sample)]| named.iter().map(|n| n.1).collect::<Vec<Sample>>();
        let fitted = Calibration::fit(technology, METHOD, nand_um2, &samples(&training), &samples(&held_out));
        println!("{technology}: {:?}", fitted.held_out);
        print_errors(&fitted, &held_out);
        let committed = Calibration::named(technology).expect("a legal file").expect("a calibration");
        assert!(fitted == committed, "the calibration to commit:\n{}", toml_of(&fitted));
        let errors = committed.held_out;
        assert!(
            errors.designs >= HELD_OUT
                && errors.median <= MEDIAN
                && errors.percentile_90 <= PERCENTILE_90
                && errors.kendall >= KENDALL,
            "{errors:?}"
        );
        assert!(held_out.iter().any(|(name, _)| name.ends_with(" array")), "whole arrays are held out");
    }
}

fn measurements(text: &str, smallest_um2: f64) -> impl Iterator<Item = (&str, f64)> {
    text.lines().filter(|line| !line.starts_with('#')).filter_map(move |line| {
        let mut columns = line.split('\t');
        let (name, area) = (columns.next()?, columns.next()?.parse().expect("an area"));
        (area >= smallest_um2).then_some((name, area))
    })
}

/// Whole arrays, and half of all other designs by a checksum of their name.
fn is_held_out(name: &str) -> bool {
    // FNV-1a, so that the split is the same everywhere.
    let hash =
        name.bytes().fold(0xcbf2_9ce4_8422_2325u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    name.ends_with(" array") || hash >> 32 & 1 == 1
}

/// A unit by its settings, or a module of one of the accelerators below.
fn module(name: &str) -> Arc<Module> {
    let (first, rest) = name.split_once(' ').unwrap_or((name, ""));
    let Some(text) = accelerator(first) else {
        let unit = bitmill_units::find(first).expect(first).unit(rest.split_whitespace()).expect(name);
        return unit.module().expect(name);
    };
    let configuration = Configuration::from_yaml(&text).expect(name);
    let top = Accelerator::new(configuration).expect(name).module().expect(name);
    let own = format!("bitmill_{first}_{rest}");
    let design = Design::new(&top).expect(name);
    let found = design.modules.iter().find(|m| m.name == own || m.name == rest);
    Arc::clone(found.unwrap_or_else(|| panic!("{first} has no module {rest}")))
}

/// An accelerator by its name: `t_WEIGHTS_ROWSxCOLUMNSxLANES`.
fn accelerator(name: &str) -> Option<String> {
    let (kind, shape) = name.strip_prefix("t_")?.split_once('_')?;
    let mut numbers = shape.split('x').map(|n| n.parse::<u32>().expect("a number"));
    let [rows, columns, lanes] = [(); 3].map(|()| numbers.next().expect("rows, columns and lanes"));
    let (kind, activations, weights) = match (kind, name) {
        ("serial", _) => ("bit_serial", "int8", "int8"),
        ("int4", "t_int4_2x8x4") => ("integer", "int4", "int4"),
        (weights, _) => ("integer", "int8", weights),
    };
    Some(format!(
        "name: {name}\nprecision: {{activations: {activations}, weights: {weights}}}\n\
         pe: {{kind: {kind}, lanes: {lanes}}}\narray: {{rows: {rows}, columns: {columns}}}\n\
         scratchpads: {{activations_kib: 16, weights_kib: 16}}\nvector: {{rows: 1}}\nclock_mhz: 100\n"
    ))
}

/// The table of errors by unit, and those of held-out designs, largest first.
fn print_errors(fitted: &Calibration, held_out: &[(&str, Sample)]) {
    let mut units: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    let mut errors: Vec<(f64, &str)> = Vec::new();
    for (name, sample) in held_out {
        let error = fitted.predict(&sample.gates) / sample.area_um2 - 1.0;
        let unit =
            if name.starts_with("t_") { "accelerator" } else { name.split(' ').next().unwrap_or(name) };
        units.entry(unit).or_default().push(error.abs());
        errors.push((error, name));
    }
    for (unit, mut errors) in units {
        errors.sort_by(f64::total_cmp);
        let (middle, worst) = (errors[errors.len() / 2] * 100.0, errors[errors.len() - 1] * 100.0);
        println!("| {unit} | {} | {middle:.1} % | {worst:.1} % |", errors.len());
    }
    errors.sort_by(|a, b| b.0.abs().total_cmp(&a.0.abs()));
    errors.iter().for_each(|(error, name)| println!("{:+.1} % {name}", error * 100.0));
}

fn toml_of(fitted: &Calibration) -> String {
    let errors = |e: bitmill_cost_model::ErrorStatistics| {
        format!(
            "{{ designs = {}, median = {}, percentile_90 = {}, worst = {}, kendall = {} }}",
            e.designs, e.median, e.percentile_90, e.worst, e.kendall
        )
    };
    let gates: String = fitted.gate_um2.iter().map(|(kind, area)| format!("{kind} = {area:?}\n")).collect();
    format!(
        "technology = \"{}\"\nmethod = \"{}\"\nheld_out = {}\ntraining = {}\n\n[gate_um2]\n{gates}",
        fitted.technology,
        fitted.method,
        errors(fitted.held_out),
        errors(fitted.training)
    )
}
