//! Functions of single elements, which the accelerator looks up in tables.

use crate::ModelError;
use crate::network::{Function, Operation};
use crate::onnx::importer::{Importer, Value};
use crate::onnx::node::Node;

/// `Sigmoid`.
pub(super) fn sigmoid(importer: &mut Importer, node: Node) -> Result<Value, ModelError> {
    lookup(importer, node, Function::Sigmoid)
}

/// `Tanh`.
pub(super) fn tanh(importer: &mut Importer, node: Node) -> Result<Value, ModelError> {
    lookup(importer, node, Function::Tanh)
}

/// `HardSwish`.
pub(super) fn hard_swish(importer: &mut Importer, node: Node) -> Result<Value, ModelError> {
    lookup(importer, node, Function::HardSwish)
}

/// `Gelu`, the exact one.
pub(super) fn gelu(importer: &mut Importer, node: Node) -> Result<Value, ModelError> {
    node.require(node.text("approximate", "none") == "none", || {
        "only approximate = none is supported".to_owned()
    })?;
    lookup(importer, node, Function::Gelu)
}

fn lookup(importer: &mut Importer, node: Node, function: Function) -> Result<Value, ModelError> {
    let seen = node.activation(importer, 0)?;
    let input = importer.settled(node, seen)?;
    Ok(Value::Activation(importer.push_plain(
        node,
        Operation::Lookup { function },
        &[input],
        input.layout,
    )?))
}
