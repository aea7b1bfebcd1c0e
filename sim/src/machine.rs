//! The cycle-accurate machine: when each command starts and ends.
//!
//! It goes from event to event; in each cycle that matters, every part acts on what it saw when the cycle
//! began, as registers do. Durations come from the timing beside the circuits; what is modelled here is how
//! the fetch unit, the queues, their tokens and the memory port meet.

mod memory_port;

use std::collections::VecDeque;

use bitmill_accelerator::timing::{self, ComputeTiming, QUEUE_DEPTH};
use bitmill_accelerator::{Accelerator, Command, Queue, Transfer};

use crate::Program;
use memory_port::{Client, MemoryPort};

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
    /// Cycles in which the memory port was busy.
    pub memory_busy_cycles: u64,
}

/// Predicts the run of `program`.
pub fn run(accelerator: &Accelerator, program: &Program) -> Trace {
    Machine::new(accelerator, program).run()
}

/// What the fetch unit does.
#[derive(Clone, Copy)]
enum Fetch {
    /// Wants to read the next command since this cycle.
    Request(u64),
    /// Hands the command over from this cycle on.
    Dispatch(u64),
    /// Waits for the queues from this cycle on.
    Finish(u64),
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
    /// A DMA's burst: beats sent before, and the cycle since which it asks for the port.
    sent: u64,
    request_at: Option<u64>,
}

struct Machine<'a> {
    accelerator: &'a Accelerator,
    program: &'a Program,
    port: MemoryPort,
    fetch: Fetch,
    /// Next command to be fetched or handed over.
    next: usize,
    servers: [Server; 3],
    /// Tokens from one queue to another.
    tokens: [[u32; 3]; 3],
    traces: Vec<CommandTrace>,
}

/// What happens in one cycle, decided before anything changes.
#[derive(Default)]
struct Step {
    starts: Vec<Queue>,
    dones: Vec<Queue>,
    pushes: Option<Queue>,
    grant: Option<Client>,
}

impl<'a> Machine<'a> {
    fn new(accelerator: &'a Accelerator, program: &'a Program) -> Machine<'a> {
        let nothing = |queue| CommandTrace { queue, start: 0, done: 0, compute: ComputeTiming::default() };
        Machine {
            accelerator,
            program,
            port: MemoryPort::new(accelerator),
            fetch: Fetch::Request(1),
            next: 0,
            servers: Default::default(),
            tokens: [[0; 3]; 3],
            traces: program.commands.iter().map(|planned| nothing(planned.command.queue())).collect(),
        }
    }

    fn run(mut self) -> Trace {
        let mut now = 1;
        loop {
            if let Fetch::Finish(from) = self.fetch
                && from <= now
                && self.servers.iter().all(|s| s.queued.is_empty())
            {
                return Trace {
                    commands: self.traces,
                    cycles: now,
                    memory_busy_cycles: self.port.busy_cycles(),
                };
            }
            let step = self.decide(now);
            let acted = self.apply(step, now);
            now = if acted { now + 1 } else { self.next_event(now) };
        }
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
        if let Fetch::Dispatch(from) = self.fetch
            && from <= now
        {
            let queue = self.program.commands[self.next].command.queue();
            step.pushes = Some(queue).filter(|q| self.servers[q.index()].queued.len() < QUEUE_DEPTH);
        }
        step.grant =
            Some(now).filter(|&now| self.port.free_from() <= now).and_then(|now| self.requester(now));
        step
    }

    fn has_tokens(&self, queue: Queue, command: usize) -> bool {
        let wait = self.program.commands[command].command.tokens().wait;
        Queue::ALL
            .iter()
            .all(|from| wait >> from.index() & 1 == 0 || self.tokens[from.index()][queue.index()] > 0)
    }

    /// The client with the highest priority that asks for the port.
    fn requester(&self, now: u64) -> Option<Client> {
        let asks = |at: Option<u64>| at.is_some_and(|at| at <= now);
        Client::ALL.into_iter().find(|&client| asks(self.request_at(client)))
    }

    fn request_at(&self, client: Client) -> Option<u64> {
        match (client, self.fetch) {
            (Client::Fetch, Fetch::Request(at)) => Some(at),
            (Client::Fetch, _) => None,
            (Client::Load, _) => self.servers[Queue::Load.index()].request_at,
            (Client::Store, _) => self.servers[Queue::Store.index()].request_at,
        }
    }

    /// Carries the step out; everything it changes is seen from the next cycle on. Returns whether anything happened.
    fn apply(&mut self, step: Step, now: u64) -> bool {
        let acted = !step.starts.is_empty()
            || !step.dones.is_empty()
            || step.pushes.is_some()
            || step.grant.is_some();
        for queue in step.starts {
            self.start(queue, now);
        }
        if let Some(client) = step.grant {
            self.grant(client, now);
        }
        for queue in step.dones {
            self.finish(queue, now);
        }
        if let Some(queue) = step.pushes {
            self.servers[queue.index()].queued.push_back((self.next, now + 1));
            self.next += 1;
            let more = self.next < self.program.commands.len();
            self.fetch = if more { Fetch::Request(now + 1) } else { Fetch::Finish(now + 1) };
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
        server.running = true;
        match planned {
            Command::Compute(compute) => {
                let timing = timing::compute(self.accelerator, compute);
                server.done_at = Some(now + timing.duration_cycles());
                self.traces[command].compute = timing;
            }
            Command::Load(_) | Command::Store(_) => {
                server.sent = 0;
                server.request_at = Some(now + 1);
            }
        }
    }

    fn finish(&mut self, queue: Queue, now: u64) {
        let server = &mut self.servers[queue.index()];
        let Some((command, _)) = server.queued.pop_front() else { return };
        server.running = false;
        server.done_at = None;
        self.traces[command].done = now;
        let post = self.program.commands[command].command.tokens().post;
        for to in Queue::ALL {
            if post >> to.index() & 1 == 1 {
                self.tokens[queue.index()][to.index()] += 1;
            }
        }
    }

    fn grant(&mut self, client: Client, now: u64) {
        match client {
            Client::Fetch => {
                let last = self.port.read(now, timing::fetch_beats(self.accelerator));
                self.fetch = Fetch::Dispatch(last + 1);
            }
            Client::Load => {
                let (sent, beats) = self.burst(Queue::Load);
                let last = self.port.read(now, beats);
                self.burst_ends(Queue::Load, sent + beats, last + 1);
            }
            Client::Store => {
                let (sent, beats) = self.burst(Queue::Store);
                let confirmed = self.port.write(self.accelerator, now, sent, beats);
                self.burst_ends(Queue::Store, sent + beats, confirmed + 1);
            }
        }
    }

    fn transfer(&self, queue: Queue) -> &Transfer {
        let command = self.servers[queue.index()].queued[0].0;
        match &self.program.commands[command].command {
            Command::Load(transfer) | Command::Store(transfer) => transfer,
            Command::Compute(_) => unreachable!("compute commands run in their own queue"),
        }
    }

    /// Beats sent before, and beats of the burst that is now granted.
    fn burst(&self, queue: Queue) -> (u64, u64) {
        let sent = self.servers[queue.index()].sent;
        let longest = u64::from(self.accelerator.configuration().memory.burst_beats);
        (sent, (u64::from(self.transfer(queue).beats) - sent).min(longest))
    }

    /// After a burst the DMA asks for the next one or is done, from cycle `at` on.
    fn burst_ends(&mut self, queue: Queue, sent: u64, at: u64) {
        let all = sent == u64::from(self.transfer(queue).beats);
        let server = &mut self.servers[queue.index()];
        server.sent = sent;
        server.request_at = if all { None } else { Some(at) };
        server.done_at = if all { Some(at) } else { None };
    }

    /// The next cycle in which something can happen of which it is already known when.
    fn next_event(&self, now: u64) -> u64 {
        let fetch = match self.fetch {
            Fetch::Request(at) => at.max(self.port.free_from()),
            Fetch::Dispatch(at) | Fetch::Finish(at) => at,
        };
        let requests =
            self.servers.iter().filter_map(|s| s.request_at).map(|at| at.max(self.port.free_from()));
        let dones = self.servers.iter().filter_map(|s| s.done_at);
        let next = requests.chain(dones).chain([fetch]).filter(|&at| at > now).min();
        next.expect("a lowered program does not wait for a token that nobody posts")
    }
}
