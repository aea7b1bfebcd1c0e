//! QONNX: the multilayer perceptrons of FINN with 1- and 2-bit weights and activations, on all of MNIST's test images.

mod common;

use std::io::Read;

use bitmill_model::{Imported, Operation, QuantizedNetwork, TensorId, import};
use common::{largest, shared_model};

/// The bytes behind the header of one of MNIST's files.
fn mnist(name: &str, header: usize) -> Option<Vec<u8>> {
    let packed = shared_model(&format!("mnist/{name}"))?;
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(&packed[..]).read_to_end(&mut bytes).expect("a gzip file");
    Some(bytes.split_off(header))
}

/// How many of the 10 000 images the network gets right.
fn right_answers(network: &QuantizedNetwork) -> Option<usize> {
    let (images, labels) = (mnist("t10k-images-idx3-ubyte.gz", 16)?, mnist("t10k-labels-idx1-ubyte.gz", 8)?);
    let is_right = |(image, &label): (&[u8], &u8)| {
        let real: Vec<f32> = image.iter().map(|&pixel| f32::from(pixel) / 255.0).collect();
        let tensors = network.run(&network.quantize_input(&real)).expect("an image fits");
        largest(&tensors[network.graph().output().index()]) == usize::from(label)
    };
    let rows = images.chunks_exact(28 * 28);
    assert_eq!((rows.len(), labels.len()), (10_000, 10_000));
    Some(rows.zip(&labels).filter(|&pair| is_right(pair)).count())
}

fn check(file: &str, levels: &[i16], expected: usize) {
    let Some(bytes) = shared_model(file) else { return };
    let Imported { quantized, notes, .. } = import(&bytes).expect("imports");
    let network = quantized.unwrap_or_else(|| panic!("is quantized: {notes:?}"));
    let mut matrices = 0;
    for (layer, parameters) in network.pairs() {
        if matches!(layer.operation, Operation::FullyConnected { .. }) {
            matrices += 1;
            assert!(parameters.weights.iter().all(|weight| levels.contains(weight)), "{}", layer.name);
            assert_eq!(parameters.weight_format.signed_bits(), Some(2));
        }
    }
    assert_eq!(matrices, 4);
    // The activations between the layers take the same levels.
    let tensors = network.run(&vec![100; 784]).expect("fits");
    for layer in &network.graph().layers()[..4] {
        assert!(
            tensors[layer.output.index()].iter().all(|&value| levels.contains(&(value as i16))),
            "{}",
            layer.name
        );
    }
    assert_eq!(network.quantization(TensorId::INPUT).bits(), 8);
    let Some(right) = right_answers(&network) else { return };
    println!("{file}: {right} of 10000 right");
    assert_eq!(right, expected);
}

/// qonnx itself (`execute_onnx` on pixels / 255) gets 9296 right. The 93.17 % of the model's authors are out of
/// reach for it too: even with all ties counted as right there are 9306.
#[test]
fn bipolar_weights_and_activations_are_as_accurate_as_in_qonnx() {
    check("qonnx/TFC_1W1A.onnx", &[-1, 1], 9296);
}

#[test]
fn two_bit_weights_and_activations_are_as_accurate_as_in_qonnx() {
    check("qonnx/TFC_2W2A.onnx", &[-1, 0, 1], 9660);
}
