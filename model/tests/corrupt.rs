//! Damaged ONNX and TFLite files: whatever the bytes, an error or a network that runs, never a panic.

mod common;

use bitmill_model::shapes::scale_sim::read_topology;
use bitmill_model::{Imported, ModelError, TensorId, import, npy, npz};
use common::{digits, shared_model};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const FILES: [&str; 2] = ["digits.onnx", "digits_qdq_int8.onnx"];

#[test]
fn every_truncation_is_an_error() {
    for file in FILES {
        let bytes = digits(file);
        let whole = import(&bytes).expect("the whole file imports");
        for end in 0..bytes.len() {
            match import(&bytes[..end]) {
                // Behind the graph stand versions of operator sets that it does not use, and remarks.
                Ok(imported) => assert!(end + 300 > bytes.len() && imported == whole, "{file} cut to {end}"),
                Err(ModelError::Decode { byte, length, .. }) => assert!(byte <= length && length == end),
                // Whole fields are missing.
                Err(ModelError::Model(_)) => {}
                Err(other) => panic!("{file} truncated to {end} bytes: {other}"),
            }
        }
    }
}

#[test]
fn a_truncation_says_where() {
    let bytes = digits("digits.onnx");
    let error = import(&bytes[..20_000]).expect_err("truncated").to_string();
    assert_eq!(
        error,
        "model bytes: at byte 16 of 20000: ModelProto.graph: announces more bytes than follow; \
         the file is truncated, corrupt, or not an ONNX model"
    );
}

#[test]
fn a_damaged_tflite_file_never_panics() {
    let Some(bytes) = shared_model("mlperf_tiny/kws_ref_model.tflite") else { return };
    let whole = import(&bytes).expect("the whole file imports");
    for end in (0..bytes.len()).step_by(37) {
        assert!(import(&bytes[..end]).is_err() || bytes.len() - end < 64, "cut to {end}");
    }
    let mut random = ChaCha8Rng::seed_from_u64(11);
    let mut refused = 0;
    for _ in 0..3000 {
        let mut damaged = bytes.clone();
        for _ in 0..random.random_range(1..4) {
            // Tables stand at both ends, weights in between.
            let place = random.random_range(0..bytes.len());
            let end =
                if random.random_range(0..2) == 0 { place % 3000 } else { bytes.len() - 1 - place % 20_000 };
            damaged[end] = random.random_range(0..=255);
        }
        match import(&damaged) {
            Ok(imported) => assert!(imported.float.layers().len() <= whole.float.layers().len()),
            Err(error) => {
                refused += 1;
                assert!(!error.to_string().is_empty());
            }
        }
    }
    assert!(refused > 500, "{refused}");
}

#[test]
fn damaged_arrays_and_topologies_never_panic() {
    let array = npy::write(&npy::NpyArray { shape: vec![5, 4], elements: (0..20).collect::<Vec<i16>>() });
    let archive =
        npz::write(&[("x".to_owned(), array.clone()), ("y".to_owned(), array.clone())]).expect("two names");
    let topology =
        b"Layer, H, W, R, S, C, K, Strides,\nConv1, 34, 34, 3, 3, 3, 64, 1,\nfc, 1, 1, 1, 1, 9, 9, 1,\n";
    let mut random = ChaCha8Rng::seed_from_u64(17);
    let mut refused = [0; 3];
    for _ in 0..20_000 {
        for (kind, whole) in [&array[..], &archive[..], &topology[..]].into_iter().enumerate() {
            let mut bytes = whole.to_vec();
            for _ in 0..random.random_range(1..4) {
                let place = random.random_range(0..bytes.len());
                bytes[place] = random.random_range(0..=255);
            }
            let is_refused = match kind {
                0 => npy::read_numbers(&bytes).is_err(),
                1 => npz::Archive::new(&bytes).and_then(|archive| archive.array::<i16>("y")).is_err(),
                _ => read_topology(&String::from_utf8_lossy(&bytes)).is_err(),
            };
            refused[kind] += usize::from(is_refused);
        }
    }
    assert!(refused.iter().all(|&count| count > 1000), "{refused:?}");
}

/// Runs what was imported, unless the damage made it large.
fn run(imported: &Imported) {
    let graph = imported.float.graph();
    let elements: usize = graph.tensors().iter().map(|tensor| tensor.shape.elements()).sum();
    let macs: u64 = graph.layers().iter().map(|layer| graph.macs(layer)).sum();
    if elements > 1 << 16 || macs > 1 << 23 {
        return;
    }
    let size = graph.shape(TensorId::INPUT).elements();
    imported.float.run(&vec![1.0; size]).expect("the input fits");
    if let Some(quantized) = &imported.quantized {
        let input = quantized.quantize_input(&vec![7.0; size]);
        quantized.run(&input).expect("the input fits");
    }
}

#[test]
fn random_damage_never_panics() {
    let mut random = ChaCha8Rng::seed_from_u64(3);
    for file in FILES {
        let whole = digits(file);
        let (mut refused, mut accepted) = (0, 0);
        for _ in 0..4000 {
            let mut bytes = whole.clone();
            for _ in 0..random.random_range(1..4) {
                let place = random.random_range(0..bytes.len());
                match random.random_range(0..4) {
                    0 => bytes[place] ^= 1 << random.random_range(0..8),
                    1 => bytes[place] = random.random(),
                    2 => drop(bytes.remove(place)),
                    _ => bytes.insert(place, [0x00, 0x7f, 0x80, 0xff][random.random_range(0..4)]),
                }
            }
            match import(&bytes) {
                Ok(imported) => {
                    run(&imported);
                    accepted += 1;
                }
                Err(error) => {
                    assert!(!error.to_string().is_empty());
                    refused += 1;
                }
            }
        }
        println!("{file}: {refused} refused, {accepted} accepted (damage in a weight or a name)");
        assert!(refused > 1000 && accepted > 100);
    }
}

#[test]
fn damage_between_the_weights_never_panics() {
    // Most of a file is weights; here the bytes are changed that hold nodes, attributes, dimensions.
    let mut random = ChaCha8Rng::seed_from_u64(5);
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/operators");
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .expect("the folder exists")
        .map(|entry| entry.expect("readable").path())
        .collect();
    paths.sort();
    for path in paths.iter().filter(|path| path.extension().is_some_and(|suffix| suffix == "onnx")) {
        let whole = std::fs::read(path).expect("readable");
        for place in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[place] = random.random();
            if let Ok(imported) = import(&bytes) {
                run(&imported);
            }
        }
    }
}
