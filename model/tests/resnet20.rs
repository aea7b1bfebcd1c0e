//! ResNet20 on CIFAR-10 as others exported it: strided shortcuts, and onnxruntime's QDQ.

mod common;

use bitmill_model::{FloatNetwork, Imported, Operation, QuantizedNetwork, TensorId, import};
use common::{largest, shared_model};

/// A smooth image from a seed, in the range of normalised CIFAR-10 pixels.
fn image(seed: usize) -> Vec<f32> {
    (0..32 * 32 * 3).map(|i| 1.5 * ((i * (seed + 3)) as f32 * 0.01).sin() + 0.2 * (i % 3) as f32).collect()
}

fn check_graph(float: &FloatNetwork) {
    let graph = float.graph();
    let count = |is: fn(&Operation) -> bool| graph.layers().iter().filter(|l| is(&l.operation)).count();
    // 19 convolutions and two shortcuts, each one 1×1 convolution for its Slice and Pad.
    assert_eq!(count(|operation| matches!(operation, Operation::Convolution { .. })), 21);
    assert_eq!(count(|operation| matches!(operation, Operation::Add)), 9);
    assert_eq!(graph.layers().len(), 32);
    let convolutions: u64 = graph.layers().iter().map(|layer| graph.macs(layer)).sum();
    // 40.55 M multiply-accumulates in convolutions and classifier (He et al., 2016), and our additions,
    // pooling and shortcuts.
    assert!((40_550_000..42_000_000).contains(&convolutions), "{convolutions}");
}

#[test]
fn the_float_and_the_qdq_model_agree() {
    let (Some(float), Some(qdq)) = (
        shared_model("resnet20_cifar10/resnet20_cifar10_bnfolded.onnx"),
        shared_model("resnet20_cifar10/resnet20_cifar10_ort_qdq_int8.onnx"),
    ) else {
        return;
    };
    let Imported { float, notes, .. } = import(&float).unwrap();
    assert!(notes.is_empty(), "{notes:?}");
    check_graph(&float);
    let Imported { float: dequantized, quantized, notes, .. } = import(&qdq).unwrap();
    assert!(notes.is_empty(), "{notes:?}");
    check_graph(&dequantized);
    let network: QuantizedNetwork = quantized.unwrap();
    for seed in 0..3 {
        let image = image(seed);
        let real = float.run(&image).unwrap().pop().unwrap();
        let integers = network.run(&network.quantize_input(&image)).unwrap().pop().unwrap();
        let found = network.dequantize(network.graph().output(), &integers);
        let largest_logit = real.iter().fold(0.0f32, |most, logit| most.max(logit.abs()));
        let difference = real.iter().zip(&found).map(|(a, b)| (f64::from(*a) - b).abs()).fold(0.0, f64::max);
        println!("seed {seed}: logits up to {largest_logit:.2}, int8 differs by at most {difference:.2}");
        // Int8 noise through twenty layers on an image unlike the calibration data.
        assert!(difference < 0.25 * f64::from(largest_logit), "{real:?} {found:?}");
        assert_eq!(largest(&real), largest(&found));
    }
    // Raw integers of any kind run, the extremes included.
    let elements = network.graph().shape(TensorId::INPUT).elements();
    network.run(&vec![-128; elements]).unwrap();
    network.run(&vec![127; elements]).unwrap();
}
