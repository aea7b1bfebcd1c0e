//! Transformer encoders on the circuit: attention by head as products of two activations, Shiftmax, ShiftGELU and
//! LayerNorm on the row units. Every command starts and ends in the predicted cycle, every tensor equals the golden
//! integers.

#[path = "common/broken.rs"]
mod broken;
mod common;

use std::io::Write;
use std::sync::Arc;

use bitmill_accelerator::{Accelerator, COMMAND_WORDS, Command, Configuration, Fault, Field, Opcode, fields};
use bitmill_hdl::unit::Random;
use bitmill_hdl::{Module, Op};
use bitmill_model::tflite::KeywordTransformer;
use bitmill_model::transformer::{Dense, EncoderBlock, Norm, encoder};
use bitmill_model::{Exponential, FloatNetwork, PtqConfig, QuantizedNetwork, Root, RowArithmetic, quantize};
use bitmill_sim::{Keep, lower, run, unpack_tensor};
use bitmill_testbenches::Verilator;
use bitmill_testbenches::accelerator::{
    Conditions, Engine, Session, Verification, VerificationError, run_once, verilate,
};
use broken::broken;

/// All row units for rows of up to 64 elements.
const ALL: &str = "nonlinear: {operators: [softmax, gelu, layer_norm], longest_row: 64}\n";
/// The same with I-ViT's root, and faster dividers.
const RELEASED: &str = "nonlinear: {operators: [layer_norm, softmax, gelu], longest_row: 64, root: ten_iterations, \
                        bits_per_cycle: 8}\n";
/// Softmax with exponentials from a table.
const TABLE: &str = "nonlinear: {operators: [gelu, softmax_by_table, layer_norm], longest_row: 64}\n";

const SHIFTS: RowArithmetic = RowArithmetic { exponential: Exponential::Shifts, root: Root::Floor };
const BY_TABLE: RowArithmetic = RowArithmetic { exponential: Exponential::Table, ..SHIFTS };
const AS_RELEASED: RowArithmetic = RowArithmetic { root: Root::TenIterations, ..SHIFTS };

/// An accelerator of `rows` × `columns` PEs with `lanes` lanes of int8.
fn accelerator(rows: u32, columns: u32, lanes: u32, extra: &str) -> Accelerator {
    let yaml = format!(
        "name: transformer\nprecision: {{activations: int8, weights: int8}}\n\
         pe: {{kind: integer, lanes: {lanes}}}\narray: {{rows: {rows}, columns: {columns}}}\n\
         scratchpads: {{activations_kib: 16, weights_kib: 8}}\n{extra}"
    );
    Accelerator::new(Configuration::from_yaml(&yaml).expect("well-formed")).expect("legal")
}

/// Numbers between −1 and 1, the same in every run.
fn numbers(random: &mut Random, count: usize) -> Vec<f32> {
    (0..count).map(|_| random.below(2001) as f32 / 1000.0 - 1.0).collect()
}

fn dense(random: &mut Random, inputs: usize, outputs: usize) -> Dense {
    let scale = 1.7 / (inputs as f32).sqrt();
    let weights = numbers(random, inputs * outputs).into_iter().map(|w| w * scale).collect();
    Dense { weights, bias: numbers(random, outputs).into_iter().map(|b| b * 0.2).collect() }
}

fn norm(random: &mut Random, channels: usize) -> Norm {
    let gamma = numbers(random, channels).into_iter().map(|g| 1.0 + 0.3 * g).collect();
    Norm { gamma, beta: numbers(random, channels).into_iter().map(|b| b * 0.2).collect() }
}

/// Shape of an encoder with fixed weights.
struct Encoder {
    tokens: usize,
    channels: usize,
    heads: usize,
    hidden: usize,
    blocks: usize,
}

impl Encoder {
    fn float(&self, arithmetic: RowArithmetic) -> FloatNetwork {
        let random = &mut Random::new(11);
        let (channels, hidden) = (self.channels, self.hidden);
        let block = |random: &mut Random| EncoderBlock {
            heads: self.heads,
            query: dense(random, channels, channels),
            key: dense(random, channels, channels),
            value: dense(random, channels, channels),
            output: dense(random, channels, channels),
            attention_norm: norm(random, channels),
            expansion: dense(random, channels, hidden),
            contraction: dense(random, hidden, channels),
            output_norm: norm(random, channels),
        };
        let blocks: Vec<EncoderBlock> = (0..self.blocks).map(|_| block(random)).collect();
        let classifier = dense(random, channels, 5);
        encoder("encoder", self.tokens, channels, &blocks, Some(&classifier), arithmetic)
            .expect("a legal encoder")
    }

    /// The network in int8, and an input.
    fn quantized(&self, arithmetic: RowArithmetic) -> (QuantizedNetwork, Vec<i32>) {
        let random = &mut Random::new(12);
        let inputs: Vec<Vec<f32>> = (0..4).map(|_| numbers(random, self.tokens * self.channels)).collect();
        let config = PtqConfig::integers(8, 8).expect("legal widths");
        let network = quantize(&self.float(arithmetic), &inputs, &config).expect("quantizable");
        let input = network.quantize_input(&inputs[0]);
        (network, input)
    }
}

/// Two heads, rows that end within a word, pixels that end within a line.
const SMALL: Encoder = Encoder { tokens: 11, channels: 8, heads: 2, hidden: 20, blocks: 1 };

fn verify(
    accelerator: &Accelerator,
    top: Arc<Module>,
    (network, input): &(QuantizedNetwork, Vec<i32>),
    keep: Keep,
    engine: &Engine,
) -> Result<(), VerificationError> {
    let verification = Verification { accelerator, top, network, input, keep, waves: None };
    let verdict = verification.run(engine, &mut |_, _| ())?;
    println!("{}x{}: {verdict:?}", accelerator.rows(), accelerator.columns());
    Ok(())
}

fn check(accelerator: &Accelerator, case: &(QuantizedNetwork, Vec<i32>), keep: Keep, engine: &Engine) {
    let tensors = case.0.run(&case.1).expect("the input fits");
    for (layer, tensor) in case.0.graph().layers().iter().zip(&tensors[1..]) {
        let distinct: std::collections::BTreeSet<&i32> = tensor.iter().collect();
        assert!(distinct.len() >= 5, "{}: only {} distinct outputs", layer.name, distinct.len());
    }
    let top = accelerator.module().expect("a checked circuit");
    verify(accelerator, top, case, keep, engine).unwrap_or_else(|difference| panic!("{difference}"));
}

#[test]
fn a_block_in_the_interpreter() {
    for (rows, columns, section, extra, arithmetic) in
        [(4, 8, ALL, "", SHIFTS), (8, 4, ALL, "vector: {rows: 2}\n", SHIFTS), (4, 8, TABLE, "", BY_TABLE)]
    {
        let case = SMALL.quantized(arithmetic);
        for keep in [Keep::Every, Keep::Output] {
            let accelerator = accelerator(rows, columns, 4, &format!("{section}{extra}"));
            check(&accelerator, &case, keep, &Engine::Interpreter);
        }
    }
}

/// Eight tokens more than rows, one word more than a line of weights.
const TALL: Encoder = Encoder { tokens: 24, channels: 16, heads: 1, hidden: 40, blocks: 2 };

#[test]
fn encoders_under_verilator() {
    let Some(verilator) = common::verilator_for("encoders") else { return };
    let wide = "vector: {rows: 4}\nmemory: {width_bits: 32}\n";
    let configurations = [
        (accelerator(8, 8, 4, &format!("{ALL}{wide}")), SHIFTS, &[SMALL, TALL][..]),
        (accelerator(16, 4, 4, &format!("{TABLE}vector: {{rows: 2}}\n")), BY_TABLE, &[SMALL, TALL]),
        (accelerator(4, 16, 8, RELEASED), AS_RELEASED, &[TALL]),
    ];
    let count = if std::env::var_os("BITMILL_FULL").is_some() {
        configurations.len()
    } else {
        println!("skipped: BITMILL_FULL runs encoders on 16 x 4 and 4 x 16 PEs too");
        1
    };
    for (accelerator, arithmetic, encoders) in &configurations[..count] {
        let engine = Engine::Verilator(verilator.clone());
        for encoder in *encoders {
            let case = encoder.quantized(*arithmetic);
            check(accelerator, &case, Keep::Every, &engine);
            check(accelerator, &case, Keep::Output, &engine);
            moody(accelerator, &case, &verilator);
        }
    }
}

/// Random delays on every AXI channel change no byte.
fn moody(accelerator: &Accelerator, (network, input): &(QuantizedNetwork, Vec<i32>), verilator: &Verilator) {
    let program = lower(accelerator, network, Keep::Every).expect("it fits");
    let predicted = run(accelerator, &program).cycles;
    let tensors = network.run(input).expect("the input fits");
    let top = accelerator.module().expect("a checked circuit");
    let session = Session {
        top: &top,
        port: accelerator.configuration().memory,
        image: &program.memory_image(accelerator, network, input).expect("weights with words"),
        script: &run_once(&program),
        conditions: Conditions { seed: Some(5), fault: None },
        limit_cycles: predicted * 12 + 10_000,
    };
    let execution = verilate(verilator, &session, None).expect("Verilator runs");
    let cycles = execution.cycles.expect("it ends");
    assert!(cycles > predicted, "delays delay");
    for stored in &program.outputs {
        let start = stored.address as usize;
        let bytes = &execution.memory[start..start + stored.place.bytes(accelerator)];
        let found = unpack_tensor(accelerator, &stored.place, bytes);
        assert!(found == tensors[stored.tensor.index()], "tensor {} differs", stored.tensor.index());
    }
    println!("{} tensors equal after {cycles} cycles instead of {predicted}", program.outputs.len());
}

/// KWT-1's real weights in int8: its first block and its classifier, or all twelve with `BITMILL_FULL`.
#[test]
fn kwt1_under_verilator() {
    const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let Ok(bytes) = std::fs::read(format!("{ROOT}/../shared/data/models/kwt1/kwt1.tflite")) else {
        let line = "skipped: ../shared/data/models/kwt1/kwt1.tflite is not at hand\n";
        std::io::stderr().write_all(line.as_bytes()).expect("standard error is open");
        return;
    };
    let Some(verilator) = common::verilator_for("KWT-1") else { return };
    let model = KeywordTransformer::read(&bytes).expect("a Keyword Transformer");
    let count = if std::env::var_os("BITMILL_FULL").is_some() { model.blocks.len() } else { 1 };
    let model = KeywordTransformer { blocks: model.blocks[..count].to_vec(), ..model };
    let tone = |pitch: f64| {
        let sample = |i: f64| 0.4 * (i * pitch * (0.05 + i * 4e-6)).sin() * (i * 0.0006).sin().powi(2);
        model.front_end.run(&(0..16000).map(|i| sample(f64::from(i)) as f32).collect::<Vec<f32>>())
    };
    let inputs: Vec<Vec<f32>> = [0.5, 1.0].map(tone).to_vec();
    let config = PtqConfig::integers(8, 8).expect("legal widths");
    let network = model.encoder(SHIFTS).and_then(|float| quantize(&float, &inputs, &config));
    let network = network.expect("quantizable");
    let input = network.quantize_input(&inputs[1]);
    let case = (network, input);
    let yaml = std::fs::read_to_string(format!("{ROOT}/examples/transformer.yaml")).expect("an example");
    let accelerator = Accelerator::new(Configuration::from_yaml(&yaml).expect("well-formed")).expect("legal");
    let engine = Engine::Verilator(verilator.clone());
    check(&accelerator, &case, Keep::Output, &engine);
    check(&accelerator, &case, Keep::Every, &engine);
    moody(&accelerator, &case, &verilator);
}

#[test]
fn broken_row_units_are_noticed() {
    let case = SMALL.quantized(SHIFTS);
    let accelerator = accelerator(4, 8, 4, ALL);
    let top = accelerator.module().expect("a checked circuit");
    let rows = "i_rows";
    for (path, signal, from, to) in [
        (&[rows][..], "turn_ends", Op::And, Op::Or),
        (&[rows], "block_stride", Op::Add, Op::Sub),
        (&[rows], "parameter_line_q", Op::Add, Op::Sub),
        (&[rows, "i_softmax_0", "i_exp_0"], "scaled", Op::Sub, Op::Add),
        (&[rows, "i_gelu_0"], "sum_2", Op::Add, Op::Sub),
        (&[rows, "i_layer_norm_0"], "mean_q", Op::Add, Op::Sub),
        (&["i_sequencer"], "next_tile_weight_line", Op::Add, Op::Sub),
    ] {
        let broken = broken(&top, path, signal, from, to);
        match verify(&accelerator, broken, &case, Keep::Every, &Engine::Interpreter) {
            Err(VerificationError::Difference { difference, .. }) => println!("{signal}: {difference}"),
            Err(error) => panic!("{signal}: {error}"),
            Ok(()) => panic!("{signal}: not noticed"),
        }
    }
}

#[test]
fn what_the_accelerator_lacks_is_named() {
    let (network, _) = SMALL.quantized(SHIFTS);
    let without = |section: &str, columns: u32| {
        lower(&accelerator(4, columns, 4, section), &network, Keep::Output)
            .expect_err("must be refused")
            .to_string()
    };
    for (section, columns, expected) in [
        (
            "",
            8,
            "layer block0.head0.softmax: the accelerator has no row unit for softmax: add softmax to nonlinear.operators",
        ),
        (
            "nonlinear: {operators: [softmax, gelu], longest_row: 64}\n",
            8,
            "layer block0.attention_norm: the accelerator has no row unit for layer_norm: add layer_norm to nonlinear.operators",
        ),
        (
            "nonlinear: {operators: [softmax, gelu, layer_norm], longest_row: 16}\n",
            8,
            "layer block0.gelu: the accelerator has no room for rows of 20 elements, only for 16: raise nonlinear.longest_row",
        ),
        (
            "nonlinear: {operators: [softmax, gelu, layer_norm], longest_row: 64, root: ten_iterations}\n",
            8,
            "layer block0.attention_norm: the accelerator has no root like that of the layer, Floor: change nonlinear.root, TenIterations",
        ),
        (
            "nonlinear: {operators: [softmax, gelu, layer_norm], longest_row: 64}\nmemory: {width_bits: 256}\n",
            8,
            "layer block0.head0.scores: the accelerator has no words of int8 activations that serve as weights: lines of activations and of weights must be whole beats of 256 bits, and processing elements must take such weights one behind the other",
        ),
    ] {
        assert_eq!(without(section, columns), expected);
    }
}

#[test]
fn malformed_commands_of_row_units_are_named() {
    let (network, _) = SMALL.quantized(SHIFTS);
    let accelerator =
        accelerator(4, 8, 4, "nonlinear: {operators: [softmax, gelu, layer_norm], longest_row: 32}\n");
    let program = lower(&accelerator, &network, Keep::Output).expect("it fits");
    let rows = program.commands.iter().map(|planned| planned.command).find(|c| c.opcode() == Opcode::Rows);
    let words = rows.as_ref().map(Command::encode).expect("a command of row units").expect("it fits");
    let with = |field: &Field, value: u64| -> [u64; COMMAND_WORDS] {
        let mut words = words;
        let mask = ((1u64 << field.shape.width) - 1) << field.lsb;
        words[field.word] = words[field.word] & !mask | value << field.lsb;
        words
    };
    assert_eq!(Fault::of_command(&accelerator, &words), None);
    for (field, value, fault) in [
        (&fields::OPCODE, 5, Fault::Opcode),
        (&fields::WAIT, 0b0010, Fault::Tokens),
        (&fields::OPERATOR, 3, Fault::Kind),
        (&fields::PIXELS, 0, Fault::EmptyLoop),
        (&fields::ONE, 0, Fault::EmptyLoop),
        (&fields::ROW_LENGTH, 32, Fault::Row),
    ] {
        assert_eq!(Fault::of_command(&accelerator, &with(field, value)), Some(fault), "{}", field.name);
    }
}
