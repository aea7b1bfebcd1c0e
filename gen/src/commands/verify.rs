//! `bitmill verify`: runs the generated circuit and compares it with the simulator, cycle by cycle and byte
//! by byte.

use std::error::Error;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use bitmill_accelerator::Accelerator;
use bitmill_model::QuantizedNetwork;
use bitmill_sim::Keep;
use bitmill_testbenches::Verilator;
use bitmill_testbenches::accelerator::{Engine, Span, Verdict, Verification};
use clap::{Args, ValueEnum};
use serde_json::json;

use crate::output::print;
use crate::progress;
use crate::source::accelerator;
use crate::table::grouped;
use crate::workload::{Model, ModelArgs, layer_number};

const EXAMPLES: &str = "\
Examples:
  bitmill verify examples/digits_int8.yaml
  bitmill verify my.yaml --model net.onnx --calibration inputs.npy --every-layer
  bitmill verify my.yaml --tool interpreter
  bitmill verify my.yaml --model net.tflite --waves conv1.fst --layer conv1

On a difference the first one is named (command, layer, cycle, module, signal, expected and seen) and a
waveform of the cycles around it is written; the exit status is 1.";

/// Proves on a network that circuit and simulator agree in every cycle and byte.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct VerifyArgs {
    /// Configuration of the accelerator, YAML
    config: PathBuf,
    /// What runs the circuit
    #[arg(long, value_enum, default_value_t = ToolChoice::Auto)]
    tool: ToolChoice,
    /// Store and compare every layer's output, not only the last
    #[arg(long)]
    every_layer: bool,
    /// Test inputs to run, from the first
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    inputs: u32,
    /// Waveform to write on a difference (FST; under Verilator)
    #[arg(long, value_name = "FILE", default_value = "bitmill_verify.fst")]
    wave: PathBuf,
    /// Record the run of the first input, or a part of it, in any case (FST; under Verilator)
    #[arg(long, value_name = "FILE")]
    waves: Option<PathBuf>,
    /// Record while this layer runs: its name, or its number from 1
    #[arg(long, value_name = "LAYER", requires = "waves", conflicts_with = "command")]
    layer: Option<String>,
    /// Record while this command runs: its number, from 0, as in `bitmill plan`
    #[arg(long, value_name = "NUMBER", requires = "waves")]
    command: Option<usize>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    model: ModelArgs,
}

/// What runs the circuit.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum ToolChoice {
    /// Verilator where it is installed, else the interpreter.
    Auto,
    /// Verilator, on the emitted Verilog.
    Verilator,
    /// The built-in interpreter, on the graph that Verilog is emitted from.
    Interpreter,
}

/// What runs the circuit, found.
pub enum Tool {
    /// An installed Verilator.
    Verilator(Verilator),
    /// The built-in interpreter, with the reason where another was hoped for.
    Interpreter(Option<String>),
}

impl ToolChoice {
    /// Finds the tool.
    ///
    /// # Errors
    /// Verilator was asked for and is missing or too old.
    pub fn find(self) -> Result<Tool, Box<dyn Error>> {
        match (self, Verilator::find().map(|verilator| verilator.with_default_cache(cache()))) {
            (ToolChoice::Interpreter, _) => Ok(Tool::Interpreter(None)),
            (_, Ok(verilator)) => Ok(Tool::Verilator(verilator)),
            (ToolChoice::Auto, Err(error)) if error.is_missing_tool() => {
                Ok(Tool::Interpreter(Some(error.to_string())))
            }
            (_, Err(error)) => Err(error.into()),
        }
    }
}

/// Where built simulations are kept: the user's cache folder, by the XDG Base Directory Specification.
fn cache() -> PathBuf {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = || variable("HOME").map(|home| home.join(".cache"));
    variable("XDG_CACHE_HOME").or_else(home).unwrap_or_else(std::env::temp_dir).join("bitmill/verilator")
}

impl Tool {
    /// The tool in words.
    pub fn name(&self) -> String {
        match self {
            Tool::Verilator(verilator) => format!("Verilator {}", verilator.version()),
            Tool::Interpreter(None) => "the built-in interpreter".to_owned(),
            Tool::Interpreter(Some(reason)) => format!("the built-in interpreter ({reason})"),
        }
    }
}

/// Runs `bitmill verify`.
///
/// # Errors
/// The first difference, or why nothing could be run.
pub fn run(args: &VerifyArgs) -> Result<(), Box<dyn Error>> {
    let accelerator = accelerator(&args.config)?;
    let model = Model::load(&args.model)?;
    let network = model.quantized(&accelerator)?;
    let tool = args.tool.find()?;
    let known = model.workload.test.iter().map(|(input, _)| input).chain(&model.workload.calibration);
    let mut inputs: Vec<Vec<f32>> = known.take(args.inputs as usize).cloned().collect();
    if inputs.is_empty() {
        inputs.push(model.example());
    }
    let keep = if args.every_layer { Keep::Every } else { Keep::Output };
    let mut all = Verdict::default();
    for input in &inputs {
        let verdict = check(&accelerator, &network, input, keep, &tool, &args.wave)?;
        all.commands += verdict.commands;
        all.tensors += verdict.tensors;
        all.bytes += verdict.bytes;
        all.cycles += verdict.cycles;
    }
    let recorded =
        args.waves.as_ref().map(|waves| record(args, &accelerator, &network, &inputs[0], &tool, waves));
    let recorded = recorded.transpose()?;
    let text = if args.json {
        let value = json!({
            "accelerator": accelerator.configuration().name,
            "network": model.name,
            "tool": tool.name(),
            "inputs": inputs.len(),
            "commands": all.commands,
            "cycles": all.cycles,
            "tensors": all.tensors,
            "bytes": all.bytes,
            "differing_commands": 0,
            "differing_bytes": 0,
            "recorded_cycles": recorded.as_ref().map(|cycles| [cycles.start(), cycles.end()]),
        });
        format!("{value:#}\n")
    } else {
        let waves = recorded.zip(args.waves.as_ref()).map(|(cycles, file)| {
            format!("recorded: cycles {} to {} in {}\n", cycles.start(), cycles.end(), file.display())
        });
        format!("{}\n{}", sentence(&all, &tool), waves.unwrap_or_default())
    };
    Ok(print(&text)?)
}

/// Records the part of the run that is asked for.
fn record(
    args: &VerifyArgs,
    accelerator: &Accelerator,
    network: &QuantizedNetwork,
    input: &[f32],
    tool: &Tool,
    waves: &Path,
) -> Result<RangeInclusive<u64>, Box<dyn Error>> {
    let Tool::Verilator(verilator) = tool else {
        return Err(format!("--waves needs Verilator, and the circuit was run by {}", tool.name()).into());
    };
    let integers = network.quantize_input(input);
    let keep = if args.every_layer { Keep::Every } else { Keep::Output };
    let span = match (&args.layer, args.command) {
        (Some(layer), _) => Span::Layer(layer_number(network.graph(), layer)?),
        (None, Some(command)) => Span::Command(command),
        (None, None) => Span::Whole,
    };
    let top = accelerator.module()?;
    let verification = Verification { accelerator, top, network, input: &integers, keep, waves: None };
    Ok(verification.record(verilator, span, waves)?)
}

/// The verdict in words.
pub fn sentence(verdict: &Verdict, tool: &Tool) -> String {
    format!(
        "equal: start and end of {} commands, {} cycles in all, {} bytes of {} tensors; circuit run by {}",
        grouped(verdict.commands as u64),
        grouped(verdict.cycles),
        grouped(verdict.bytes as u64),
        verdict.tensors,
        tool.name()
    )
}

/// Runs one input and compares. On a difference under Verilator, writes the waveform around it to `wave`.
///
/// # Errors
/// The first difference, or why the circuit could not be run.
pub fn check(
    accelerator: &Accelerator,
    network: &QuantizedNetwork,
    input: &[f32],
    keep: Keep,
    tool: &Tool,
    wave: &Path,
) -> Result<Verdict, Box<dyn Error>> {
    let integers = network.quantize_input(input);
    let verification = Verification {
        accelerator,
        top: accelerator.module()?,
        network,
        input: &integers,
        keep,
        waves: Some(wave.to_owned()),
    };
    let engine = match tool {
        Tool::Verilator(verilator) => Engine::Verilator(verilator.clone()),
        Tool::Interpreter(_) => Engine::Interpreter,
    };
    let mut shown = None;
    let verdict = verification.run(&engine, &mut |cycle, cycles| {
        shown.get_or_insert_with(|| progress::bar("interpreting cycles", cycles)).set_position(cycle);
    });
    if let Some(bar) = shown {
        bar.finish_and_clear();
    }
    Ok(verdict?)
}
