//! MLPerf Tiny's int8 networks, layer by layer and byte by byte against TFLite's reference kernels.

mod common;

use bitmill_model::npz::Archive;
use bitmill_model::{Imported, Operation, import};
use common::{largest, shared_model};

/// Operators that are layers of the network: the others only change how a tensor is seen, or are the host's.
fn is_layer(name: &str) -> bool {
    !name.ends_with("RESHAPE") && !name.ends_with("SOFTMAX")
}

/// Runs every input of a reference file and compares every layer's tensor.
fn check(model: &str, reference: &str, expected_layers: usize) {
    let (Some(model), Some(reference)) = (shared_model(model), shared_model(reference)) else { return };
    let Imported { quantized, softmax, .. } = import(&model).expect("imports");
    let (network, softmax) = (quantized.expect("is quantized"), softmax.expect("ends in a softmax"));
    let reference = Archive::new(&reference).expect("a .npz file");
    let inputs = reference.array::<i8>("input").expect("inputs");
    let names: Vec<&str> = reference.names().filter(|name| *name != "input").collect();
    assert_eq!(names.iter().filter(|name| is_layer(name)).count(), expected_layers);
    let mut compared = 0;
    for (run, input) in inputs.rows().enumerate() {
        let input: Vec<i32> = input.iter().map(|&raw| raw.into()).collect();
        let tensors = network.run(&input).expect("the input fits");
        let mut layers = network.graph().layers().iter();
        for name in &names {
            let expected = reference.array::<i8>(name).expect("a tensor");
            let expected: Vec<i32> =
                expected.rows().nth(run).expect("a row").iter().map(|&raw| raw.into()).collect();
            let found = if is_layer(name) {
                let layer = layers.next().expect("a layer for each tensor");
                assert_eq!(layer.name.to_uppercase(), name.to_uppercase());
                tensors[layer.output.index()].clone()
            } else if name.ends_with("SOFTMAX") {
                softmax.run(tensors.last().expect("layers"))
            } else {
                continue;
            };
            assert_eq!(found, expected, "input {run}, {name}");
            compared += found.len();
        }
        assert!(layers.next().is_none());
    }
    println!("{compared} bytes of {} inputs equal the reference kernels'", inputs.shape[0]);
}

#[test]
fn every_tensor_of_keyword_spotting_equals_the_reference_kernels() {
    check("mlperf_tiny/kws_ref_model.tflite", "tflite_reference/kws_int8_8inputs.npz", 11);
}

#[test]
fn every_tensor_of_resnet8_equals_the_reference_kernels() {
    check("mlperf_tiny/pretrainedResnet_quant.tflite", "tflite_reference/resnet8_int8_3inputs.npz", 14);
}

#[test]
fn keyword_spotting_is_as_accurate_as_the_reference() {
    let (Some(model), Some(data)) = (
        shared_model("mlperf_tiny/kws_ref_model.tflite"),
        shared_model("kws01/kws01_inputs_labels_refout.npz"),
    ) else {
        return;
    };
    let Imported { quantized, softmax, float, .. } = import(&model).unwrap();
    let (network, softmax) = (quantized.unwrap(), softmax.unwrap());
    let data = Archive::new(&data).unwrap();
    let inputs = data.array::<i8>("x").unwrap();
    let labels = data.array::<i64>("y").unwrap().elements;
    let expected = data.array::<i8>("int8_out_ref").unwrap();
    let mut right = 0;
    for ((input, &label), expected) in inputs.rows().zip(&labels).zip(expected.rows()) {
        let input: Vec<i32> = input.iter().map(|&raw| raw.into()).collect();
        let logits = network.run(&input).unwrap().pop().unwrap();
        let probabilities = softmax.run(&logits);
        assert_eq!(probabilities, expected.iter().map(|&raw| i32::from(raw)).collect::<Vec<_>>());
        right += usize::from(largest(&probabilities) == label as usize);
    }
    println!("keyword spotting: {right} of {} right", labels.len());
    assert_eq!(right, 901);
    // The dequantized network says nearly the same: it is the same network.
    let real: Vec<f32> = network
        .dequantize(
            bitmill_model::TensorId::INPUT,
            &inputs.rows().next().unwrap().iter().map(|&raw| i32::from(raw)).collect::<Vec<_>>(),
        )
        .iter()
        .map(|&x| x as f32)
        .collect();
    assert_eq!(largest(float.run(&real).unwrap().last().unwrap()) as i64, labels[0]);
    assert!(
        network.graph().layers().iter().any(|layer| matches!(layer.operation, Operation::Depthwise { .. }))
    );
}
