//! Describes a module: ports, wires, registers, memories and instances.
//!
//! The builder never panics on an illegal call: it keeps the first error, goes on with a stand-in signal of
//! the right shape, and [`ModuleBuilder::finish`] returns that error.

mod constant;
mod fold;
mod instance;
mod memory;
mod register;
mod state;

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use crate::module::{Direction, Item, Node, Op, Port};
use crate::{HdlError, Module, Shape, Signal, SignalId, Source, unsigned};
use fold::Folded;

pub use instance::InstanceHandle;
pub use memory::{Memory, RamPorts};
pub use register::{Register, Wire};
pub(crate) use state::{State, describe};

/// Builds one [`Module`].
pub struct ModuleBuilder {
    pub(crate) state: RefCell<State>,
    described_in: &'static str,
}

impl ModuleBuilder {
    /// Starts a module. `purpose` is printed at its head: what it is for, in a sentence or a few lines.
    #[track_caller]
    pub fn new(name: impl Into<String>, purpose: impl Into<String>) -> ModuleBuilder {
        let at = Source::caller();
        let name = name.into();
        let mut state = State {
            name: name.clone(),
            purpose: purpose.into(),
            group: String::new(),
            ports: Vec::new(),
            signals: Vec::new(),
            registers: Vec::new(),
            memories: Vec::new(),
            instances: Vec::new(),
            items: Vec::new(),
            ignored: Vec::new(),
            folded: Vec::new(),
            names: HashMap::new(),
            drivers: HashMap::new(),
            error: None,
        };
        for reserved in ["clk_i", "rst_ni", &name] {
            state.claim(reserved, at);
        }
        ModuleBuilder { state: RefCell::new(state), described_in: at.file }
    }

    /// Opens a group of ports, such as `Control`.
    pub fn group(&self, heading: &str) {
        self.state.borrow_mut().group = heading.to_owned();
    }

    /// A comment line in the body, before what is described next.
    pub fn comment(&self, text: &str) {
        self.state.borrow_mut().items.push(Item::Comment(text.to_owned()));
    }

    /// An input port.
    #[track_caller]
    pub fn input(&self, name: &str, shape: Shape) -> Signal<'_> {
        self.input_with_comment(name, shape, "")
    }

    /// An input port with a remark beside it.
    #[track_caller]
    pub fn input_with_comment(&self, name: &str, shape: Shape, comment: &str) -> Signal<'_> {
        let signal = self.declare(name, shape, Node::Input, Source::caller());
        self.port(name, Direction::Input, signal, comment);
        signal
    }

    /// An output port, driven by `driver`.
    #[track_caller]
    pub fn output(&self, name: &str, driver: Signal<'_>) {
        self.output_with_comment(name, driver, "");
    }

    /// An output port with a remark beside it.
    #[track_caller]
    pub fn output_with_comment(&self, name: &str, driver: Signal<'_>, comment: &str) {
        self.state.borrow_mut().claim(name, Source::caller());
        self.port(name, Direction::Output, driver, comment);
    }

    fn port(&self, name: &str, direction: Direction, signal: Signal<'_>, comment: &str) {
        let shape = signal.shape();
        let mut state = self.state.borrow_mut();
        let group = state.group.clone();
        let (name, comment) = (name.to_owned(), comment.to_owned());
        state.ports.push(Port { name, direction, shape, signal: signal.id, group, comment });
    }

    fn declare(&self, name: &str, shape: Shape, node: Node, at: Source) -> Signal<'_> {
        let mut state = self.state.borrow_mut();
        let id = state.push(shape, node, at);
        state.set_name(id, name, at);
        if shape.width == 0 {
            let (module, signal) = (state.name.clone(), format!("`{name}`"));
            let problem = "a signal has at least 1 bit".to_owned();
            state.fail(HdlError::IllegalOperation {
                module,
                operation: "declaration",
                signal,
                shape,
                problem,
                at,
            });
        }
        Signal { builder: self, id }
    }

    /// Signals side by side, most significant first; unsigned.
    #[track_caller]
    pub fn concat<'m>(&'m self, parts: &[Signal<'m>]) -> Signal<'m> {
        let at = Source::caller();
        match parts {
            [] => {
                let stand_in = self.lit(1, 0);
                stand_in.illegal("concat", "at least one part is needed".to_owned(), at);
                stand_in
            }
            [single] => single.as_unsigned(),
            _ => {
                let width = parts.iter().map(|p| p.width()).sum();
                self.operation(Op::Concat, unsigned(width), parts, at)
            }
        }
    }

    /// Full-width sum of all `terms` (one signedness) through a balanced tree.
    #[track_caller]
    pub fn sum<'m>(&'m self, terms: &[Signal<'m>]) -> Signal<'m> {
        let mut level = terms.to_vec();
        if level.is_empty() {
            let stand_in = self.lit(1, 0);
            stand_in.illegal("sum", "at least one term is needed".to_owned(), Source::caller());
            return stand_in;
        }
        while level.len() > 1 {
            level = level
                .chunks(2)
                .map(|pair| if pair.len() == 2 { pair[0].add(pair[1]) } else { pair[0] })
                .collect();
        }
        level[0]
    }

    /// Or of single bits; constant 0 for none.
    #[track_caller]
    pub fn any<'m>(&'m self, bits: &[Signal<'m>]) -> Signal<'m> {
        if bits.is_empty() { self.bit(false) } else { self.concat(bits).any() }
    }

    /// States that nothing reads `signal` on purpose.
    pub fn ignore(&self, signal: Signal<'_>) {
        self.state.borrow_mut().ignored.push(signal.id);
    }

    pub(crate) fn operation(&self, op: Op, shape: Shape, operands: &[Signal<'_>], at: Source) -> Signal<'_> {
        let operands: Vec<SignalId> = operands.iter().map(|s| s.id).collect();
        let mut state = self.state.borrow_mut();
        let id = match fold::fold(&state.signals, op, shape, &operands) {
            None => state.push(shape, Node::Operation(op, operands), at),
            Some(folded) => {
                state.folded.extend(operands);
                match folded {
                    Folded::Operand(id) => id,
                    Folded::Constant(bits) => state.push(shape, Node::Constant(bits), at),
                }
            }
        };
        Signal { builder: self, id }
    }

    /// See [`fold::unsigned_behind`].
    pub(crate) fn unsigned_behind<'m>(&'m self, signal: Signal<'m>) -> Option<Signal<'m>> {
        let id = fold::unsigned_behind(&self.state.borrow().signals, signal.id)?;
        Some(Signal { builder: self, id })
    }

    /// Checks the module and freezes it.
    ///
    /// # Errors
    /// The first illegal call, or what the whole-module checks found; see [`HdlError`].
    pub fn finish(self) -> Result<Arc<Module>, HdlError> {
        let state = self.state.into_inner();
        if let Some(error) = state.error {
            return Err(error);
        }
        let clocked = !state.registers.is_empty()
            || !state.memories.is_empty()
            || state.instances.iter().any(|i| i.module.clocked);
        let mut module = Module {
            name: state.name,
            purpose: state.purpose,
            described_in: self.described_in,
            clocked,
            ports: state.ports,
            signals: state.signals,
            registers: state.registers,
            memories: state.memories,
            instances: state.instances,
            items: state.items,
            ignored: state.ignored,
            paths: Vec::new(),
        };
        module.paths = crate::check::check(&module, &state.folded)?;
        Ok(Arc::new(module))
    }
}
