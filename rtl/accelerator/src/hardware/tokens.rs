//! Dependency tokens: a counter for every ordered pair of queues.
//!
//! A command at the head of its queue starts when its unit is at rest and every queue it waits for has
//! posted a token to it; it takes one of each. When it ends, it posts one to each queue it names.

use std::sync::Arc;

use bitmill_hdl::{HdlError, Module, ModuleBuilder, Signal, unsigned};

use crate::command::Queue;

/// Bits of a token counter: the most tokens that may lie between two queues.
pub const COUNTER_BITS: u32 = 8;

pub(super) fn module() -> Result<Arc<Module>, HdlError> {
    let m = ModuleBuilder::new(
        "bitmill_tokens",
        "orders the queues: starts a command when its tokens are there.",
    );
    let queues: Vec<Ports> = Queue::ALL.iter().map(|&queue| Ports::new(&m, queue)).collect();
    let mut counts = Vec::new();
    m.comment("Tokens from one queue to another.");
    for from in &queues {
        for to in queues.iter().filter(|to| to.queue != from.queue) {
            let name = format!("{}_to_{}_q", from.queue.name(), to.queue.name());
            counts.push((from.queue, to.queue, m.register(&name, unsigned(COUNTER_BITS))));
        }
    }
    let (mut starts, mut waits) = (Vec::new(), Vec::new());
    for to in &queues {
        let lacking: Vec<Signal> = counts
            .iter()
            .filter(|(_, target, _)| *target == to.queue)
            .map(|(from, _, count)| {
                let missing = count.q().any().not();
                to.wait_mask.bit(from.index() as u32).and(missing)
            })
            .collect();
        let lacks = m.any(&lacking).named(&format!("{}_lacks_token", to.queue.name()));
        let at_rest = to.valid.and(to.running.not());
        starts.push(at_rest.and(lacks.not()).named(&format!("{}_start", to.queue.name())));
        waits.push(at_rest.and(lacks));
    }
    m.comment("A post and a take in one cycle leave the count.");
    for (from, to, count) in &counts {
        let (source, target) = (&queues[from.index()], &queues[to.index()]);
        let posted = source.done.and(source.post_mask.bit(to.index() as u32));
        let taken = starts[to.index()].and(target.wait_mask.bit(from.index() as u32));
        let more = count.q().increment();
        let less = count.q().sub_wrapping(m.lit(COUNTER_BITS, 1));
        count.set_when(posted.xor(taken), posted.mux(more, less));
    }
    m.group("Starts, one cycle");
    for (queue, start) in queues.iter().zip(&starts) {
        m.output(&format!("{}_start_o", queue.queue.name()), *start);
    }
    m.group("Commands at rest that lack a token");
    for (queue, waits) in queues.iter().zip(waits) {
        m.output(&format!("{}_waits_o", queue.queue.name()), waits);
    }
    let at_rest: Vec<Signal> = queues.iter().map(|q| q.valid).collect();
    m.group("Status");
    m.output("all_idle_o", m.any(&at_rest).not());
    m.finish()
}

struct Ports<'m> {
    queue: Queue,
    valid: Signal<'m>,
    running: Signal<'m>,
    wait_mask: Signal<'m>,
    post_mask: Signal<'m>,
    done: Signal<'m>,
}

impl<'m> Ports<'m> {
    fn new(m: &'m ModuleBuilder, queue: Queue) -> Ports<'m> {
        let name = queue.name();
        let masks = Queue::ALL.len() as u32;
        m.group(&format!("Queue: {name}"));
        Ports {
            queue,
            valid: m.input_with_comment(&format!("{name}_valid_i"), unsigned(1), "a command is at the head"),
            running: m.input(&format!("{name}_running_i"), unsigned(1)),
            wait_mask: m.input(&format!("{name}_wait_i"), unsigned(masks)),
            post_mask: m.input(&format!("{name}_post_i"), unsigned(masks)),
            done: m.input_with_comment(&format!("{name}_done_i"), unsigned(1), "one cycle"),
        }
    }
}
