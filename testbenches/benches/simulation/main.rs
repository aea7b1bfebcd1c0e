//! Speed of simulation, side by side: bit-exact with cycles against Verilator on the same network and accelerator, and
//! against onnxruntime's int8 inference of the same network on one thread. Before that, ResNet-18 at 224 × 224 alone.
//!
//! `cargo bench -p bitmill-testbenches --bench simulation`, with `BITMILL_PYTHON` a Python that has onnxruntime. Both
//! sides take turns, so that a machine that is busy with something else is as busy for one as for the other; that is
//! why this is no divan benchmark. Each starts from the lowered network, as a circuit does and as onnxruntime starts from its
//! optimised graph. What is not at hand is skipped.

#[path = "../../tests/common/mod.rs"]
mod common;
mod resnet18;

use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bitmill_accelerator::{Accelerator, Configuration};
use bitmill_model::{QuantizedNetwork, TensorId, import};
use bitmill_sim::{Keep, Program, lower, run};
use bitmill_testbenches::accelerator::{Conditions, Session, run_once, verilate};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
const CONFIGURATIONS: [&str; 3] = ["int8_8x8", "int8_16x16_narrow", "bit_serial_8x8"];
const RESNET8: &str = "mlperf_tiny/pretrainedResnet_quant.tflite";
const RESNET20: &str = "resnet20_cifar10/resnet20_cifar10_ort_qdq_int8.onnx";

/// What may fail in many ways.
type Outcome<T = ()> = Result<T, Box<dyn Error>>;

fn main() -> Outcome {
    // First, since the peak of memory is the process's.
    resnet18::alone()?;
    for name in CONFIGURATIONS {
        beside_verilator(&configured(name)?)?;
    }
    beside_onnxruntime(&configured(CONFIGURATIONS[0])?)
}

fn configured(name: &str) -> Outcome<Accelerator> {
    let yaml = std::fs::read_to_string(format!("{ROOT}/examples/mlperf_tiny/{name}.yaml"))?;
    Ok(Accelerator::new(Configuration::from_yaml(&yaml)?)?)
}

fn path(name: &str) -> String {
    format!("{ROOT}/../shared/data/models/{name}")
}

/// A network with an input in which every code occurs.
fn network(name: &str) -> Outcome<Option<(QuantizedNetwork, Vec<i32>)>> {
    let Ok(bytes) = std::fs::read(path(name)) else {
        println!("skipped: {} is not at hand", path(name));
        return Ok(None);
    };
    let network = import(&bytes)?.quantized.ok_or("the network has no integers")?;
    let elements = network.graph().shape(TensorId::INPUT).elements() as i32;
    Ok(Some((network, (0..elements).map(|i| (i * 37 + i / 7 * 11) % 256 - 128).collect())))
}

/// Every tensor and every command's cycles, of a network that is lowered.
fn simulate(
    accelerator: &Accelerator,
    program: &Program,
    network: &QuantizedNetwork,
    input: &[i32],
) -> Outcome<u64> {
    let trace = run(accelerator, program);
    std::hint::black_box(network.run(input)?);
    Ok(trace.cycles)
}

fn beside_verilator(accelerator: &Accelerator) -> Outcome {
    let Some((network, input)) = network(RESNET8)? else { return Ok(()) };
    let Some(verilator) = common::verilator_for("simulation beside Verilator") else { return Ok(()) };
    let program = lower(accelerator, &network, Keep::Output)?;
    let session = Session {
        top: &accelerator.module()?,
        port: accelerator.configuration().memory,
        image: &program.memory_image(accelerator, &network, &input)?,
        script: &run_once(&program),
        conditions: Conditions::default(),
        limit_cycles: run(accelerator, &program).cycles * 2,
    };
    // The first run builds the simulation.
    let cycles = verilate(&verilator, &session, None)?.cycles;
    let mut predicted = None;
    let figures = side_by_side(
        5,
        || {
            predicted = Some(simulate(accelerator, &program, &network, &input)?);
            Ok(())
        },
        || verilate(&verilator, &session, None).map(drop).map_err(Into::into),
    )?;
    assert_eq!(predicted, cycles, "the same run on both sides");
    let name = &accelerator.configuration().name;
    show(&format!("ResNet8 on {name}, bit-exact with cycles"), "Verilator", &figures);
    Ok(())
}

fn beside_onnxruntime(accelerator: &Accelerator) -> Outcome {
    let Some((network, input)) = network(RESNET20)? else { return Ok(()) };
    let program = lower(accelerator, &network, Keep::Output)?;
    let Some(mut server) = Server::start(&path(RESNET20))? else { return Ok(()) };
    let figures = side_by_side(
        300,
        || simulate(accelerator, &program, &network, &input).map(drop),
        || server.infer().map_err(Into::into),
    )?;
    let name = &accelerator.configuration().name;
    let other = format!("onnxruntime {}, one thread", server.version);
    show(&format!("ResNet20 on {name}, bit-exact with cycles"), &other, &figures);
    Ok(())
}

/// onnxruntime in a process of its own.
struct Server {
    child: Child,
    answers: BufReader<std::process::ChildStdout>,
    version: String,
}

impl Server {
    fn start(model: &str) -> Outcome<Option<Server>> {
        let python = std::env::var("BITMILL_PYTHON").unwrap_or_else(|_| "python3".into());
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/onnxruntime_server.py");
        let mut command = Command::new(&python);
        let child = command.args([script, model]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        if let Ok(mut child) = child {
            let mut answers = BufReader::new(child.stdout.take().ok_or("the answers are piped")?);
            let mut version = String::new();
            if answers.read_line(&mut version)? > 0 {
                return Ok(Some(Server { child, answers, version: version.trim().to_owned() }));
            }
            child.wait()?;
        }
        println!("skipped: onnxruntime, since {python} cannot import it (set BITMILL_PYTHON)");
        Ok(None)
    }

    fn infer(&mut self) -> std::io::Result<()> {
        if let Some(requests) = &mut self.child.stdin {
            requests.write_all(b"run\n")?;
        }
        self.answers.read_line(&mut String::new()).map(drop)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The script ends with its input.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// Times of both sides, which take turns, sorted.
fn side_by_side(
    turns: usize,
    mut ours: impl FnMut() -> Outcome,
    mut theirs: impl FnMut() -> Outcome,
) -> Result<[Vec<Duration>; 2], Box<dyn Error>> {
    let mut times = [Vec::new(), Vec::new()];
    let sides: [&mut dyn FnMut() -> Outcome; 2] = [&mut ours, &mut theirs];
    for _ in 0..turns {
        for (times, side) in times.iter_mut().zip([0, 1]) {
            let began = Instant::now();
            sides[side]()?;
            times.push(began.elapsed());
        }
    }
    times.iter_mut().for_each(|times| times.sort());
    Ok(times)
}

fn show(what: &str, other: &str, times: &[Vec<Duration>; 2]) {
    let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
    let figures = |times: &[Duration]| [milliseconds(times[0]), milliseconds(times[times.len() / 2])];
    let [ours, theirs] = times.each_ref().map(|times| figures(times));
    println!("{what}, {} turns", times[0].len());
    for (name, [least, median]) in [("bitmill", ours), (other, theirs)] {
        println!("  {name:30} min {least:9.3} ms  median {median:9.3} ms");
    }
    println!("  {other} over bitmill: min {:.2}, median {:.2}", theirs[0] / ours[0], theirs[1] / ours[1]);
}
