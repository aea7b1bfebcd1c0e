//! Checks of a whole module: everything driven, everything named read, no combinational loop.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};

use petgraph::algo::tarjan_scc;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::Dfs;

use crate::module::{Direction, Node};
use crate::{HdlError, Module, SignalId};

/// Checks `module` and returns the (input port, output port) pairs with a combinational path between them.
/// `folded` are the operands of operations that came to nothing: what only they read is no mistake.
pub(crate) fn check(module: &Module, folded: &[SignalId]) -> Result<Vec<(usize, usize)>, HdlError> {
    driven(module)?;
    read(module, folded)?;
    let graph = dependencies(module);
    no_loop(module, &graph)?;
    Ok(paths(module, &graph))
}

fn driven(module: &Module) -> Result<(), HdlError> {
    let undriven = |signal: String, at| HdlError::Undriven { module: module.name.clone(), signal, at };
    for (index, signal) in module.signals.iter().enumerate() {
        if signal.node == (Node::Wire { driver: None }) {
            return Err(undriven(module.describe(SignalId(index as u32)), signal.at));
        }
    }
    for register in &module.registers {
        if register.next.is_none() {
            return Err(undriven(module.describe(register.q), module.signal(register.q).at));
        }
    }
    for instance in &module.instances {
        for (port, connected) in instance.module.ports.iter().zip(&instance.inputs) {
            if port.direction == Direction::Input && connected.is_none() {
                let signal = format!("input `{}` of instance {}", port.name, instance.name);
                return Err(undriven(signal, instance.at));
            }
        }
    }
    Ok(())
}

/// Signals that outputs, instances, memories or live registers depend on.
pub(crate) fn live(module: &Module) -> Vec<bool> {
    live_from(module, &[])
}

fn live_from(module: &Module, roots: &[SignalId]) -> Vec<bool> {
    let mut live = vec![false; module.signals.len()];
    let mut work: Vec<SignalId> = [module.ignored.as_slice(), roots].concat();
    work.extend(module.outputs().map(|port| port.signal));
    work.extend(module.instances.iter().flat_map(|i| i.reads()));
    for m in &module.memories {
        work.extend([m.write_enable, m.write_address, m.write_data, m.read_enable, m.read_address]);
    }
    while let Some(id) = work.pop() {
        if std::mem::replace(&mut live[id.index()], true) {
            continue;
        }
        work.extend(module.operands(id));
        if let Node::Register(number) = module.signal(id).node {
            let register = &module.registers[number];
            work.extend(register.next.iter().chain(&register.enable));
        }
    }
    live
}

fn read(module: &Module, folded: &[SignalId]) -> Result<(), HdlError> {
    let live = live_from(module, folded);
    for (index, signal) in module.signals.iter().enumerate() {
        let optional = matches!(signal.node, Node::InstanceOutput { .. } | Node::Constant(_));
        if signal.name.is_some() && !live[index] && !optional {
            return Err(HdlError::Unused {
                module: module.name.clone(),
                signal: module.describe(SignalId(index as u32)),
                at: signal.at,
            });
        }
    }
    Ok(())
}

/// Edges from each signal to those that follow it within the same cycle, through instances too.
fn dependencies(module: &Module) -> DiGraph<SignalId, ()> {
    let mut graph = DiGraph::with_capacity(module.signals.len(), module.signals.len() * 2);
    let nodes: Vec<NodeIndex> =
        (0..module.signals.len()).map(|i| graph.add_node(SignalId(i as u32))).collect();
    for id in 0..module.signals.len() {
        for operand in module.operands(SignalId(id as u32)) {
            graph.add_edge(nodes[operand.index()], nodes[id], ());
        }
    }
    for instance in &module.instances {
        for &(input, output) in &instance.module.paths {
            if let (Some(from), Some(to)) = (instance.inputs[input], instance.outputs[output]) {
                graph.add_edge(nodes[from.index()], nodes[to.index()], ());
            }
        }
    }
    graph
}

fn no_loop(module: &Module, graph: &DiGraph<SignalId, ()>) -> Result<(), HdlError> {
    for component in tarjan_scc(graph) {
        let alone = component[0];
        if component.len() == 1 && !graph.contains_edge(alone, alone) {
            continue;
        }
        let cycle = shortest_cycle(graph, &component);
        let mut path = describe_cycle(module, &cycle, |id| module.signal(id).name.is_some());
        if path.is_empty() {
            path = describe_cycle(module, &cycle, |_| true);
        }
        return Err(HdlError::CombinationalLoop { module: module.name.clone(), path });
    }
    Ok(())
}

/// A shortest cycle through the first signal of a strongly connected component, in the direction of the data.
fn shortest_cycle(graph: &DiGraph<SignalId, ()>, component: &[NodeIndex]) -> Vec<SignalId> {
    let start = component.iter().copied().min().expect("a component has at least one signal");
    let mut before = HashMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(node) = queue.pop_front() {
        for next in graph.neighbors(node) {
            if next == start {
                let mut cycle: Vec<NodeIndex> =
                    std::iter::successors(Some(node), |n| before.get(n).copied()).collect();
                cycle.reverse();
                return cycle.into_iter().map(|node| graph[node]).collect();
            }
            if let Entry::Vacant(unseen) = before.entry(next) {
                unseen.insert(node);
                queue.push_back(next);
            }
        }
    }
    unreachable!("every signal of a strongly connected component lies on a cycle")
}

/// `a (line) -> b (line) -> a`, of the signals that `shown` lets through.
fn describe_cycle(module: &Module, cycle: &[SignalId], shown: impl Fn(SignalId) -> bool) -> String {
    let shown: Vec<SignalId> = cycle.iter().copied().filter(|&id| shown(id)).collect();
    let Some(first) = shown.first() else { return String::new() };
    let mut parts: Vec<String> =
        shown.iter().map(|&id| format!("{} ({})", module.describe(id), module.signal(id).at)).collect();
    parts.push(module.describe(*first));
    parts.join(" -> ")
}

fn paths(module: &Module, graph: &DiGraph<SignalId, ()>) -> Vec<(usize, usize)> {
    let mut paths = Vec::new();
    for (input, port) in module.ports.iter().enumerate() {
        if port.direction != Direction::Input {
            continue;
        }
        let mut reached = vec![false; module.signals.len()];
        let mut search = Dfs::new(graph, NodeIndex::new(port.signal.index()));
        while let Some(node) = search.next(graph) {
            reached[graph[node].index()] = true;
        }
        paths.extend(
            module
                .ports
                .iter()
                .enumerate()
                .filter(|(_, p)| p.direction == Direction::Output && reached[p.signal.index()])
                .map(|(output, _)| (input, output)),
        );
    }
    paths
}
