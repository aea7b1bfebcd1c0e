//! `bitmill explain`: where a layer's cycles went, in words, and which limit binds.

use std::error::Error;
use std::path::PathBuf;

use bitmill_accelerator::Accelerator;
use bitmill_model::{Layer, Operation, QuantizedNetwork};
use bitmill_sim::{LayerReport, Report, Stall, simulate_on};
use clap::Args;

use crate::output::print;
use crate::source::accelerator;
use crate::table::grouped;
use crate::workload::{Model, ModelArgs, layer_number};

const EXAMPLES: &str = "\
Examples:
  bitmill explain examples/digits_int8.yaml stem
  bitmill explain my.yaml 3 --model net.onnx --calibration inputs.npy

A layer is named as in `bitmill simulate`, or by its number there, from 1.";

/// Says where a layer's cycles went and which limit binds.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ExplainArgs {
    /// Configuration of the accelerator, YAML
    config: PathBuf,
    /// The layer: its name, or its number from 1
    layer: String,
    #[command(flatten)]
    model: ModelArgs,
}

/// Runs `bitmill explain`.
///
/// # Errors
/// What `bitmill simulate` refuses, or a layer that the network does not have.
pub fn run(args: &ExplainArgs) -> Result<(), Box<dyn Error>> {
    let accelerator = accelerator(&args.config)?;
    let model = Model::load(&args.model)?;
    let network = model.quantized(&accelerator)?;
    let (.., report) = simulate_on(&accelerator, &network, &network.quantize_input(&model.example()))?;
    let index = layer_number(network.graph(), &args.layer)?;
    Ok(print(&explanation(&accelerator, &network, &report, index))?)
}

/// Where the cycles of the layer at `index` went, and which limit binds.
pub fn explanation(
    accelerator: &Accelerator,
    network: &QuantizedNetwork,
    report: &Report,
    index: usize,
) -> String {
    Explained::new(accelerator, network, index, &report.layers[index]).text(report.cycles)
}

/// Elements that the vector unit reads for one of a layer's output.
fn elements_read(layer: &Layer) -> usize {
    match layer.operation {
        Operation::Add | Operation::Multiply => layer.inputs.len(),
        operation => operation.window().map_or(1, |window| window.kernel.area()),
    }
}

/// A layer's cycles by cause.
struct Explained<'a> {
    layer: &'a LayerReport,
    /// Cycles that the array or the vector unit would take if every lane were useful in every one.
    full_cycles: u64,
    /// Cycles that its beats take on the memory port, the longer of both directions.
    memory_cycles: u64,
    /// How full rows and columns are: used and there.
    rows: [u64; 2],
    columns: [u64; 2],
    /// What else fills lanes.
    rest: &'static str,
}

impl<'a> Explained<'a> {
    fn new(
        accelerator: &Accelerator,
        network: &QuantizedNetwork,
        index: usize,
        layer: &'a LayerReport,
    ) -> Explained<'a> {
        let node = &network.graph().layers()[index];
        let output = network.graph().shape(node.output);
        let (pixels, channels) = ((output.height * output.width) as u64, output.channels as u64);
        let filled = |used: u64, size: u64| [used, used.next_multiple_of(size)];
        let interval = u64::from(accelerator.configuration().memory.beat_interval_cycles);
        let beats = layer.read_bytes.max(layer.written_bytes) / u64::from(accelerator.beat_bytes());
        let (full_cycles, columns, rest) = if node.operation.is_matrix() {
            let full_cycles = layer.macs.div_ceil(accelerator.peak_macs());
            (full_cycles, u64::from(accelerator.outputs()), ", the rest input channels and taps")
        } else {
            let lanes = accelerator.vector_lanes();
            let elements = pixels * channels * elements_read(node) as u64;
            (elements.div_ceil(lanes), lanes / u64::from(accelerator.rows()), "")
        };
        Explained {
            layer,
            full_cycles,
            memory_cycles: beats * interval,
            rows: filled(pixels, u64::from(accelerator.rows())),
            columns: filled(channels, columns),
            rest,
        }
    }

    /// Cycles by cause, in words, whatever took any.
    fn causes(&self) -> Vec<(u64, String)> {
        let steps = self.layer.compute.step_cycles;
        let full = self.full_cycles.min(steps);
        let mut causes = vec![
            (full, "useful work: what it would take if it filled every lane in every cycle".to_owned()),
            (steps - full, format!("steps that are not full: {}", self.fill())),
        ];
        causes.extend(self.layer.stalls().map(|(stall, cycles)| (cycles, self.cause(stall))));
        causes.into_iter().filter(|(cycles, _)| *cycles > 0).collect()
    }

    fn cause(&self, stall: Stall) -> String {
        let cause = match stall {
            Stall::Conflicts => "bank conflicts: rows that read the same bank of activations",
            Stall::Rows => "rows: units at work on whole rows, between reading and writing",
            Stall::Samples => "samples: points that read the same bank of activations",
            Stall::Residual => "residual: the tensor being read that the results are joined with",
            Stall::Drain => "drain: the tile before was still leaving the array",
            Stall::Setup => "setup: rows finding their first pixels, offsets being read",
            Stall::Finish => "finish: the last results on their way to the scratchpad",
            Stall::Waiting => {
                return format!(
                    "waiting for loads, stores and commands: {} bytes read and {} written take {} cycles of the port",
                    grouped(self.layer.read_bytes),
                    grouped(self.layer.written_bytes),
                    grouped(self.memory_cycles)
                );
            }
        };
        cause.to_owned()
    }

    fn fill(&self) -> String {
        let part = |what: &str, [used, there]: [u64; 2]| {
            format!("{} of {} {what} ({:.0} %)", used, there, 100.0 * used as f64 / there as f64)
        };
        format!("{}, {}{}", part("pixels", self.rows), part("channels", self.columns), self.rest)
    }

    /// The limit that binds, and what would move it.
    fn limit(&self) -> String {
        if self.layer.cycles == 0 {
            return "none: the layer before does it on the way of its results".to_owned();
        }
        let steps = self.layer.compute.step_cycles;
        let mut binding =
            (steps, "computing: more rows, columns or lanes, or shapes that fill them, would help");
        for (stall, cycles) in self.layer.stalls() {
            if cycles > binding.0 {
                binding = (cycles, self.remedy(stall));
            }
        }
        binding.1.to_owned()
    }

    /// What would move the limit that shows in `stall`.
    fn remedy(&self, stall: Stall) -> &'static str {
        match stall {
            Stall::Conflicts => "bank conflicts: scratchpads.banks_per_row would help",
            Stall::Rows => {
                "row units: more of them (vector.rows) or more nonlinear.bits_per_cycle would help"
            }
            Stall::Samples => "samples that meet in a bank: scratchpads.banks_per_row would help",
            Stall::Residual => {
                "reading what results are joined with: a pass of its own, without vector.residual, would take longer"
            }
            Stall::Drain => "draining: vector.rows would help",
            Stall::Setup | Stall::Finish => "the ends of commands: fewer, larger commands would help",
            Stall::Waiting if self.memory_cycles * 10 >= self.layer.waiting_cycles() * 8 => {
                "memory bandwidth: memory.width_bits, or weights of fewer bits, would help"
            }
            Stall::Waiting => {
                "memory latency: memory.outstanding_reads, or larger scratchpads to load ahead, would help"
            }
        }
    }

    fn text(&self, run_cycles: u64) -> String {
        let layer = self.layer;
        let share = |cycles: u64, of: u64| 100.0 * cycles as f64 / of.max(1) as f64;
        let head = format!(
            "{} ({}, output {}): {} cycles, {:.1} % of the run's {}\n",
            layer.name,
            layer.operation.replace('_', " "),
            layer.output,
            grouped(layer.cycles),
            share(layer.cycles, run_cycles),
            grouped(run_cycles),
        );
        let lines = self.causes().into_iter().map(|(cycles, cause)| {
            format!("  {:>12}  {:>5.1} %  {cause}\n", grouped(cycles), share(cycles, layer.cycles))
        });
        format!("{head}{}limit: {}\n", lines.collect::<String>(), self.limit())
    }
}
