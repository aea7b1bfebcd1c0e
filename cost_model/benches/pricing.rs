//! Pricing an accelerator of 16 × 16 PEs whose circuits are described: area, energies and clock by component, and the
//! calibrated area of all cells.
//!
//! `cargo bench -p bitmill-cost-model --bench pricing`

use bitmill_accelerator::{Accelerator, Configuration};
use bitmill_cost_model::{Calibration, Technology, estimate};
use bitmill_hdl::Design;
use divan::Bencher;

const YAML: &str = include_str!("../../examples/mlperf_tiny/int8_16x16_narrow.yaml");

fn main() {
    divan::main();
}

fn design() -> Design {
    let configuration = Configuration::from_yaml(YAML).expect("an example");
    let top = Accelerator::new(configuration).expect("legal").module().expect("whole");
    Design::new(&top).expect("distinct names")
}

/// Every component, uncalibrated.
#[divan::bench]
fn components(bencher: Bencher) {
    let (design, technology) = (design(), Technology::named("sky130hd").expect("embedded"));
    bencher.bench(|| estimate(&design, &technology));
}

/// The area of all cells from coefficients that were fitted to whole designs.
#[divan::bench]
fn calibrated_area(bencher: Bencher) {
    let design = design();
    let calibration = Calibration::named("sky130hd").expect("embedded").expect("calibrated");
    bencher.bench(|| calibration.area_um2(&design));
}

/// Describing the circuits, which precedes both.
#[divan::bench]
fn circuits(bencher: Bencher) {
    bencher.bench(design);
}
