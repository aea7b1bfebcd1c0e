//! A small sweep of the embedded digits network.

use bitmill_cost_model::Technology;
use bitmill_explore::{ExploreError, Objective, Space, Workload, csv, sweep};
use bitmill_model::{FloatLayer, FloatNetwork, Network, Operation, Shape, Tensor, TensorId, import, npy};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/digits");

const SPACE: &str = "
base:
  name: digits
  precision: {activations: int8, weights: int8}
  pe: {kind: integer, lanes: 4}
  array: {rows: 4, columns: 8}
  scratchpads: {activations_kib: 16, weights_kib: 16}
vary:
  precision:
    - {activations: int8, weights: int8}
    - {activations: int4, weights: int4}
  array: [{rows: 4, columns: 8}, {rows: 8, columns: 8}, {rows: 4, columns: 10}]
";

fn workload() -> Workload {
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

#[test]
fn a_sweep_is_complete_deterministic_and_ordered() {
    let (workload, technology) = (workload(), Technology::named("sky130hd").unwrap());
    let space = Space::from_yaml(SPACE).unwrap();
    let found = sweep(&space, &workload, &technology, &|_, _| ()).unwrap();
    assert_eq!(found, sweep(&space, &workload, &technology, &|_, _| ()).unwrap());
    assert_eq!((found.points.len(), found.refused.len()), (4, 2), "10 columns are no multiple of 4 lanes");
    assert!(found.refused[0].reason.contains("array.columns: 10"), "{}", found.refused[0].reason);
    assert_eq!(found.objectives.len(), 4);
    let [int8, int8_large, int4, _] = &found.points[..] else { panic!("four points") };
    assert!(int8_large.cycles < int8.cycles && int8_large.area_mm2 > int8.area_mm2);
    assert!(int4.area_mm2 < int8.area_mm2 && int4.energy_uj < int8.energy_uj);
    assert!(workload.float_accuracy_percent().unwrap() > Some(98.0));
    assert!(int8.accuracy_percent > Some(98.0));
    for objective in &found.objectives {
        assert!(objective.of(int8).is_finite() && objective.of(int8) > 0.0);
    }
    assert!(!found.front.is_empty());
    assert_eq!(csv(&found).lines().count(), 5);
}

#[test]
fn without_answers_accuracy_is_no_objective_and_without_legal_points_there_is_no_sweep() {
    let technology = Technology::named("asap7").unwrap();
    let workload = Workload { test: Vec::new(), ..workload() };
    let space = Space::from_yaml(SPACE).unwrap();
    let found = sweep(&space, &workload, &technology, &|_, _| ()).unwrap();
    assert!(!found.objectives.contains(&Objective::Accuracy));
    let illegal = SPACE.replace("columns: 8", "columns: 9");
    let refused =
        sweep(&Space::from_yaml(&illegal).unwrap(), &workload, &technology, &|_, _| ()).unwrap_err();
    assert!(
        matches!(&refused, ExploreError::NoLegalPoint { name, .. } if name == "digits_a8w8_4x9_l4_v1"),
        "{refused}"
    );
}

#[test]
fn points_multiply_as_their_processing_elements_do() {
    let space = "
base:
  name: products
  precision: {activations: fp8_e4m3, weights: fp8_e4m3}
  pe: {kind: l_mul, lanes: 4, accumulator_bits: 52, options: {range: wide}}
  array: {rows: 4, columns: 8}
  scratchpads: {activations_kib: 16, weights_kib: 16}
vary: {}
";
    let shape = Shape::vector(16);
    let mut graph = Network::new("products", Tensor { name: "x".to_owned(), shape }).unwrap();
    graph.push("classes", Operation::FullyConnected { out_features: 4 }, vec![TensorId::INPUT]).unwrap();
    let weights = (0..64).map(|i| ((i * 37 % 23) as f32 - 11.0) / 8.0).collect();
    let network = FloatNetwork::new(graph, vec![FloatLayer::weighted(weights, vec![0.0; 4])]).unwrap();
    let calibration: Vec<Vec<f32>> = vec![(0..16).map(|i| i as f32 / 16.0).collect()];
    let workload = Workload { network, calibration, test: Vec::new() };
    let technology = Technology::named("sky130hd").unwrap();
    let found = sweep(&Space::from_yaml(space).unwrap(), &workload, &technology, &|_, _| ()).unwrap();
    assert_eq!((found.points.len(), found.refused.len()), (1, 0), "{:?}", found.refused);
}
