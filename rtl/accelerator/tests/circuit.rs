//! The whole circuit is legal for memory ports of every shape.

use bitmill_accelerator::{Accelerator, Configuration};

#[test]
fn circuits_of_all_memory_ports_are_legal() {
    for memory in [
        "{}",
        "{width_bits: 32, burst_beats: 256, outstanding_reads: 1}",
        "{width_bits: 128, burst_beats: 1, outstanding_writes: 1}",
        "{width_bits: 256, burst_beats: 256, outstanding_reads: 16, outstanding_writes: 16}",
    ] {
        let yaml = format!(
            "name: c\nprecision: {{activations: int8, weights: int8}}\npe: {{kind: integer, lanes: 4}}\n\
             array: {{rows: 4, columns: 8}}\nscratchpads: {{activations_kib: 16, weights_kib: 16}}\nmemory: {memory}\n"
        );
        let accelerator = Accelerator::new(Configuration::from_yaml(&yaml).unwrap()).unwrap();
        accelerator.module().unwrap_or_else(|error| panic!("{memory}: {error}"));
    }
}
