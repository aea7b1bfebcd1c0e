//! The frozen graph of one hardware module: an arena of nodes, addressed by [`SignalId`].

use std::sync::Arc;

use num_bigint::BigUint;

use crate::{Shape, Source};

/// Handle of a signal in its module's arena.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct SignalId(pub(crate) u32);

impl SignalId {
    /// Position in [`Module::signals`].
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// What a signal's value comes from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Node {
    /// An input port.
    Input,
    /// A wire that was declared before its driver was known.
    Wire {
        /// The signal it carries; present in every finished module.
        driver: Option<SignalId>,
    },
    /// A constant, two's complement in the signal's width.
    Constant(BigUint),
    /// The output of register number `.0` of [`Module::registers`].
    Register(usize),
    /// An operation on other signals of the module.
    Operation(Op, Vec<SignalId>),
    /// The registered read data of memory number `.0` of [`Module::memories`].
    MemoryRead(usize),
    /// An output port of an instance.
    InstanceOutput {
        /// Number in [`Module::instances`].
        instance: usize,
        /// Number in the child's [`Module::ports`].
        port: usize,
    },
}

/// Operations. Each operand is first extended to the result width by its own signedness where the
/// operation is arithmetic; all others take operands of the result's width, or as stated.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Op {
    /// Bitwise complement.
    Not,
    /// Bitwise and.
    And,
    /// Bitwise or.
    Or,
    /// Bitwise exclusive or.
    Xor,
    /// Sum, modulo 2^width of the result.
    Add,
    /// Difference, modulo 2^width of the result.
    Sub,
    /// Product, modulo 2^width of the result.
    Mul,
    /// Equality of two operands of one shape; 1 bit.
    Equal,
    /// `a < b` of two operands of one shape, by their signedness; 1 bit.
    Less,
    /// `a <= b` of two operands of one shape, by their signedness; 1 bit.
    LessEqual,
    /// Operand 0 (1 bit) chooses operand 1 (when set) or operand 2.
    Mux,
    /// Operand 0 is an index; operands 1.. are the items; the last is the default for larger indices.
    Select,
    /// Bits `lsb ..` of the operand, as many as the result is wide.
    Slice {
        /// Lowest bit taken.
        lsb: u32,
    },
    /// Operands side by side, most significant first.
    Concat,
    /// The operand repeated to fill the result.
    Replicate,
    /// Zero or sign extension, by the operand's signedness.
    Extend,
    /// The same bits under the other signedness.
    Reinterpret,
    /// Operand 0 shifted left by operand 1 (unsigned), zeros entering, width kept.
    ShiftLeft,
    /// Operand 0 shifted right by operand 1 (unsigned), sign bits entering when operand 0 is signed.
    ShiftRight,
    /// Or of all bits; 1 bit.
    ReduceOr,
    /// And of all bits; 1 bit.
    ReduceAnd,
    /// Exclusive or of all bits; 1 bit.
    ReduceXor,
}

/// One signal of the arena.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SignalData {
    /// Width and signedness.
    pub shape: Shape,
    /// Name in Verilog and waveform; `None` for intermediate expressions.
    pub name: Option<String>,
    /// What its value comes from.
    pub node: Node,
    /// The Rust line that made it.
    pub at: Source,
}

/// Port direction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// Into the module.
    Input,
    /// Out of the module.
    Output,
}

/// A port. `clk_i` and `rst_ni` are not listed: see [`Module::clocked`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Port {
    /// Name, with suffix `_i` or `_o`.
    pub name: String,
    /// Direction.
    pub direction: Direction,
    /// Width and signedness.
    pub shape: Shape,
    /// The input signal, or the signal that drives the output.
    pub signal: SignalId,
    /// Heading of the group the port stands in, such as `Control`.
    pub group: String,
    /// Remark printed beside the port; may be empty.
    pub comment: String,
}

/// A register, clocked by the module's clock's rising edge.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RegisterData {
    /// The signal that carries its value.
    pub q: SignalId,
    /// Next value; present in every finished module.
    pub next: Option<SignalId>,
    /// The value is taken only while this is 1; always when `None`.
    pub enable: Option<SignalId>,
    /// Value after synchronous reset; `None` for data registers that need none.
    pub reset: Option<BigUint>,
}

/// A memory with one write and one synchronous read port. A read of the word that is written in the
/// same cycle returns the old word.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MemoryData {
    /// Name of the storage.
    pub name: String,
    /// Bits a word.
    pub width: u32,
    /// Words.
    pub depth: u32,
    /// Write enable, 1 bit.
    pub write_enable: SignalId,
    /// Write address.
    pub write_address: SignalId,
    /// Write data.
    pub write_data: SignalId,
    /// Read enable, 1 bit; the read data keep their value while it is 0.
    pub read_enable: SignalId,
    /// Read address.
    pub read_address: SignalId,
    /// Registered read data.
    pub read_data: SignalId,
}

/// A module inside a module.
#[derive(Clone, PartialEq, Debug)]
pub struct Instance {
    /// Instance name.
    pub name: String,
    /// What is instantiated.
    pub module: Arc<Module>,
    /// Signal at each input port, by port number; `None` at outputs.
    pub inputs: Vec<Option<SignalId>>,
    /// Signal of each output port, by port number; `None` at inputs and outputs nobody asked for.
    pub outputs: Vec<Option<SignalId>>,
    /// Named bit that holds the instance in reset while it is 1, besides the reset of the module around it.
    pub reset: Option<SignalId>,
    /// The Rust line that made it.
    pub at: Source,
}

impl Instance {
    /// Every signal that the instance reads.
    pub fn reads(&self) -> impl Iterator<Item = SignalId> {
        self.inputs.iter().flatten().chain(&self.reset).copied()
    }
}

/// One thing of the body, in the order it was described; emission follows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Item {
    /// A comment line.
    Comment(String),
    /// Declaration of a named signal.
    Signal(SignalId),
    /// Assignment of a wire.
    Drive(SignalId),
    /// Clocked assignment of a register.
    Register(usize),
    /// A memory.
    Memory(usize),
    /// An instance.
    Instance(usize),
}

/// A checked hardware module.
#[derive(Clone, PartialEq, Debug)]
pub struct Module {
    /// Name in Verilog; its parameters show in it.
    pub name: String,
    /// What it is for: one or more lines, printed at its head.
    pub purpose: String,
    /// Rust file that describes it.
    pub described_in: &'static str,
    /// Whether it has `clk_i` and `rst_ni`.
    pub clocked: bool,
    /// Ports, in order.
    pub ports: Vec<Port>,
    /// The arena.
    pub signals: Vec<SignalData>,
    /// Registers.
    pub registers: Vec<RegisterData>,
    /// Memories.
    pub memories: Vec<MemoryData>,
    /// Instances.
    pub instances: Vec<Instance>,
    /// Body, in order of description.
    pub items: Vec<Item>,
    /// Signals that are deliberately not read.
    pub ignored: Vec<SignalId>,
    /// Pairs of (input port, output port) with a combinational path between them.
    pub paths: Vec<(usize, usize)>,
}

impl Module {
    /// The signal behind a handle.
    pub fn signal(&self, id: SignalId) -> &SignalData {
        &self.signals[id.index()]
    }

    /// Number and description of the port called `name`.
    pub fn port(&self, name: &str) -> Option<(usize, &Port)> {
        self.ports.iter().enumerate().find(|(_, p)| p.name == name)
    }

    /// Input ports, in order.
    pub fn inputs(&self) -> impl Iterator<Item = &Port> {
        self.ports.iter().filter(|p| p.direction == Direction::Input)
    }

    /// Output ports, in order.
    pub fn outputs(&self) -> impl Iterator<Item = &Port> {
        self.ports.iter().filter(|p| p.direction == Direction::Output)
    }

    /// Signals that `id` reads within the same cycle, not counting those read through instances.
    pub fn operands(&self, id: SignalId) -> &[SignalId] {
        match &self.signal(id).node {
            Node::Operation(_, operands) => operands,
            Node::Wire { driver: Some(driver) } => std::slice::from_ref(driver),
            _ => &[],
        }
    }

    /// A name for messages: the signal's own, or what it is.
    pub fn describe(&self, id: SignalId) -> String {
        crate::builder::describe(&self.signals, id)
    }
}
