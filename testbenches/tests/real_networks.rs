//! Networks that people know, under Verilator: MLPerf Tiny's int8 ResNet8 and DS-CNN from TFLite, ResNet20 from ONNX, the
//! perceptrons TFC from QONNX. Every command starts and ends in the predicted cycle, every tensor equals the golden
//! arithmetic, which `bitmill_model`'s tests hold against TFLite's reference kernels, onnxruntime and qonnx, and
//! random delays on every AXI channel change no byte.
//!
//! The quick suite runs ResNet8, ResNet20 and TFC on one accelerator each; `BITMILL_FULL` runs MLPerf Tiny's networks
//! on three.

mod common;

use std::io::Write;

use bitmill_accelerator::{Accelerator, Configuration};
use bitmill_model::npz::Archive;
use bitmill_model::{QuantizedNetwork, TensorId, import};
use bitmill_sim::{Keep, lower, report, run, unpack_tensor};
use bitmill_testbenches::Verilator;
use bitmill_testbenches::accelerator::{Conditions, Engine, Session, Verification, run_once, verilate};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// An 8 × 8 integer array, a 16 × 16 one behind a narrow and slow memory, and a bit-serial one.
const CONFIGURATIONS: [&str; 3] =
    ["mlperf_tiny/int8_8x8", "mlperf_tiny/int8_16x16_narrow", "mlperf_tiny/bit_serial_8x8"];

/// A file with a network.
struct Model {
    name: &'static str,
    file: &'static str,
    /// Real inputs; without them every code occurs.
    inputs: Option<&'static str>,
}

const RESNET8: Model = Model {
    name: "ResNet8",
    file: "mlperf_tiny/pretrainedResnet_quant.tflite",
    inputs: Some("tflite_reference/resnet8_int8_3inputs.npz"),
};
const DS_CNN: Model = Model {
    name: "DS-CNN",
    file: "mlperf_tiny/kws_ref_model.tflite",
    inputs: Some("tflite_reference/kws_int8_8inputs.npz"),
};
const RESNET20: Model =
    Model { name: "ResNet20", file: "resnet20_cifar10/resnet20_cifar10_ort_qdq_int8.onnx", inputs: None };
const TFC: [Model; 2] = [
    Model { name: "TFC-1W1A", file: "qonnx/TFC_1W1A.onnx", inputs: None },
    Model { name: "TFC-2W2A", file: "qonnx/TFC_2W2A.onnx", inputs: None },
];

/// A network with an input, or `None` after a line that says that it is skipped.
fn at_hand(model: &Model) -> Option<(QuantizedNetwork, Vec<i32>)> {
    let read = |name: &str| {
        let found = std::fs::read(format!("{ROOT}/../shared/data/models/{name}")).ok();
        if found.is_none() {
            // Written past the test harness's capture, so that it shows without --nocapture.
            let line = format!("skipped: ../shared/data/models/{name} is not at hand\n");
            std::io::stderr().write_all(line.as_bytes()).expect("standard error is open");
        }
        found
    };
    let network = import(&read(model.file)?).expect("imports").quantized.expect("is quantized");
    let Some(inputs) = model.inputs else {
        let elements = network.graph().shape(TensorId::INPUT).elements() as i32;
        return Some((network, (0..elements).map(|i| (i * 37 + i / 7 * 11) % 256 - 128).collect()));
    };
    let inputs = Archive::new(&read(inputs)?).expect("a .npz file").array::<i8>("input").expect("inputs");
    let input = inputs.rows().next().expect("an input").iter().map(|&raw| raw.into()).collect();
    Some((network, input))
}

fn accelerator(name: &str) -> Accelerator {
    let yaml = std::fs::read_to_string(format!("{ROOT}/examples/{name}.yaml")).expect("a file");
    Accelerator::new(Configuration::from_yaml(&yaml).expect("well-formed")).expect("legal")
}

/// Every command's cycles and every byte of every tensor as predicted.
fn calm(accelerator: &Accelerator, network: &QuantizedNetwork, input: &[i32], verilator: &Verilator) {
    let top = accelerator.module().expect("a checked circuit");
    let verification = Verification { accelerator, top, network, input, keep: Keep::Every, waves: None };
    match verification.run(&Engine::Verilator(verilator.clone()), &mut |_, _| ()) {
        Ok(verdict) => println!("{}: {verdict:?}", accelerator.configuration().name),
        Err(difference) => panic!("{}: {difference}", accelerator.configuration().name),
    }
}

/// Every byte of every tensor as predicted under random delays.
fn moody(accelerator: &Accelerator, network: &QuantizedNetwork, input: &[i32], verilator: &Verilator) {
    let name = &accelerator.configuration().name;
    let program = lower(accelerator, network, Keep::Every).expect("it fits");
    let predicted = run(accelerator, &program).cycles;
    let tensors = network.run(input).expect("the input fits");
    let execution = verilate(
        verilator,
        &Session {
            top: &accelerator.module().expect("a checked circuit"),
            port: accelerator.configuration().memory,
            image: &program.memory_image(accelerator, network, input).expect("weights with words"),
            script: &run_once(&program),
            conditions: Conditions { seed: Some(8), fault: None },
            limit_cycles: predicted * 12 + 10_000,
        },
        None,
    )
    .unwrap_or_else(|error| panic!("{name}: {error}"));
    let cycles = execution.cycles.unwrap_or_else(|| panic!("{name}: does not end"));
    assert!(cycles > predicted, "{name}: delays delay");
    for stored in &program.outputs {
        let start = stored.address as usize;
        let bytes = &execution.memory[start..start + stored.place.bytes(accelerator)];
        let found = unpack_tensor(accelerator, &stored.place, bytes);
        assert!(found == tensors[stored.tensor.index()], "{name}: tensor {} differs", stored.tensor.index());
    }
    println!("{name}: {} tensors equal after {cycles} cycles instead of {predicted}", program.outputs.len());
}

fn check(model: &Model, configuration: &str) {
    let Some((network, input)) = at_hand(model) else { return };
    let Some(verilator) = common::verilator_for(model.name) else { return };
    let accelerator = accelerator(configuration);
    println!("{} on {configuration}", model.name);
    calm(&accelerator, &network, &input, &verilator);
    moody(&accelerator, &network, &input, &verilator);
}

#[test]
fn residual_networks_run_as_predicted() {
    check(&RESNET8, CONFIGURATIONS[0]);
    check(&RESNET20, CONFIGURATIONS[0]);
}

#[test]
fn perceptrons_of_few_bits_run_as_predicted() {
    TFC.iter().for_each(|model| check(model, "qonnx/tfc"));
}

#[test]
fn mlperf_tiny_runs_as_predicted_everywhere() {
    if std::env::var_os("BITMILL_FULL").is_none() {
        return println!("skipped: BITMILL_FULL runs ResNet8 and DS-CNN on three accelerators");
    }
    for configuration in CONFIGURATIONS {
        check(&RESNET8, configuration);
        check(&DS_CNN, configuration);
    }
}

/// The figures of the whole networks, of which only the outputs are stored. DS-CNN's depthwise layers run on the vector
/// unit, which does an eighth of the multiply-accumulates that the bound counts.
#[test]
fn resnet8_comes_near_its_bound() {
    for (model, most) in [(RESNET8, 1.25), (DS_CNN, f64::INFINITY)] {
        let Some((network, _)) = at_hand(&model) else { continue };
        for configuration in CONFIGURATIONS {
            let accelerator = accelerator(configuration);
            let program = lower(&accelerator, &network, Keep::Output).expect("it fits");
            let trace = run(&accelerator, &program);
            let report = report(&accelerator, &network, &program, &trace);
            let bound = report.bound;
            let ratio = report.cycles as f64 / bound.cycles() as f64;
            println!(
                "{} on {configuration}: {} cycles, {ratio:.3} times the bound ({} compute, {} memory), utilization {:.3}",
                model.name, report.cycles, bound.compute_cycles, bound.memory_cycles, report.utilization
            );
            assert!(ratio <= most, "{configuration}: {ratio}");
        }
    }
}
