//! Runs an accelerator in the built-in interpreter.

use bitmill_accelerator::{Event, MemoryPort, Queue, RUN_DONE_PORT, RUN_START_PORT};
use bitmill_hdl::{BigUint, Interpreter, Slot};

use super::execution::{Execution, TimedEvent, watched};
use super::host::{Host, HostSees};
use super::memory::{Address, Memory, Requests};
use super::{Conditions, Session};

/// Runs `session`. `progress` hears the cycle now and then.
pub fn interpret(session: &Session, progress: &mut dyn FnMut(u64)) -> Execution {
    let mut run = Run::new(session);
    while !run.execution.finished && run.total_cycles < session.limit_cycles {
        run.settle();
        run.advance();
        if run.total_cycles.is_multiple_of(256) {
            progress(run.cycle);
        }
    }
    run.execution
}

/// A simulation in progress. Each cycle is one `settle`, after which every signal has its value, and one `advance`.
pub(super) struct Run {
    pub circuit: Interpreter,
    /// Cycle, counted from the start of the accelerator's run.
    pub cycle: u64,
    /// The accelerator's run has started.
    pub started: bool,
    /// Cycles of the simulation.
    pub total_cycles: u64,
    pub execution: Execution,
    port: MemoryPort,
    conditions: Conditions,
    memory: Memory,
    host: Host,
    events: Vec<(Event, Queue, Slot)>,
}

impl Run {
    pub fn new(session: &Session) -> Run {
        let circuit = Interpreter::new(session.top);
        let slot = |port: &str| circuit.output(port).expect("an accelerator has this output");
        let events = watched().map(|(event, queue)| (event, queue, slot(&event.port(queue)))).collect();
        Run {
            circuit,
            cycle: 0,
            started: false,
            total_cycles: 0,
            execution: Execution { memory: session.image.to_vec(), ..Execution::default() },
            port: session.port,
            conditions: session.conditions,
            memory: Memory::new(session.port, session.conditions),
            host: Host::new(session.script, session.conditions),
            events,
        }
    }

    fn slot(&self, port: &str) -> Slot {
        let slot = self.circuit.input(port).or_else(|| self.circuit.output(port));
        slot.expect("an accelerator has this port")
    }

    fn set(&mut self, port: &str, value: impl Into<u64>) {
        let slot = self.slot(port);
        self.circuit.set(slot, value.into());
    }

    fn get(&mut self, port: &str) -> u64 {
        let slot = self.slot(port);
        self.circuit.get(slot)
    }

    fn bit(&mut self, port: &str) -> bool {
        self.get(port) != 0
    }

    /// Applies the inputs of the present cycle.
    pub fn settle(&mut self) {
        let answers = self.memory.begin(self.total_cycles);
        self.set("m_axi_arready_i", answers.arready);
        self.set("m_axi_awready_i", answers.awready);
        self.set("m_axi_wready_i", answers.wready);
        self.set("m_axi_rvalid_i", answers.read.is_some());
        if let Some(beat) = answers.read {
            self.set("m_axi_rid_i", beat.id);
            self.set("m_axi_rresp_i", beat.response);
            self.set("m_axi_rlast_i", beat.last);
            let bytes = self.port.width_bits as usize / 8;
            let data = self.execution.memory.get(beat.address..beat.address + bytes).unwrap_or_default();
            let (slot, data) = (self.slot("m_axi_rdata_i"), BigUint::from_bytes_le(data));
            self.circuit.set_big(slot, &data);
        }
        self.set("m_axi_bvalid_i", answers.write_response.is_some());
        self.set("m_axi_bresp_i", answers.write_response.unwrap_or(0));
        let host = self.host.begin();
        self.set("s_axi_awvalid_i", host.awvalid);
        self.set("s_axi_awaddr_i", host.address);
        self.set("s_axi_wvalid_i", host.wvalid);
        self.set("s_axi_wdata_i", host.data);
        self.set("s_axi_wstrb_i", u64::MAX);
        self.set("s_axi_bready_i", host.bready);
        self.set("s_axi_arvalid_i", host.arvalid);
        self.set("s_axi_araddr_i", host.address);
        self.set("s_axi_rready_i", host.rready);
        if self.bit(RUN_START_PORT) {
            self.started = true;
            self.cycle = 0;
            let Execution { events, writes, cycles, .. } = &mut self.execution;
            (*events, *writes, *cycles) = (Vec::new(), Vec::new(), None);
        }
    }

    /// Records what happens in the present cycle and goes to the next.
    pub fn advance(&mut self) {
        let cycle = self.cycle;
        for &(event, queue, slot) in &self.events {
            if self.circuit.get(slot) != 0 {
                self.execution.events.push(TimedEvent { cycle, queue, event });
            }
        }
        if self.bit(RUN_DONE_PORT) {
            self.execution.cycles = Some(cycle);
        }
        let requests = self.requests();
        let written = self.memory.end(self.total_cycles, requests, &mut self.execution.memory);
        self.execution.writes.extend(written.into_iter().map(|address| (cycle, address as u32)));
        let sees = self.host_sees();
        let resets = self.host.resets();
        self.execution.answers.extend(self.host.end(sees));
        self.execution.finished = self.host.finished();
        if resets {
            self.circuit.reset();
            self.memory = Memory::new(self.port, Conditions { fault: None, ..self.conditions });
        } else {
            self.circuit.step();
        }
        self.cycle += 1;
        self.total_cycles += 1;
    }

    fn requests(&mut self) -> Requests {
        let data = self.bit("m_axi_wvalid_o").then(|| {
            let slot = self.slot("m_axi_wdata_o");
            let mut data = self.circuit.get_big(slot).to_bytes_le();
            data.resize(self.port.width_bits as usize / 8, 0);
            (data, self.get("m_axi_wstrb_o"))
        });
        Requests {
            read: self.address("ar"),
            write: self.address("aw"),
            data,
            rready: self.bit("m_axi_rready_o"),
            bready: self.bit("m_axi_bready_o"),
        }
    }

    fn address(&mut self, channel: &str) -> Option<Address> {
        let valid = self.bit(&format!("m_axi_{channel}valid_o"));
        let [id, address, length] = ["id", "addr", "len"].map(|n| self.get(&format!("m_axi_{channel}{n}_o")));
        valid.then_some(Address { id, address: address as usize, beats: length + 1 })
    }

    fn host_sees(&mut self) -> HostSees {
        HostSees {
            awready: self.bit("s_axi_awready_o"),
            wready: self.bit("s_axi_wready_o"),
            arready: self.bit("s_axi_arready_o"),
            write: self.bit("s_axi_bvalid_o").then(|| self.get("s_axi_bresp_o")),
            read: self
                .bit("s_axi_rvalid_o")
                .then(|| (self.get("s_axi_rdata_o") as u32, self.get("s_axi_rresp_o"))),
            interrupt: self.bit("irq_o"),
        }
    }
}
