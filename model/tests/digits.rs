//! The embedded network: import, single precision and QDQ against onnxruntime's recorded results.

mod common;

use bitmill_model::{Imported, TensorId, import, npy};
use common::{digits, images, largest, quantized_right_answers, right_answers};

/// What train.py printed for onnxruntime, of 450 test images.
const ONNXRUNTIME_FLOAT_RIGHT: usize = 446;
const ONNXRUNTIME_QDQ_RIGHT: usize = 447;

#[test]
fn the_float_network_agrees_with_onnxruntime() {
    let Imported { float, quantized, notes, .. } = import(&digits("digits.onnx")).unwrap();
    assert!(quantized.is_none() && notes.is_empty(), "{notes:?}");
    let expected = npy::read::<f32>(&digits("reference_logits.npy")).unwrap();
    for (image, expected) in images("test_images.npy").iter().zip(expected.rows()) {
        let tensors = float.run(image).unwrap();
        for (found, expected) in tensors.last().unwrap().iter().zip(expected) {
            // Both round to 24 bits at every step, in different orders: logits near 10 differ by some
            // 1e-6. A wrong weight or epsilon shows far above 1e-4.
            assert!((found - expected).abs() < 1e-4, "{found} {expected}");
        }
    }
    let right = right_answers(|image| largest(float.run(image).unwrap().last().unwrap()));
    assert_eq!(right, ONNXRUNTIME_FLOAT_RIGHT);
}

#[test]
fn the_qdq_network_keeps_its_scales_and_its_accuracy() {
    let Imported { quantized, notes, .. } = import(&digits("digits_qdq_int8.onnx")).unwrap();
    let network = quantized.unwrap();
    assert!(notes.is_empty(), "{notes:?}");
    // uint8 with zero point 0 becomes int8 with zero point -128.
    assert_eq!(network.quantization(TensorId::INPUT).zero_point, -128);
    let expected = npy::read::<f32>(&digits("reference_logits_qdq.npy")).unwrap();
    let output = network.graph().output();
    let step = network.quantization(output).scale;
    let mut largest_difference = 0.0f64;
    let mut agreeing = 0;
    for (image, expected) in images("test_images.npy").iter().zip(expected.rows()) {
        let tensors = network.run(&network.quantize_input(image)).unwrap();
        let found = network.dequantize(output, tensors.last().unwrap());
        agreeing += usize::from(largest(&found) == largest(expected));
        for (found, &expected) in found.iter().zip(expected) {
            largest_difference = largest_difference.max((found - f64::from(expected)).abs() / step);
        }
    }
    println!("largest difference from onnxruntime: {largest_difference:.1} steps; {agreeing} of 450 agree");
    // onnxruntime computes QDQ nodes in float and rounds halves to even; the hardware rounds halves up with
    // a 16-bit multiplier. Single steps differ in some layers and add up to a few at the logits.
    assert!(largest_difference < 6.5, "{largest_difference}");
    assert!(agreeing >= 447, "{agreeing}");
    assert!(quantized_right_answers(&network).abs_diff(ONNXRUNTIME_QDQ_RIGHT) <= 2);
}
