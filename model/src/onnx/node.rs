//! One node as an operator sees it: attributes by name, inputs as constants or activations, and errors
//! that name the node.

use super::constant::Constant;
use super::graph::node_name;
use super::importer::{Activation, Importer, Value};
use super::proto::{AttributeProto, NodeProto, TensorProto};
use crate::ModelError;

/// A node of the graph, with typed access to its parts.
#[derive(Clone, Copy)]
pub(crate) struct Node<'a>(pub &'a NodeProto);

impl<'a> Node<'a> {
    /// The node's name, or its first output where it has none.
    pub fn name(self) -> &'a str {
        node_name(self.0)
    }

    /// The operator type.
    pub fn operator(self) -> &'a str {
        &self.0.op_type
    }

    /// An error of this node.
    pub fn error(self, problem: impl Into<String>) -> ModelError {
        ModelError::Node {
            node: self.name().to_owned(),
            operator: self.operator().to_owned(),
            problem: problem.into(),
        }
    }

    /// Fails with `problem` unless `condition` holds.
    pub fn require(self, condition: bool, problem: impl FnOnce() -> String) -> Result<(), ModelError> {
        if condition { Ok(()) } else { Err(self.error(problem())) }
    }

    fn attribute(self, name: &str) -> Option<&'a AttributeProto> {
        self.0.attribute.iter().find(|attribute| attribute.name == name)
    }

    /// Whether attribute `name` is given.
    pub fn has(self, name: &str) -> bool {
        self.attribute(name).is_some()
    }

    /// An integer attribute.
    pub fn int(self, name: &str, default: i64) -> i64 {
        self.attribute(name).and_then(|attribute| attribute.i).unwrap_or(default)
    }

    /// A real attribute.
    pub fn float(self, name: &str, default: f32) -> f32 {
        self.attribute(name).and_then(|attribute| attribute.f).unwrap_or(default)
    }

    /// A text attribute; not UTF-8 counts as absent.
    pub fn text(self, name: &str, default: &'a str) -> &'a str {
        let bytes = self.attribute(name).and_then(|attribute| attribute.s.as_deref());
        bytes.and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or(default)
    }

    /// A list of integers, or `None` where it is not given.
    pub fn ints(self, name: &str) -> Option<&'a [i64]> {
        self.attribute(name).map(|attribute| &attribute.ints[..])
    }

    /// A list of real numbers.
    pub fn floats(self, name: &str) -> Option<&'a [f32]> {
        self.attribute(name).map(|attribute| &attribute.floats[..])
    }

    /// A tensor attribute.
    pub fn tensor(self, name: &str) -> Option<&'a TensorProto> {
        self.attribute(name).and_then(|attribute| attribute.t.as_ref())
    }

    /// Whether input `index` is given.
    pub fn has_input(self, index: usize) -> bool {
        self.0.input.get(index).is_some_and(|name| !name.is_empty())
    }

    /// Name of the first output.
    pub fn output(self) -> Result<&'a str, ModelError> {
        let first = self.0.output.first().map(String::as_str).filter(|name| !name.is_empty());
        first.ok_or_else(|| self.error("has no output"))
    }

    /// Input `index`, whatever it is.
    pub fn value<'b>(self, importer: &'b Importer, index: usize) -> Result<&'b Value, ModelError> {
        let name = self.0.input.get(index).filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| self.error(format!("needs an input {index}")))?;
        importer
            .value(name)
            .ok_or_else(|| self.error(format!("input `{name}` is a second output; unsupported")))
    }

    /// Input `index`, which must be a constant.
    pub fn constant<'b>(self, importer: &'b Importer, index: usize) -> Result<&'b Constant, ModelError> {
        match self.value(importer, index)? {
            Value::Constant(constant) => Ok(constant),
            Value::Activation(_) => {
                Err(self.error(format!("input {index} must be a constant, found a computed tensor")))
            }
        }
    }

    /// Real numbers of input `index`, which must be a constant; `None` where it is not given.
    pub fn floats_at(self, importer: &Importer, index: usize) -> Result<Option<Vec<f32>>, ModelError> {
        if !self.has_input(index) {
            return Ok(None);
        }
        let floats = self.constant(importer, index)?.floats();
        let floats = floats.ok_or_else(|| self.error(format!("input {index} must hold real numbers")))?;
        match floats.iter().find(|value| !value.is_finite()) {
            Some(bad) => Err(self.error(format!("input {index} must hold finite numbers, found {bad}"))),
            None => Ok(Some(floats)),
        }
    }

    /// One real number of input `index`; `None` where it is not given.
    pub fn scalar_at(self, importer: &Importer, index: usize) -> Result<Option<f32>, ModelError> {
        match self.floats_at(importer, index)?.as_deref() {
            None => Ok(None),
            Some([value]) => Ok(Some(*value)),
            Some(many) => Err(self.error(format!("input {index} must be one number, found {}", many.len()))),
        }
    }

    /// Integers of input `index`, which must be a constant; `None` where it is not given.
    pub fn integers_at(self, importer: &Importer, index: usize) -> Result<Option<Vec<i64>>, ModelError> {
        if !self.has_input(index) {
            return Ok(None);
        }
        let integers = self.constant(importer, index)?.integers();
        let integers = integers.ok_or_else(|| self.error(format!("input {index} must hold integers")))?;
        Ok(Some(integers.to_vec()))
    }

    /// Input `index`, which must be a computed tensor.
    pub fn activation(self, importer: &Importer, index: usize) -> Result<Activation, ModelError> {
        match self.value(importer, index)? {
            Value::Activation(activation) => Ok(*activation),
            Value::Constant(_) => {
                Err(self.error(format!("input {index} must be a computed tensor, found a constant")))
            }
        }
    }
}
