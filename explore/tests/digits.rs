//! A small sweep of the embedded digits network.

mod common;

use bitmill_explore::{
    Evaluator, ExploreError, Objective, Outcome, Space, Thoroughness, Workload, csv, sweep,
};
use bitmill_model::{FloatLayer, FloatNetwork, Network, Operation, Shape, Tensor, TensorId};
use common::workload;

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

#[test]
fn a_sweep_is_complete_deterministic_and_ordered() {
    let workload = workload();
    let space = Space::from_yaml(SPACE).unwrap();
    let found = sweep(&space, &workload, Thoroughness::default(), &|_, _| ()).unwrap();
    assert_eq!(found, sweep(&space, &workload, Thoroughness::default(), &|_, _| ()).unwrap());
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
    let workload = Workload { test: Vec::new(), ..workload() };
    let space = Space::from_yaml(SPACE).unwrap();
    let found = sweep(&space, &workload, Thoroughness::default(), &|_, _| ()).unwrap();
    assert!(!found.objectives.contains(&Objective::Accuracy));
    let illegal = SPACE.replace("columns: 8", "columns: 9");
    let refused = sweep(&Space::from_yaml(&illegal).unwrap(), &workload, Thoroughness::default(), &|_, _| ())
        .unwrap_err();
    assert!(
        matches!(&refused, ExploreError::NoLegalPoint { name, .. } if name == "digits_a8w8_4x9"),
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
    let found =
        sweep(&Space::from_yaml(space).unwrap(), &workload, Thoroughness::default(), &|_, _| ()).unwrap();
    assert_eq!((found.points.len(), found.refused.len()), (1, 0), "{:?}", found.refused);
}

/// Points share circuits, runs and networks; alone each has its own.
#[test]
fn points_that_share_their_parts_come_out_as_they_do_alone() {
    let workload = Workload { test: Vec::new(), ..workload() };
    let thoroughness = Thoroughness::default();
    let vary = "
  vector_rows: [1, 2]
  memory_width_bits: [32, 64]
  memory_latency_cycles: [20, 90, 2000]
  memory_beat_interval_cycles: [1, 4]
  technology: [sky130hd, asap7]
  clock_mhz: [0, 20, 2000]
";
    let space = SPACE.split("vary:").next().unwrap_or_default().to_owned() + "vary:" + vary;
    let space = Space::from_yaml(&space).unwrap();
    let outcomes = |positions: &[usize]| -> std::collections::BTreeMap<usize, Outcome> {
        let found = std::sync::Mutex::new(std::collections::BTreeMap::new());
        let mut evaluator = Evaluator::new(&space, &workload, thoroughness).unwrap();
        let record = |position, outcome| {
            found.lock().unwrap().insert(position, outcome);
            Ok::<(), ExploreError>(())
        };
        evaluator.evaluate(positions, &record).unwrap();
        found.into_inner().unwrap()
    };
    let all: Vec<usize> = (0..space.points().count()).collect();
    let together = outcomes(&all);
    assert_eq!((together.len(), together.values().filter(|outcome| outcome.is_ok()).count()), (144, 64));
    // Every 29th meets every value of every key.
    for position in all.into_iter().step_by(29) {
        assert_eq!(outcomes(&[position])[&position], together[&position], "{position}");
    }
}
