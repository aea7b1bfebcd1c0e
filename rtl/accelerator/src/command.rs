//! Commands: 64 bytes in memory, eight little-endian words of 64 bits. The layout stands once, in
//! [`fields`]; host, hardware and disassembler read it from there. No field crosses a word.

mod compute;
mod fields_of_command;
mod residual;
mod rows;
mod sample;

pub use compute::{Compute, ComputeKind, PairOperation, Walk, WeightOrder};
pub use fields_of_command::{Field, fields};
pub use residual::Residual;
pub use rows::{RowOperator, Rows};
pub use sample::Sample;

/// Size of a command in memory.
pub const COMMAND_BYTES: u64 = 64;
/// Words of 64 bits in a command.
pub const COMMAND_WORDS: usize = 8;

/// The queues, which run concurrently.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum Queue {
    /// Memory to scratchpad.
    Load,
    /// Array, vector unit, row units and sampler.
    Compute,
    /// Scratchpad to memory.
    Store,
}

impl Queue {
    /// Every queue, in the order of its bit in token masks.
    pub const ALL: [Queue; 3] = [Queue::Load, Queue::Compute, Queue::Store];

    /// Position in [`Queue::ALL`].
    pub fn index(self) -> usize {
        self as usize
    }

    /// Name in reports and signals.
    pub fn name(self) -> &'static str {
        ["load", "compute", "store"][self.index()]
    }
}

/// What a command is, and so which fields it has.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum Opcode {
    /// [`Command::Load`].
    Load,
    /// [`Command::Compute`].
    Compute,
    /// [`Command::Store`].
    Store,
    /// [`Command::Rows`].
    Rows,
    /// [`Command::Sample`].
    Sample,
    /// [`Command::Residual`].
    Residual,
}

impl Opcode {
    /// Every opcode, in the order of its code.
    pub const ALL: [Opcode; 6] =
        [Opcode::Load, Opcode::Compute, Opcode::Store, Opcode::Rows, Opcode::Sample, Opcode::Residual];

    /// The number that stands for it; 0 for none.
    pub fn code(self) -> u64 {
        self as u64 + 1
    }

    /// The opcode of `words`, if there is such a one.
    pub fn of(words: &[u64; COMMAND_WORDS]) -> Option<Opcode> {
        let code = fields::OPCODE.get(words) as u64;
        Opcode::ALL.into_iter().find(|opcode| opcode.code() == code)
    }

    /// The queue of its commands.
    pub fn queue(self) -> Queue {
        match self {
            Opcode::Load => Queue::Load,
            Opcode::Compute | Opcode::Rows | Opcode::Sample | Opcode::Residual => Queue::Compute,
            Opcode::Store => Queue::Store,
        }
    }

    /// Name in listings and signals.
    pub fn name(self) -> &'static str {
        ["load", "compute", "store", "rows", "sample", "residual"][self as usize]
    }
}

/// The scratchpad a load fills; stores read activations.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Target {
    /// Activation scratchpad.
    Activations,
    /// Weight scratchpad.
    Weights,
    /// Biases and scales.
    Parameters,
    /// Lookup tables.
    Tables,
}

impl Target {
    /// Every scratchpad, in the order of its code.
    pub const ALL: [Target; 4] = [Target::Activations, Target::Weights, Target::Parameters, Target::Tables];

    /// Name in listings and signals.
    pub fn name(self) -> &'static str {
        ["activations", "weights", "parameters", "tables"][self as usize]
    }
}

/// Tokens a command waits for and posts, one bit a queue: `1 << Queue::index`. A command starts when every
/// queue of `wait` has posted a token to its own queue (and takes one of each); when it ends, it posts one
/// to every queue of `post`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Tokens {
    /// Queues a token is taken from.
    pub wait: u8,
    /// Queues a token is given to.
    pub post: u8,
}

/// A linear copy between memory and a scratchpad.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Transfer {
    /// Tokens.
    pub tokens: Tokens,
    /// The scratchpad.
    pub target: Target,
    /// Byte address in memory, a multiple of the beat.
    pub address: u32,
    /// First line in the scratchpad.
    pub line: u32,
    /// Length in beats of the memory port, at least 1.
    pub beats: u32,
}

/// A command.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Command {
    /// Fill a scratchpad from memory.
    Load(Transfer),
    /// Run the array or the vector unit.
    Compute(Compute),
    /// Copy activations to memory.
    Store(Transfer),
    /// Run the row units.
    Rows(Rows),
    /// Run the sampler.
    Sample(Sample),
    /// Join the results of the next compute command with a tensor.
    Residual(Residual),
}

/// A command that cannot be encoded.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("command field {field} = {value} does not fit its {width} bits")]
pub struct CommandError {
    /// Name of the field.
    pub field: &'static str,
    /// Its value.
    pub value: i64,
    /// Its width.
    pub width: u32,
}

impl Command {
    /// What it is.
    pub fn opcode(&self) -> Opcode {
        match self {
            Command::Load(_) => Opcode::Load,
            Command::Compute(_) => Opcode::Compute,
            Command::Store(_) => Opcode::Store,
            Command::Rows(_) => Opcode::Rows,
            Command::Sample(_) => Opcode::Sample,
            Command::Residual(_) => Opcode::Residual,
        }
    }

    /// The queue it runs in.
    pub fn queue(&self) -> Queue {
        self.opcode().queue()
    }

    /// Tokens it waits for and posts.
    pub fn tokens(&self) -> Tokens {
        match self {
            Command::Load(transfer) | Command::Store(transfer) => transfer.tokens,
            Command::Compute(compute) => compute.tokens,
            Command::Rows(rows) => rows.tokens,
            Command::Sample(sample) => sample.tokens,
            Command::Residual(residual) => residual.tokens,
        }
    }

    /// The same, to be changed.
    pub fn tokens_mut(&mut self) -> &mut Tokens {
        match self {
            Command::Load(transfer) | Command::Store(transfer) => &mut transfer.tokens,
            Command::Compute(compute) => &mut compute.tokens,
            Command::Rows(rows) => &mut rows.tokens,
            Command::Sample(sample) => &mut sample.tokens,
            Command::Residual(residual) => &mut residual.tokens,
        }
    }

    /// The command as it lies in memory.
    ///
    /// # Errors
    /// A value that does not fit its field.
    pub fn encode(&self) -> Result<[u64; COMMAND_WORDS], CommandError> {
        let mut words = [0; COMMAND_WORDS];
        for (field, value) in self.values() {
            field.put(&mut words, value)?;
        }
        Ok(words)
    }

    /// Every field with its value, in the order of the layout: what `encode` writes and a listing shows.
    pub fn values(&self) -> Vec<(&'static Field, i64)> {
        let tokens = self.tokens();
        let mut values = vec![
            (&fields::OPCODE, self.opcode().code() as i64),
            (&fields::WAIT, tokens.wait.into()),
            (&fields::POST, tokens.post.into()),
        ];
        match self {
            Command::Load(transfer) | Command::Store(transfer) => values.extend(transfer.values()),
            Command::Compute(compute) => values.extend(compute.values()),
            Command::Rows(rows) => values.extend(rows.values()),
            Command::Sample(sample) => values.extend(sample.values()),
            Command::Residual(residual) => values.extend(residual.values()),
        }
        values
    }
}

/// What a command is and its fields with their values, in the order of the layout. A command of an opcode that there is
/// not shows its common fields only; pairs and strided weights show their settings in place of what they overlap.
pub fn decode(words: &[u64; COMMAND_WORDS]) -> (Option<Opcode>, Vec<(&'static Field, i64)>) {
    let opcode = Opcode::of(words);
    let own = match opcode {
        None => &[][..],
        Some(Opcode::Compute) => &fields::COMPUTE,
        Some(Opcode::Load | Opcode::Store) => &fields::TRANSFER,
        Some(Opcode::Rows) => &fields::ROWS,
        Some(Opcode::Sample) => &fields::SAMPLE,
        Some(Opcode::Residual) => &fields::RESIDUAL,
    };
    let is = |field: &Field, value: u64| opcode == Some(Opcode::Compute) && field.get(words) as u64 == value;
    let special = if is(&fields::KIND, ComputeKind::Pair as u64) {
        &fields::PAIR[..]
    } else if is(&fields::WEIGHT_ORDER, WeightOrder::STRIDED) {
        &fields::STRIDED[..]
    } else if opcode == Some(Opcode::Compute)
        && fields::TAP_Y.get(words) == 0
        && fields::KERNEL_HEIGHT.get(words) > 1
    {
        &fields::SLICE[..]
    } else {
        &[]
    };
    let own = own.iter().filter(|field| !special.iter().any(|other| other.overlaps(field)));
    let shown = fields::COMMON.iter().chain(own).chain(special);
    (opcode, shown.map(|field| (*field, field.get(words))).collect())
}

impl Transfer {
    fn values(&self) -> [(&'static Field, i64); 4] {
        [
            (&fields::TARGET, self.target as i64),
            (&fields::BEATS, self.beats.into()),
            (&fields::LINE, self.line.into()),
            (&fields::ADDRESS, self.address.into()),
        ]
    }
}
