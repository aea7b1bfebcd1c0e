//! Speed of the golden arithmetic on one core: whole networks, one input.
//!
//! `cargo bench -p bitmill-model --bench inference`. Networks of ../shared/data that are not at hand are skipped.

use bitmill_model::{QuantizedNetwork, TensorId, import};
use divan::{Bencher, black_box};

fn main() {
    divan::main();
}

/// A network and an input in which every code occurs.
fn network(name: &str) -> Option<(QuantizedNetwork, Vec<i32>)> {
    let path = format!("{}/../../shared/data/models/{name}", env!("CARGO_MANIFEST_DIR"));
    let Ok(bytes) = std::fs::read(&path) else {
        println!("skipped: {path} is not at hand");
        return None;
    };
    let network = import(&bytes).expect("a supported network").quantized.expect("a quantized network");
    let elements = network.graph().shape(TensorId::INPUT).elements() as i32;
    Some((network, (0..elements).map(|i| (i * 37 + i / 7 * 11) % 256 - 128).collect()))
}

#[divan::bench(args = [
    "mlperf_tiny/pretrainedResnet_quant.tflite",
    "mlperf_tiny/kws_ref_model.tflite",
    "resnet20_cifar10/resnet20_cifar10_ort_qdq_int8.onnx",
])]
fn run(bencher: Bencher, name: &str) {
    if let Some((network, input)) = network(name) {
        bencher.bench(|| black_box(&network).run(black_box(&input)));
    }
}
