//! Four kinds of PE on one network of plain convolutions: the space of the README's picture, without the accuracies that
//! take long.

use std::collections::BTreeSet;

use bitmill_accelerator::Accelerator;
use bitmill_cost_model::{Technology, estimate};
use bitmill_explore::{Space, Thoroughness, Workload, sweep};
use bitmill_hdl::Design;
use bitmill_model::{import, npy};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/cluttered_digits");

fn file(name: &str) -> Vec<u8> {
    std::fs::read(format!("{ROOT}/{name}")).expect("an example")
}

fn workload() -> Workload {
    let images = |name: &str| -> Vec<Vec<f32>> {
        let array = npy::read::<u8>(&file(name)).expect("an array of bytes");
        array.rows().map(|row| row.iter().map(|&pixel| f32::from(pixel)).collect()).collect()
    };
    let labels = npy::read::<u8>(&file("test_labels.npy")).expect("labels").elements;
    Workload {
        network: import(&file("cluttered_digits.onnx")).expect("a network").float,
        calibration: images("calibration_images.npy"),
        test: images("test_images.npy").into_iter().zip(labels.into_iter().map(usize::from)).collect(),
    }
}

fn space() -> Space {
    Space::from_yaml(&String::from_utf8(file("four_pes.yaml")).expect("text")).expect("a space")
}

#[test]
fn every_point_is_legal_and_areas_are_calibrated() {
    let thoroughness = Thoroughness { timing_only: true, ..Thoroughness::default() };
    let space = space();
    let found = sweep(&space, &workload(), thoroughness, &|_, _| ()).expect("a sweep");
    assert_eq!((found.points.len(), &found.refused[..]), (space.points().count(), &[][..]));
    let kinds: BTreeSet<&str> = found.points.iter().map(|p| p.configuration.pe.kind.as_str()).collect();
    assert_eq!(
        kinds.into_iter().collect::<Vec<_>>(),
        ["bit_serial_grouped", "integer", "l_mul", "rmmec_simd"]
    );
    let accelerator = Accelerator::new(found.points[0].configuration.clone()).expect("legal");
    let design = Design::new(&accelerator.module().expect("a circuit")).expect("legal");
    let expected_mm2 = estimate(&design, &Technology::named("asap7").expect("there")).total.area_um2() * 1e-6;
    // The hash of the configuration, which the circuit holds, folds to a gate more or less.
    assert!((found.points[0].area_mm2 / expected_mm2 - 1.0).abs() < 1e-4);
    assert!(found.limits().expect("sentences").contains("Costs in asap7: error of half (nine in ten)"));
}

#[test]
fn formats_show_in_the_right_answers() {
    let workload = workload();
    let right = |percent: f64| (percent * 9.0).round() as usize;
    assert_eq!(workload.float_accuracy_percent().expect("runs").map(right), Some(870));
    let accuracy = |datapath: usize| {
        let candidate = space().points().at(datapath);
        let accelerator = Accelerator::new(candidate.configuration).expect("legal");
        let network = workload.quantized_for(&accelerator).expect("quantizes");
        workload.quantized_accuracy_percent(&network).expect("runs").map(right)
    };
    // int8, int3 weights, int4: as in the README's picture.
    assert_eq!([0, 2, 4].map(accuracy), [Some(871), Some(822), Some(848)]);
}
