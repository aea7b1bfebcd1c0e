//! The CoDeNet-style example: its float network beside ONNX's reference evaluator, its integers beside the float network,
//! and its run in Verilator.

mod common;

use bitmill_accelerator::{Accelerator, Configuration, Opcode};
use bitmill_model::{Offsets, Operation, PtqConfig, import, npy, quantize};
use bitmill_sim::{Keep, lower, run, run_on};
use bitmill_testbenches::accelerator::{Engine, Verification};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/deformable");

fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(format!("{FOLDER}/{name}")).expect("make.py wrote it")
}

fn crops(name: &str) -> Vec<Vec<f32>> {
    let array = npy::read::<u8>(&bytes(name)).expect("an array of pixels");
    array.rows().map(|row| row.iter().map(|&pixel| pixel.into()).collect()).collect()
}

/// Root of the mean of squares.
fn norm(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = values.len() as f64;
    (values.map(|x| x * x).sum::<f64>() / count).sqrt()
}

#[test]
fn the_example_runs_as_predicted() {
    let network = import(&bytes("deformable.onnx")).expect("the example imports").float;
    let samples: Vec<Offsets> = network
        .graph()
        .layers()
        .iter()
        .filter_map(|layer| match layer.operation {
            Operation::Sample { taps } => Some(taps.offsets),
            _ => None,
        })
        .collect();
    assert_eq!(samples, [Offsets::Square; 2], "square offsets are recognised");
    let tests = crops("test_images.npy");
    let reference = npy::read::<f32>(&bytes("reference_logits.npy")).expect("an array of logits");
    let float = |crop: &[f32]| network.run(crop).expect("the crop fits").pop().expect("logits");
    for (expected, crop) in reference.rows().zip(tests.iter().step_by(5)) {
        for (expected, found) in expected.iter().zip(float(crop)) {
            // Single precision in another order, through five layers of up to 288 terms near 1.
            assert!((expected - found).abs() < 1e-4, "{found}, ONNX has {expected}");
        }
    }

    let yaml = std::fs::read_to_string(format!("{FOLDER}.yaml")).expect("an example");
    let accelerator = Accelerator::new(Configuration::from_yaml(&yaml).expect("well-formed")).expect("legal");
    let labels = npy::read::<u8>(&bytes("test_labels.npy")).expect("labels").elements;
    let sampler = accelerator.sampler().expect("the example has a sampler");
    let config = PtqConfig {
        offset_fraction_bits: sampler.sampling().fraction_bits,
        ..PtqConfig::integers(8, 8).expect("legal widths")
    };
    let quantized = quantize(&network, &crops("calibration_images.npy"), &config).expect("quantizable");
    let run_of = |crop: &[f32]| quantized.run(&quantized.quantize_input(crop)).expect("the crop fits");
    let real: Vec<f64> = tests.iter().flat_map(|crop| float(crop)).map(f64::from).collect();
    let output = quantized.graph().output();
    let integers: Vec<f64> =
        tests.iter().flat_map(|crop| quantized.dequantize(output, &run_of(crop)[output.index()])).collect();
    let share = norm(real.iter().zip(&integers).map(|(a, b)| a - b)) / norm(real.iter().copied());
    let right = |logits: &[f64]| {
        let answer = |logits: &[f64]| (0..logits.len()).max_by(|&a, &b| logits[a].total_cmp(&logits[b]));
        logits
            .chunks(5)
            .zip(&labels)
            .filter(|(logits, label)| answer(logits) == Some(usize::from(**label)))
            .count()
    };
    let counts = [right(&real), right(&integers)];
    println!(
        "right: {counts:?} of {} in float and int8; logits are off by {:.1} % in the mean square",
        labels.len(),
        100.0 * share
    );
    assert!(share < 0.2, "int8 leaves the logits within a fifth: {share}");

    let Some(verilator) = common::verilator_for("the deformable example") else { return };
    let input = quantized.quantize_input(&tests[0]);
    let program = lower(&accelerator, &quantized, Keep::Output).expect("it fits");
    let slices = program.commands.iter().filter(|planned| planned.command.opcode() == Opcode::Sample).count();
    let trace = run_on(&accelerator, &program, &quantized, &run_of(&tests[0]));
    let regular = run(&accelerator, &program).cycles;
    println!("{slices} slices, {} cycles, {regular} with regular offsets", trace.cycles);
    for keep in [Keep::Output, Keep::Every] {
        let top = accelerator.module().expect("a checked circuit");
        let verification = Verification {
            accelerator: &accelerator,
            top,
            network: &quantized,
            input: &input,
            keep,
            waves: None,
        };
        let verdict = verification.run(&Engine::Verilator(verilator.clone()), &mut |_, _| ());
        println!("{:?}", verdict.unwrap_or_else(|difference| panic!("{difference}")));
    }
}
