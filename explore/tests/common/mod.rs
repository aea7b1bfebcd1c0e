//! The embedded digits network with its data.

use bitmill_explore::Workload;
use bitmill_model::{import, npy};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/digits");

pub fn workload() -> Workload {
    let file = |name: &str| std::fs::read(format!("{ROOT}/{name}")).expect("an embedded example");
    let images = |name: &str| -> Vec<Vec<f32>> {
        let array = npy::read::<u8>(&file(name)).expect("an array of bytes");
        array.rows().map(|row| row.iter().map(|&pixel| f32::from(pixel)).collect()).collect()
    };
    let labels = npy::read::<u8>(&file("test_labels.npy")).expect("labels").elements;
    let test = images("test_images.npy").into_iter().zip(labels.into_iter().map(usize::from)).collect();
    let network = import(&file("digits.onnx")).expect("the embedded network").float;
    Workload { network, calibration: images("calibration_images.npy"), test }
}
