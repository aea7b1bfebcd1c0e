//! MLPerf Tiny's int8 networks from TFLite, ResNet8 and DS-CNN, under Verilator: every command starts and ends in
//! the predicted cycle, every tensor equals the golden arithmetic, which `bitmill_model`'s tests hold against
//! TFLite's reference kernels, and random delays on every AXI channel change no byte.
//!
//! The quick suite runs ResNet8 on the first accelerator; `BITMILL_FULL` runs both networks on all three.

mod common;

use std::io::Write;

use bitmill_accelerator::{Accelerator, Configuration};
use bitmill_model::npz::Archive;
use bitmill_model::{QuantizedNetwork, import};
use bitmill_sim::{Keep, lower, report, run, unpack_tensor};
use bitmill_testbenches::Verilator;
use bitmill_testbenches::accelerator::{Conditions, Engine, Session, Verification, run_once, verilate};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// An 8 × 8 integer array, a 16 × 16 one behind a narrow and slow memory, and a bit-serial one.
const CONFIGURATIONS: [&str; 3] = ["int8_8x8", "int8_16x16_narrow", "bit_serial_8x8"];

/// A network, and the file with inputs for it.
const RESNET8: [&str; 2] = ["mlperf_tiny/pretrainedResnet_quant.tflite", "resnet8_int8_3inputs.npz"];
const DS_CNN: [&str; 2] = ["mlperf_tiny/kws_ref_model.tflite", "kws_int8_8inputs.npz"];

/// A network with a real input, or `None` after a line that says that it is skipped.
fn at_hand([model, inputs]: [&str; 2]) -> Option<(QuantizedNetwork, Vec<i32>)> {
    let read = |name: String| {
        let found = std::fs::read(format!("{ROOT}/../shared/data/models/{name}")).ok();
        if found.is_none() {
            // Written past the test harness's capture, so that it shows without --nocapture.
            let line = format!("skipped: ../shared/data/models/{name} is not at hand\n");
            std::io::stderr().write_all(line.as_bytes()).expect("standard error is open");
        }
        found
    };
    let (model, inputs) = (read(model.to_owned())?, read(format!("tflite_reference/{inputs}"))?);
    let network = import(&model).expect("imports").quantized.expect("is quantized");
    let inputs = Archive::new(&inputs).expect("a .npz file").array::<i8>("input").expect("inputs");
    let input = inputs.rows().next().expect("an input").iter().map(|&raw| raw.into()).collect();
    Some((network, input))
}

fn accelerator(name: &str) -> Accelerator {
    let yaml = std::fs::read_to_string(format!("{ROOT}/examples/mlperf_tiny/{name}.yaml")).expect("a file");
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
            image: &program.memory_with_input(accelerator, input),
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

fn check(names: [&str; 2], configuration: &str) {
    let Some((network, input)) = at_hand(names) else { return };
    let Some(verilator) = common::verilator_for("MLPerf Tiny") else { return };
    let accelerator = accelerator(configuration);
    calm(&accelerator, &network, &input, &verilator);
    moody(&accelerator, &network, &input, &verilator);
}

#[test]
fn resnet8_runs_as_predicted() {
    check(RESNET8, CONFIGURATIONS[0]);
}

#[test]
fn every_network_runs_as_predicted_everywhere() {
    if std::env::var_os("BITMILL_FULL").is_none() {
        return println!("skipped: BITMILL_FULL runs ResNet8 and DS-CNN on three accelerators");
    }
    for configuration in CONFIGURATIONS {
        check(RESNET8, configuration);
        check(DS_CNN, configuration);
    }
}

/// The figures of the whole networks, of which only the outputs are stored. DS-CNN's depthwise layers run on the vector
/// unit, which does an eighth of the multiply-accumulates that the bound counts.
#[test]
fn resnet8_comes_near_its_bound() {
    for (what, names, most) in [("ResNet8", RESNET8, 1.25), ("DS-CNN", DS_CNN, f64::INFINITY)] {
        let Some((network, _)) = at_hand(names) else { continue };
        for configuration in CONFIGURATIONS {
            let accelerator = accelerator(configuration);
            let program = lower(&accelerator, &network, Keep::Output).expect("it fits");
            let trace = run(&accelerator, &program);
            let report = report(&accelerator, &network, &program, &trace);
            let bound = report.bound;
            let ratio = report.cycles as f64 / bound.cycles() as f64;
            println!(
                "{what} on {configuration}: {} cycles, {ratio:.3} times the bound ({} compute, {} memory), utilization {:.3}",
                report.cycles, bound.compute_cycles, bound.memory_cycles, report.utilization
            );
            assert!(ratio <= most, "{configuration}: {ratio}");
        }
    }
}
