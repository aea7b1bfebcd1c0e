//! Compares a run with its prediction: every command's start and end, and every byte of every stored tensor.

use std::fmt;

use bitmill_accelerator::{Accelerator, Counters, Event, Queue, RUN_DONE_PORT, registers};
use bitmill_model::QuantizedNetwork;
use bitmill_sim::{Program, Trace, unpack_tensor};

use super::Execution;

/// What was compared and found equal.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Verdict {
    /// Commands whose start and end agreed.
    pub commands: usize,
    /// Tensors that agreed.
    pub tensors: usize,
    /// Bytes of these tensors.
    pub bytes: usize,
    /// Cycles of the run.
    pub cycles: u64,
}

/// The first difference between a run and its prediction.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Difference {
    /// Command it concerns, counted from 0, with its queue; `None` for the end of the run.
    pub command: Option<(usize, Queue)>,
    /// Layer it belongs to.
    pub layer: String,
    /// Cycle in which it shows.
    pub cycle: u64,
    /// Module in which it shows.
    pub module: String,
    /// Signal in which it shows.
    pub signal: String,
    /// What the simulator predicts.
    pub expected: String,
    /// What the circuit did.
    pub seen: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.command {
            Some((index, queue)) => write!(f, "command {index} ({})", queue.name())?,
            None => write!(f, "end of the run")?,
        }
        let Difference { layer, cycle, module, signal, expected, seen, .. } = self;
        write!(
            f,
            ", layer {layer}, cycle {cycle}, module {module}, signal {signal}: expected {expected}, seen {seen}"
        )
    }
}

impl std::error::Error for Difference {}

/// Compares `execution` with `trace` and with `tensors`, the network's golden tensors.
///
/// # Errors
/// The first difference, events before bytes.
pub fn compare(
    accelerator: &Accelerator,
    network: &QuantizedNetwork,
    program: &Program,
    trace: &Trace,
    tensors: &[Vec<i32>],
    execution: &Execution,
) -> Result<Verdict, Box<Difference>> {
    let context = Context { accelerator, network, program };
    context.events(trace, execution)?;
    context.registers(trace, execution)?;
    let mut verdict = Verdict { commands: trace.commands.len(), cycles: trace.cycles, ..Verdict::default() };
    for stored in &program.outputs {
        let start = stored.address as usize;
        let bytes = &execution.memory[start..start + stored.place.bytes(accelerator)];
        let seen = unpack_tensor(accelerator, &stored.place, bytes);
        let expected = &tensors[stored.tensor.index()];
        if let Some(element) = expected.iter().zip(&seen).position(|(a, b)| a != b) {
            return Err(context.byte_difference(
                stored,
                element,
                expected[element],
                seen[element],
                execution,
            ));
        }
        verdict.tensors += 1;
        verdict.bytes += (seen.len() * stored.place.word.bits() as usize).div_ceil(8);
    }
    Ok(verdict)
}

struct Context<'a> {
    accelerator: &'a Accelerator,
    network: &'a QuantizedNetwork,
    program: &'a Program,
}

impl Context<'_> {
    fn top(&self) -> String {
        format!("bitmill_{}", self.accelerator.configuration().name)
    }

    fn layer(&self, index: usize) -> String {
        self.network.graph().layers()[index].name.clone()
    }

    /// Predicted events of one kind: each queue's commands start and end in order.
    fn events(&self, trace: &Trace, execution: &Execution) -> Result<(), Box<Difference>> {
        let mut differences = Vec::new();
        for (event, queue) in super::execution::watched() {
            let expected = trace.commands.iter().enumerate().filter(|(_, c)| c.queue == queue);
            let expected =
                expected.map(|(index, c)| (index, if event == Event::Start { c.start } else { c.done }));
            let mut seen =
                execution.events.iter().filter(|e| e.event == event && e.queue == queue).map(|e| e.cycle);
            for (index, cycle) in expected {
                let found = seen.next();
                if found != Some(cycle) {
                    differences.push(self.event_difference(index, event, queue, cycle, found));
                    break;
                }
            }
            if let Some(extra) = seen.next()
                && differences.is_empty()
            {
                let last = self.program.commands.len() - 1;
                let mut difference = self.event_difference(last, event, queue, extra, Some(extra));
                difference.expected = "no further event".to_owned();
                differences.push(difference);
            }
        }
        if let Some(first) = differences.into_iter().min_by_key(|d| d.cycle) {
            return Err(Box::new(first));
        }
        if execution.cycles != Some(trace.cycles) {
            let ended = |cycles: Option<u64>| {
                cycles.map_or("still running".to_owned(), |c| format!("done in cycle {c}"))
            };
            return Err(Box::new(Difference {
                command: None,
                layer: self.layer(self.network.graph().layers().len() - 1),
                cycle: trace.cycles,
                module: self.top(),
                signal: RUN_DONE_PORT.to_owned(),
                expected: ended(Some(trace.cycles)),
                seen: ended(execution.cycles),
            }));
        }
        Ok(())
    }

    /// What the host reads after the run: how it ended, and the performance counters.
    fn registers(&self, trace: &Trace, execution: &Execution) -> Result<(), Box<Difference>> {
        let how = [(&registers::STATUS, registers::DONE.mask()), (&registers::ERROR, 0)];
        let counters = Counters::REGISTERS.into_iter().zip(trace.counters.values());
        for (register, expected) in how.into_iter().chain(counters) {
            let seen = execution.last(register);
            if seen != Some(expected) {
                return Err(Box::new(Difference {
                    command: None,
                    layer: self.layer(self.network.graph().layers().len() - 1),
                    cycle: trace.cycles,
                    module: self.top(),
                    signal: format!("register {}", register.name),
                    expected: expected.to_string(),
                    seen: seen.map_or("no answer".to_owned(), |value| value.to_string()),
                }));
            }
        }
        Ok(())
    }

    fn event_difference(
        &self,
        index: usize,
        event: Event,
        queue: Queue,
        expected: u64,
        seen: Option<u64>,
    ) -> Difference {
        Difference {
            command: Some((index, queue)),
            layer: self.layer(self.program.commands[index].layer),
            cycle: expected.min(seen.unwrap_or(expected)),
            module: self.top(),
            signal: event.port(queue),
            expected: format!("cycle {expected}"),
            seen: seen.map_or("never".to_owned(), |cycle| format!("cycle {cycle}")),
        }
    }

    fn byte_difference(
        &self,
        stored: &bitmill_sim::MemoryTensor,
        element: usize,
        expected: i32,
        seen: i32,
        execution: &Execution,
    ) -> Box<Difference> {
        let command = self.program.commands.iter().position(
            |planned| matches!(planned.command, bitmill_accelerator::Command::Store(t) if t.address == stored.address),
        );
        let range = stored.address..stored.address + stored.place.bytes(self.accelerator) as u32;
        let written = execution.writes.iter().find(|(_, address)| range.contains(address));
        let shape = stored.place.shape;
        let (pixel, channel) = (element / shape.channels, element % shape.channels);
        let (row, column) = (pixel / shape.width, pixel % shape.width);
        Box::new(Difference {
            command: command.map(|index| (index, Queue::Store)),
            layer: self.layer(stored.tensor.index() - 1),
            cycle: written.map_or(0, |(cycle, _)| *cycle),
            module: self.top(),
            signal: "m_axi_wdata_o".to_owned(),
            expected: format!("{expected} at row {row}, column {column}, channel {channel}"),
            seen: seen.to_string(),
        })
    }
}
