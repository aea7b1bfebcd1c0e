//! Operators of the vector unit, one small network each: the circuit does what the simulator predicts, to the
//! cycle and to the bit.

mod common;

use bitmill_accelerator::{Accelerator, Configuration};
use bitmill_model::{
    ActivationFormat, Arithmetic, Multiplier, Network, Operation, Quantization, QuantizedLayer,
    QuantizedNetwork, Requantization, Shape, Tensor, TensorId, WeightFormat, Window,
};
use bitmill_sim::Keep;
use bitmill_testbenches::accelerator::{Engine, Verification};

/// An accelerator of 4 × 8 PEs with 4 lanes.
fn accelerator(bits: u32, extra: &str) -> Accelerator {
    let yaml = format!(
        "name: vector{bits}\nprecision: {{activations: int{bits}, weights: int8}}\n\
         pe: {{kind: integer, lanes: 4}}\narray: {{rows: 4, columns: 8}}\n\
         scratchpads: {{activations_kib: 8, weights_kib: 8}}\n{extra}"
    );
    Accelerator::new(Configuration::from_yaml(&yaml).expect("well-formed")).expect("legal")
}

/// Parameters without weights: a factor for every channel, no bias, no clamp.
fn plain(channels: usize, output: &Quantization, factor: Multiplier, mode: Requantization) -> QuantizedLayer {
    QuantizedLayer {
        weight_format: WeightFormat::lane(),
        weights: Vec::new(),
        bias: vec![0; channels],
        multipliers: vec![factor; channels],
        requantization: mode,
        input_multipliers: Vec::new(),
        arithmetic: Arithmetic::default(),
        offset: output.zero_point,
        low: output.min(),
        high: output.max(),
    }
}

/// A network over 5 × 6 positions of `channels`: a copy of the input, then `operation` on both, whose
/// parameters `adapt` completes.
fn two_inputs(
    bits: u8,
    channels: usize,
    operation: Operation,
    factor: f64,
    mode: Requantization,
    adapt: impl Fn(&mut QuantizedLayer),
) -> QuantizedNetwork {
    let shape = Shape::new(5, 6, channels);
    let mut graph = Network::new("two", Tensor { name: "x".to_owned(), shape }).expect("a legal shape");
    let copy = Operation::AveragePool { window: Window::square(1) };
    let other = graph.push("copy", copy, vec![TensorId::INPUT]).expect("a copy");
    let output = graph.push("both", operation, vec![TensorId::INPUT, other]).expect("equal shapes");
    let format = ActivationFormat::signed(bits).expect("a legal width");
    let limit = 1 << (bits - 1);
    let quantizations: Vec<Quantization> = [-limit, limit / 3, -limit / 5]
        .map(|zero_point| Quantization { format, scale: 0.5, zero_point })
        .to_vec();
    let exact = |real| Multiplier::nearest(real).expect("a legal factor");
    let mut copied = plain(channels, &quantizations[1], exact(0.83), Requantization::DyadicHalfUp);
    copied.bias = vec![11; channels];
    let mut both = plain(graph.shape(output).channels, &quantizations[2], exact(factor), mode);
    adapt(&mut both);
    QuantizedNetwork::new(graph, quantizations, vec![copied, both]).expect("legal parameters")
}

/// Inputs with every code of 8 bits in the corners' neighbourhood, and many others.
fn input(network: &QuantizedNetwork) -> Vec<i32> {
    let quantization = network.quantization(TensorId::INPUT);
    let codes = quantization.max() - quantization.min() + 1;
    let elements = network.graph().shape(TensorId::INPUT).elements() as i32;
    (0..elements).map(|i| quantization.min() + (i * 37 + i / 7 * 11) % codes).collect()
}

fn check(accelerator: &Accelerator, network: &QuantizedNetwork, engine: &Engine, what: &str) {
    let input = input(network);
    let tensors = network.run(&input).expect("the input fits");
    let distinct: std::collections::BTreeSet<&i32> = tensors.last().expect("an output").iter().collect();
    assert!(distinct.len() >= 5, "{what}: only {} distinct outputs", distinct.len());
    let verification = Verification {
        accelerator,
        top: accelerator.module().expect("a checked circuit"),
        network,
        input: &input,
        keep: Keep::Every,
        waves: None,
    };
    match verification.run(engine, &mut |_, _| ()) {
        Ok(verdict) => println!("{what}: {verdict:?}"),
        Err(difference) => panic!("{what}: {difference}"),
    }
}

/// TFLite's addition: the larger scale has the factor one half, on either side.
fn additions(bits: u8, modes: &[Requantization]) -> Vec<(String, QuantizedNetwork)> {
    let factors = |second: f64| [0.5, second].map(|real| Multiplier::nearest(real).expect("a legal factor"));
    let mut networks = Vec::new();
    for &mode in modes {
        for (second, swapped) in [(0.5, false), (0.3217, true), (0.0171, false)] {
            let network = two_inputs(bits, 10, Operation::Add, 9e-7, mode, |layer| {
                let [half, second] = factors(second);
                layer.input_multipliers = if swapped { vec![second, half] } else { vec![half, second] };
            });
            networks.push((format!("add of {bits} bits, {} by {second}", mode.name()), network));
        }
    }
    networks
}

fn products(bits: u8) -> Vec<(String, QuantizedNetwork)> {
    let factor = 2f64.powi(1 - i32::from(bits));
    let modes = [Requantization::DoubleRounding, Requantization::DyadicHalfUp];
    let network = |mode| two_inputs(bits, 7, Operation::Multiply, factor, mode, |_| ());
    modes.map(|mode| (format!("multiply of {bits} bits, {}", mode.name()), network(mode))).to_vec()
}

fn concatenations(bits: u8) -> Vec<(String, QuantizedNetwork)> {
    let network = two_inputs(bits, 8, Operation::Concatenate, 0.9, Requantization::DyadicHalfUp, |layer| {
        for channel in 0..8 {
            layer.bias[channel] = 1 << (bits - 1);
            layer.multipliers[channel] = Multiplier::nearest(0.6).expect("a legal factor");
        }
    });
    vec![(format!("concatenate of {bits} bits"), network)]
}

/// Global average pooling of 5 × 6 positions, whose channel blocks become pixels for the classifier behind it.
fn pooling(bits: u8) -> Vec<(String, QuantizedNetwork)> {
    let channels = 20;
    let shape = Shape::new(5, 6, channels);
    let mut graph = Network::new("pool", Tensor { name: "x".to_owned(), shape }).expect("a legal shape");
    let operation = Operation::AveragePool { window: Window::global(shape) };
    let pooled = graph.push("pool", operation, vec![TensorId::INPUT]).expect("a legal window");
    let operation = Operation::FullyConnected { out_features: 6 };
    graph.push("classes", operation, vec![pooled]).expect("a legal layer");
    let format = ActivationFormat::signed(bits).expect("a legal width");
    let quantization = Quantization { format, scale: 0.5, zero_point: 1 };
    let factor = |real| Multiplier::nearest(real).expect("a legal factor");
    let mode = Requantization::DoubleRounding;
    let mean = plain(channels, &quantization, factor(0.5), mode);
    let mut classes = plain(6, &quantization, factor(0.004), mode);
    classes.weights = (0..6 * channels as i16).map(|i| i * 29 % 255 - 127).collect();
    let network = QuantizedNetwork::new(graph, vec![quantization; 3], vec![mean, classes]);
    vec![(format!("pooling of {bits} bits"), network.expect("legal parameters"))]
}

const INTEGER_MODES: [Requantization; 3] =
    [Requantization::DyadicHalfUp, Requantization::DoubleRounding, Requantization::HalfAwayFromZero];

#[test]
fn operators_in_the_interpreter() {
    for (bits, extra) in [
        (8, ""),
        (4, "vector: {rows: 2}\n"),
        (8, "vector: {rows: 4, rounding: [double_rounding, dyadic_half_up]}\n"),
    ] {
        let accelerator = accelerator(bits, extra);
        let roundings = accelerator.requantizer().roundings();
        let modes: Vec<Requantization> =
            INTEGER_MODES.into_iter().filter(|m| roundings.contains(*m)).collect();
        let bits = bits as u8;
        let networks = [additions(bits, &modes), products(bits), concatenations(bits), pooling(bits)];
        for (what, network) in networks.into_iter().flatten() {
            check(&accelerator, &network, &Engine::Interpreter, &what);
        }
    }
}

#[test]
fn operators_under_verilator() {
    let Some(verilator) = common::verilator_for("operators of the vector unit") else { return };
    let engine = Engine::Verilator(verilator);
    let accelerator = accelerator(8, "vector: {rows: 2}\n");
    for (what, network) in
        [additions(8, &INTEGER_MODES), products(8), concatenations(8)].into_iter().flatten()
    {
        check(&accelerator, &network, &engine, &what);
    }
}

#[test]
fn what_the_vector_unit_lacks_is_named() {
    let without = accelerator(8, "vector: {elementwise: false}\n");
    let (_, product) = products(8).remove(0);
    let refuse = |accelerator: &Accelerator, network: &QuantizedNetwork| {
        bitmill_sim::lower(accelerator, network, Keep::Output).expect_err("must be refused").to_string()
    };
    let error = refuse(&without, &product);
    assert!(error.ends_with("no pair units: set vector.elementwise to true"), "{error}");
    let with = accelerator(8, "");
    let uneven = two_inputs(8, 6, Operation::Concatenate, 0.9, Requantization::DyadicHalfUp, |_| ());
    let error = refuse(&with, &uneven);
    assert!(
        error.ends_with("concatenation at channel 6: a multiple of 4, the channels of a word, is needed"),
        "{error}"
    );
    let both = two_inputs(8, 8, Operation::Add, 1e-6, Requantization::DoubleRounding, |layer| {
        layer.input_multipliers = vec![Multiplier::nearest(0.4).expect("a legal factor"); 2];
    });
    let error = refuse(&with, &both);
    assert!(error.contains("the larger factor must be 1/2"), "{error}");
}
