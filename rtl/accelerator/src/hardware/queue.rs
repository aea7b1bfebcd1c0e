//! A command queue of two: the command at the head stays while it runs, another waits behind it.

use std::sync::Arc;

use bitmill_hdl::{HdlError, Module, ModuleBuilder, Signal, unsigned};

use super::COUNT_BITS;
use crate::command::Queue;

/// Commands a queue holds, the running one included.
pub const DEPTH: usize = 2;

/// Words of a command that a queue needs: a transfer fits two.
pub(super) fn words_of(queue: Queue) -> usize {
    match queue {
        Queue::Compute => crate::command::COMMAND_WORDS,
        Queue::Load | Queue::Store => 2,
    }
}

pub(super) fn module(words: usize) -> Result<Arc<Module>, HdlError> {
    let m = ModuleBuilder::new(
        format!("bitmill_queue_w{words}"),
        "two commands in order; the head stays until it is popped.",
    );
    m.group("Push");
    let push = m.input("push_i", unsigned(1));
    let mut incoming: Vec<Signal> =
        (0..words).map(|i| m.input(&format!("word_{i}_i"), unsigned(64))).collect();
    incoming.push(m.input_with_comment("index_i", unsigned(COUNT_BITS), "number of the command in its list"));
    m.group("Pop");
    let pop = m.input("pop_i", unsigned(1));

    let head_valid_q = m.register("head_valid_q", unsigned(1));
    let tail_valid_q = m.register("tail_valid_q", unsigned(1));
    m.comment("A push goes to the head where that is free or becomes free, else to the tail.");
    let head_taken = head_valid_q.q().and(pop.not());
    let head_takes_push = head_taken.or(tail_valid_q.q()).not().and(push).named("head_takes_push");
    let moves_up = pop.and(tail_valid_q.q()).named("moves_up");
    let tail_takes_push = push.and(head_takes_push.not()).named("tail_takes_push");
    head_valid_q.set(m.any(&[head_taken, moves_up, head_takes_push]));
    tail_valid_q.set(tail_takes_push.or(tail_valid_q.q().and(pop.not())));
    let heads: Vec<Signal> = incoming
        .iter()
        .enumerate()
        .map(|(index, &word)| {
            let tail = m.register(&format!("tail_{index}_q"), word.shape()).without_reset();
            tail.set_when(tail_takes_push, word);
            let head = m.register(&format!("head_{index}_q"), word.shape()).without_reset();
            head.set_when(head_takes_push.or(moves_up), moves_up.mux(tail.q(), word));
            head.q()
        })
        .collect();

    m.group("Head");
    m.output("ready_o", tail_valid_q.q().not());
    m.output("valid_o", head_valid_q.q());
    for (index, word) in heads[..words].iter().enumerate() {
        m.output(&format!("head_{index}_o"), *word);
    }
    m.output("index_o", heads[words]);
    m.finish()
}
