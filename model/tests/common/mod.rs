//! Files that the tests read: the digits example of this repository, and larger models that may be absent.
#![allow(dead_code)] // Each test binary uses a part.

use std::path::{Path, PathBuf};

use bitmill_model::{QuantizedNetwork, npy};

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Bytes of a file in `examples/digits`.
pub fn digits(name: &str) -> Vec<u8> {
    let path = workspace().join("examples/digits").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Bytes of a file in `../shared/data/models`, or `None` with a visible line where it is absent.
pub fn shared_model(name: &str) -> Option<Vec<u8>> {
    let path = workspace().join("../shared/data/models").join(name);
    let found = std::fs::read(&path).ok();
    if found.is_none() {
        println!("skipped: ../shared/data/models/{name} is not at hand");
    }
    found
}

/// Images of a digits file as the network takes them: 64 pixels of 0..=16.
pub fn images(name: &str) -> Vec<Vec<f32>> {
    let array = npy::read::<u8>(&digits(name)).expect("a u8 array");
    assert_eq!(array.shape[1..], [8, 8]);
    array.rows().map(|image| image.iter().map(|&pixel| f32::from(pixel)).collect()).collect()
}

/// Labels of the test images.
pub fn labels() -> Vec<usize> {
    let array = npy::read::<u8>(&digits("test_labels.npy")).expect("a u8 array");
    array.elements.into_iter().map(usize::from).collect()
}

/// Index of the largest element, the first of equals.
pub fn largest<T: PartialOrd + Copy>(values: &[T]) -> usize {
    (1..values.len()).fold(0, |best, index| if values[index] > values[best] { index } else { best })
}

/// How many test images a classifier gets right.
pub fn right_answers(classify: impl Fn(&[f32]) -> usize) -> usize {
    let images = images("test_images.npy");
    images.iter().zip(labels()).filter(|(image, label)| classify(image) == *label).count()
}

/// How many test images a quantized network gets right.
pub fn quantized_right_answers(network: &QuantizedNetwork) -> usize {
    right_answers(|image| {
        let tensors = network.run(&network.quantize_input(image)).expect("an image fits the input");
        largest(&tensors[network.graph().output().index()])
    })
}
