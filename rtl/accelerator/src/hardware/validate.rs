//! What is wrong with a command, as a circuit: the twin of [`Fault::of_command`].

use bitmill_hdl::{ModuleBuilder, Signal};

use crate::command::{Queue, fields};
use crate::fault::{COUNTS, FAULT_BITS, forbidden_tokens, reachable};
use crate::{Accelerator, Fault, Field};

/// The code of the first fault of the command `words`, 0 where it has none.
pub(super) fn fault_code<'m>(
    m: &'m ModuleBuilder,
    accelerator: &Accelerator,
    words: &[Signal<'m>],
) -> Signal<'m> {
    m.comment("What is wrong with the command; the first in the order of the codes counts.");
    let get = |field: &Field| words[field.word].slice(field.lsb, field.shape.width);
    let is_queue = Queue::ALL.map(|queue| {
        let opcode = get(&fields::OPCODE);
        opcode.eq_value(queue.opcode().into()).named(&format!("is_{}", queue.name()))
    });
    let [_, compute, store] = is_queue;
    let tokens = get(&fields::WAIT).or(get(&fields::POST)).named("tokens");
    let bad_tokens: Vec<Signal> = Queue::ALL
        .iter()
        .map(|queue| {
            let forbidden = m.lit(tokens.width(), forbidden_tokens(*queue));
            is_queue[queue.index()].and(tokens.and(forbidden).any())
        })
        .collect();
    let counts_nothing: Vec<Signal> = COUNTS.iter().map(|count| get(count).any().not()).collect();
    let kind = get(&fields::KIND);
    // Every number may have a circuit; then there is nothing to compare.
    let lacks_kind = match 1 << kind.width() == accelerator.kinds() {
        true => m.bit(false),
        false => kind.ge(m.lit(kind.width(), accelerator.kinds())),
    };
    let transfer = transfer(m, accelerator, words, store);
    let checks = [
        (Fault::Opcode, m.any(&is_queue).not()),
        (Fault::Tokens, m.any(&bad_tokens)),
        (Fault::Kind, compute.and(lacks_kind)),
        (Fault::EmptyLoop, compute.and(m.any(&counts_nothing))),
        (Fault::Target, transfer.target.and(compute.not())),
        (Fault::NoBeats, get(&fields::BEATS).any().not().and(compute.not())),
        (Fault::Bounds, transfer.bounds.and(compute.not())),
        (Fault::Alignment, transfer.alignment.and(compute.not())),
    ];
    let code = |fault: Fault| m.lit(FAULT_BITS, fault.code().into());
    let none = m.lit(FAULT_BITS, 0);
    checks.into_iter().rev().fold(none, |rest, (fault, holds)| holds.mux(code(fault), rest))
}

/// What may be wrong with a transfer.
struct TransferFaults<'m> {
    target: Signal<'m>,
    bounds: Signal<'m>,
    alignment: Signal<'m>,
}

fn transfer<'m>(
    m: &'m ModuleBuilder,
    accelerator: &Accelerator,
    words: &[Signal<'m>],
    is_store: Signal<'m>,
) -> TransferFaults<'m> {
    let get = |field: &Field| words[field.word].slice(field.lsb, field.shape.width);
    let code = get(&fields::TARGET);
    let reaches = |queue: Queue| {
        let bits: Vec<Signal> =
            reachable(queue).iter().map(|target| code.eq_value(*target as i128)).collect();
        m.any(&bits)
    };
    // Ends, in beats from the scratchpad's first: lines times beats a line, a product with a constant.
    let (line, beats) = (get(&fields::LINE), get(&fields::BEATS));
    let width = beats.width() + 9;
    let beyond: Vec<Signal> = reachable(Queue::Load)
        .iter()
        .map(|target| {
            let per_line = accelerator.beats_per_line(*target);
            let end = line.mul(m.lit(16, per_line.into())).resize(width).add_wrapping(beats.extend(width));
            let most = u64::from(accelerator.lines(*target)) * u64::from(per_line);
            code.eq_value(*target as i128).and(end.gt(m.lit(width, most)))
        })
        .collect();
    let misplaced = words[fields::ADDRESS.word].slice(fields::ADDRESS.lsb, accelerator.beat_bytes().ilog2());
    TransferFaults {
        target: is_store.mux(reaches(Queue::Store), reaches(Queue::Load)).not(),
        bounds: m.any(&beyond),
        alignment: misplaced.any(),
    }
}
