//! `bitmill plan`: how a network is lowered. Where tensors lie, how layers are cut, what stays and what streams.

use std::error::Error;
use std::path::PathBuf;

use bitmill_accelerator::{Accelerator, Command, ComputeKind, Target};
use bitmill_model::QuantizedNetwork;
use bitmill_sim::{Keep, Program, TensorPlace, lower};
use clap::Args;
use serde_json::{Value, json};

use crate::output::print;
use crate::source::accelerator;
use crate::table::{Table, grouped};
use crate::workload::{Model, ModelArgs};

const EXAMPLES: &str = "\
Examples:
  bitmill plan examples/digits_int8.yaml
  bitmill plan my.yaml --model net.onnx --calibration inputs.npy --json

A layer's output channels are cut into chunks of whole tiles; a command computes on a chunk. Weights that fit their
scratchpad in one chunk are loaded whole, others stream through it chunk by chunk. How many chunks a layer has is what
took the fewest cycles of the cuts that were simulated.";

/// Shows how a network is lowered: scratchpad lines, tiles, chunks, and what streams.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct PlanArgs {
    /// Configuration of the accelerator, YAML
    config: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    model: ModelArgs,
}

/// Runs `bitmill plan`.
///
/// # Errors
/// A network that does not fit the accelerator: which layer, and how many bytes are missing.
pub fn run(args: &PlanArgs) -> Result<(), Box<dyn Error>> {
    let accelerator = accelerator(&args.config)?;
    let model = Model::load(&args.model)?;
    let network = model.quantized(&accelerator)?;
    let program = lower(&accelerator, &network, Keep::Output)?;
    let layers: Vec<Planned> = (0..network.graph().layers().len())
        .map(|index| Planned::new(&accelerator, &network, &program, index))
        .collect();
    let text = if args.json {
        format!("{:#}\n", value(&accelerator, &model.name, &program, &layers))
    } else {
        text(&accelerator, &program, &layers)
    };
    Ok(print(&text)?)
}

/// Lines of a scratchpad, the last one included.
type Lines = [u32; 2];

/// One layer's part of the plan.
struct Planned {
    name: String,
    operation: &'static str,
    output: String,
    input_lines: Vec<Lines>,
    output_lines: Lines,
    /// Commands by number, the last one included.
    commands: [usize; 2],
    /// Tiles of each chunk.
    tiles: Vec<u32>,
    /// First weight line of each chunk; empty without weights.
    weight_lines: Vec<u32>,
    weight_bytes: u64,
    parameter_bytes: u64,
}

impl Planned {
    fn new(
        accelerator: &Accelerator,
        network: &QuantizedNetwork,
        program: &Program,
        index: usize,
    ) -> Planned {
        let layer = &network.graph().layers()[index];
        let lines = |place: &TensorPlace| [place.line, place.line + place.lines(accelerator) - 1];
        let mine = || program.commands.iter().enumerate().filter(|(_, planned)| planned.layer == index);
        let loaded = |wanted: Target| -> u64 {
            let beats = mine().filter_map(|(_, planned)| match &planned.command {
                Command::Load(transfer) if transfer.target == wanted => Some(u64::from(transfer.beats)),
                _ => None,
            });
            beats.sum::<u64>() * u64::from(accelerator.beat_bytes())
        };
        let output = &program.places.tensors[layer.output.index()];
        let tile_blocks = |kind: ComputeKind| match kind {
            ComputeKind::Matrix => accelerator.blocks_per_tile(&output.word),
            _ => 1,
        };
        let computes = || {
            mine().filter_map(|(_, planned)| match &planned.command {
                Command::Compute(compute) => Some(compute),
                _ => None,
            })
        };
        let weight_bytes = loaded(Target::Weights);
        Planned {
            name: layer.name.clone(),
            operation: layer.operation.name(),
            output: network.graph().shape(layer.output).to_string(),
            input_lines: layer.inputs.iter().map(|id| lines(&program.places.tensors[id.index()])).collect(),
            output_lines: lines(output),
            commands: [mine().next(), mine().next_back()].map(|found| found.map_or(0, |(number, _)| number)),
            tiles: computes().map(|c| c.output_blocks.div_ceil(tile_blocks(c.kind))).collect(),
            weight_lines: computes().filter(|_| weight_bytes > 0).map(|c| c.weight_line).collect(),
            weight_bytes,
            parameter_bytes: loaded(Target::Parameters),
        }
    }

    /// How weights come.
    fn weights(&self) -> &'static str {
        match (self.weight_bytes, self.tiles.len()) {
            (0, _) => "none",
            (_, 1) => "whole",
            _ => "streamed",
        }
    }
}

/// "4 to 7", or a number alone.
fn range([first, last]: [impl ToString + PartialEq; 2]) -> String {
    if first == last { first.to_string() } else { format!("{} to {}", first.to_string(), last.to_string()) }
}

fn text(accelerator: &Accelerator, program: &Program, layers: &[Planned]) -> String {
    let mut table = Table::new(&[
        "layer",
        "operation",
        "output",
        "input lines",
        "output lines",
        "chunks",
        "tiles a chunk",
        "weights",
        "weight lines from",
        "weight bytes",
        "parameter bytes",
        "commands",
    ]);
    for layer in layers {
        let tiles = [layer.tiles.iter().min(), layer.tiles.iter().max()];
        let from: Vec<String> = layer.weight_lines.iter().take(3).map(u32::to_string).collect();
        let more = if layer.weight_lines.len() > 3 { ", …" } else { "" };
        table.row([
            layer.name.clone(),
            layer.operation.to_owned(),
            layer.output.clone(),
            layer.input_lines.iter().map(|lines| range(*lines)).collect::<Vec<_>>().join(", "),
            range(layer.output_lines),
            layer.tiles.len().to_string(),
            range(tiles.map(|tiles| tiles.copied().unwrap_or(0))),
            layer.weights().to_owned(),
            format!("{}{more}", from.join(", ")),
            grouped(layer.weight_bytes),
            grouped(layer.parameter_bytes),
            range(layer.commands),
        ]);
    }
    let used =
        program.places.tensors.iter().map(|place| place.line + place.lines(accelerator)).max().unwrap_or(0);
    let pad = |target| {
        let bytes = accelerator.line_bits(target).div_ceil(8);
        format!("{} lines of {bytes} bytes", grouped(accelerator.lines(target).into()))
    };
    format!(
        "{}\nactivations   {}, {} used\nweights       {}\nparameters    {}\nmemory        {} bytes, {} commands from address {:#x}\n",
        table.text(),
        pad(Target::Activations),
        grouped(used.into()),
        pad(Target::Weights),
        pad(Target::Parameters),
        grouped(program.memory_bytes.into()),
        grouped(program.commands.len() as u64),
        program.command_address,
    )
}

fn value(accelerator: &Accelerator, network: &str, program: &Program, layers: &[Planned]) -> Value {
    let pad = |target| {
        json!({
            "lines": accelerator.lines(target),
            "line_bytes": accelerator.line_bits(target).div_ceil(8),
        })
    };
    let layer = |layer: &Planned| {
        json!({
            "name": layer.name,
            "operation": layer.operation,
            "output": layer.output,
            "input_lines": layer.input_lines,
            "output_lines": layer.output_lines,
            "tiles": layer.tiles,
            "weights": layer.weights(),
            "weight_lines": layer.weight_lines,
            "weight_bytes": layer.weight_bytes,
            "parameter_bytes": layer.parameter_bytes,
            "commands": layer.commands,
        })
    };
    json!({
        "accelerator": accelerator.configuration().name,
        "network": network,
        "activations": pad(Target::Activations),
        "weights": pad(Target::Weights),
        "parameters": pad(Target::Parameters),
        "memory_bytes": program.memory_bytes,
        "command_address": program.command_address,
        "layers": layers.iter().map(layer).collect::<Value>(),
    })
}
