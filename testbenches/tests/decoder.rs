//! A decoder: transposed convolutions, resizes, and functions by lookup, on the circuit. Every command starts and ends
//! in the predicted cycle, every tensor equals the golden integers.

#[path = "common/broken.rs"]
mod broken;
mod common;

use bitmill_accelerator::{Accelerator, Command, Configuration, Target};
use bitmill_hdl::Op;
use bitmill_hdl::unit::Random;
use bitmill_model::{
    Extent, FloatLayer, FloatNetwork, Function, Network, Operation, Padding, PtqConfig, QuantizedNetwork,
    Shape, Tensor, TensorId, Window, quantize,
};
use bitmill_sim::{Keep, lower};
use bitmill_testbenches::accelerator::{Engine, Verification, VerificationError};
use broken::broken;

fn accelerator(bits: u32, rows: u32, extra: &str) -> Accelerator {
    let yaml = format!(
        "name: decoder{bits}\nprecision: {{activations: int{bits}, weights: int8}}\n\
         pe: {{kind: integer, lanes: 4}}\narray: {{rows: {rows}, columns: 8, input_dilation: 4}}\n\
         scratchpads: {{activations_kib: 32, weights_kib: 4}}\n{extra}"
    );
    Accelerator::new(Configuration::from_yaml(&yaml).expect("well-formed")).expect("legal")
}

/// Convolution, tanh, transposed convolutions by 2 and (of each channel alone) by 4, a resize, and two functions of one
/// tensor.
fn network(bits: u8) -> (QuantizedNetwork, Vec<i32>) {
    let random = &mut Random::new(7);
    let shape = Shape::new(3, 4, 3);
    let mut graph = Network::new("decoder", Tensor { name: "x".to_owned(), shape }).expect("a legal shape");
    let mut layers = Vec::new();
    let mut push = |name: &str, operation: Operation, input: TensorId| {
        let shape = graph.shape(input);
        let output = graph.push(name, operation, vec![input]).expect("a legal layer");
        let mut numbers = |count: usize| -> Vec<f32> {
            (0..count).map(|_| random.below(2001) as f32 / 2000.0 - 0.5).collect()
        };
        let weights = numbers(operation.weight_count(shape));
        let bias = if weights.is_empty() { Vec::new() } else { numbers(graph.shape(output).channels) };
        layers.push(FloatLayer::weighted(weights, bias));
        output
    };
    let transposed = |kernel: usize, dilation: usize| Window {
        kernel: Extent::square(kernel),
        padding: Padding { top: kernel - 2, left: kernel - 2, bottom: kernel - 1, right: kernel - 1 },
        input_dilation: Extent::square(dilation),
        ..Window::square(1)
    };
    let window = Window::square(3).with_padding(1);
    let features =
        push("features", Operation::Convolution { window, out_channels: 10, groups: 1 }, TensorId::INPUT);
    let tanh = push("tanh", Operation::Lookup { function: Function::Tanh }, features);
    let window = transposed(3, 2);
    let doubled = push("doubled", Operation::Convolution { window, out_channels: 6, groups: 1 }, tanh);
    let sigmoid = push("sigmoid", Operation::Lookup { function: Function::Sigmoid }, doubled);
    let silu = push("silu", Operation::Lookup { function: Function::Silu }, doubled);
    let resized = push("resized", Operation::ResizeNearest { factor: Extent::square(2) }, sigmoid);
    let spread = push("spread", Operation::Depthwise { window: transposed(5, 4) }, silu);
    let _ = (resized, push("swish", Operation::Lookup { function: Function::HardSwish }, spread));
    let float = FloatNetwork::new(graph, layers).expect("one set of parameters a layer");
    let image = |seed: usize| (0..36).map(|i| ((i * 37 + seed * 11) % 64) as f32 / 32.0 - 1.0).collect();
    let images: Vec<Vec<f32>> = (0..4).map(image).collect();
    let config = PtqConfig::integers(8, bits).expect("legal widths");
    let network = quantize(&float, &images, &config).expect("a legal network");
    let input = network.quantize_input(&images[1]);
    (network, input)
}

fn verify(
    accelerator: &Accelerator,
    (network, input): &(QuantizedNetwork, Vec<i32>),
    top: std::sync::Arc<bitmill_hdl::Module>,
    keep: Keep,
    engine: &Engine,
) -> Result<u64, VerificationError> {
    let verification = Verification { accelerator, top, network, input, keep, waves: None };
    verification.run(engine, &mut |_, _| ()).map(|verdict| verdict.cycles)
}

fn engines() -> Vec<Engine> {
    let verilator = common::verilator_for("a decoder under Verilator").map(Engine::Verilator);
    [Engine::Interpreter].into_iter().chain(verilator).collect()
}

#[test]
fn a_decoder_runs_as_predicted() {
    let engines = engines();
    for (bits, rows, extra) in [
        (8, 4, "vector: {lookup_tables: 2}\n"),
        (8, 2, "vector: {lookup_tables: 1, rows: 2}\nmemory: {width_bits: 256}\n"),
        (4, 8, "vector: {lookup_tables: 3, rows: 4}\n"),
    ] {
        let accelerator = accelerator(bits, rows, extra);
        let case = network(bits as u8);
        // Stored tensors are compared one by one; only without them are lookups fused.
        let keeps = if rows == 4 { &[Keep::Output, Keep::Every][..] } else { &[Keep::Output] };
        for &keep in keeps {
            for engine in &engines {
                let top = accelerator.module().expect("a checked circuit");
                let cycles = verify(&accelerator, &case, top, keep, engine).unwrap_or_else(|e| panic!("{e}"));
                println!("{bits} bits, {rows} rows, {keep:?}: {cycles} cycles");
            }
        }
    }
}

/// Tanh and hard swish have no commands of their own, sigmoid and SiLU, which share an input, have.
#[test]
fn a_lookup_that_is_seen_alone_is_fused() {
    let accelerator = accelerator(8, 4, "vector: {lookup_tables: 2}\n");
    let (network, _) = network(8);
    let layer_names = |keep: Keep| -> Vec<String> {
        let program = lower(&accelerator, &network, keep).expect("it fits");
        let tables = program.commands.iter().filter(
            |planned| matches!(planned.command, Command::Load(transfer) if transfer.target == Target::Tables),
        );
        // A layer that is cut into chunks brings its table with each.
        let mut names: Vec<String> =
            tables.map(|planned| network.graph().layers()[planned.layer].name.clone()).collect();
        names.dedup();
        names
    };
    assert_eq!(layer_names(Keep::Output), ["features", "sigmoid", "silu", "spread"]);
    assert_eq!(layer_names(Keep::Every), ["tanh", "sigmoid", "silu", "swish"]);
}

#[test]
fn changed_operations_are_noticed() {
    let accelerator = accelerator(8, 4, "vector: {lookup_tables: 2}\n");
    let case = network(8);
    let top = accelerator.module().expect("a checked circuit");
    for (path, signal, from, to) in [
        (&["i_gather"][..], "pixel_1", Op::Add, Op::Sub),
        (&["i_gather"], "reads_1", Op::Or, Op::And),
        (&["i_postprocessor"], "looks_up", Op::ReduceOr, Op::ReduceAnd),
    ] {
        let broken = broken(&top, path, signal, from, to);
        match verify(&accelerator, &case, broken, Keep::Every, &Engine::Interpreter) {
            Err(VerificationError::Difference { difference, .. }) => println!("{signal}: {difference}"),
            Err(error) => panic!("{signal}: {error}"),
            Ok(_) => panic!("{signal}: not noticed"),
        }
    }
}

#[test]
fn what_the_accelerator_lacks_is_named() {
    let (network, _) = network(8);
    let refusal = |array: &str, vector: &str| {
        let yaml = format!(
            "name: decoder\nprecision: {{activations: int8, weights: int8}}\npe: {{kind: integer, lanes: 4}}\n\
             array: {{rows: 4, columns: 8{array}}}\nscratchpads: {{activations_kib: 32, weights_kib: 4}}\n{vector}"
        );
        let accelerator =
            Accelerator::new(Configuration::from_yaml(&yaml).expect("well-formed")).expect("legal");
        lower(&accelerator, &network, Keep::Output).expect_err("must be refused").to_string()
    };
    let error = refusal(", input_dilation: 4", "");
    assert!(error.ends_with("no lookup tables: set vector.lookup_tables to 1 or more"), "{error}");
    let error = refusal("", "vector: {lookup_tables: 1}\n");
    assert!(error.ends_with("no input dilation of 2: set array.input_dilation to 2"), "{error}");
}
