//! Integer operators of ONNX against what onnxruntime computed for them: `qlinear/make.py` wrote both.

use std::path::Path;

use bitmill_model::npz::Archive;
use bitmill_model::{Requantization, import};

fn check(name: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/qlinear");
    let read =
        |suffix: &str| std::fs::read(folder.join(format!("{name}.{suffix}"))).expect("a committed file");
    let imported = import(&read("onnx")).expect("imports");
    let network = imported.quantized.unwrap_or_else(|| panic!("is quantized: {:?}", imported.notes));
    assert_eq!(network.layers().len(), 1);
    assert_eq!(network.layers()[0].requantization, Requantization::SinglePrecision);
    let archive = Archive::new(&read("npz")).expect("a .npz file");
    let (inputs, outputs) =
        (archive.array::<u8>("x").expect("inputs"), archive.array::<u8>("y").expect("outputs"));
    let graph = network.graph();
    for (input, expected) in inputs.rows().zip(outputs.rows()) {
        let input = transposed(input, graph.shape(bitmill_model::TensorId::INPUT));
        let found = network.run(&input).expect("fits").pop().expect("an output");
        assert_eq!(found, transposed(expected, graph.shape(graph.output())), "{name}");
    }
    println!("{name}: {} bytes equal onnxruntime's", outputs.elements.len());
}

/// Unsigned integers in the order channels, rows, columns, as signed ones with channels innermost.
fn transposed(chw: &[u8], shape: bitmill_model::Shape) -> Vec<i32> {
    let area = shape.height * shape.width;
    let at = |position: usize, channel: usize| i32::from(chw[channel * area + position]) - 128;
    (0..area).flat_map(|position| (0..shape.channels).map(move |channel| at(position, channel))).collect()
}

#[test]
fn integer_operators_equal_onnxruntime() {
    for name in ["conv", "mat_mul", "global_average_pool"] {
        check(name);
    }
}
