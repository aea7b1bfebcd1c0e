//! A whole network in floating point: calibrated, lowered, and equal on the circuit to the cycle and to the bit.
//!
//! Under Verilator the quick suite takes the first case, `BITMILL_FULL` all.

mod common;

use bitmill_accelerator::{Accelerator, Configuration};
use bitmill_formats::Format;
use bitmill_hdl::unit::Random;
use bitmill_model::{
    ActivationFormat, Extent, FloatLayer, FloatNetwork, Network, Operation, PtqConfig, QuantizedNetwork,
    Shape, Tensor, TensorId, WeightFormat, Window, quantize,
};
use bitmill_sim::{Keep, SimulationError, lower};
use bitmill_testbenches::accelerator::{Engine, Verification};

/// Format of activations and weights, and the PE that multiplies them.
const CASES: [(&str, &str, &str); 5] = [
    ("fp8_e4m3", "fp8_e4m3", "{kind: float_mac, lanes: 4, accumulator_bits: 52}"),
    ("fp8_e4m3", "fp8_e4m3", "{kind: l_mul, lanes: 4, accumulator_bits: 52, options: {range: wide}}"),
    ("fp16", "bitmod_fp4", "{kind: bit_serial, lanes: 4, accumulator_bits: 64}"),
    (
        "mxfp8_e4m3_g4",
        "mxfp6_e2m3_g4",
        "{kind: block_dot, lanes: 4, accumulator_bits: 56, options: {lsb: -20}}",
    ),
    ("nvfp4_g8", "nvfp4_g8", "{kind: block_dot, lanes: 8, accumulator_bits: 56, options: {lsb: -12}}"),
];

fn accelerator(activations: &str, weights: &str, pe: &str) -> Accelerator {
    let yaml = format!(
        "name: floating\nprecision: {{activations: {activations}, weights: {weights}}}\npe: {pe}\n\
         array: {{rows: 4, columns: 8}}\nscratchpads: {{activations_kib: 16, weights_kib: 16}}\n"
    );
    Accelerator::new(Configuration::from_yaml(&yaml).expect("well-formed")).unwrap_or_else(|e| panic!("{e}"))
}

/// Convolutions of stride 2 over 8 × 8 pixels, ReLUs, and a classifier; `pools` puts a max pool in front of it. The
/// second convolution has `groups`.
fn network(random: &mut Random, pools: bool, groups: usize) -> FloatNetwork {
    let input = Tensor { name: "pixels".to_owned(), shape: Shape::new(8, 8, 1) };
    let mut graph = Network::new("small", input).expect("a legal shape");
    let mut layers = Vec::new();
    let mut tensor = TensorId::INPUT;
    let strided = Window { stride: Extent::square(2), ..Window::square(3) };
    let mut operations = vec![
        Operation::Convolution { window: strided, out_channels: 12, groups: 1 },
        Operation::Convolution { window: Window::square(2), out_channels: 16, groups },
        Operation::FullyConnected { out_features: 10 },
    ];
    if pools {
        operations.insert(2, Operation::MaxPool { window: Window::square(2) });
    }
    for (index, operation) in operations.into_iter().enumerate() {
        let count = operation.weight_count(graph.shape(tensor));
        tensor = graph.push(format!("layer_{index}"), operation, vec![tensor]).expect("a legal layer");
        let mut real = |scale: f32| scale * (random.below(2001) as f32 / 1000.0 - 1.0);
        let weights = (0..count).map(|_| real(0.5)).collect();
        let bias = (0..graph.shape(tensor).channels).map(|_| real(0.2)).collect();
        layers.push(match operation {
            Operation::MaxPool { .. } => FloatLayer::plain(),
            Operation::FullyConnected { .. } => FloatLayer::weighted(weights, bias),
            _ => FloatLayer::weighted(weights, bias).clamped(0.0, f32::INFINITY),
        });
    }
    FloatNetwork::new(graph, layers).expect("a legal network")
}

fn inputs(random: &mut Random) -> Vec<Vec<f32>> {
    (0..8).map(|_| (0..64).map(|_| random.below(1000) as f32 / 1000.0).collect()).collect()
}

fn quantized(accelerator: &Accelerator, network: &FloatNetwork, inputs: &[Vec<f32>]) -> QuantizedNetwork {
    let precision = &accelerator.configuration().precision;
    let format = |format: &Format| ActivationFormat::new(format).expect("a legal format");
    let weights = WeightFormat::new(precision.weights.first().clone()).expect("a legal format");
    let mode = accelerator.mode(precision.activations.first(), precision.weights.first()).expect("a mode");
    let multiplication = accelerator.pe().multiplication(mode);
    let config =
        PtqConfig { multiplication, ..PtqConfig::new(weights, format(precision.activations.first())) };
    quantize(network, inputs, &config).unwrap_or_else(|error| panic!("{error}"))
}

fn verify(engine: &Engine, cases: &[(&str, &str, &str)]) {
    for &(activations, weights, pe) in cases {
        let mut random = Random::new(5);
        let accelerator = accelerator(activations, weights, pe);
        let groups = if pe.contains("block_dot") { 1 } else { 2 };
        let (float, inputs) = (network(&mut random, false, groups), inputs(&mut random));
        let network = quantized(&accelerator, &float, &inputs);
        let input = network.quantize_input(&inputs[0]);
        let output = network.graph().output();
        let logits =
            network.dequantize(output, network.run(&input).expect("a legal input").last().expect("tensors"));
        let real = float.run(&inputs[0]).expect("a legal input").pop().expect("tensors");
        let scale = real.iter().fold(0f64, |most, x| most.max(f64::from(x.abs())));
        let error = real.iter().zip(&logits).fold(0f64, |most, (x, y)| most.max((f64::from(*x) - y).abs()));
        // Eighths are a step of fp8_e4m3; L-Mul's products are off by as much on average, and its sums by less.
        let most = if activations.starts_with("nvfp4") { 0.3 } else { 0.15 };
        assert!(error < most * scale, "{pe}: {error} of {scale}");
        let top = accelerator.module().expect("a checked circuit");
        let (accelerator, network) = (&accelerator, &network);
        let verification =
            Verification { accelerator, top, network, input: &input, keep: Keep::Every, waves: None };
        let verdict = verification.run(engine, &mut |_, _| ()).unwrap_or_else(|e| panic!("{pe}: {e}"));
        println!("{activations} x {weights}, {pe}: {verdict:?}, error {:.1} %", 100.0 * error / scale);
    }
}

#[test]
fn whole_networks_in_the_interpreter() {
    verify(&Engine::Interpreter, &CASES);
}

#[test]
fn whole_networks_in_verilator() {
    let Some(verilator) = common::verilator_for("whole networks in floating point") else { return };
    let count = if std::env::var_os("BITMILL_FULL").is_some() { CASES.len() } else { 1 };
    verify(&Engine::Verilator(verilator), &CASES[..count]);
}

#[test]
fn what_the_vector_unit_cannot_do_is_refused() {
    let mut random = Random::new(5);
    let (activations, weights, pe) = CASES[0];
    let accelerator = accelerator(activations, weights, pe);
    let (float, inputs) = (network(&mut random, true, 2), inputs(&mut random));
    let pooled = quantized(&accelerator, &float, &inputs);
    assert!(pooled.run(&pooled.quantize_input(&inputs[0])).is_ok(), "the golden network pools by order");
    let error = lower(&accelerator, &pooled, Keep::Output).expect_err("no vector unit");
    assert_eq!(
        error.to_string(),
        "layer layer_2: an input or output of the vector unit is in fp8_e4m3, the accelerator takes none there, for \
         want of signed integers in precision.activations"
    );
    // A network that multiplies exactly is none for L-Mul.
    let exact = quantized(&accelerator, &network(&mut random, false, 2), &inputs);
    let (activations, weights, pe) = CASES[1];
    let error = lower(&self::accelerator(activations, weights, pe), &exact, Keep::Output);
    assert!(matches!(error, Err(SimulationError::Multiplication { .. })), "{error:?}");
}
