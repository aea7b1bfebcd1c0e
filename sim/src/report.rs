//! What a run cost, layer by layer.

mod stall;

use bitmill_accelerator::timing::ComputeTiming;
use bitmill_accelerator::{Accelerator, Activity, Command, Compute, Queue, Target};
use bitmill_model::{Operation, QuantizedNetwork};

use crate::{Program, Trace};

pub use stall::Stall;

/// One layer of a run.
#[derive(Clone, PartialEq, Debug)]
pub struct LayerReport {
    /// Name.
    pub name: String,
    /// Operation.
    pub operation: &'static str,
    /// Output shape, height × width × channels.
    pub output: String,
    /// Multiply-accumulates of the network's layer.
    pub macs: u64,
    /// Cycles from the end of the layer before to the end of this one; they add up to the run. A layer that the one
    /// before takes with it, a lookup or a residual addition, has none.
    pub cycles: u64,
    /// Where the cycles of its compute commands went.
    pub compute: ComputeTiming,
    /// Multiply-accumulates over those that the whole array could have done in `cycles`; 0 without cycles.
    pub utilization: f64,
    /// Bytes read from memory, commands left out.
    pub read_bytes: u64,
    /// Bytes written to memory.
    pub written_bytes: u64,
}

/// Cycles that a run takes at least, whatever the order of its work.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bound {
    /// The network's multiply-accumulates, if every lane of every PE did one in every cycle.
    pub compute_cycles: u64,
    /// The beats that were read, or those that were written if they are more, without a pause.
    pub memory_cycles: u64,
}

impl Bound {
    /// The one that binds.
    pub fn cycles(self) -> u64 {
        self.compute_cycles.max(self.memory_cycles)
    }
}

/// A whole run.
#[derive(Clone, PartialEq, Debug)]
pub struct Report {
    /// Layers in order.
    pub layers: Vec<LayerReport>,
    /// Cycles in all.
    pub cycles: u64,
    /// Multiply-accumulates in all.
    pub macs: u64,
    /// Multiply-accumulates over those that the whole array could have done.
    pub utilization: f64,
    /// What the cycles are to be compared with.
    pub bound: Bound,
    /// Busy cycles of every component.
    pub activity: Activity,
}

/// Reports on `trace`, the run of `program`.
pub fn report(
    accelerator: &Accelerator,
    network: &QuantizedNetwork,
    program: &Program,
    trace: &Trace,
) -> Report {
    let peak = accelerator.peak_macs();
    let mut layers: Vec<LayerReport> = Vec::new();
    let mut end = 0;
    let count = network.graph().layers().len();
    for (index, layer) in network.graph().layers().iter().enumerate() {
        let mine = || {
            program.commands.iter().zip(&trace.commands).filter(move |(planned, _)| planned.layer == index)
        };
        let last = mine().map(|(_, t)| t.done).max().unwrap_or(end);
        // Samples and the convolution over them take turns: the samples have what their commands take, the convolution the rest.
        let own: u64 = mine().map(|(_, t)| t.done - t.start).sum();
        let ends = match layer.operation {
            Operation::Sample { .. } => end + own,
            _ if index + 1 == count => trace.cycles,
            _ => last.max(end),
        };
        let mut compute = ComputeTiming::default();
        mine().for_each(|(_, t)| add(&mut compute, &t.compute));
        let bytes = |queue: Queue| -> u64 {
            mine().map(|(planned, _)| transfer_bytes(accelerator, &planned.command, queue)).sum()
        };
        let (macs, cycles) = (network.graph().macs(layer), ends - end);
        layers.push(LayerReport {
            name: layer.name.clone(),
            operation: layer.operation.name(),
            output: network.graph().shape(layer.output).to_string(),
            macs,
            cycles,
            compute,
            utilization: if cycles == 0 { 0.0 } else { macs as f64 / (cycles * peak) as f64 },
            read_bytes: bytes(Queue::Load),
            written_bytes: bytes(Queue::Store),
        });
        end = ends;
    }
    let macs: u64 = layers.iter().map(|l| l.macs).sum();
    let beats = trace.counters.beats_read.max(trace.counters.beats_written);
    let interval = u64::from(accelerator.configuration().memory.beat_interval_cycles);
    Report {
        layers,
        cycles: trace.cycles,
        macs,
        utilization: macs as f64 / (trace.cycles * peak) as f64,
        bound: Bound { compute_cycles: macs.div_ceil(peak), memory_cycles: beats * interval },
        activity: activity(accelerator, program, trace),
    }
}

fn add(sum: &mut ComputeTiming, other: &ComputeTiming) {
    sum.setup_cycles += other.setup_cycles;
    sum.step_cycles += other.step_cycles;
    sum.row_cycles += other.row_cycles;
    sum.sample_cycles += other.sample_cycles;
    sum.residual_cycles += other.residual_cycles;
    sum.conflict_cycles += other.conflict_cycles;
    sum.drain_cycles += other.drain_cycles;
    sum.finish_cycles += other.finish_cycles;
}

fn transfer_bytes(accelerator: &Accelerator, command: &Command, queue: Queue) -> u64 {
    match command {
        Command::Load(transfer) | Command::Store(transfer) if command.queue() == queue => {
            u64::from(transfer.beats) * u64::from(accelerator.beat_bytes())
        }
        _ => 0,
    }
}

/// Lines of the tensor that the results of `compute` are joined with.
fn lines_joined(accelerator: &Accelerator, compute: &Compute) -> u64 {
    u64::from(compute.output_blocks) * u64::from(compute.pixels.div_ceil(accelerator.rows()))
}

/// Busy cycles of the whole run, by component.
fn activity(accelerator: &Accelerator, program: &Program, trace: &Trace) -> Activity {
    let mut activity = Activity { cycles: trace.cycles, ..Activity::default() };
    let layers = program.commands.iter().map(|planned| planned.layer + 1).max().unwrap_or(0);
    for layer in work(accelerator, program, trace, layers) {
        layer.active_cycles.into_iter().for_each(|(component, cycles)| activity.add(&component, cycles));
    }
    activity
}

/// Busy cycles of every layer of a run by component, over the layer's share of the run's cycles.
pub fn activity_by_layer(
    accelerator: &Accelerator,
    program: &Program,
    trace: &Trace,
    report: &Report,
) -> Vec<Activity> {
    let mut layers = work(accelerator, program, trace, report.layers.len());
    layers.iter_mut().zip(&report.layers).for_each(|(activity, layer)| activity.cycles = layer.cycles);
    layers
}

/// Busy cycles by component of each of so many layers: a step works the gatherer, the weights and the array or the
/// vector unit; a chunk of a drained tile works the drain, the parameters and the postprocessor.
fn work(accelerator: &Accelerator, program: &Program, trace: &Trace, layers: usize) -> Vec<Activity> {
    let mut activities = vec![Activity::default(); layers];
    let fetch_beats = bitmill_accelerator::timing::fetch_beats(accelerator);
    let mut joins = false;
    for (planned, times) in program.commands.iter().zip(&trace.commands) {
        let activity = &mut activities[planned.layer];
        activity.add("i_fetch", fetch_beats);
        activity.add("i_read_port", fetch_beats);
        activity.add(&format!("i_queue_{}", planned.command.queue().name()), 1);
        activity.add("i_tokens", 2);
        match &planned.command {
            Command::Load(transfer) => {
                let beats = u64::from(transfer.beats);
                activity.add("i_load", beats);
                activity.add("i_read_port", beats);
                // Tables lie in the postprocessor.
                let component = match transfer.target {
                    Target::Tables => "i_postprocessor".to_owned(),
                    target => format!("i_{}", target.name()),
                };
                activity.add(&component, beats);
            }
            Command::Store(transfer) => {
                let beats = u64::from(transfer.beats);
                activity.add("i_store", beats);
                activity.add("i_write_port", beats);
                activity.add("i_activations", beats);
            }
            Command::Sample(_) => {
                let steps = times.compute.step_cycles;
                activity.add("i_sample", times.done - times.start);
                activity.add("i_activations", 2 * steps + times.compute.sample_cycles);
            }
            Command::Rows(_) => {
                let words = times.compute.step_cycles;
                activity.add("i_rows", times.compute.step_cycles + times.compute.row_cycles);
                activity.add("i_activations", words * 2);
                for component in ["i_parameters", "i_postprocessor"] {
                    activity.add(component, words);
                }
            }
            Command::Residual(_) => {
                activity.add("i_residual", times.done - times.start);
                joins = true;
            }
            Command::Compute(compute) => {
                let steps = times.compute.step_cycles + times.compute.conflict_cycles;
                let chunks = u64::from(compute.output_blocks)
                    * u64::from(compute.pixels.div_ceil(accelerator.drain_rows()));
                activity.add("i_sequencer", times.done - times.start);
                activity.add("i_gather", steps);
                activity.add("i_activations", steps + chunks);
                activity.add("i_weights", times.compute.step_cycles);
                let engine = match compute.kind {
                    bitmill_accelerator::ComputeKind::Matrix => "i_array",
                    _ => "i_vector",
                };
                activity.add(engine, times.compute.step_cycles);
                for component in ["i_drain", "i_parameters", "i_postprocessor"] {
                    activity.add(component, chunks);
                }
                if std::mem::take(&mut joins) {
                    activity.add("i_residual", chunks);
                    activity.add("i_activations", lines_joined(accelerator, compute));
                }
            }
        }
    }
    activities
}
