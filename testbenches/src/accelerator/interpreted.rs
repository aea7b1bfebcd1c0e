//! Runs an accelerator in the built-in interpreter.

use std::sync::Arc;

use bitmill_accelerator::{Event, MemoryPort, Queue};
use bitmill_hdl::{BigUint, Interpreter, Module, Slot};
use bitmill_sim::Program;

use super::execution::{Execution, TimedEvent, watched};
use super::memory::{Memory, Request};

/// Runs `program` on the accelerator `top`, with `image` in memory, for at most `limit_cycles`. `progress`
/// hears the cycle now and then.
pub fn interpret(
    top: &Arc<Module>,
    port: MemoryPort,
    program: &Program,
    image: Vec<u8>,
    limit_cycles: u64,
    progress: &mut dyn FnMut(u64),
) -> Execution {
    let mut run = Run::new(top, port, program, image);
    while run.execution.cycles.is_none() && run.cycle < limit_cycles {
        run.settle();
        run.advance();
        if run.cycle.is_multiple_of(256) {
            progress(run.cycle);
        }
    }
    run.execution
}

/// A run in progress. Each cycle is one `settle`, after which every signal has its value, and one `advance`.
pub(super) struct Run {
    pub circuit: Interpreter,
    pub cycle: u64,
    pub execution: Execution,
    memory: Memory,
    beat_bytes: usize,
    ports: Ports,
    events: Vec<(Event, Queue, Slot)>,
}

struct Ports {
    start: Slot,
    request_ready: Slot,
    read_valid: Slot,
    read_data: Slot,
    write_ready: Slot,
    write_done: Slot,
    request: [Slot; 4],
    write_valid: Slot,
    write_data: Slot,
    done: Slot,
}

impl Run {
    pub fn new(top: &Arc<Module>, port: MemoryPort, program: &Program, image: Vec<u8>) -> Run {
        let mut circuit = Interpreter::new(top);
        let input = |name: &str| circuit.input(name).expect("an accelerator has this input");
        let output = |name: &str| circuit.output(name).expect("an accelerator has this output");
        let ports = Ports {
            start: input("start_i"),
            request_ready: input("mem_request_ready_i"),
            read_valid: input("mem_read_valid_i"),
            read_data: input("mem_read_data_i"),
            write_ready: input("mem_write_ready_i"),
            write_done: input("mem_write_done_i"),
            request: ["valid", "write", "address", "beats"].map(|n| output(&format!("mem_request_{n}_o"))),
            write_valid: output("mem_write_valid_o"),
            write_data: output("mem_write_data_o"),
            done: output("done_o"),
        };
        let events = watched().map(|(event, queue)| (event, queue, output(&event.port(queue)))).collect();
        let [address, count] = ["command_address_i", "command_count_i"].map(input);
        circuit.set(address, program.command_address.into());
        circuit.set(count, program.commands.len() as u64);
        Run {
            circuit,
            cycle: 0,
            execution: Execution { events: Vec::new(), cycles: None, memory: image, writes: Vec::new() },
            memory: Memory::new(port),
            beat_bytes: port.width_bits as usize / 8,
            ports,
            events,
        }
    }

    /// Applies the inputs of the present cycle.
    pub fn settle(&mut self) {
        let answers = self.memory.answers(self.cycle);
        let (circuit, ports) = (&mut self.circuit, &self.ports);
        circuit.set(ports.start, u64::from(self.cycle == 0));
        circuit.set(ports.request_ready, answers.request_ready.into());
        circuit.set(ports.read_valid, answers.read.is_some().into());
        if let Some(from) = answers.read {
            let beat = self.execution.memory.get(from..from + self.beat_bytes).unwrap_or_default();
            circuit.set_big(ports.read_data, &BigUint::from_bytes_le(beat));
        }
        circuit.set(ports.write_ready, answers.write_ready.into());
        circuit.set(ports.write_done, answers.write_done.into());
    }

    /// Records what happens in the present cycle and goes to the next.
    pub fn advance(&mut self) {
        let (circuit, ports, cycle) = (&mut self.circuit, &self.ports, self.cycle);
        for &(event, queue, slot) in &self.events {
            if circuit.get(slot) != 0 {
                self.execution.events.push(TimedEvent { cycle, queue, event });
            }
        }
        let [valid, write, address, beats] = ports.request.map(|slot| circuit.get(slot));
        let request = Request { valid: valid != 0, write: write != 0, address: address as usize, beats };
        let write_valid = circuit.get(ports.write_valid) != 0;
        if let Some(to) = self.memory.advance(cycle, request, write_valid) {
            let mut beat = circuit.get_big(ports.write_data).to_bytes_le();
            beat.resize(self.beat_bytes, 0);
            if let Some(place) = self.execution.memory.get_mut(to..to + self.beat_bytes) {
                place.copy_from_slice(&beat);
            }
            self.execution.writes.push((cycle, to as u32));
        }
        if circuit.get(ports.done) != 0 {
            self.execution.cycles = Some(cycle);
        }
        circuit.step();
        self.cycle += 1;
    }
}
