//! The accelerator as a coprocessor: random delays on every channel, faults, resets, the registers, and the
//! rules of AXI. Each case runs in the interpreter and, where it is installed, under Verilator.

#[path = "common/broken.rs"]
mod broken;
mod common;
#[path = "common/digits.rs"]
mod digits;

use std::sync::Arc;

use bitmill_accelerator::{
    Accelerator, COMMAND_WORDS, Command, Fault, Field, MAGIC, PairOperation, Queue, Residual, Tokens, fields,
    registers,
};
use bitmill_formats::{Multiplier, Requantization};
use bitmill_hdl::{Module, Op};
use bitmill_sim::{Keep, PlannedCommand, Program, Trace, lower, run, unpack_tensor};
use bitmill_testbenches::Verilator;
use bitmill_testbenches::accelerator::{
    Conditions, Execution, MemoryFault, Session, Step, interpret, outcome_registers, run_once,
    start_and_wait, verilate,
};
use broken::broken;
use digits::{configuration, digits, images};

/// One inference of the digits network.
struct Bench {
    accelerator: Accelerator,
    top: Arc<Module>,
    program: Program,
    trace: Trace,
    image: Vec<u8>,
    /// The network's output.
    expected: Vec<i32>,
}

impl Bench {
    fn new(extra: &str) -> Bench {
        let accelerator = configuration(8, 4, 8, extra);
        let network = digits(8);
        let program = lower(&accelerator, &network, Keep::Output).expect("it fits");
        let input = network.quantize_input(&images("test_images.npy")[3]);
        let tensors = network.run(&input).expect("it runs");
        let image = program.memory_image(&accelerator, &network, &input).expect("weights with words");
        let expected = tensors[program.outputs[0].tensor.index()].clone();
        let (top, trace) = (accelerator.module().expect("a circuit"), run(&accelerator, &program));
        Bench { accelerator, top, program, trace, image, expected }
    }

    /// Runs `script` in the interpreter and under Verilator, which must do the same in every cycle.
    fn execute(&self, script: &[Step], conditions: Conditions, image: &[u8]) -> Execution {
        let session = Session {
            top: &self.top,
            port: self.accelerator.configuration().memory,
            image,
            script,
            conditions,
            limit_cycles: self.trace.cycles * 12 + 10_000,
        };
        let execution = interpret(&session, &mut |_| ());
        assert!(execution.finished, "the script comes to its end: {:?}", execution.answers);
        if let Some(verilator) = common::verilator_for("the same under Verilator") {
            let verilated = verilate(&verilator, &session, None).unwrap_or_else(|error| panic!("{error}"));
            same(&verilated, &execution);
        }
        execution
    }

    fn output(&self, execution: &Execution) -> Vec<i32> {
        let stored = &self.program.outputs[0];
        let start = stored.address as usize;
        let bytes = &execution.memory[start..start + stored.place.bytes(&self.accelerator)];
        unpack_tensor(&self.accelerator, &stored.place, bytes)
    }

    /// A run that a fault stops, a soft reset, and a run that must be right. Returns how the first ended.
    fn fault_and_recovery(
        &self,
        conditions: Conditions,
        broken: Option<(usize, [u64; COMMAND_WORDS])>,
    ) -> Execution {
        let mut program = self.program.clone();
        let mut image = self.image.clone();
        if let Some((index, words)) = broken {
            // The broken list stands at the end of the memory, so that the whole one can run afterwards.
            let first = self.program.command_address as usize;
            let commands = image[first..first + program.commands.len() * 64].to_vec();
            image.resize(image.len().next_multiple_of(64), 0);
            program.command_address = image.len() as u32;
            image.extend(commands);
            let at = program.command_address as usize + index * 64;
            let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
            image[at..at + 64].copy_from_slice(&bytes);
        }
        let mut script = start_and_wait(&program);
        script.extend(outcome_registers().into_iter().map(Step::read));
        let first_answers =
            script.iter().filter(|step| matches!(step, Step::Write { .. } | Step::Read { .. })).count();
        script.push(Step::write(&registers::CONTROL, registers::START.mask()));
        script.push(Step::read(&registers::STATUS));
        script.push(Step::write(&registers::CONTROL, registers::SOFT_RESET.mask()));
        script.extend(run_once(&self.program));
        let execution = self.execute(&script, conditions, &image);
        self.is_right(&execution);
        let (first, rest) = execution.answers.split_at(first_answers);
        assert_eq!(
            rest[1].value,
            registers::ERROR_STOP.mask(),
            "a start is ignored until the error is cleared"
        );
        Execution { answers: first.to_vec(), ..Execution::default() }
    }

    /// The last run has ended as predicted, where the memory keeps to its model, with the right output.
    fn is_right(&self, execution: &Execution) {
        assert_eq!(execution.last(&registers::STATUS), Some(registers::DONE.mask()));
        assert_eq!(execution.fault(), None);
        assert_eq!(self.output(execution), self.expected);
    }
}

/// Both simulations did the same; a difference is shown without the memories' contents.
fn same(verilated: &Execution, interpreted: &Execution) {
    assert_eq!(verilated.answers, interpreted.answers);
    assert_eq!((verilated.cycles, verilated.finished), (interpreted.cycles, interpreted.finished));
    let first = |a: &Execution, b: &Execution| {
        let mut pairs = a.events.iter().zip(&b.events);
        pairs.find(|(a, b)| a != b).map(|(a, b)| (*a, *b))
    };
    assert_eq!(first(verilated, interpreted), None, "events");
    assert_eq!(verilated.events.len(), interpreted.events.len());
    assert_eq!(verilated.writes, interpreted.writes);
    assert!(verilated.memory == interpreted.memory, "other bytes in memory");
}

fn encoded(bench: &Bench, index: usize) -> [u64; COMMAND_WORDS] {
    bench.program.commands[index].command.encode().expect("a lowered command")
}

fn with(words: [u64; COMMAND_WORDS], field: &Field, value: u64) -> [u64; COMMAND_WORDS] {
    let mask = ((1u64 << field.shape.width) - 1) << field.lsb;
    let mut words = words;
    words[field.word] = words[field.word] & !mask | value << field.lsb;
    words
}

#[test]
fn random_delays_change_no_byte() {
    for extra in
        ["", "memory: {width_bits: 32, burst_beats: 5, outstanding_reads: 2, outstanding_writes: 1}\n"]
    {
        let bench = Bench::new(extra);
        let calm = bench.execute(&run_once(&bench.program), Conditions::default(), &bench.image);
        bench.is_right(&calm);
        assert_eq!(calm.counters().unwrap(), bench.trace.counters.values());
        for seed in 1..=3 {
            let conditions = Conditions { seed: Some(seed), fault: None };
            let moody = bench.execute(&run_once(&bench.program), conditions, &bench.image);
            bench.is_right(&moody);
            assert!(moody.memory == calm.memory, "seed {seed}: other bytes in memory");
            assert!(moody.cycles > calm.cycles, "seed {seed}: delays delay");
            println!("seed {seed}: {:?} cycles instead of {:?}", moody.cycles, calm.cycles);
        }
    }
}

#[test]
fn error_responses_stop_the_run_and_name_the_command() {
    let bench = Bench::new("");
    let commands = bench.program.commands.len() as u32;
    // The first reads are four commands ahead; then commands and bursts of loads alternate as they come.
    for (write, burst, decode, fault, index) in [
        (false, 0, false, Fault::ReadSlave, Some(0)),
        (false, 2, true, Fault::ReadDecode, Some(2)),
        (false, 20, true, Fault::ReadDecode, None),
        (true, 0, false, Fault::WriteSlave, Some(commands - 1)),
        (true, 0, true, Fault::WriteDecode, Some(commands - 1)),
    ] {
        for seed in [None, Some(7)] {
            let conditions = Conditions { seed, fault: Some(MemoryFault { write, burst, decode }) };
            let ended = bench.fault_and_recovery(conditions, None);
            let (seen, command) = ended.fault().expect("a fault");
            assert_eq!(seen, fault);
            assert!(index.is_none_or(|index| seed.is_some() || index == command), "{fault:?}: {command}");
            assert_eq!(ended.last(&registers::STATUS), Some(registers::ERROR_STOP.mask()));
        }
    }
}

#[test]
fn a_residual_that_no_command_took_is_forgotten_by_the_next_run() {
    let bench = Bench::new("vector: {residual: true}\n");
    let factor = Multiplier::nearest(0.25).expect("a legal factor");
    let residual = Command::Residual(Residual {
        tokens: Tokens::default(),
        pair: PairOperation::default(),
        sum_is_second: false,
        multiplier: factor,
        rounding: Requantization::DyadicHalfUp,
        zero_point: 5,
        low: -9,
        high: 9,
        input_line: 0,
    });
    let mut image = bench.image.clone();
    image.resize(image.len().next_multiple_of(64), 0);
    let mut alone = bench.program.clone();
    alone.command_address = image.len() as u32;
    alone.commands = vec![PlannedCommand { command: residual, layer: 0 }];
    image.extend(residual.encode().expect("legal fields").iter().flat_map(|word| word.to_le_bytes()));
    let mut script = start_and_wait(&alone);
    script.extend(run_once(&bench.program));
    let execution = bench.execute(&script, Conditions::default(), &image);
    bench.is_right(&execution);
}

#[test]
fn malformed_commands_stop_the_run_and_are_named() {
    // Without pair units, so that a kind is missing.
    let bench = Bench::new("vector: {elementwise: false}\n");
    let of = |queue: Queue| {
        let mut all = bench.program.commands.iter().enumerate();
        all.rfind(|(_, planned)| planned.command.queue() == queue).expect("one").0
    };
    let [load, compute, store] = Queue::ALL.map(of);
    for (index, field, value, fault) in [
        (0, &fields::OPCODE, 0, Fault::Opcode),
        (compute, &fields::OPCODE, 15, Fault::Opcode),
        (load, &fields::WAIT, 0b0001, Fault::Tokens),
        (compute, &fields::POST, 0b010, Fault::Tokens),
        (load, &fields::TARGET, 3, Fault::Target),
        (store, &fields::TARGET, 1, Fault::Target),
        (load, &fields::BEATS, 0, Fault::NoBeats),
        (load, &fields::BEATS, 0xff_ffff, Fault::Bounds),
        (store, &fields::LINE, 0xffff, Fault::Bounds),
        (load, &fields::ADDRESS, 4, Fault::Alignment),
        (compute, &fields::KIND, 3, Fault::Kind),
        (compute, &fields::INPUT_DILATION, 1, Fault::Kind),
        (compute, &fields::LOOKUP, 1, Fault::Kind),
        (compute, &fields::PIXELS, 0, Fault::EmptyLoop),
    ] {
        let words = with(encoded(&bench, index), field, value);
        assert_eq!(Fault::of_command(&bench.accelerator, &words), Some(fault));
        let ended = bench.fault_and_recovery(Conditions::default(), Some((index, words)));
        assert_eq!(ended.fault(), Some((fault, index as u32)), "{}", field.name);
    }
}

#[test]
fn resets_in_mid_run_leave_a_clean_state() {
    let bench = Bench::new("");
    for seed in [None, Some(11)] {
        for after in [1, 30, 97, 400, bench.trace.cycles / 2, bench.trace.cycles - 20] {
            let soft = Step::write(&registers::CONTROL, registers::SOFT_RESET.mask());
            for reset in [soft, Step::Reset] {
                let mut script = start_and_wait(&bench.program);
                script.truncate(4);
                script.extend([
                    Step::Cycles(after),
                    reset,
                    Step::Cycles(400),
                    Step::read(&registers::STATUS),
                ]);
                script.extend(run_once(&bench.program));
                let conditions = Conditions { seed, fault: None };
                let execution = bench.execute(&script, conditions, &bench.image);
                bench.is_right(&execution);
                if seed.is_none() {
                    assert_eq!(execution.cycles, Some(bench.trace.cycles), "{reset:?} after {after}");
                }
            }
        }
    }
}

#[test]
fn the_host_reads_who_it_is_and_is_told_where_nothing_is() {
    let bench = Bench::new("");
    let hash = bench.accelerator.configuration_hash();
    let script = [
        Step::read(&registers::IDENTITY),
        Step::read(&registers::CONFIGURATION_HIGH),
        Step::read(&registers::CONFIGURATION_LOW),
        Step::write(&registers::COMMAND_ADDRESS, 0x1234_5678),
        Step::read(&registers::COMMAND_ADDRESS),
        Step::write(&registers::STATUS, 1),
        Step::Read { offset: 0xfc },
        Step::Write { offset: 0xfc, value: 1 },
        Step::write(&registers::COMMAND_COUNT, 0),
        Step::write(&registers::INTERRUPT_ENABLE, 3),
        Step::write(&registers::CONTROL, registers::START.mask()),
        Step::Interrupt,
        Step::read(&registers::ERROR),
        Step::read(&registers::INTERRUPT_STATUS),
        Step::write(&registers::INTERRUPT_STATUS, 2),
        Step::read(&registers::INTERRUPT_STATUS),
    ];
    let execution = bench.execute(&script, Conditions::default(), &bench.image);
    let values: Vec<(u32, bool)> = execution.answers.iter().map(|a| (a.value, a.error)).collect();
    let fine = |value: u32| (value, false);
    assert_eq!(values[..3], [fine(MAGIC), fine((hash >> 32) as u32), fine(hash as u32)]);
    assert_eq!(values[3..6], [fine(0), fine(0x1234_5640), (0, true)]);
    assert_eq!(values[6..8], [(0, true), (0, true)]);
    assert_eq!(values[11..], [fine(Fault::NoCommands.code()), fine(2), fine(0), fine(0)]);
}

/// With bursts under way together, latencies overlap.
#[test]
fn outstanding_reads_save_cycles() {
    let cycles = |reads: u32| {
        let bench = Bench::new(&format!("memory: {{latency_cycles: 60, outstanding_reads: {reads}}}\n"));
        let execution = interpret(
            &Session {
                top: &bench.top,
                port: bench.accelerator.configuration().memory,
                image: &bench.image,
                script: &run_once(&bench.program),
                conditions: Conditions::default(),
                limit_cycles: bench.trace.cycles * 2 + 1000,
            },
            &mut |_| (),
        );
        bench.is_right(&execution);
        assert_eq!(execution.cycles, Some(bench.trace.cycles));
        bench.trace.cycles
    };
    let counts = [1, 2, 4, 8].map(|reads| (reads, cycles(reads)));
    println!("outstanding reads, cycles of the digits network: {counts:?}");
    assert!(counts.windows(2).all(|pair| pair[1].1 <= pair[0].1) && counts[2].1 < counts[0].1);
}

#[test]
fn the_rules_of_axi_are_checked() {
    let Some(verilator) = common::verilator_for("the rules of AXI") else { return };
    let bench = Bench::new("memory: {burst_beats: 256}\n");
    // An address that does not wait, a burst that leaves its page, a misplaced mark, an early answer.
    for (path, signal, from, to, rule) in [
        ("i_read_port", "blocked", Op::And, Op::Xor, "AXI rule"),
        ("i_load", "page_beats", Op::Sub, Op::Add, "AXI rule: a read burst leaves its page"),
        ("i_store", "is_last", Op::Equal, Op::Less, "AXI rule: WLAST is misplaced"),
        ("i_lite", "writes", Op::And, Op::Or, "AXI4-Lite rule"),
    ] {
        let top = broken(&bench.top, &[path], signal, from, to);
        let conditions = Conditions { seed: Some(5), fault: None };
        let error = run_broken(&verilator, &bench, &top, conditions);
        assert!(error.contains(rule), "{path}.{signal}: {error}");
        println!("{path}.{signal}: {}", error.lines().find(|line| line.contains("rule")).unwrap_or_default());
    }
}

fn run_broken(verilator: &Verilator, bench: &Bench, top: &Arc<Module>, conditions: Conditions) -> String {
    let session = Session {
        top,
        port: bench.accelerator.configuration().memory,
        image: &bench.image,
        script: &run_once(&bench.program),
        conditions,
        limit_cycles: bench.trace.cycles * 12,
    };
    verilate(verilator, &session, None)
        .map_or_else(|error| error.to_string(), |_| "no rule was broken".to_owned())
}
