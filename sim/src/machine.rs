//! The cycle-accurate machine: when each command starts and ends.
//!
//! It goes from event to event; in each cycle that matters, every part acts on what it saw when the cycle
//! began, as registers do. Durations come from the timing beside the circuits; what is modelled here is how
//! the fetch unit, the queues, their tokens and the memory meet.

mod fetch;
mod memory;

use std::collections::{HashMap, VecDeque};

use bitmill_accelerator::timing::{self, ComputeTiming, QUEUE_DEPTH};
use bitmill_accelerator::{Accelerator, Command, Compute, Counters, Queue, Transfer};
use bitmill_model::QuantizedNetwork;

use crate::Program;
use crate::lowering::offsets;
use fetch::Fetch;
use memory::Memory;

/// Start and end of one command, in cycles from the cycle of the run's start.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CommandTrace {
    /// Its queue.
    pub queue: Queue,
    /// Cycle of its start event.
    pub start: u64,
    /// Cycle of its done event.
    pub done: u64,
    /// Where a compute command's cycles went.
    pub compute: ComputeTiming,
}

/// What happened in a run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Trace {
    /// By command, in the program's order.
    pub commands: Vec<CommandTrace>,
    /// Cycle of the run's done event.
    pub cycles: u64,
    /// What the accelerator's performance counters say at the end.
    pub counters: Counters,
}

/// Predicts the run of `program`. Where deformable convolutions sample, their offsets are taken to move no tap:
/// [`run_on`] knows them.
pub fn run(accelerator: &Accelerator, program: &Program) -> Trace {
    run_knowing(accelerator, program, &mut Timings::new())
}

/// Predicts the run of `program` on data: `tensors` are those of `network`, which was lowered.
pub fn run_on(
    accelerator: &Accelerator,
    program: &Program,
    network: &QuantizedNetwork,
    tensors: &[Vec<i32>],
) -> Trace {
    Machine::new(accelerator, program, Some((network, tensors)), &mut Timings::new()).run()
}

/// Timing of the shapes of compute commands that have run, with and without a residual: layers and chunks are much alike.
pub(crate) type Timings = HashMap<(Compute, bool), ComputeTiming>;

/// Predicts the run of `program` on an accelerator of which `timings` are known.
pub(crate) fn run_knowing(accelerator: &Accelerator, program: &Program, timings: &mut Timings) -> Trace {
    Machine::new(accelerator, program, None, timings).run()
}

/// One queue and its unit.
#[derive(Default)]
struct Server {
    /// Commands in the queue, with the cycle from which each is visible.
    queued: VecDeque<(usize, u64)>,
    /// The command at the head is running.
    running: bool,
    /// Cycle of the running command's done event, once known.
    done_at: Option<u64>,
    /// A DMA: beats that it has asked for, and the cycle since which it asks for more.
    requested: u64,
    request_at: Option<u64>,
    /// First cycle in which the command at the head could start if it had its tokens.
    rests_from: u64,
}

struct Machine<'a> {
    accelerator: &'a Accelerator,
    program: &'a Program,
    /// The network and its tensors, if times shall be those of the data.
    data: Option<(&'a QuantizedNetwork, &'a [Vec<i32>])>,
    memory: Memory,
    fetch: Fetch,
    servers: [Server; 3],
    /// Tokens from one queue to another.
    tokens: [[u32; 3]; 3],
    traces: Vec<CommandTrace>,
    counters: Counters,
    /// A residual command has run: the results of the next compute command are joined.
    joins: bool,
    timings: &'a mut Timings,
}

/// Clients of the read port in the order of their priority.
#[derive(Clone, Copy)]
enum Reader {
    Fetch,
    Load,
}

/// What happens in one cycle, decided before anything changes.
#[derive(Default)]
struct Step {
    starts: Vec<Queue>,
    dones: Vec<Queue>,
    pushes: Option<Queue>,
    read: Option<Reader>,
    writes: bool,
}

impl<'a> Machine<'a> {
    fn new(
        accelerator: &'a Accelerator,
        program: &'a Program,
        data: Option<(&'a QuantizedNetwork, &'a [Vec<i32>])>,
        timings: &'a mut Timings,
    ) -> Machine<'a> {
        let nothing = |queue| CommandTrace { queue, start: 0, done: 0, compute: ComputeTiming::default() };
        Machine {
            accelerator,
            program,
            data,
            memory: Memory::new(accelerator),
            fetch: Fetch::new(program.commands.len()),
            servers: Default::default(),
            tokens: [[0; 3]; 3],
            traces: program.commands.iter().map(|planned| nothing(planned.command.queue())).collect(),
            counters: Counters::default(),
            joins: false,
            timings,
        }
    }

    fn run(mut self) -> Trace {
        let mut now = 1;
        loop {
            if self.fetch.finished_at().is_some_and(|at| at <= now)
                && self.servers.iter().all(|s| s.queued.is_empty())
            {
                return self.finished(now);
            }
            let step = self.decide(now);
            let acted = self.apply(step, now);
            now = if acted { now + 1 } else { self.next_event(now) };
        }
    }

    fn finished(self, now: u64) -> Trace {
        let (beats_read, beats_written) = self.memory.beats();
        let counters = Counters { cycles: now, beats_read, beats_written, ..self.counters };
        Trace { commands: self.traces, cycles: now, counters }
    }

    fn decide(&self, now: u64) -> Step {
        let mut step = Step::default();
        for queue in Queue::ALL {
            let server = &self.servers[queue.index()];
            if server.done_at == Some(now) {
                step.dones.push(queue);
            }
            if let Some(&(command, visible)) = server.queued.front()
                && !server.running
                && visible <= now
                && self.has_tokens(queue, command)
            {
                step.starts.push(queue);
            }
        }
        if let Some((next, from)) = self.fetch.ready()
            && from <= now
        {
            let queue = self.program.commands[next].command.queue();
            step.pushes = Some(queue).filter(|q| self.servers[q.index()].queued.len() < QUEUE_DEPTH);
        }
        let asks = |at: Option<u64>| at.is_some_and(|at| at <= now);
        if self.memory.read_from(now) == now {
            let load = || asks(self.load_request()).then_some(Reader::Load);
            step.read = asks(self.fetch.request_at()).then_some(Reader::Fetch).or_else(load);
        }
        step.writes = asks(self.store_request()) && self.memory.write_from(now) == now;
        step
    }

    fn load_request(&self) -> Option<u64> {
        self.servers[Queue::Load.index()].request_at
    }

    fn store_request(&self) -> Option<u64> {
        self.servers[Queue::Store.index()].request_at
    }

    fn has_tokens(&self, queue: Queue, command: usize) -> bool {
        let wait = self.program.commands[command].command.tokens().wait;
        Queue::ALL
            .iter()
            .all(|from| wait >> from.index() & 1 == 0 || self.tokens[from.index()][queue.index()] > 0)
    }

    /// Carries the step out; everything it changes is seen from the next cycle on. Returns whether anything happened.
    fn apply(&mut self, step: Step, now: u64) -> bool {
        let acted = !step.starts.is_empty()
            || !step.dones.is_empty()
            || step.pushes.is_some()
            || step.read.is_some()
            || step.writes;
        for queue in step.starts {
            self.start(queue, now);
        }
        match step.read {
            Some(Reader::Fetch) => {
                let last = self.memory.read(now, timing::fetch_beats(self.accelerator));
                self.fetch.granted(last);
            }
            Some(Reader::Load) => {
                let beats = self.next_burst(Queue::Load);
                let last = self.memory.read(now, beats);
                self.burst_granted(Queue::Load, beats, now + 1, last + 1);
            }
            None => {}
        }
        if step.writes {
            let beats = self.next_burst(Queue::Store);
            let (last, answer) = self.memory.write(now, beats);
            self.burst_granted(Queue::Store, beats, last, answer + 1);
        }
        for queue in step.dones {
            self.finish(queue, now);
        }
        if let (Some(queue), Some((command, _))) = (step.pushes, self.fetch.ready()) {
            let server = &mut self.servers[queue.index()];
            if server.queued.is_empty() {
                server.rests_from = now + 1;
            }
            server.queued.push_back((command, now + 1));
            self.fetch.hand_over(now);
        }
        acted
    }

    fn start(&mut self, queue: Queue, now: u64) {
        let command = self.servers[queue.index()].queued[0].0;
        let planned = &self.program.commands[command].command;
        for from in Queue::ALL {
            if planned.tokens().wait >> from.index() & 1 == 1 {
                self.tokens[from.index()][queue.index()] -= 1;
            }
        }
        self.traces[command].start = now;
        let server = &mut self.servers[queue.index()];
        self.counters.wait_cycles[queue.index()] += now - server.rests_from;
        server.running = true;
        match planned {
            Command::Compute(compute) => {
                let (shape, joins) = (timing::shape(compute), std::mem::take(&mut self.joins));
                let found = self.timings.entry((shape, joins));
                let timing = *found.or_insert_with(|| timing::compute(self.accelerator, &shape, joins));
                server.done_at = Some(now + timing.duration_cycles());
                self.traces[command].compute = timing;
            }
            Command::Rows(rows) => {
                let timing = timing::rows(self.accelerator, rows);
                server.done_at = Some(now + timing.duration_cycles());
                self.traces[command].compute = timing;
            }
            Command::Sample(sample) => {
                let layer = self.program.commands[command].layer;
                let offsets = self.data.map(|(network, tensors)| offsets(network, tensors, layer));
                let told = offsets.as_ref().map(|offsets| offsets as &dyn Fn(usize) -> Vec<i64>);
                let timing = timing::sample(self.accelerator, sample, told);
                self.counters.saturated_offsets += timing.saturated;
                server.done_at = Some(now + timing.compute.duration_cycles());
                self.traces[command].compute = timing.compute;
            }
            Command::Residual(_) => {
                self.joins = true;
                server.done_at = Some(now + timing::RESIDUAL_CYCLES);
                self.traces[command].compute.setup_cycles = timing::RESIDUAL_CYCLES;
            }
            Command::Load(_) | Command::Store(_) => {
                server.requested = 0;
                server.request_at = Some(now + 1);
            }
        }
    }

    fn finish(&mut self, queue: Queue, now: u64) {
        let server = &mut self.servers[queue.index()];
        let Some((command, _)) = server.queued.pop_front() else { return };
        server.running = false;
        server.done_at = None;
        server.rests_from = now + 1;
        self.counters.busy_cycles[queue.index()] += now - self.traces[command].start;
        self.traces[command].done = now;
        let post = self.program.commands[command].command.tokens().post;
        for to in Queue::ALL {
            if post >> to.index() & 1 == 1 {
                self.tokens[queue.index()][to.index()] += 1;
            }
        }
    }

    fn transfer(&self, queue: Queue) -> &Transfer {
        let command = self.servers[queue.index()].queued[0].0;
        match &self.program.commands[command].command {
            Command::Load(transfer) | Command::Store(transfer) => transfer,
            Command::Compute(_) | Command::Rows(_) | Command::Sample(_) | Command::Residual(_) => {
                unreachable!("compute commands run in their own queue")
            }
        }
    }

    /// Beats of the burst that is now granted.
    fn next_burst(&self, queue: Queue) -> u64 {
        let (transfer, requested) = (self.transfer(queue), self.servers[queue.index()].requested);
        let address = u64::from(transfer.address) + requested * u64::from(self.accelerator.beat_bytes());
        timing::burst_beats(self.accelerator, address as u32, u64::from(transfer.beats) - requested)
    }

    /// After a burst the DMA asks for the next one from cycle `next` on, or is done in cycle `done`.
    fn burst_granted(&mut self, queue: Queue, beats: u64, next: u64, done: u64) {
        let all = u64::from(self.transfer(queue).beats);
        let server = &mut self.servers[queue.index()];
        server.requested += beats;
        let last = server.requested == all;
        server.request_at = if last { None } else { Some(next) };
        server.done_at = if last { Some(done) } else { None };
    }

    /// The next cycle in which something can happen of which it is already known when.
    fn next_event(&self, now: u64) -> u64 {
        let reads = [self.fetch.request_at(), self.load_request()];
        let reads = reads.into_iter().flatten().map(|at| self.memory.read_from(at.max(now + 1)));
        let writes = self.store_request().map(|at| self.memory.write_from(at.max(now + 1)));
        let fetch = [self.fetch.ready().map(|(_, at)| at), self.fetch.finished_at()];
        let dones = self.servers.iter().filter_map(|s| s.done_at);
        let next = reads.chain(writes).chain(fetch.into_iter().flatten()).chain(dones);
        let next = next.filter(|&at| at > now).min();
        next.expect("a lowered program does not wait for a token that nobody posts")
    }
}
