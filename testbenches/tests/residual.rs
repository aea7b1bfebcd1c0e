//! Residual additions within the command of a convolution: the circuit does what the simulator predicts, to the cycle
//! and to the bit, and the network's integers are those of an addition of its own.

mod common;

use bitmill_accelerator::{Accelerator, Configuration, Opcode};
use bitmill_hdl::unit::Random;
use bitmill_model::{
    ActivationFormat, Arithmetic, Multiplier, Network, Operation, Padding, Quantization, QuantizedLayer,
    QuantizedNetwork, Requantization, Shape, Tensor, TensorId, WeightFormat, Window,
};
use bitmill_sim::{Keep, lower, simulate};
use bitmill_testbenches::accelerator::{Engine, Verification};

/// Shape of an accelerator; two banks a row spread the lines that are read at once.
struct Hardware {
    kind: &'static str,
    rows: u32,
    columns: u32,
    lanes: u32,
    drained: u32,
    banks: u32,
    weights_kib: u32,
    residual: bool,
}

const COMMON: Hardware = Hardware {
    kind: "integer",
    rows: 4,
    columns: 8,
    lanes: 4,
    drained: 1,
    banks: 1,
    weights_kib: 2,
    residual: true,
};

impl Hardware {
    fn accelerator(&self) -> Accelerator {
        let Hardware { kind, rows, columns, lanes, drained, banks, weights_kib, residual } = self;
        let yaml = format!(
            "name: residual\nprecision: {{activations: int8, weights: int8}}\n\
             pe: {{kind: {kind}, lanes: {lanes}}}\narray: {{rows: {rows}, columns: {columns}}}\n\
             scratchpads: {{activations_kib: 8, banks_per_row: {banks}, weights_kib: {weights_kib}, parameters_kib: 1}}\n\
             vector: {{rows: {drained}, residual: {residual}}}\n"
        );
        Accelerator::new(Configuration::from_yaml(&yaml).expect("well-formed")).expect("legal")
    }
}

/// How two tensors are joined.
#[derive(Clone, Copy, Debug)]
struct Join {
    operation: Operation,
    /// The convolution's results come second among the layer's inputs.
    sum_is_second: bool,
    /// Factor of the first and second input of an addition.
    factors: [f64; 2],
    rounding: Requantization,
}

const JOINS: [Join; 4] = [
    Join {
        operation: Operation::Add,
        sum_is_second: false,
        factors: [0.5, 0.3217],
        rounding: Requantization::DoubleRounding,
    },
    Join {
        operation: Operation::Add,
        sum_is_second: true,
        factors: [0.5, 0.44],
        rounding: Requantization::HalfAwayFromZero,
    },
    Join {
        operation: Operation::Add,
        sum_is_second: true,
        factors: [0.21, 0.5],
        rounding: Requantization::DyadicHalfUp,
    },
    Join {
        operation: Operation::Multiply,
        sum_is_second: true,
        factors: [1.0, 1.0],
        rounding: Requantization::DoubleRounding,
    },
];

fn multiplier(real: f64) -> Multiplier {
    Multiplier::nearest(real).expect("a legal factor")
}

/// Two convolutions, the second with a kernel of `kernel`, and the join of what both make.
fn network(shape: Shape, channels: usize, kernel: usize, join: Join) -> QuantizedNetwork {
    block(shape, channels, kernel, join, false)
}

/// The same, where `read_again` with a layer behind the join that reads the second convolution's results too.
fn block(shape: Shape, channels: usize, kernel: usize, join: Join, read_again: bool) -> QuantizedNetwork {
    let mut graph = Network::new("block", Tensor { name: "x".to_owned(), shape }).expect("a legal shape");
    let convolution = |kernel: usize| {
        let window = Window { padding: Padding::same(kernel / 2), ..Window::square(kernel) };
        Operation::Convolution { window, out_channels: channels, groups: 1 }
    };
    let first = graph.push("first", convolution(1), vec![TensorId::INPUT]).expect("a legal layer");
    let second = graph.push("second", convolution(kernel), vec![first]).expect("a legal layer");
    let inputs = if join.sum_is_second { vec![first, second] } else { vec![second, first] };
    graph.push("join", join.operation, inputs).expect("equal shapes");
    if read_again {
        let copy = Operation::AveragePool { window: Window::square(1) };
        graph.push("again", copy, vec![second]).expect("a copy");
    }
    let format = ActivationFormat::signed(8).expect("a legal width");
    let zero_points = [-3, 17, -40, 5, 9].into_iter().take(graph.tensors().len());
    let quantizations: Vec<Quantization> =
        zero_points.map(|zero_point| Quantization { format, scale: 0.5, zero_point }).collect();
    let mut random = Random::new(7);
    let layers = graph.layers().iter().zip(&quantizations[1..]).map(|(layer, output)| {
        let terms = layer.operation.terms(graph.input_shape(layer)) as f64;
        let is_join = layer.operation == join.operation;
        let spread = match layer.operation {
            Operation::Add => f64::from(1 << 19),
            Operation::Multiply => 64.0,
            _ => 60.0 * terms.sqrt(),
        };
        QuantizedLayer {
            weight_format: if is_join {
                WeightFormat::lane()
            } else {
                WeightFormat::signed(8).expect("legal")
            },
            weights: (0..layer.operation.weight_count(graph.input_shape(layer)))
                .filter(|_| !is_join)
                .map(|_| random.below(256) as i16 - 128)
                .collect(),
            bias: (0..channels).map(|channel| if is_join { 0 } else { channel as i32 * 31 - 40 }).collect(),
            multipliers: (0..channels)
                .map(|channel| multiplier((if is_join { 1.0 } else { 0.7 + channel as f64 / 40.0 }) / spread))
                .collect(),
            requantization: if is_join { join.rounding } else { Requantization::DoubleRounding },
            input_multipliers: match layer.operation {
                Operation::Add => join.factors.map(multiplier).to_vec(),
                _ => Vec::new(),
            },
            arithmetic: Arithmetic::default(),
            offset: output.zero_point,
            // The second convolution clamps what is joined, the join as a rectifier does.
            low: if is_join { output.zero_point } else { -100 },
            high: 127,
        }
    });
    let layers = layers.collect();
    QuantizedNetwork::new(graph.clone(), quantizations.clone(), layers).expect("legal parameters")
}

fn input(network: &QuantizedNetwork) -> Vec<i32> {
    let mut random = Random::new(11);
    let elements = network.graph().shape(TensorId::INPUT).elements();
    (0..elements).map(|_| random.below(256) as i32 - 128).collect()
}

/// Runs `network` on the circuit; residual commands are those that there should be.
fn check(hardware: &Hardware, network: &QuantizedNetwork, engine: &Engine, what: &str) {
    let accelerator = hardware.accelerator();
    let input = input(network);
    let tensors = network.run(&input).expect("the input fits");
    let distinct: std::collections::BTreeSet<&i32> = tensors.last().expect("an output").iter().collect();
    assert!(distinct.len() >= 20, "{what}: only {} distinct outputs", distinct.len());
    let program = lower(&accelerator, network, Keep::Output).expect("it fits");
    let count = |opcode| program.commands.iter().filter(|planned| planned.command.opcode() == opcode).count();
    let of_second = program.commands.iter().filter(|planned| planned.layer == 1);
    let computes = of_second.filter(|planned| planned.command.opcode() == Opcode::Compute).count();
    assert_eq!(count(Opcode::Residual), computes, "{what}: one for each command of the second convolution");
    let verification = Verification {
        accelerator: &accelerator,
        top: accelerator.module().expect("a checked circuit"),
        network,
        input: &input,
        keep: Keep::Output,
        waves: None,
    };
    match verification.run(engine, &mut |_, _| ()) {
        Ok(verdict) => println!("{what}: {computes} commands, {verdict:?}"),
        Err(difference) => panic!("{what}: {difference}"),
    }
}

#[test]
fn residuals_in_the_interpreter() {
    // One block a tile and several; tiles of all rows and of some; a step shorter and longer than a drain; several
    // commands for a layer.
    for hardware in [
        COMMON,
        Hardware { drained: 4, ..COMMON },
        Hardware { columns: 12, drained: 2, banks: 2, ..COMMON },
        Hardware { rows: 1, columns: 4, ..COMMON },
        // Drains longer than steps: lines must wait until the chunks of the tile before have been taken.
        Hardware { rows: 8, columns: 4, ..COMMON },
        Hardware { kind: "bit_serial", banks: 4, ..COMMON },
    ] {
        for (number, join) in (0..).zip(JOINS) {
            for (kernel, channels) in [(1, 20), (3, 11)] {
                let network = network(Shape::new(3, 5, 9), channels, kernel, join);
                let what = format!("{}, join {number}, kernel {kernel}", hardware.kind);
                check(&hardware, &network, &Engine::Interpreter, &what);
            }
        }
    }
}

#[test]
fn residuals_under_verilator() {
    let Some(verilator) = common::verilator_for("residual additions") else { return };
    let engine = Engine::Verilator(verilator);
    for hardware in [
        Hardware { rows: 8, columns: 16, drained: 2, weights_kib: 8, ..COMMON },
        Hardware { kind: "bit_serial", columns: 12, banks: 2, weights_kib: 4, ..COMMON },
    ] {
        for (number, join) in (0..).zip(JOINS) {
            let network = network(Shape::new(6, 7, 9), 28, 3, join);
            check(&hardware, &network, &engine, &format!("{}, join {number}", hardware.kind));
        }
    }
}

#[test]
fn an_addition_within_a_convolution_takes_fewer_cycles() {
    let network = network(Shape::new(6, 7, 9), 28, 3, JOINS[0]);
    let report = |residual| {
        let accelerator = Hardware { residual, ..COMMON }.accelerator();
        simulate(&accelerator, &network).expect("it fits").2
    };
    let (with, without) = (report(true), report(false));
    println!("{} cycles instead of {}", with.cycles, without.cycles);
    assert!(with.cycles < without.cycles);
    assert_eq!(with.layers[2].compute.step_cycles, 0, "the addition has no pass of its own");
}

#[test]
fn what_is_read_elsewhere_has_a_pass_of_its_own() {
    let accelerator = COMMON.accelerator();
    let residuals = |network: &QuantizedNetwork, keep| {
        let program = lower(&accelerator, network, keep).expect("it fits");
        program.commands.iter().filter(|planned| planned.command.opcode() == Opcode::Residual).count()
    };
    let blocks = [false, true].map(|read_again| block(Shape::new(6, 7, 9), 28, 3, JOINS[0], read_again));
    assert!(residuals(&blocks[0], Keep::Output) > 0);
    assert_eq!(residuals(&blocks[0], Keep::Every), 0, "every tensor is stored");
    assert_eq!(residuals(&blocks[1], Keep::Output), 0, "another layer reads what would not be written");
}

#[test]
fn a_residual_needs_pair_units() {
    let yaml = "name: r\nprecision: {activations: int8, weights: int8}\npe: {kind: integer, lanes: 4}\n\
                array: {rows: 4, columns: 8}\nscratchpads: {activations_kib: 8, weights_kib: 8}\n\
                vector: {residual: true, elementwise: false}\n";
    let error = Accelerator::new(Configuration::from_yaml(yaml).expect("well-formed")).expect_err("refused");
    let legal = "vector.residual: true is not legal: it needs vector.elementwise and signed integers in \
                 precision.activations";
    assert_eq!(error.to_string(), legal);
}
