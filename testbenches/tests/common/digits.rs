//! The digits network and accelerators that run it.

use bitmill_accelerator::{Accelerator, Configuration};
use bitmill_model::{PtqConfig, QuantizedNetwork, import, npy, quantize};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

fn file(name: &str) -> Vec<u8> {
    std::fs::read(format!("{ROOT}/examples/digits/{name}")).expect("a file of the digits example")
}

pub fn images(name: &str) -> Vec<Vec<f32>> {
    let array = npy::read::<u8>(&file(name)).expect("an array of bytes");
    array.rows().map(|row| row.iter().map(|&pixel| f32::from(pixel)).collect()).collect()
}

pub fn digits(bits: u8) -> QuantizedNetwork {
    quantized(&PtqConfig::integers(bits, bits).expect("legal widths"))
}

pub fn quantized(config: &PtqConfig) -> QuantizedNetwork {
    let float = import(&file("digits.onnx")).expect("a supported network").float;
    quantize(&float, &images("calibration_images.npy"), config).expect("quantizable")
}

pub fn configuration(bits: u32, rows: u32, columns: u32, extra: &str) -> Accelerator {
    let yaml = format!(
        "name: t{bits}_{rows}x{columns}\nprecision: {{activations: int{bits}, weights: int{bits}}}\n\
         pe: {{kind: integer, lanes: 4}}\narray: {{rows: {rows}, columns: {columns}}}\n\
         scratchpads: {{activations_kib: 16, weights_kib: 16}}\n{extra}"
    );
    Accelerator::new(Configuration::from_yaml(&yaml).expect("well-formed")).expect("legal")
}
