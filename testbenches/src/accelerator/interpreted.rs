//! Runs an accelerator in the built-in interpreter.

use std::sync::Arc;

use bitmill_accelerator::MemoryPort;
use bitmill_hdl::{BigUint, Interpreter, Module, Slot};
use bitmill_sim::Program;

use super::execution::{Execution, TimedEvent, watched};
use super::memory::{Memory, Request};

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

/// Runs `program` on the accelerator `top`, with `image` in memory, for at most `limit_cycles`. `progress` hears the cycle now
/// and then.
pub fn interpret(
    top: &Arc<Module>,
    port: MemoryPort,
    program: &Program,
    image: Vec<u8>,
    limit_cycles: u64,
    progress: &mut dyn FnMut(u64),
) -> Execution {
    let mut circuit = Interpreter::new(top);
    let input = |circuit: &Interpreter, name: &str| circuit.input(name).expect("an accelerator has this input");
    let output = |circuit: &Interpreter, name: &str| circuit.output(name).expect("an accelerator has this output");
    let ports = Ports {
        start: input(&circuit, "start_i"),
        request_ready: input(&circuit, "mem_request_ready_i"),
        read_valid: input(&circuit, "mem_read_valid_i"),
        read_data: input(&circuit, "mem_read_data_i"),
        write_ready: input(&circuit, "mem_write_ready_i"),
        write_done: input(&circuit, "mem_write_done_i"),
        request: ["valid", "write", "address", "beats"].map(|n| output(&circuit, &format!("mem_request_{n}_o"))),
        write_valid: output(&circuit, "mem_write_valid_o"),
        write_data: output(&circuit, "mem_write_data_o"),
        done: output(&circuit, "done_o"),
    };
    let events: Vec<_> =
        watched().map(|(event, queue)| (event, queue, output(&circuit, &event.port(queue)))).collect();
    let [address, count] = ["command_address_i", "command_count_i"].map(|name| input(&circuit, name));
    circuit.set(address, program.command_address.into());
    circuit.set(count, program.commands.len() as u64);

    let beat_bytes = port.width_bits as usize / 8;
    let mut memory = Memory::new(port);
    let mut execution = Execution { events: Vec::new(), cycles: None, memory: image, writes: Vec::new() };
    for cycle in 0..limit_cycles {
        let answers = memory.answers(cycle);
        circuit.set(ports.start, u64::from(cycle == 0));
        circuit.set(ports.request_ready, answers.request_ready.into());
        circuit.set(ports.read_valid, answers.read.is_some().into());
        if let Some(from) = answers.read {
            let beat = execution.memory.get(from..from + beat_bytes).unwrap_or_default();
            circuit.set_big(ports.read_data, &BigUint::from_bytes_le(beat));
        }
        circuit.set(ports.write_ready, answers.write_ready.into());
        circuit.set(ports.write_done, answers.write_done.into());

        for &(event, queue, slot) in &events {
            if circuit.get(slot) != 0 {
                execution.events.push(TimedEvent { cycle, queue, event });
            }
        }
        let [valid, write, address, beats] = ports.request.map(|slot| circuit.get(slot));
        let request = Request { valid: valid != 0, write: write != 0, address: address as usize, beats };
        let write_valid = circuit.get(ports.write_valid) != 0;
        if let Some(to) = memory.advance(cycle, request, write_valid) {
            let mut beat = circuit.get_big(ports.write_data).to_bytes_le();
            beat.resize(beat_bytes, 0);
            if let Some(place) = execution.memory.get_mut(to..to + beat_bytes) {
                place.copy_from_slice(&beat);
            }
            execution.writes.push((cycle, to as u32));
        }
        if circuit.get(ports.done) != 0 {
            execution.cycles = Some(cycle);
            break;
        }
        circuit.step();
        if cycle % 256 == 0 {
            progress(cycle);
        }
    }
    execution
}
