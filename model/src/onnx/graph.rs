//! An ONNX graph checked and put in order: every value made once, before it is read, and needed.

use std::collections::{BTreeSet, HashMap};

use super::proto::{GraphProto, NodeProto, ValueInfoProto};
use crate::ModelError;

/// The nodes that the output depends on, in an order that can be run.
pub(crate) struct OrderedGraph<'a> {
    /// Name of the graph.
    pub name: &'a str,
    /// The one input that is not an initializer.
    pub input: &'a ValueInfoProto,
    /// Name of the one output.
    pub output: &'a str,
    /// Needed nodes, every one after those it reads from.
    pub nodes: Vec<&'a NodeProto>,
    /// How often each value is read by those nodes, the output counting as one more reader.
    pub readers: HashMap<&'a str, usize>,
}

impl<'a> OrderedGraph<'a> {
    /// Checks `graph` and orders its nodes.
    ///
    /// # Errors
    /// When a value is made twice or never, when nodes form a cycle, or when there is not exactly one
    /// input and one output.
    pub fn new(graph: &'a GraphProto) -> Result<Self, ModelError> {
        let error = |problem: String| Err(ModelError::Model(problem));
        let is_constant = |name: &str| graph.initializer.iter().any(|tensor| tensor.name == name);
        let inputs: Vec<_> = graph.input.iter().filter(|input| !is_constant(&input.name)).collect();
        let [input] = inputs[..] else {
            let names: Vec<_> = inputs.iter().map(|input| &input.name).collect();
            return error(format!("exactly one input is supported, found {}: {names:?}", names.len()));
        };
        let [output] = &graph.output[..] else {
            let names: Vec<_> = graph.output.iter().map(|output| &output.name).collect();
            return error(format!("exactly one output is supported, found {}: {names:?}", names.len()));
        };
        let makers = makers(graph, &input.name)?;
        let nodes = ordered_needed_nodes(graph, &makers, &output.name)?;
        let mut readers = HashMap::from([(output.name.as_str(), 1)]);
        for node in &nodes {
            for name in read_names(node) {
                *readers.entry(name).or_default() += 1;
            }
        }
        Ok(Self { name: &graph.name, input, output: &output.name, nodes, readers })
    }
}

/// What makes a value.
#[derive(Clone, Copy)]
enum Maker {
    /// The graph's input or an initializer.
    Given,
    /// The node at this index.
    Node(usize),
}

/// A node's name, or its first output where it has none.
pub(crate) fn node_name(node: &NodeProto) -> &str {
    let first_output = node.output.first().map_or("unnamed", String::as_str);
    if node.name.is_empty() { first_output } else { &node.name }
}

/// Names that a node reads; omitted optional inputs have empty names.
fn read_names(node: &NodeProto) -> impl Iterator<Item = &str> {
    node.input.iter().map(String::as_str).filter(|name| !name.is_empty())
}

/// Who makes each value.
fn makers<'a>(graph: &'a GraphProto, input: &'a str) -> Result<HashMap<&'a str, Maker>, ModelError> {
    let given = graph.initializer.iter().map(|tensor| (tensor.name.as_str(), Maker::Given));
    let made = graph.node.iter().enumerate().flat_map(|(index, node)| {
        let names = node.output.iter().filter(|name| !name.is_empty());
        names.map(move |name| (name.as_str(), Maker::Node(index)))
    });
    let mut makers = HashMap::new();
    for (name, maker) in std::iter::once((input, Maker::Given)).chain(given).chain(made) {
        if makers.insert(name, maker).is_some() {
            return Err(ModelError::Model(format!("value `{name}` is made twice; names must be unique")));
        }
    }
    Ok(makers)
}

/// The nodes that `output` depends on, in topological order.
fn ordered_needed_nodes<'a>(
    graph: &'a GraphProto,
    makers: &HashMap<&str, Maker>,
    output: &str,
) -> Result<Vec<&'a NodeProto>, ModelError> {
    let maker_of = |name: &str, reader: &str| match makers.get(name) {
        Some(maker) => Ok(*maker),
        None => Err(ModelError::Model(format!("{reader} reads `{name}`, which nothing makes"))),
    };
    let mut needed = vec![false; graph.node.len()];
    let mut missing = vec![0usize; graph.node.len()];
    let mut readers = vec![Vec::new(); graph.node.len()];
    let mut pending = Vec::new();
    if let Maker::Node(index) = maker_of(output, "the graph's output")? {
        needed[index] = true;
        pending.push(index);
    }
    while let Some(reader) = pending.pop() {
        let node = &graph.node[reader];
        for name in read_names(node) {
            if let Maker::Node(index) = maker_of(name, &format!("node `{}`", node_name(node)))? {
                missing[reader] += 1;
                readers[index].push(reader);
                if !needed[index] {
                    needed[index] = true;
                    pending.push(index);
                }
            }
        }
    }
    // Kahn's algorithm; the earliest of the ready nodes first keeps the file's order where it is legal.
    let is_ready = |&index: &usize| needed[index] && missing[index] == 0;
    let mut ready: BTreeSet<usize> = (0..graph.node.len()).filter(is_ready).collect();
    let mut order = Vec::new();
    while let Some(index) = ready.pop_first() {
        order.push(&graph.node[index]);
        for &reader in &readers[index] {
            missing[reader] -= 1;
            if missing[reader] == 0 {
                ready.insert(reader);
            }
        }
    }
    match (0..graph.node.len()).find(|&index| needed[index] && missing[index] > 0) {
        Some(stuck) => Err(ModelError::Model(format!(
            "node `{}` is in or behind a cycle; the graph must have none",
            node_name(&graph.node[stuck])
        ))),
        None => Ok(order),
    }
}
