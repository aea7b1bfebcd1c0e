//! Commands: 64 bytes in memory, eight little-endian words of 64 bits. The layout stands once, in
//! [`fields`]; host, hardware and disassembler read it from there. No field crosses a word.

mod fields_of_command;

use bitmill_formats::requantize::ADDITION_SHIFT;
use bitmill_formats::{Multiplier, Requantization};

pub use fields_of_command::{Field, fields};

/// Size of a command in memory.
pub const COMMAND_BYTES: u64 = 64;
/// Words of 64 bits in a command.
pub const COMMAND_WORDS: usize = 8;

/// The queues, which run concurrently.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum Queue {
    /// Memory to scratchpad.
    Load,
    /// Array and vector unit.
    Compute,
    /// Scratchpad to memory.
    Store,
}

impl Queue {
    /// Every queue, in the order of its opcode.
    pub const ALL: [Queue; 3] = [Queue::Load, Queue::Compute, Queue::Store];

    /// Position in [`Queue::ALL`]; the opcode is one more.
    pub fn index(self) -> usize {
        self as usize
    }

    /// Opcode of its commands.
    pub fn opcode(self) -> u64 {
        self.index() as u64 + 1
    }

    /// Name in reports and signals.
    pub fn name(self) -> &'static str {
        ["load", "compute", "store"][self.index()]
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

/// What a compute command does with the gathered activations.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ComputeKind {
    /// Dot products on the array: convolution, fully connected.
    Matrix,
    /// Multiply-accumulate channel by channel: depthwise convolution, average pooling, addition.
    Lanes,
    /// Running maximum channel by channel: max pooling.
    Maximum,
    /// Two channel blocks element by element, see [`PairOperation`].
    Pair,
}

/// What a [`ComputeKind::Pair`] command does with its two activations, as `bitmill_units`' pair unit defines it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct PairOperation {
    /// Integers that stand for zero.
    pub zero_points: [i32; 2],
    /// Factor of the second activation in a sum, at most one half, with a shift of 20 or more; the first has
    /// one half. `None` for a product.
    pub factor: Option<Multiplier>,
}

/// One layer, or a slice of its output channels. Tensors lie in the activation scratchpad as
/// `[channel block][pixel / rows]` lines of `rows` words; a word holds `lanes` channels of one pixel.
///
/// The sequencer runs `for pixel group, for block group, for tap row, for tap column, for channel block`,
/// so that each pass over the last three makes one tile of outputs.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Compute {
    /// Tokens.
    pub tokens: Tokens,
    /// Operation.
    pub kind: ComputeKind,
    /// Settings of a pair; only [`ComputeKind::Pair`] has some.
    pub pair: PairOperation,
    /// Whether each step reads the next weight line (else all read the first).
    pub weight_step: bool,
    /// Whether every tile starts again at the first weight line (else only every pixel group).
    pub weight_reset: bool,
    /// Code of the activation that taps outside the input read.
    pub pad_value: i32,
    /// How scaled sums are rounded.
    pub rounding: Requantization,
    /// Output zero point.
    pub zero_point: i32,
    /// Smallest output; an ordinal in floating point.
    pub low: i32,
    /// Largest output; an ordinal in floating point.
    pub high: i32,
    /// Taps a row.
    pub kernel_width: u32,
    /// Tap rows.
    pub kernel_height: u32,
    /// First line of the input.
    pub input_line: u32,
    /// Lines from the input of one output block to the next; 0 where every block reads all channels.
    pub group_stride: u32,
    /// Lines from one input block to the next within a sum, modulo 2^16.
    pub channel_stride: u32,
    /// Input blocks of a sum.
    pub channel_blocks: u32,
    /// Columns of the input.
    pub input_width: u32,
    /// Rows of the input.
    pub input_height: u32,
    /// Steps and starts of the pixel walk.
    pub walk: Walk,
    /// Pixels of the output.
    pub pixels: u32,
    /// First weight line.
    pub weight_line: u32,
    /// First parameter line.
    pub parameter_line: u32,
    /// First line of the output.
    pub output_line: u32,
    /// Output blocks: words of channels in the output format.
    pub output_blocks: u32,
    /// Code of the PE's mode.
    pub mode: u32,
    /// Format of the results, by its place in `precision.activations`.
    pub output_format: u32,
}

/// How the input position moves over output pixels and taps. `index` is the pixel number in the input,
/// `row · width + column`; it follows x and y so that no multiplier is needed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Walk {
    /// Input row of output pixel 0 at tap 0: minus the padding.
    pub start_y: i32,
    /// Input column of output pixel 0 at tap 0.
    pub start_x: i32,
    /// Input pixel number of both.
    pub start_index: i32,
    /// Columns from one output pixel to the next.
    pub stride_x: u32,
    /// Columns of the output.
    pub output_width: u32,
    /// Columns to go back at the end of an output row.
    pub wrap_x: u32,
    /// Rows to go down then.
    pub wrap_y: u32,
    /// Change of the pixel number then.
    pub wrap_index: i32,
    /// Output columns from one pixel group to the next, whole rows taken away.
    pub jump_column: u32,
    /// Input columns for that.
    pub jump_x: u32,
    /// Input rows for the whole rows.
    pub jump_y: u32,
    /// Change of the pixel number for both.
    pub jump_index: i32,
    /// Columns from one tap to the next.
    pub tap_x: u32,
    /// Rows from one tap row to the next.
    pub tap_y: u32,
    /// Change of the pixel number from the last tap of a row to the first of the next.
    pub tap_wrap: i32,
}

impl Walk {
    /// The walk of a window over an input of `input_width` columns, in groups of `rows` output pixels.
    /// `stride`, `dilation` and `padding` are (vertical, horizontal).
    pub fn new(
        rows: u32,
        input_width: u32,
        output_width: u32,
        kernel_width: u32,
        stride: (u32, u32),
        dilation: (u32, u32),
        padding: (u32, u32),
    ) -> Walk {
        let [width, columns] = [input_width as i32, output_width as i32];
        let [stride_y, stride_x] = [stride.0 as i32, stride.1 as i32];
        let [start_y, start_x] = [-(padding.0 as i32), -(padding.1 as i32)];
        let [whole_rows, rest] = [rows as i32 / columns, rows as i32 % columns];
        Walk {
            start_y,
            start_x,
            start_index: start_y * width + start_x,
            stride_x: stride.1,
            output_width,
            wrap_x: (columns * stride_x) as u32,
            wrap_y: stride.0,
            wrap_index: stride_y * width - columns * stride_x,
            jump_column: rest as u32,
            jump_x: (rest * stride_x) as u32,
            jump_y: (whole_rows * stride_y) as u32,
            jump_index: whole_rows * stride_y * width + rest * stride_x,
            tap_x: dilation.1,
            tap_y: dilation.0,
            tap_wrap: dilation.0 as i32 * width - (kernel_width as i32 - 1) * dilation.1 as i32,
        }
    }

    /// The walk of one row of taps over all pixels of a channel block, the next block for each output pixel: the
    /// input of global pooling, in groups of `rows` blocks of `lines` lines each. Each row of the array is one
    /// tap ahead of the row before, so that they never meet in a bank; it takes `rows − 1` more taps than there
    /// are pixels, of which the input has one row.
    pub fn over_blocks(rows: u32, lines: u32) -> Walk {
        let behind = 1 - rows as i32;
        let block = (rows * lines) as i32;
        Walk {
            start_y: 0,
            start_x: behind,
            start_index: behind,
            stride_x: 0,
            output_width: 1,
            // A column back is one further, modulo 2^16.
            wrap_x: (1 << fields::WRAP_X.shape.width) - 1,
            wrap_y: 0,
            wrap_index: block + 1,
            jump_column: 0,
            jump_x: 0,
            jump_y: 0,
            jump_index: rows as i32 * block,
            tap_x: 1,
            tap_y: 0,
            tap_wrap: 0,
        }
    }
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
    /// The queue it runs in.
    pub fn queue(&self) -> Queue {
        match self {
            Command::Load(_) => Queue::Load,
            Command::Compute(_) => Queue::Compute,
            Command::Store(_) => Queue::Store,
        }
    }

    /// Tokens it waits for and posts.
    pub fn tokens(&self) -> Tokens {
        match self {
            Command::Load(transfer) | Command::Store(transfer) => transfer.tokens,
            Command::Compute(compute) => compute.tokens,
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
            (&fields::OPCODE, self.queue().opcode() as i64),
            (&fields::WAIT, tokens.wait.into()),
            (&fields::POST, tokens.post.into()),
        ];
        match self {
            Command::Load(transfer) | Command::Store(transfer) => values.extend(transfer.values()),
            Command::Compute(compute) => values.extend(compute.values()),
        }
        values
    }
}

/// The queue of a command and its fields with their values, in the order of the layout. A command of an opcode
/// that no queue has shows its common fields only; a pair shows its settings in place of what they overlap.
pub fn decode(words: &[u64; COMMAND_WORDS]) -> (Option<Queue>, Vec<(&'static Field, i64)>) {
    let opcode = fields::OPCODE.get(words) as u64;
    let queue = Queue::ALL.into_iter().find(|queue| queue.opcode() == opcode);
    let own = match queue {
        None => &[][..],
        Some(Queue::Compute) => {
            &fields::ALL[fields::COMMON + fields::TRANSFER..fields::ALL.len() - fields::PAIR]
        }
        Some(Queue::Load | Queue::Store) => &fields::ALL[fields::COMMON..][..fields::TRANSFER],
    };
    let is_pair = queue == Some(Queue::Compute) && fields::KIND.get(words) == ComputeKind::Pair as i64;
    let pair = if is_pair { &fields::ALL[fields::ALL.len() - fields::PAIR..] } else { &[] };
    let own = own.iter().filter(|field| !pair.iter().any(|other| other.overlaps(field)));
    let shown = fields::ALL[..fields::COMMON].iter().chain(own).chain(pair);
    (queue, shown.map(|field| (*field, field.get(words))).collect())
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

impl Compute {
    fn values(&self) -> Vec<(&'static Field, i64)> {
        let w = &self.walk;
        let mut values = vec![
            (&fields::KIND, self.kind as i64),
            (&fields::WEIGHT_STEP, self.weight_step.into()),
            (&fields::WEIGHT_RESET, self.weight_reset.into()),
            (&fields::ZERO_POINT, self.zero_point.into()),
            (&fields::KERNEL_WIDTH, self.kernel_width.into()),
            (&fields::KERNEL_HEIGHT, self.kernel_height.into()),
            (&fields::LOW, self.low.into()),
            (&fields::HIGH, self.high.into()),
            (&fields::INPUT_LINE, self.input_line.into()),
            (&fields::GROUP_STRIDE, self.group_stride.into()),
            (&fields::CHANNEL_STRIDE, self.channel_stride.into()),
            (&fields::CHANNEL_BLOCKS, self.channel_blocks.into()),
            (&fields::INPUT_WIDTH, self.input_width.into()),
            (&fields::INPUT_HEIGHT, self.input_height.into()),
            (&fields::ROUNDING, self.rounding as i64),
            (&fields::START_Y, w.start_y.into()),
            (&fields::START_X, w.start_x.into()),
            (&fields::START_INDEX, w.start_index.into()),
            (&fields::STRIDE_X, w.stride_x.into()),
            (&fields::OUTPUT_WIDTH, w.output_width.into()),
            (&fields::WRAP_X, w.wrap_x.into()),
            (&fields::WRAP_INDEX, w.wrap_index.into()),
            (&fields::WRAP_Y, w.wrap_y.into()),
            (&fields::JUMP_COLUMN, w.jump_column.into()),
            (&fields::JUMP_X, w.jump_x.into()),
            (&fields::JUMP_INDEX, w.jump_index.into()),
            (&fields::JUMP_Y, w.jump_y.into()),
            (&fields::PIXELS, self.pixels.into()),
            (&fields::OUTPUT_FORMAT, self.output_format.into()),
            (&fields::PARAMETER_LINE, self.parameter_line.into()),
            (&fields::OUTPUT_LINE, self.output_line.into()),
            (&fields::OUTPUT_BLOCKS, self.output_blocks.into()),
        ];
        values.extend(match self.kind {
            ComputeKind::Pair => self.pair.values(),
            _ => vec![
                (&fields::PAD_VALUE, self.pad_value.into()),
                (&fields::TAP_X, w.tap_x.into()),
                (&fields::TAP_Y, w.tap_y.into()),
                (&fields::TAP_WRAP, w.tap_wrap.into()),
                (&fields::MODE, self.mode.into()),
                (&fields::WEIGHT_LINE, self.weight_line.into()),
            ],
        });
        values
    }
}

impl PairOperation {
    fn values(&self) -> Vec<(&'static Field, i64)> {
        let factor = self.factor.map_or((0, 0), |factor| {
            (i64::from(factor.multiplier), i64::from(factor.shift) - i64::from(ADDITION_SHIFT))
        });
        vec![
            (&fields::FIRST_ZERO_POINT, self.zero_points[0].into()),
            (&fields::SECOND_ZERO_POINT, self.zero_points[1].into()),
            (&fields::PAIR_FACTOR, factor.0),
            (&fields::PAIR_SHIFT, factor.1),
            (&fields::MULTIPLIES, self.factor.is_none().into()),
        ]
    }
}
