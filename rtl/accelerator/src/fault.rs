//! Why an accelerator stops before the end of its commands. The codes stand in the register `error`.

use crate::command::{COMMAND_WORDS, Opcode, Queue, Target, fields};
use crate::{Accelerator, Field, RowOperator};

/// Bits of a fault's code.
pub(crate) const FAULT_BITS: u32 = 4;

/// A fault; its code is its discriminant, 0 stands for none.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
#[repr(u8)]
pub enum Fault {
    /// The memory answered a read with SLVERR.
    ReadSlave = 1,
    /// The memory answered a read with DECERR: nothing is at the address.
    ReadDecode = 2,
    /// The memory answered a write with SLVERR.
    WriteSlave = 3,
    /// The memory answered a write with DECERR.
    WriteDecode = 4,
    /// The run was started with a command count of 0.
    NoCommands = 5,
    /// No unit has the opcode.
    Opcode = 6,
    /// A token mask names the command's own queue or one that does not exist.
    Tokens = 7,
    /// A load into, or a store from, a scratchpad that it cannot reach.
    Target = 8,
    /// A transfer of no beats.
    NoBeats = 9,
    /// A transfer that ends beyond its scratchpad.
    Bounds = 10,
    /// An address in memory that is not a multiple of the beat.
    Alignment = 11,
    /// A compute command of a kind, or with an input dilation or a lookup table, that this accelerator does not have.
    Kind = 12,
    /// A compute command with a count of 0: pixels, blocks or taps; rows without pixels, or whose 1 is 0; samples
    /// without pixels or blocks.
    EmptyLoop = 13,
    /// Rows that are longer than the row units' buffers.
    Row = 14,
    /// Samples of an image without pixels, or one larger than the sampler takes.
    Image = 15,
}

impl Fault {
    /// Every fault, in the order of its code.
    pub const ALL: [Fault; 15] = [
        Fault::ReadSlave,
        Fault::ReadDecode,
        Fault::WriteSlave,
        Fault::WriteDecode,
        Fault::NoCommands,
        Fault::Opcode,
        Fault::Tokens,
        Fault::Target,
        Fault::NoBeats,
        Fault::Bounds,
        Fault::Alignment,
        Fault::Kind,
        Fault::EmptyLoop,
        Fault::Row,
        Fault::Image,
    ];

    /// The fault with this code; `None` for 0 and codes that are not in use.
    pub fn from_code(code: u32) -> Option<Fault> {
        Fault::ALL.into_iter().find(|fault| fault.code() == code)
    }

    /// Its code.
    pub fn code(self) -> u32 {
        self as u32
    }

    /// What happened, in words.
    pub fn meaning(self) -> &'static str {
        match self {
            Fault::ReadSlave => "the memory answered a read with SLVERR",
            Fault::ReadDecode => "the memory answered a read with DECERR",
            Fault::WriteSlave => "the memory answered a write with SLVERR",
            Fault::WriteDecode => "the memory answered a write with DECERR",
            Fault::NoCommands => "the run was started with a command count of 0",
            Fault::Opcode => "no unit has the command's opcode",
            Fault::Tokens => "a token mask names the command's own queue or none",
            Fault::Target => "the transfer names a scratchpad that it cannot reach",
            Fault::NoBeats => "the transfer has no beats",
            Fault::Bounds => "the transfer ends beyond its scratchpad",
            Fault::Alignment => "the transfer's address is not a multiple of the beat",
            Fault::Kind => {
                "the compute command has a kind, an input dilation or a lookup table that the accelerator lacks"
            }
            Fault::EmptyLoop => "the compute command has a count of 0",
            Fault::Row => "the rows are longer than the row units' buffers",
            Fault::Image => "the image has no pixels, or more than the sampler takes",
        }
    }

    /// What is wrong with a command, the first of the order above: what the fetch unit finds too.
    pub fn of_command(accelerator: &Accelerator, words: &[u64; COMMAND_WORDS]) -> Option<Fault> {
        let get = |field: &Field| field.get(words) as u64;
        let Some(opcode) = Opcode::of(words).filter(|opcode| accelerator.opcodes().contains(opcode)) else {
            return Some(Fault::Opcode);
        };
        let queue = opcode.queue();
        if (get(&fields::WAIT) | get(&fields::POST)) & forbidden_tokens(queue) != 0 {
            return Some(Fault::Tokens);
        }
        if opcode == Opcode::Rows {
            return rows_fault(accelerator, words);
        }
        if opcode == Opcode::Sample {
            return sample_fault(accelerator, words);
        }
        if opcode == Opcode::Residual {
            return None;
        }
        if opcode == Opcode::Compute {
            return match get(&fields::KIND) {
                kind if kind >= accelerator.kinds() => Some(Fault::Kind),
                _ if get(&fields::INPUT_DILATION) > accelerator.most_input_dilation_log2().into() => {
                    Some(Fault::Kind)
                }
                _ if get(&fields::LOOKUP) > accelerator.lookup_tables().into() => Some(Fault::Kind),
                _ if COUNTS.iter().any(|count| get(count) == 0) => Some(Fault::EmptyLoop),
                _ => None,
            };
        }
        let Some(target) = reachable(accelerator, queue).iter().find(|t| **t as u64 == get(&fields::TARGET))
        else {
            return Some(Fault::Target);
        };
        let (beats, per_line) = (get(&fields::BEATS), u64::from(accelerator.beats_per_line(*target)));
        if beats == 0 {
            return Some(Fault::NoBeats);
        }
        if get(&fields::LINE) * per_line + beats > u64::from(accelerator.lines(*target)) * per_line {
            return Some(Fault::Bounds);
        }
        let misaligned = !get(&fields::ADDRESS).is_multiple_of(accelerator.beat_bytes().into());
        misaligned.then_some(Fault::Alignment)
    }
}

/// What is wrong with a command for the row units.
fn rows_fault(accelerator: &Accelerator, words: &[u64; COMMAND_WORDS]) -> Option<Fault> {
    let get = |field: &Field| field.get(words) as u64;
    let units = accelerator.row_units()?;
    let operator = RowOperator::ALL.get(get(&fields::OPERATOR) as usize);
    if !operator.is_some_and(|&operator| units.has(operator)) {
        return Some(Fault::Kind);
    }
    if get(&fields::PIXELS) == 0 || get(&fields::ONE) == 0 {
        return Some(Fault::EmptyLoop);
    }
    (get(&fields::ROW_LENGTH) >= units.longest_row().into()).then_some(Fault::Row)
}

/// What is wrong with a command for the sampler.
fn sample_fault(accelerator: &Accelerator, words: &[u64; COMMAND_WORDS]) -> Option<Fault> {
    let sides = 1..=u64::from(accelerator.sampler()?.longest_side());
    if SAMPLE_COUNTS.iter().any(|count| count.get(words) == 0) {
        return Some(Fault::EmptyLoop);
    }
    SIDES.iter().any(|side| !sides.contains(&(side.get(words) as u64))).then_some(Fault::Image)
}

/// Counts of a command for the sampler that must not be 0.
pub(crate) const SAMPLE_COUNTS: [&Field; 2] = [&fields::PIXELS, &fields::CHANNEL_BLOCKS];

/// Sides of the sampler's image.
pub(crate) const SIDES: [&Field; 2] = [&fields::INPUT_WIDTH, &fields::INPUT_HEIGHT];

/// Counts of a compute command that must not be 0.
pub(crate) const COUNTS: [&Field; 5] = [
    &fields::PIXELS,
    &fields::KERNEL_WIDTH,
    &fields::KERNEL_HEIGHT,
    &fields::CHANNEL_BLOCKS,
    &fields::OUTPUT_BLOCKS,
];

/// Bits of a token mask that a command of `queue` must leave 0: its own queue's, and those of no queue.
pub(crate) fn forbidden_tokens(queue: Queue) -> u64 {
    let mask = (1 << fields::WAIT.shape.width) - 1;
    let others = ((1 << Queue::ALL.len()) - 1) & !(1 << queue.index());
    mask & !others
}

/// Scratchpads that a transfer of `queue` reaches.
pub(crate) fn reachable(accelerator: &Accelerator, queue: Queue) -> &'static [Target] {
    match queue {
        Queue::Load if accelerator.lookup_tables() > 0 => &Target::ALL,
        Queue::Load => &Target::ALL[..Target::Tables as usize],
        Queue::Store => &[Target::Activations],
        Queue::Compute => &[],
    }
}
