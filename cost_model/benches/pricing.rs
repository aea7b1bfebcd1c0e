//! Pricing an accelerator of 16 × 16 PEs whose circuits are described: area, energies and clock by component.
//!
//! `cargo bench -p bitmill-cost-model --bench pricing`

use bitmill_accelerator::{Accelerator, Configuration};
use bitmill_cost_model::{Technology, estimate};
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

/// Every component: gates, toggles and paths, with coefficients that were fitted to whole designs.
#[divan::bench]
fn prices(bencher: Bencher) {
    let (design, technology) = (design(), Technology::named("sky130hd").expect("embedded"));
    bencher.bench(|| estimate(&design, &technology));
}

/// Describing the circuits, which precedes pricing.
#[divan::bench]
fn circuits(bencher: Bencher) {
    bencher.bench(design);
}
