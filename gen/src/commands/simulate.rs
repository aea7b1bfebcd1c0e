//! `bitmill simulate`: cycles, utilisation and traffic of a network, layer by layer.

mod energies;
mod timeline;
mod topology;

use std::error::Error;
use std::path::PathBuf;

use bitmill_accelerator::Accelerator;
use bitmill_model::QuantizedNetwork;
use bitmill_sim::{Effort, Program, Report, Stall, Trace, activity_by_layer, simulate_on, time};
use clap::Args;
use serde_json::{Value, json};

use crate::commands::quantize::recipe;
use crate::output::{print, write_file};
use crate::source::accelerator;
use crate::table::{Table, grouped, short};
use crate::technology;
use crate::workload::{Model, ModelArgs};
use energies::Energies;
use topology::TopologyArgs;

const EXAMPLES: &str = "\
Examples:
  bitmill simulate examples/digits_int8.yaml
  bitmill simulate my.yaml --model net.onnx --calibration inputs.npy --json
  bitmill simulate examples/digits_mixed.yaml --recipe recipe.yaml      layers in precisions of their own
  bitmill simulate my.yaml --timing-only --trace commands.csv
  bitmill simulate my.yaml --technology asap7               with the energy of every layer
  bitmill simulate my.yaml --timeline run.json              open it in https://ui.perfetto.dev
  bitmill simulate my.yaml --topology resnet18.csv          layers of a SCALE-Sim topology, weights left out
  bitmill simulate my.yaml --layers mobilenet_v2 --json     layers of a well-known network

Cycles equal those of the generated Verilog behind the same memory: `bitmill verify` shows it.";

/// Predicts a network's run on an accelerator: cycles, utilisation, traffic, accuracy.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct SimulateArgs {
    /// Configuration of the accelerator, YAML
    config: PathBuf,
    /// Compute nothing but time: no accuracy; offsets of deformable convolutions are taken to move no tap
    #[arg(long)]
    timing_only: bool,
    /// Write the start and end cycle of every command as CSV
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// Write the commands of each queue over time in Chrome's trace format, for Perfetto
    #[arg(long, value_name = "FILE")]
    timeline: Option<PathBuf>,
    /// Price the energy of every layer in this process and cell library, as `bitmill cost` does
    #[arg(long, value_name = "NAME", conflicts_with_all = ["topology", "layers"])]
    technology: Option<String>,
    /// Quantize the float network by this recipe, as `bitmill quantize` does: layers may differ in precision
    #[arg(long, value_name = "FILE", conflicts_with_all = ["topology", "layers"])]
    recipe: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    topology: TopologyArgs,
}

/// Runs `bitmill simulate`.
///
/// # Errors
/// A configuration, a network or data that are not legal, or a network that does not fit the accelerator.
pub fn run(args: &SimulateArgs) -> Result<(), Box<dyn Error>> {
    let accelerator = accelerator(&args.config)?;
    if let Some(topology) = args.topology.load()? {
        return Ok(print(&topology::run(&accelerator, topology, args.json)?)?);
    }
    let technology = args.technology.as_deref().map(technology::find).transpose()?;
    let mut model = Model::load(&args.model)?;
    if args.timing_only {
        model.calibrate_for_timing();
    }
    let network = match &args.recipe {
        Some(path) => model.quantized_by(&accelerator, recipe(path)?)?,
        None => model.quantized(&accelerator)?,
    };
    let (program, trace, report) = match args.timing_only {
        true => time(&accelerator, &network, Effort::Search)?,
        false => simulate_on(&accelerator, &network, &network.quantize_input(&model.example()))?,
    };
    if let Some(path) = &args.trace {
        write_file(path, trace_csv(&network, &program, &trace).as_bytes())?;
    }
    if let Some(path) = &args.timeline {
        write_file(path, timeline::timeline(&accelerator, &network, &program, &trace).as_bytes())?;
    }
    let energies = technology
        .map(|technology| {
            let layers = activity_by_layer(&accelerator, &program, &trace, &report);
            Energies::of(&accelerator, &technology, &layers)
        })
        .transpose()?;
    let layers_nj = energies.as_ref().map(|energies| &energies.layers_nj[..]);
    let accuracy = if args.timing_only { None } else { Accuracy::of(&model, &network)? };
    if args.json {
        let mut value = value(&accelerator, &model.name, &report, accuracy.as_ref());
        if let Some(energies) = &energies {
            energies.add_to(&mut value);
        }
        return Ok(print(&format!("{value:#}\n"))?);
    }
    let notes: String = model.notes.iter().map(|note| format!("note: {note}\n")).collect();
    let table = layers(&report, layers_nj).text();
    let mut text = format!("{notes}{table}\n{}", totals(&accelerator, &report));
    if let Some(energies) = &energies {
        text += &energies.text();
    }
    if let Some(accuracy) = accuracy {
        text += &accuracy.text();
    }
    Ok(print(&text)?)
}

/// Right answers of the float and of the quantized network.
pub struct Accuracy {
    float_percent: f64,
    quantized_percent: f64,
    inputs: usize,
}

impl Accuracy {
    /// Of the model's test inputs; `None` without them.
    ///
    /// # Errors
    /// Test inputs of another shape than the network's.
    pub fn of(model: &Model, network: &QuantizedNetwork) -> Result<Option<Accuracy>, Box<dyn Error>> {
        let float = model.workload.float_accuracy_percent()?;
        let quantized = model.workload.quantized_accuracy_percent(network)?;
        Ok(float.zip(quantized).map(|(float_percent, quantized_percent)| Accuracy {
            float_percent,
            quantized_percent,
            inputs: model.workload.test.len(),
        }))
    }

    /// A line for people.
    pub fn text(&self) -> String {
        format!(
            "accuracy      {:.2} % of {} test inputs (float: {:.2} %)\n",
            self.quantized_percent, self.inputs, self.float_percent
        )
    }
}

/// The table of layers, with their energies where they are priced.
pub fn layers(report: &Report, energies_nj: Option<&[f64]>) -> Table {
    let mut headings = vec![
        "layer",
        "operation",
        "output",
        "MACs",
        "cycles",
        "cycles %",
        "utilization %",
        "stalled %",
        "mostly by",
        "read bytes",
        "written bytes",
    ];
    headings.extend(energies_nj.map(|_| "energy nJ"));
    let mut table = Table::new(&headings);
    let percent = |part: u64, whole: u64| format!("{:.1}", 100.0 * part as f64 / whole.max(1) as f64);
    for (index, layer) in report.layers.iter().enumerate() {
        let energy = energies_nj.map(|energies| short(energies[index]));
        let cells = [
            layer.name.clone(),
            layer.operation.to_owned(),
            layer.output.clone(),
            grouped(layer.macs),
            grouped(layer.cycles),
            percent(layer.cycles, report.cycles),
            format!("{:.1}", 100.0 * layer.utilization),
            percent(layer.stalled_cycles(), layer.cycles),
            layer.main_stall().map_or("", Stall::name).to_owned(),
            grouped(layer.read_bytes),
            grouped(layer.written_bytes),
        ];
        table.row(cells.into_iter().chain(energy));
    }
    table
}

/// Cycles, time and utilisation of the whole run.
pub fn totals(accelerator: &Accelerator, report: &Report) -> String {
    let clock_mhz = accelerator.configuration().clock_mhz;
    let latency_us = report.cycles as f64 / f64::from(clock_mhz);
    format!(
        "cycles        {}\nlatency       {} µs at {clock_mhz} MHz ({} inferences a second)\nutilization   {:.1} % of {} \
         multiply-accumulates a cycle\nbound         {} cycles of computing, {} of memory: the run takes {:.2} times the larger\n",
        grouped(report.cycles),
        short(latency_us),
        short(1e6 / latency_us),
        100.0 * report.utilization,
        accelerator.peak_macs(),
        grouped(report.bound.compute_cycles),
        grouped(report.bound.memory_cycles),
        report.cycles as f64 / report.bound.cycles() as f64,
    )
}

fn value(accelerator: &Accelerator, network: &str, report: &Report, accuracy: Option<&Accuracy>) -> Value {
    let layer = |layer: &bitmill_sim::LayerReport| {
        json!({
            "name": layer.name,
            "operation": layer.operation,
            "output": layer.output,
            "macs": layer.macs,
            "cycles": layer.cycles,
            "setup_cycles": layer.compute.setup_cycles,
            "step_cycles": layer.compute.step_cycles,
            "conflict_cycles": layer.compute.conflict_cycles,
            "row_cycles": layer.compute.row_cycles,
            "sample_cycles": layer.compute.sample_cycles,
            "residual_cycles": layer.compute.residual_cycles,
            "drain_cycles": layer.compute.drain_cycles,
            "finish_cycles": layer.compute.finish_cycles,
            "waiting_cycles": layer.waiting_cycles(),
            "utilization": layer.utilization,
            "read_bytes": layer.read_bytes,
            "written_bytes": layer.written_bytes,
        })
    };
    let clock_mhz = accelerator.configuration().clock_mhz;
    json!({
        "accelerator": accelerator.configuration().name,
        "network": network,
        "cycles": report.cycles,
        "clock_mhz": clock_mhz,
        "latency_us": report.cycles as f64 / f64::from(clock_mhz),
        "macs": report.macs,
        "utilization": report.utilization,
        "compute_bound_cycles": report.bound.compute_cycles,
        "memory_bound_cycles": report.bound.memory_cycles,
        "accuracy_percent": accuracy.map(|a| a.quantized_percent),
        "float_accuracy_percent": accuracy.map(|a| a.float_percent),
        "layers": report.layers.iter().map(layer).collect::<Value>(),
        "active_cycles": report.activity.active_cycles,
    })
}

/// A command a line, in the order in which they are fetched.
fn trace_csv(network: &QuantizedNetwork, program: &Program, trace: &Trace) -> String {
    let mut text = "command,queue,layer,start_cycle,done_cycle\n".to_owned();
    for (index, (planned, times)) in program.commands.iter().zip(&trace.commands).enumerate() {
        let layer = &network.graph().layers()[planned.layer].name;
        let quoted = if layer.contains([',', '"']) {
            format!("\"{}\"", layer.replace('"', "\"\""))
        } else {
            layer.clone()
        };
        text += &format!("{index},{},{quoted},{},{}\n", times.queue.name(), times.start, times.done);
    }
    text
}
