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

/// A network in one format of activations and one of weights.
struct Case {
    activations: &'static str,
    weights: &'static str,
    /// Mantissa bits of both formats.
    mantissa_bits: [i32; 2],
    /// The PE that multiplies them.
    pe: &'static str,
    /// How much larger than the true one a product is on average.
    product_bias: f64,
}

const CASES: [Case; 5] = [
    Case {
        activations: "fp8_e4m3",
        weights: "fp8_e4m3",
        mantissa_bits: [3, 3],
        pe: "{kind: float_mac, lanes: 4, accumulator_bits: 52}",
        product_bias: 0.0,
    },
    Case {
        activations: "fp8_e4m3",
        weights: "fp8_e4m3",
        mantissa_bits: [3, 3],
        pe: "{kind: l_mul, lanes: 4, accumulator_bits: 52, options: {range: wide}}",
        product_bias: 0.049,
    },
    Case {
        activations: "fp16",
        weights: "bitmod_fp4",
        mantissa_bits: [10, 1],
        pe: "{kind: bit_serial, lanes: 4, accumulator_bits: 64}",
        product_bias: 0.0,
    },
    Case {
        activations: "mxfp8_e4m3_g4",
        weights: "mxfp6_e2m3_g4",
        mantissa_bits: [3, 3],
        pe: "{kind: block_dot, lanes: 4, accumulator_bits: 56, options: {lsb: -20}}",
        product_bias: 0.0,
    },
    Case {
        activations: "nvfp4_g8",
        weights: "nvfp4_g8",
        mantissa_bits: [1, 1],
        pe: "{kind: block_dot, lanes: 8, accumulator_bits: 56, options: {lsb: -12}}",
        product_bias: 0.0,
    },
];

impl Case {
    fn is_of_blocks(&self) -> bool {
        matches!(self.activations.parse(), Ok(Format::Block(_)))
    }

    /// Root mean square error of a tensor that is rounded once, over the tensor's: a minifloat's ceiling in decibels,
    /// 13.80 + 6.02 a mantissa bit.
    fn noise(mantissa_bits: i32) -> f64 {
        10f64.powf(-(13.80 + 6.02 * f64::from(mantissa_bits)) / 20.0)
    }

    /// What the relative error of the logits may be: that of `layers` independent roundings of activations and of
    /// weights, and of products that are too large in every layer. Twice as much, for a format's ceiling is not
    /// reached: small numbers underflow, and OCP's scales let the largest of a block saturate.
    fn largest_error(&self, layers: i32) -> f64 {
        let squares: f64 = self.mantissa_bits.iter().map(|&bits| Self::noise(bits).powi(2)).sum();
        let roundings = (f64::from(layers) * squares).sqrt();
        2.0 * roundings + (1.0 + self.product_bias).powi(layers) - 1.0
    }
}

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
    let multiplication = accelerator.multiplication(precision.activations.first(), precision.weights.first());
    let config =
        PtqConfig { multiplication, ..PtqConfig::new(weights, format(precision.activations.first())) };
    quantize(network, inputs, &config).unwrap_or_else(|error| panic!("{error}"))
}

/// Root mean square of the logits' error over that of the float network's logits.
fn relative_error(network: &QuantizedNetwork, float: &FloatNetwork, inputs: &[Vec<f32>]) -> f64 {
    let (mut noise, mut signal) = (0.0, 0.0);
    for input in inputs {
        let tensors = network.run(&network.quantize_input(input)).expect("a legal input");
        let logits = network.dequantize(network.graph().output(), tensors.last().expect("tensors"));
        let real = float.run(input).expect("a legal input").pop().expect("tensors");
        for (real, logit) in real.iter().map(|&real| f64::from(real)).zip(logits) {
            noise += (logit - real).powi(2);
            signal += real.powi(2);
        }
    }
    (noise / signal).sqrt()
}

fn verify(engine: &Engine, cases: &[Case]) {
    for case in cases {
        let &Case { activations, weights, pe, .. } = case;
        let mut random = Random::new(5);
        let accelerator = accelerator(activations, weights, pe);
        let groups = if case.is_of_blocks() { 1 } else { 2 };
        let (float, inputs) = (network(&mut random, false, groups), inputs(&mut random));
        let network = quantized(&accelerator, &float, &inputs);
        let input = network.quantize_input(&inputs[0]);
        let (error, most) = (relative_error(&network, &float, &inputs), case.largest_error(3));
        println!("{activations} x {weights}, {pe}: error {:.1} % of {:.1} %", 100.0 * error, 100.0 * most);
        assert!(error < most, "{pe}: {error} of {most}");
        let top = accelerator.module().expect("a checked circuit");
        let (accelerator, network) = (&accelerator, &network);
        let verification =
            Verification { accelerator, top, network, input: &input, keep: Keep::Every, waves: None };
        let verdict = verification.run(engine, &mut |_, _| ()).unwrap_or_else(|e| panic!("{pe}: {e}"));
        println!("{activations} x {weights}, {pe}: {verdict:?}");
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
    let Case { activations, weights, pe, .. } = CASES[0];
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
    let Case { activations, weights, pe, .. } = CASES[1];
    let error = lower(&self::accelerator(activations, weights, pe), &exact, Keep::Output);
    assert!(matches!(error, Err(SimulationError::Multiplication { .. })), "{error:?}");
}
