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

#[test]
fn circuits_with_row_units_are_legal() {
    for (activations, rows, section) in [
        ("int8", 1, "{operators: [softmax]}"),
        ("int8", 4, "{operators: [gelu, softmax], longest_row: 8}"),
        ("int8", 2, "{operators: [layer_norm], longest_row: 4096, bits_per_cycle: 31, root: ten_iterations}"),
        ("[int8, int4]", 1, "{operators: [softmax, gelu, layer_norm], bits_per_cycle: 1}"),
        ("int16", 2, "{operators: [softmax, gelu, layer_norm], longest_row: 64}"),
    ] {
        let kind = if activations == "[int8, int4]" { "rmmec_simd" } else { "integer" };
        let yaml = format!(
            "name: c\nprecision: {{activations: {activations}, weights: {activations}}}\n\
             pe: {{kind: {kind}, lanes: 4, accumulator_bits: 40}}\narray: {{rows: 4, columns: 8}}\nvector: {{rows: {rows}}}\n\
             scratchpads: {{activations_kib: 16, weights_kib: 16}}\nnonlinear: {section}\n"
        );
        let configuration = Configuration::from_yaml(&yaml).unwrap();
        let accelerator =
            Accelerator::new(configuration).unwrap_or_else(|error| panic!("{section}: {error}"));
        accelerator.module().unwrap_or_else(|error| panic!("{section}: {error}"));
    }
}

#[test]
fn circuits_with_samplers_are_legal() {
    for (rows, drained, banks, others, section) in [
        (1, 1, 1, "", "{offsets: square, fraction_bits: 0}"),
        (4, 1, 1, "", "{offsets: per_tap}"),
        (
            4,
            4,
            2,
            "nonlinear: {operators: [softmax]}\n",
            "{offsets: per_tap, bound: [-3, 4], modulation: true}",
        ),
        (
            16,
            8,
            4,
            "",
            "{offsets: square, fraction_bits: 8, bound: [0, 7], modulation: true, longest_side: 1024}",
        ),
        (8, 8, 1, "", "{offsets: per_tap, fraction_bits: 0, modulation: true, longest_side: 2}"),
    ] {
        let yaml = format!(
            "name: c\nprecision: {{activations: int8, weights: int8}}\npe: {{kind: integer, lanes: 4}}\n\
             array: {{rows: {rows}, columns: 8}}\nvector: {{rows: {drained}}}\n\
             scratchpads: {{activations_kib: 16, weights_kib: 16, banks_per_row: {banks}}}\ndeformable: {section}\n{others}"
        );
        let accelerator = Accelerator::new(Configuration::from_yaml(&yaml).unwrap())
            .unwrap_or_else(|error| panic!("{section}: {error}"));
        accelerator.module().unwrap_or_else(|error| panic!("{section}: {error}"));
    }
}
