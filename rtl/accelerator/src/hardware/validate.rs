//! What is wrong with a command, as a circuit: the twin of [`Fault::of_command`].

use bitmill_hdl::{ModuleBuilder, Signal};

use crate::command::{Opcode, Queue, fields};
use crate::fault::{COUNTS, FAULT_BITS, SAMPLE_COUNTS, SIDES, forbidden_tokens, reachable};
use crate::rows::RowUnits;
use crate::{Accelerator, Fault, Field, RowOperator, Sampler};

/// The code of the first fault of the command `words`, 0 where it has none.
pub(super) fn fault_code<'m>(
    m: &'m ModuleBuilder,
    accelerator: &Accelerator,
    words: &[Signal<'m>],
) -> Signal<'m> {
    m.comment("What is wrong with the command; the first in the order of the codes counts.");
    let get = |field: &Field| words[field.word].slice(field.lsb, field.shape.width);
    let opcode = get(&fields::OPCODE);
    let is = |which: Opcode| opcode.eq_value(which.code().into()).named(&format!("is_{}", which.name()));
    let opcodes: Vec<(Opcode, Signal)> =
        accelerator.opcodes().into_iter().map(|which| (which, is(which))).collect();
    let known: Vec<Signal> = opcodes.iter().map(|(_, is)| *is).collect();
    let [load, compute, store] = [Opcode::Load, Opcode::Compute, Opcode::Store].map(|o| known[o as usize]);
    let is_transfer = load.or(store).named("is_transfer");
    let tokens = get(&fields::WAIT).or(get(&fields::POST)).named("tokens");
    let bad_tokens: Vec<Signal> = opcodes
        .iter()
        .map(|(which, is)| {
            let forbidden = m.lit(tokens.width(), forbidden_tokens(which.queue()));
            is.and(tokens.and(forbidden).any())
        })
        .collect();
    let counts_nothing: Vec<Signal> = COUNTS.iter().map(|count| get(count).any().not()).collect();
    let kind = get(&fields::KIND);
    // Every number may have a circuit; then there is nothing to compare.
    let from = |field: Signal<'m>, least: u64| match 1 << field.width() == least {
        true => m.bit(false),
        false => field.ge(m.lit(field.width(), least)),
    };
    let lacks_kind = from(kind, accelerator.kinds());
    let lacks_dilation =
        from(get(&fields::INPUT_DILATION), u64::from(accelerator.most_input_dilation_log2()) + 1);
    let lacks_table = from(get(&fields::LOOKUP), u64::from(accelerator.lookup_tables()) + 1);
    let transfer = transfer(m, accelerator, words, store);
    let mut checks = vec![
        (Fault::Opcode, m.any(&known).not()),
        (Fault::Tokens, m.any(&bad_tokens)),
        (Fault::Kind, compute.and(m.any(&[lacks_kind, lacks_dilation, lacks_table]))),
        (Fault::EmptyLoop, compute.and(m.any(&counts_nothing))),
        (Fault::Target, transfer.target.and(is_transfer)),
        (Fault::NoBeats, get(&fields::BEATS).any().not().and(is_transfer)),
        (Fault::Bounds, transfer.bounds.and(is_transfer)),
        (Fault::Alignment, transfer.alignment.and(is_transfer)),
    ];
    let known_as = |which: Opcode| opcodes.iter().find(|(opcode, _)| *opcode == which).map(|(_, is)| *is);
    if let (Some(units), Some(is_rows)) = (accelerator.row_units(), known_as(Opcode::Rows)) {
        checks.extend(rows(m, units, words).map(|(fault, holds)| (fault, is_rows.and(holds))));
    }
    if let (Some(sampler), Some(is_sample)) = (accelerator.sampler(), known_as(Opcode::Sample)) {
        checks.extend(sample(m, sampler, words).map(|(fault, holds)| (fault, is_sample.and(holds))));
    }
    let code = |fault: Fault| m.lit(FAULT_BITS, fault.code().into());
    let none = m.lit(FAULT_BITS, 0);
    checks.into_iter().rev().fold(none, |rest, (fault, holds)| holds.mux(code(fault), rest))
}

/// What may be wrong with a command for the row units.
fn rows<'m>(m: &'m ModuleBuilder, units: &RowUnits, words: &[Signal<'m>]) -> [(Fault, Signal<'m>); 3] {
    let get = |field: &Field| words[field.word].slice(field.lsb, field.shape.width);
    let operator = get(&fields::OPERATOR);
    let has: Vec<Signal> = RowOperator::ALL
        .into_iter()
        .filter(|&which| units.has(which))
        .map(|which| operator.eq_value(which as i128))
        .collect();
    let counts_nothing = get(&fields::PIXELS).any().and(get(&fields::ONE).any()).not();
    let length = get(&fields::ROW_LENGTH);
    let is_long = match u64::from(units.longest_row()) >> length.width() {
        0 => length.ge(m.lit(length.width(), units.longest_row().into())),
        _ => m.bit(false),
    };
    [(Fault::Kind, m.any(&has).not()), (Fault::EmptyLoop, counts_nothing), (Fault::Row, is_long)]
}

/// What may be wrong with a command for the sampler.
fn sample<'m>(m: &'m ModuleBuilder, sampler: &Sampler, words: &[Signal<'m>]) -> [(Fault, Signal<'m>); 2] {
    let get = |field: &Field| words[field.word].slice(field.lsb, field.shape.width);
    let counts_nothing: Vec<Signal> = SAMPLE_COUNTS.iter().map(|count| get(count).any().not()).collect();
    let is_misshapen: Vec<Signal> = SIDES
        .iter()
        .map(|side| {
            let longest = m.lit(side.shape.width, sampler.longest_side().into());
            get(side).any().not().or(get(side).gt(longest))
        })
        .collect();
    [(Fault::EmptyLoop, m.any(&counts_nothing)), (Fault::Image, m.any(&is_misshapen))]
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
            reachable(accelerator, queue).iter().map(|target| code.eq_value(*target as i128)).collect();
        m.any(&bits)
    };
    // Ends, in beats from the scratchpad's first: lines times beats a line, a product with a constant.
    let (line, beats) = (get(&fields::LINE), get(&fields::BEATS));
    let width = beats.width() + 9;
    let beyond: Vec<Signal> = reachable(accelerator, Queue::Load)
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
