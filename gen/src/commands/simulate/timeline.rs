//! The run as a timeline in Chrome's trace format, which Perfetto and `chrome://tracing` show: a row a queue, a
//! slice a command.

use bitmill_accelerator::{Accelerator, Command, Queue};
use bitmill_model::QuantizedNetwork;
use bitmill_sim::{CommandTrace, PlannedCommand, Program, Trace};
use serde_json::{Value, json};

/// The events as JSON; times in µs of the configured clock, cycles beside them.
pub fn timeline(
    accelerator: &Accelerator,
    network: &QuantizedNetwork,
    program: &Program,
    trace: &Trace,
) -> String {
    let clock_mhz = f64::from(accelerator.configuration().clock_mhz);
    let names = Queue::ALL.iter().map(|queue| {
        json!({
            "ph": "M", "name": "thread_name", "pid": 1, "tid": queue.index() + 1,
            "args": { "name": format!("{} queue", queue.name()) },
        })
    });
    let slice = |(index, (planned, times)): (usize, (&PlannedCommand, &CommandTrace))| {
        let layer = &network.graph().layers()[planned.layer].name;
        json!({
            "ph": "X", "name": layer, "cat": times.queue.name(), "pid": 1, "tid": times.queue.index() + 1,
            "ts": times.start as f64 / clock_mhz,
            "dur": (times.done - times.start) as f64 / clock_mhz,
            "args": arguments(index, &planned.command, times),
        })
    };
    let commands = program.commands.iter().zip(&trace.commands).enumerate().map(slice);
    let events: Vec<Value> = names.chain(commands).collect();
    let name = &accelerator.configuration().name;
    format!(
        "{}\n",
        json!({ "traceEvents": events, "otherData": { "accelerator": name, "clock_mhz": clock_mhz } })
    )
}

fn arguments(index: usize, command: &Command, times: &CommandTrace) -> Value {
    let mut arguments = json!({ "command": index, "start_cycle": times.start, "done_cycle": times.done });
    match command {
        Command::Load(transfer) | Command::Store(transfer) => arguments["beats"] = transfer.beats.into(),
        Command::Compute(_) | Command::Rows(_) | Command::Sample(_) | Command::Residual(_) => {
            let compute = &times.compute;
            arguments["setup_cycles"] = compute.setup_cycles.into();
            arguments["step_cycles"] = compute.step_cycles.into();
            arguments["row_cycles"] = compute.row_cycles.into();
            arguments["sample_cycles"] = compute.sample_cycles.into();
            arguments["residual_cycles"] = compute.residual_cycles.into();
            arguments["conflict_cycles"] = compute.conflict_cycles.into();
            arguments["drain_cycles"] = compute.drain_cycles.into();
            arguments["finish_cycles"] = compute.finish_cycles.into();
        }
    }
    arguments
}
