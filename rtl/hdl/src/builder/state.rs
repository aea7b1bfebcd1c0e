//! What is known of a module while it is described.

use std::collections::HashMap;

use crate::module::{Instance, Item, MemoryData, Node, Port, RegisterData, SignalData};
use crate::{HdlError, Shape, SignalId, Source, verilog};

pub(crate) struct State {
    pub name: String,
    pub purpose: String,
    pub group: String,
    pub ports: Vec<Port>,
    pub signals: Vec<SignalData>,
    pub registers: Vec<RegisterData>,
    pub memories: Vec<MemoryData>,
    pub instances: Vec<Instance>,
    pub items: Vec<Item>,
    pub ignored: Vec<SignalId>,
    /// Operands of operations that were folded away.
    pub folded: Vec<SignalId>,
    pub names: HashMap<String, Source>,
    pub drivers: HashMap<SignalId, Source>,
    pub error: Option<HdlError>,
}

impl State {
    pub fn fail(&mut self, error: HdlError) {
        self.error.get_or_insert(error);
    }

    pub fn push(&mut self, shape: Shape, node: Node, at: Source) -> SignalId {
        let id = SignalId(self.signals.len() as u32);
        self.signals.push(SignalData { shape, name: None, node, at });
        id
    }

    pub fn set_name(&mut self, id: SignalId, name: &str, at: Source) {
        self.claim(name, at);
        self.signals[id.index()].name = Some(name.to_owned());
    }

    pub fn claim(&mut self, name: &str, at: Source) {
        let problem = if self.names.contains_key(name) {
            "is taken"
        } else if verilog::is_keyword(name) {
            "is reserved in Verilog"
        } else if !verilog::is_identifier(name) {
            "is not a Verilog identifier (letters, digits, underscores; a letter first)"
        } else {
            self.names.insert(name.to_owned(), at);
            return;
        };
        self.fail(HdlError::BadName { module: self.name.clone(), name: name.to_owned(), problem, at });
    }

    pub fn drive(&mut self, id: SignalId, at: Source) {
        if let Some(first) = self.drivers.insert(id, at) {
            let signal = describe(&self.signals, id);
            self.fail(HdlError::TwoDrivers { module: self.name.clone(), signal, first, second: at });
        }
    }
}

/// A name for messages: the signal's own, or what kind of expression it is.
pub(crate) fn describe(signals: &[SignalData], id: SignalId) -> String {
    let data = &signals[id.index()];
    match (&data.name, &data.node) {
        (Some(name), _) => format!("`{name}`"),
        (None, Node::Constant(value)) => format!("constant {value}"),
        (None, Node::Operation(op, operands)) => {
            let operands: Vec<String> = operands.iter().take(3).map(|&o| shallow(signals, o)).collect();
            format!("an unnamed {op:?} of {}", operands.join(", "))
        }
        (None, _) => "an unnamed signal".to_owned(),
    }
}

fn shallow(signals: &[SignalData], id: SignalId) -> String {
    let data = &signals[id.index()];
    match (&data.name, &data.node) {
        (Some(name), _) => format!("`{name}`"),
        (None, Node::Constant(value)) => value.to_string(),
        (None, _) => "…".to_owned(),
    }
}
