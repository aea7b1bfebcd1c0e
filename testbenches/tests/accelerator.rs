//! Whole networks on whole accelerators: the circuit does what the simulator predicts, to the cycle and to
//! the bit.

#[path = "common/broken.rs"]
mod broken;
mod common;
#[path = "common/digits.rs"]
mod digits;

use bitmill_accelerator::{Accelerator, Configuration};
use bitmill_hdl::{Design, Op};
use bitmill_model::{
    ActivationFormat, PtqConfig, QuantizedLayer, QuantizedNetwork, Requantization, WeightFormat,
};
use bitmill_sim::{Keep, lower};
use bitmill_testbenches::accelerator::{Engine, Verdict, Verification, VerificationError};
use bitmill_testbenches::{Sources, readers};
use broken::broken;
use digits::{configuration, digits, images, quantized};

fn verification<'a>(
    accelerator: &'a Accelerator,
    network: &'a QuantizedNetwork,
    input: &'a [i32],
    keep: Keep,
) -> Verification<'a> {
    Verification {
        accelerator,
        top: accelerator.module().expect("a checked circuit"),
        network,
        input,
        keep,
        waves: None,
    }
}

fn check(accelerator: &Accelerator, network: &QuantizedNetwork, keep: Keep, engine: &Engine) -> Verdict {
    let input = network.quantize_input(&images("test_images.npy")[3]);
    let verification = verification(accelerator, network, &input, keep);
    verification.run(engine, &mut |_, _| ()).unwrap_or_else(|difference| panic!("{difference}"))
}

/// Whole networks under Verilator, or `None` with a visible line where it is not installed.
fn verilator() -> Option<Engine> {
    common::verilator_for("whole networks on whole accelerators").map(Engine::Verilator)
}

#[test]
fn digits_in_the_interpreter() {
    for bits in [8, 4] {
        let network = digits(bits);
        let started = std::time::Instant::now();
        let verdict = check(
            &configuration(bits.into(), 8, 8, "vector: {rows: 2}\n"),
            &network,
            Keep::Every,
            &Engine::Interpreter,
        );
        println!("int{bits}: {verdict:?} {:?}", started.elapsed());
    }
}

/// BitMoD's groups with scales in a network that the vector unit has a part in: the array's results come eleven cycles
/// after a step, those of the vector lanes two.
#[test]
fn bitmod_in_the_interpreter() {
    let yaml = include_str!("../../examples/digits_bitmod.yaml");
    let accelerator =
        Accelerator::new(Configuration::from_yaml(yaml).expect("well-formed")).expect("a legal example");
    let activations = ActivationFormat::signed(8).expect("a legal width");
    let weights = accelerator.configuration().precision.weights.first().clone();
    let config = PtqConfig::new(WeightFormat::new(weights).expect("a legal format"), activations);
    let verdict = check(&accelerator, &quantized(&config), Keep::Every, &Engine::Interpreter);
    println!("{verdict:?}");
}

/// A dequantizer takes eight cycles; sixteen lanes sum sixteen channels in two.
#[test]
fn sums_too_short_to_be_scaled_are_refused() {
    let yaml = include_str!("../../examples/digits_bitmod.yaml");
    let yaml = yaml
        .replace("_g32", "_g128")
        .replace("lanes: 4", "lanes: 16")
        .replace("width_bits: 64", "width_bits: 128");
    let yaml = yaml.replace("columns: 8", "columns: 16");
    let accelerator = Accelerator::new(Configuration::from_yaml(&yaml).expect("well-formed")).expect("legal");
    let activations = ActivationFormat::signed(8).expect("a legal width");
    let weights = accelerator.configuration().precision.weights.first().clone();
    let config = PtqConfig::new(WeightFormat::new(weights).expect("a legal format"), activations);
    let error = lower(&accelerator, &quantized(&config), Keep::Output).expect_err("two cycles").to_string();
    let expected = "layer pointwise1: the accelerator has no time to scale the sum of a group of bitmod_fp4_g128: it takes 8 \
                    cycles, and the next is there after 2; 4 steps are legal, found 1";
    assert_eq!(error, expected);
}

/// Shapes at the edges of what is legal: one row, one lane, one block a tile, all rows drained at once; and one, two
/// or four banks a row.
#[test]
fn odd_shapes_in_the_interpreter() {
    let network = digits(8);
    for (rows, columns, lanes, drained, banks, memory) in [
        (1, 4, 4, 1, 2, "{width_bits: 32}"),
        (2, 1, 1, 2, 4, "{width_bits: 256, latency_cycles: 1}"),
        (4, 6, 2, 1, 1, "{burst_beats: 1, latency_cycles: 3}"),
        (16, 8, 8, 16, 1, "{beat_interval_cycles: 2, burst_beats: 7}"),
        (32, 16, 4, 8, 1, "{width_bits: 128, burst_beats: 256}"),
        (8, 24, 8, 2, 2, "{}"),
    ] {
        let yaml = format!(
            "name: odd\nprecision: {{activations: int8, weights: int8}}\n\
             pe: {{kind: integer, lanes: {lanes}}}\narray: {{rows: {rows}, columns: {columns}}}\n\
             scratchpads: {{activations_kib: 32, banks_per_row: {banks}, weights_kib: 16}}\n\
             vector: {{rows: {drained}}}\nmemory: {memory}\n"
        );
        let accelerator = Accelerator::new(Configuration::from_yaml(&yaml).unwrap()).unwrap();
        let sources = Sources::of(&Design::new(&accelerator.module().unwrap()).unwrap());
        for read in [readers::lint, readers::yosys, readers::icarus] {
            match read(&sources) {
                Err(error) if error.is_missing_tool() => println!("skipped: {error}"),
                result => result.unwrap(),
            }
        }
        let verdict = check(&accelerator, &network, Keep::Output, &Engine::Interpreter);
        println!("{rows}x{columns}x{lanes}: {verdict:?}");
    }
}

/// `network` with every layer rounding by `mode`, and multipliers that use all of their bits.
fn rounding(network: &QuantizedNetwork, mode: Requantization) -> QuantizedNetwork {
    let layer = |layer: &QuantizedLayer| {
        let mut layer = QuantizedLayer { requantization: mode, ..layer.clone() };
        for factor in &mut layer.multipliers {
            factor.multiplier |= 0x5a5a;
            if mode == Requantization::SinglePrecision {
                factor.multiplier >>= 7;
                factor.shift -= 7;
            }
        }
        layer
    };
    let graph = network.graph();
    let quantizations = (0..graph.tensors().len())
        .map(|index| match index {
            0 => network.quantization(bitmill_model::TensorId::INPUT),
            _ => network.quantization(graph.layers()[index - 1].output),
        })
        .collect();
    QuantizedNetwork::new(graph.clone(), quantizations, network.layers().iter().map(layer).collect())
        .expect("legal parameters")
}

#[test]
fn every_rounding_in_the_interpreter() {
    let modes = "[dyadic_half_up, double_rounding, half_away_from_zero, single_precision]";
    let all = configuration(8, 8, 8, &format!("vector: {{rows: 2, rounding: {modes}}}\n"));
    let plain = digits(8);
    for mode in Requantization::ALL {
        let network = rounding(&plain, mode);
        println!("{}: {:?}", mode.name(), check(&all, &network, Keep::Every, &Engine::Interpreter));
    }
    let only = configuration(8, 8, 8, "vector: {rounding: [double_rounding]}\n");
    check(&only, &rounding(&plain, Requantization::DoubleRounding), Keep::Every, &Engine::Interpreter);
    let error = bitmill_sim::lower(&only, &plain, Keep::Output).unwrap_err().to_string();
    let expected = "the accelerator has no requantization by dyadic_half_up: add it to vector.rounding";
    assert!(error.ends_with(expected), "{error}");
}

#[test]
fn digits_under_verilator() {
    let Some(engine) = verilator() else { return };
    for (bits, rows, columns, extra) in [
        (8, 8, 8, "vector: {rows: 2}\n"),
        (4, 8, 8, ""),
        (
            8,
            4,
            16,
            "vector: {rows: 4}\nmemory: {width_bits: 32, latency_cycles: 7, beat_interval_cycles: 3, burst_beats: 5}\n",
        ),
        (4, 16, 4, "memory: {width_bits: 128, latency_cycles: 1}\n"),
    ] {
        let network = digits(bits);
        let accelerator = configuration(bits.into(), rows, columns, extra);
        for keep in [Keep::Every, Keep::Output] {
            let verdict = check(&accelerator, &network, keep, &engine);
            println!("int{bits} {rows}x{columns} {keep:?}: {verdict:?}");
        }
    }
}

#[test]
fn a_broken_circuit_is_caught_and_located() {
    let Some(engine) = verilator() else { return };
    let network = digits(8);
    let accelerator = configuration(8, 4, 4, "");
    let input = network.quantize_input(&images("test_images.npy")[3]);
    let pe: &[&str] = &["i_array", "i_row_0", "i_pe_0"];
    for (path, signal, from, to, module, located) in [
        (pe, "acc_d", Op::Add, Op::Sub, "bitmill_pe_integer_s8s8_l4_acc32", "i_array.i_row_"),
        (&["i_sequencer"], "channel_next", Op::Add, Op::Sub, "bitmill_t8_4x4_sequencer", "i_sequencer."),
        (&["i_drain"], "block_stride", Op::Add, Op::Sub, "bitmill_t8_4x4_drain", "i_drain."),
    ] {
        let mut verification = verification(&accelerator, &network, &input, Keep::Every);
        verification.top = broken(&verification.top, path, signal, from, to);
        let scratch = tempfile::tempdir().unwrap();
        let waves = scratch.path().join("difference.fst");
        verification.waves = Some(waves.clone());
        let error = verification.run(&engine, &mut |_, _| ()).unwrap_err();
        println!("{error}");
        let VerificationError::Difference { difference, .. } = error else { panic!("{error}") };
        assert_eq!(difference.module, module);
        assert!(difference.signal.starts_with(located), "{}", difference.signal);
        assert!(waves.metadata().unwrap().len() > 0);
    }
}
