//! Deformable convolutions of networks on the circuit: every command starts and ends in the cycle that the offsets make
//! predictable, every tensor equals the golden integers, and so does the number of offsets that saturate.

#[path = "common/broken.rs"]
mod broken;
mod common;

use std::sync::Arc;

use bitmill_accelerator::{Accelerator, COMMAND_WORDS, Command, Configuration, Fault, Field, Opcode, fields};
use bitmill_hdl::unit::Random;
use bitmill_hdl::{Module, Op};
use bitmill_model::{
    Bound, FloatLayer, FloatNetwork, Network, Offsets, Operation, PtqConfig, QuantizedNetwork, Shape, Taps,
    Tensor, TensorId, Window, quantize,
};
use bitmill_sim::{Keep, lower, run, run_on};
use bitmill_testbenches::accelerator::{Engine, Verdict, Verification, VerificationError};
use broken::broken;

/// An accelerator of `rows` × 8 PEs that drains `drained` rows at once.
fn accelerator(rows: u32, drained: u32, activations_kib: u32, more: &str, section: &str) -> Accelerator {
    let yaml = format!(
        "name: deformable\nprecision: {{activations: int8, weights: int8}}\npe: {{kind: integer, lanes: 4}}\n\
         array: {{rows: {rows}, columns: 8}}\nvector: {{rows: {drained}}}\n\
         scratchpads: {{activations_kib: {activations_kib}, weights_kib: 4{more}}}\n{section}"
    );
    Accelerator::new(Configuration::from_yaml(&yaml).expect("well-formed")).expect("legal")
}

/// A network that samples: 1 × 1 convolutions make its image, offsets (and masks), and another layer follows.
struct Case {
    shape: Shape,
    taps: Taps,
    /// Where the network clips its offsets.
    clip: [f32; 2],
    /// Output channels; as many as there are, each alone, if `None`.
    outputs: Option<usize>,
    fraction_bits: u32,
}

impl Case {
    fn new(height: usize, width: usize, channels: usize, offsets: Offsets, bound: [i32; 2]) -> Case {
        let bound = Bound::new(bound[0], bound[1]).expect("a legal bound");
        Case {
            shape: Shape { height, width, channels },
            taps: Taps { offsets, bound, is_modulated: false },
            clip: bound.ends().map(|end| end as f32),
            outputs: None,
            fraction_bits: 4,
        }
    }

    fn masked(self) -> Case {
        Case { taps: Taps { is_modulated: true, ..self.taps }, ..self }
    }

    /// The network in int8, and an input.
    fn quantized(&self) -> (QuantizedNetwork, Vec<i32>) {
        let random = &mut Random::new(21);
        let mut numbers = |count: usize| -> Vec<f32> {
            (0..count).map(|_| random.below(2001) as f32 / 1000.0 - 1.0).collect()
        };
        let inputs: Vec<Vec<f32>> = (0..3).map(|_| numbers(self.shape.elements())).collect();
        let mut graph =
            Network::new("n", Tensor { name: "x".to_owned(), shape: self.shape }).expect("a legal shape");
        let mut layers = Vec::new();
        let mut push =
            |name: &str, operation: Operation, inputs: Vec<TensorId>, scale: f32, clip: [f32; 2]| {
                let shape = graph.shape(inputs[0]);
                let id = graph.push(name, operation, inputs).expect("a legal layer");
                let count = operation.weight_count(shape);
                let weights = numbers(count).into_iter().map(|weight| weight * scale).collect();
                let bias = if count == 0 { Vec::new() } else { numbers(graph.shape(id).channels) };
                layers.push(FloatLayer::weighted(weights, bias).clamped(clip[0], clip[1]));
                id
            };
        let all = [f32::NEG_INFINITY, f32::INFINITY];
        let point =
            |out_channels| Operation::Convolution { window: Window::square(1), out_channels, groups: 1 };
        let image = push("image", point(self.shape.channels), vec![TensorId::INPUT], 1.0, all);
        let offsets = push("offsets", point(self.taps.offsets.values()), vec![image], 2.0, self.clip);
        let mut told = vec![image, offsets];
        if self.taps.is_modulated {
            told.push(push("masks", point(9), vec![image], 0.6, [0.0, 1.0]));
        }
        let samples = push("samples", Operation::Sample { taps: self.taps }, told, 0.0, all);
        let window = Taps::window();
        let sums = match self.outputs {
            Some(out_channels) => Operation::Convolution { window, out_channels, groups: 1 },
            None => Operation::Depthwise { window },
        };
        let sums = push("sums", sums, vec![samples], 0.5, [0.0, f32::INFINITY]);
        push("behind", point(5), vec![sums], 0.5, all);
        let float = FloatNetwork::new(graph, layers).expect("legal parameters");
        let config = PtqConfig {
            offset_fraction_bits: self.fraction_bits,
            ..PtqConfig::integers(8, 8).expect("legal widths")
        };
        let network = quantize(&float, &inputs, &config).expect("quantizable");
        let input = network.quantize_input(&inputs[0]);
        (network, input)
    }
}

fn verify(
    accelerator: &Accelerator,
    top: Arc<Module>,
    (network, input): &(QuantizedNetwork, Vec<i32>),
    keep: Keep,
    engine: &Engine,
) -> Result<Verdict, VerificationError> {
    Verification { accelerator, top, network, input, keep, waves: None }.run(engine, &mut |_, _| ())
}

/// How many offsets saturate, and how many cycles conflicts take.
fn check(accelerator: &Accelerator, case: &Case, keep: Keep, engine: &Engine) -> (u64, u64) {
    let case = case.quantized();
    let tensors = case.0.run(&case.1).expect("the input fits");
    for (layer, tensor) in case.0.graph().layers().iter().zip(&tensors[1..]) {
        let distinct: std::collections::BTreeSet<&i32> = tensor.iter().collect();
        assert!(distinct.len() >= 5, "{}: only {} distinct outputs", layer.name, distinct.len());
    }
    let program = lower(accelerator, &case.0, keep).expect("it fits");
    let samples =
        program.commands.iter().filter(|planned| planned.command.opcode() == Opcode::Sample).count();
    let trace = run_on(accelerator, &program, &case.0, &tensors);
    let conflicts = trace.commands.iter().map(|command| command.compute.sample_cycles).sum();
    let regular = run(accelerator, &program);
    assert_eq!(regular.counters.saturated_offsets, 0);
    let top = accelerator.module().expect("a checked circuit");
    let verdict =
        verify(accelerator, top, &case, keep, engine).unwrap_or_else(|difference| panic!("{difference}"));
    println!(
        "{samples} slices, {conflicts} cycles of conflicts, {} offsets saturate, {} cycles ({} with regular offsets): \
         {verdict:?}",
        trace.counters.saturated_offsets, trace.cycles, regular.cycles
    );
    (trace.counters.saturated_offsets, conflicts)
}

#[test]
fn deformable_convolutions_in_the_interpreter() {
    let per_tap = |more: &str| format!("deformable: {{offsets: per_tap, bound: [-3, 3]{more}}}\n");
    let square = "deformable: {offsets: square, bound: [0, 3], fraction_bits: 6}\n";
    let small = |offsets, bound| Case::new(5, 7, 6, offsets, bound);
    let full = |case: Case| Case { outputs: Some(6), ..case };
    let engine = Engine::Interpreter;
    let (_, conflicts) = check(
        &accelerator(4, 1, 8, "", &per_tap("")),
        &full(small(Offsets::PerTap, [-3, 3])),
        Keep::Every,
        &engine,
    );
    assert!(conflicts > 0, "points meet in four banks");
    // Masks, two rows at once, and offsets of fewer bits than the sampler's.
    let masked = Case { fraction_bits: 2, ..small(Offsets::PerTap, [-3, 3]).masked() };
    check(&accelerator(8, 2, 8, "", &per_tap(", modulation: true")), &masked, Keep::Output, &engine);
    // A sampler with modulation for a network without.
    check(
        &accelerator(4, 4, 8, ", banks_per_row: 2", &per_tap(", modulation: true")),
        &small(Offsets::PerTap, [-3, 3]),
        Keep::Every,
        &engine,
    );
    check(&accelerator(2, 2, 8, "", square), &small(Offsets::Square, [0, 3]), Keep::Every, &engine);
    // Offsets that reach beyond the bound.
    let beyond = Case { clip: [-8.0, 8.0], ..full(small(Offsets::PerTap, [-3, 3])) };
    let (saturated, _) = check(&accelerator(8, 8, 8, "", &per_tap("")), &beyond, Keep::Output, &engine);
    assert!(saturated > 0, "offsets saturate");
}

/// An image that needs several slices where there is little room, of rows that end within a line.
fn large(offsets: Offsets, bound: [i32; 2]) -> Case {
    Case::new(17, 19, 8, offsets, bound)
}

#[test]
fn slices_take_turns() {
    let accelerator =
        accelerator(8, 4, 18, "", "deformable: {offsets: per_tap, bound: [0, 7], fraction_bits: 5}\n");
    for outputs in [None, Some(12)] {
        let case = Case { outputs, fraction_bits: 5, ..large(Offsets::PerTap, [0, 7]) }.quantized();
        let program = lower(&accelerator, &case.0, Keep::Output).expect("it fits");
        let opcodes: Vec<Opcode> = program
            .commands
            .iter()
            .map(|planned| planned.command.opcode())
            .filter(|o| *o != Opcode::Load)
            .collect();
        let samples = opcodes.iter().filter(|opcode| **opcode == Opcode::Sample).count();
        assert!(samples > 1, "the samples of 323 pixels do not fit at once");
        let is_pair = |pair: &[Opcode]| pair == [Opcode::Sample, Opcode::Sample];
        assert!(!opcodes.windows(2).any(is_pair), "each slice is summed before the next takes its room");
        let top = accelerator.module().expect("a checked circuit");
        let verdict = verify(&accelerator, top, &case, Keep::Output, &Engine::Interpreter);
        println!("{samples} slices: {:?}", verdict.unwrap_or_else(|difference| panic!("{difference}")));
    }
}

#[test]
fn deformable_convolutions_under_verilator() {
    let Some(verilator) = common::verilator_for("deformable convolutions") else { return };
    let engine = Engine::Verilator(verilator);
    let is_full = std::env::var_os("BITMILL_FULL").is_some();
    if !is_full {
        println!("skipped: BITMILL_FULL runs all modes on eight shapes of accelerators");
    }
    let mut layers = 0;
    let mut all = |rows, drained, more: &str| {
        for (offsets, name) in [(Offsets::PerTap, "per_tap"), (Offsets::Square, "square")] {
            for (bound, fraction_bits, is_modulated) in
                [([-2, 2], 4, true), ([0, 7], 5, false), ([-31, 31], 0, true), ([0, 7], 0, false)]
            {
                let [lowest, highest] = bound;
                let section = format!(
                    "deformable: {{offsets: {name}, bound: [{lowest}, {highest}], fraction_bits: {fraction_bits}, \
                     modulation: {is_modulated}}}\n"
                );
                let accelerator = accelerator(rows, drained, 32, more, &section);
                for outputs in [None, Some(10)] {
                    let case = Case { outputs, fraction_bits, ..large(offsets, bound) };
                    let case = Case { clip: [-9.0, 9.0], ..case };
                    check(
                        &accelerator,
                        &if is_modulated { case.masked() } else { case },
                        Keep::Every,
                        &engine,
                    );
                    layers += 1;
                }
                if !is_full {
                    break;
                }
            }
        }
    };
    all(8, 2, ", banks_per_row: 2");
    if is_full {
        for (rows, drained, banks_per_row) in
            [(1, 1, 1), (2, 2, 4), (4, 1, 1), (4, 4, 2), (8, 8, 1), (16, 1, 2), (16, 16, 4)]
        {
            all(rows, drained, &format!(", banks_per_row: {banks_per_row}"));
        }
    }
    println!("{layers} layers: no cycle and no byte differs");
}

#[test]
fn broken_samplers_are_noticed() {
    let case = Case { outputs: Some(6), ..Case::new(5, 7, 6, Offsets::PerTap, [-3, 3]) }.masked();
    let case = Case { clip: [-8.0, 8.0], ..case }.quantized();
    let section = "deformable: {offsets: per_tap, bound: [-3, 3], modulation: true}\n";
    let accelerator = accelerator(4, 2, 8, "", section);
    let top = accelerator.module().expect("a checked circuit");
    let sampler = "i_sample";
    for (path, signal, from, to) in [
        (&[sampler][..], "completes", Op::And, Op::Or),
        (&[sampler], "block_stride", Op::Add, Op::Sub),
        (&[sampler], "next_first_offset_line", Op::Add, Op::Sub),
        (&[sampler], "pending", Op::And, Op::Or),
        (&[sampler], "saturated", Op::Add, Op::Sub),
        (&[sampler, "i_point_0"], "row_begins_2", Op::Mul, Op::Add),
        (&[sampler, "i_point_1"], "row_position_0", Op::Add, Op::Sub),
        (&[sampler, "i_front_end_0"], "is_above_3", Op::Less, Op::Equal),
        (&[sampler, "i_interpolator_0"], "mean_0_q", Op::Add, Op::Sub),
        (&[], "array_starts", Op::And, Op::Or),
    ] {
        let broken = broken(&top, path, signal, from, to);
        match verify(&accelerator, broken, &case, Keep::Every, &Engine::Interpreter) {
            Err(VerificationError::Difference { difference, .. }) => println!("{signal}: {difference}"),
            Err(error) => panic!("{signal}: {error}"),
            Ok(_) => panic!("{signal}: not noticed"),
        }
    }
}

#[test]
fn what_the_accelerator_lacks_is_named() {
    let refused = |section: &str, case: Case| {
        let (network, _) = case.quantized();
        let result = lower(&accelerator(4, 1, 8, "", section), &network, Keep::Output);
        result.expect_err("must be refused").to_string()
    };
    let per_tap = || Case::new(5, 7, 6, Offsets::PerTap, [-3, 3]);
    for (section, case, expected) in [
        ("", per_tap(), "sampler for deformable convolutions: add a section deformable"),
        (
            "deformable: {offsets: square, bound: [-3, 3]}\n",
            per_tap(),
            "sampler for per_tap offsets: set deformable.offsets",
        ),
        (
            "deformable: {offsets: per_tap, bound: [-3, 3]}\n",
            per_tap().masked(),
            "modulation: set deformable.modulation to true",
        ),
        (
            "deformable: {offsets: per_tap, bound: [-3, 3], longest_side: 4}\n",
            per_tap(),
            "sampler for images of 5x7x6, only for 4 rows and columns: raise deformable.longest_side",
        ),
        (
            "deformable: {offsets: per_tap, bound: [-3, 3], fraction_bits: 3}\n",
            per_tap(),
            "sampler for offsets of 4 bits behind the point, only for 0 to 3: change deformable.fraction_bits",
        ),
        (
            "deformable: {offsets: per_tap, bound: [0, 3]}\n",
            per_tap(),
            "sampler whose offsets saturate at -3 to 3, but one at 0 to 3: change deformable.bound, or clip the offsets \
             in the network",
        ),
    ] {
        assert_eq!(refused(section, case), format!("layer samples: the accelerator has no {expected}"));
    }
}

#[test]
fn malformed_commands_of_the_sampler_are_named() {
    let (network, _) = Case::new(5, 7, 6, Offsets::PerTap, [-3, 3]).quantized();
    let section = "deformable: {offsets: per_tap, bound: [-3, 3], longest_side: 8}\n";
    let accelerator = accelerator(4, 1, 8, "", section);
    let program = lower(&accelerator, &network, Keep::Output).expect("it fits");
    let sample =
        program.commands.iter().map(|planned| planned.command).find(|c| c.opcode() == Opcode::Sample);
    let words = sample.as_ref().map(Command::encode).expect("a command of the sampler").expect("it fits");
    let with = |field: &Field, value: u64| -> [u64; COMMAND_WORDS] {
        let mut words = words;
        let mask = ((1u64 << field.shape.width) - 1) << field.lsb;
        words[field.word] = words[field.word] & !mask | value << field.lsb;
        words
    };
    assert_eq!(Fault::of_command(&accelerator, &words), None);
    for (field, value, fault) in [
        (&fields::OPCODE, 4, Fault::Opcode),
        (&fields::WAIT, 0b0010, Fault::Tokens),
        (&fields::PIXELS, 0, Fault::EmptyLoop),
        (&fields::CHANNEL_BLOCKS, 0, Fault::EmptyLoop),
        (&fields::INPUT_WIDTH, 0, Fault::Image),
        (&fields::INPUT_HEIGHT, 9, Fault::Image),
    ] {
        assert_eq!(Fault::of_command(&accelerator, &with(field, value)), Some(fault), "{}", field.name);
    }
}
