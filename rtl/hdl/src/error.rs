//! What can be wrong with a design, always with the signal's name and the Rust line that made it.

use std::fmt;

use crate::Shape;

/// The Rust line that made a node.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Source {
    /// Path of the source file, as the compiler saw it.
    pub file: &'static str,
    /// Line in that file, from 1.
    pub line: u32,
}

impl Source {
    #[track_caller]
    pub(crate) fn caller() -> Source {
        let location = std::panic::Location::caller();
        Source { file: location.file(), line: location.line() }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// A design that is not legal hardware.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum HdlError {
    /// Two operands that must have one shape do not.
    #[error("{module}: {operation} of {left} ({left_shape}) and {right} ({right_shape}) at {at}: {advice}")]
    ShapeMismatch {
        /// Module being built.
        module: String,
        /// Operation that was asked for.
        operation: &'static str,
        /// First operand.
        left: String,
        /// Its shape.
        left_shape: Shape,
        /// Second operand.
        right: String,
        /// Its shape.
        right_shape: Shape,
        /// How to make them agree.
        advice: &'static str,
        /// Rust line of the call.
        at: Source,
    },
    /// An argument of an operation is out of its legal range.
    #[error("{module}: {operation} of {signal} ({shape}) at {at}: {problem}")]
    IllegalOperation {
        /// Module being built.
        module: String,
        /// Operation that was asked for.
        operation: &'static str,
        /// Operand.
        signal: String,
        /// Its shape.
        shape: Shape,
        /// What is wrong and what would be legal.
        problem: String,
        /// Rust line of the call.
        at: Source,
    },
    /// A wire, register or instance port has two drivers.
    #[error("{module}: {signal} has two drivers: at {first} and at {second}")]
    TwoDrivers {
        /// Module being built.
        module: String,
        /// What is driven twice.
        signal: String,
        /// Rust line of the first driver.
        first: Source,
        /// Rust line of the second driver.
        second: Source,
    },
    /// A wire, register or instance port has no driver.
    #[error("{module}: {signal}, declared at {at}, is never driven")]
    Undriven {
        /// Module being built.
        module: String,
        /// What lacks a driver.
        signal: String,
        /// Rust line of its declaration.
        at: Source,
    },
    /// A named signal that nothing reads.
    #[error("{module}: {signal}, declared at {at}, is never read; remove it or pass it to `ignore`")]
    Unused {
        /// Module being built.
        module: String,
        /// What is not read.
        signal: String,
        /// Rust line of its declaration.
        at: Source,
    },
    /// Signals that depend on each other within one cycle.
    #[error("{module}: combinational loop: {path}; put a register on this path")]
    CombinationalLoop {
        /// Module being built.
        module: String,
        /// The signals on the loop with their Rust lines.
        path: String,
    },
    /// A name is taken, reserved or not an identifier.
    #[error("{module}: name `{name}` at {at}: {problem}")]
    BadName {
        /// Module being built.
        module: String,
        /// The name.
        name: String,
        /// What is wrong with it.
        problem: &'static str,
        /// Rust line of the call.
        at: Source,
    },
    /// An instance names a port that its module does not have.
    #[error(
        "{module}: instance {instance} at {at}: module {child} has no {direction} `{port}`; it has {legal}"
    )]
    NoSuchPort {
        /// Module being built.
        module: String,
        /// Instance name.
        instance: String,
        /// Instantiated module.
        child: String,
        /// `input` or `output`.
        direction: &'static str,
        /// Port that was asked for.
        port: String,
        /// Ports of that direction.
        legal: String,
        /// Rust line of the call.
        at: Source,
    },
    /// Two different modules of one design have the same name.
    #[error("two different modules are called {name}: their parameters must show in the name")]
    ModuleNameClash {
        /// The name.
        name: String,
    },
}
