//! Every operator, in each way that import supports it, against recorded results of onnxruntime (deformable convolution:
//! of ONNX's reference evaluator).
//! The cases are written by `tests/operators/make.py`; adding one there is adding a test here.

use std::path::Path;

use bitmill_model::{Shape, TensorId, import, npy};

/// `values` of a `[1, channels, height, width]` tensor with the channels innermost, as the network keeps them.
fn channels_innermost(values: &[f32], shape: Shape) -> Vec<f32> {
    let Shape { height, width, channels } = shape;
    let positions = (0..height * width).flat_map(|position| (0..channels).map(move |c| (position, c)));
    positions.map(|(position, channel)| values[channel * height * width + position]).collect()
}

fn check(folder: &Path, case: &str) {
    let bytes =
        |suffix: &str| std::fs::read(folder.join(format!("{case}{suffix}"))).expect("make.py wrote it");
    let array = |suffix: &str| npy::read::<f32>(&bytes(suffix)).expect("a float array");
    let network = import(&bytes(".onnx")).unwrap_or_else(|error| panic!("{case}: {error}")).float;
    let expected = array(".npy");
    let shape = network.graph().shape(TensorId::INPUT);
    let is_vector = shape.elements() == shape.channels;
    // Element i, as make.py defines it.
    let recorded = |i: usize| ((37 * i + 11) % 64) as f32 / 16.0 - 2.0;
    let input: Vec<f32> = (0..shape.elements()).map(recorded).collect();
    let is_channels_last = case.starts_with("channels_last") || is_vector;
    let input = if is_channels_last { input } else { channels_innermost(&input, shape) };
    let found = network.run(&input).expect("the recorded input fits").pop().expect("there is an output");
    let shape = network.graph().shape(network.graph().output());
    let expected = if expected.shape.len() == 4 {
        assert_eq!(expected.shape[1..], [shape.channels, shape.height, shape.width], "{case}");
        channels_innermost(&expected.elements, shape)
    } else {
        expected.elements
    };
    assert_eq!(found.len(), expected.len(), "{case}");
    for (index, (found, expected)) in found.iter().zip(&expected).enumerate() {
        // Both are single precision; sums of at most some hundred terms near 1 differ by their order only.
        assert!((found - expected).abs() < 2e-5, "{case}: element {index} is {found}, expected {expected}");
    }
}

#[test]
fn all_cases_agree_with_the_recorded_results() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/operators");
    let entries = std::fs::read_dir(&folder).expect("the folder exists");
    let names = entries.map(|entry| entry.expect("readable").file_name().into_string().expect("ASCII"));
    let mut cases: Vec<String> =
        names.filter_map(|name| name.strip_suffix(".onnx").map(str::to_owned)).collect();
    cases.sort();
    assert!(cases.len() >= 63, "{} cases: make.py writes more", cases.len());
    for case in &cases {
        check(&folder, case);
    }
}
