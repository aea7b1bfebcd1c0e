//! The longest paths of a module: from register to register, and to and from its ports.
//!
//! Two passes over the acyclic graph of one cycle: forwards, how late a signal is after the clock edge;
//! backwards, how long it takes from a signal to the next register. Instances are edges from their inputs to
//! their outputs, and starts and ends in their own right.

use bitmill_hdl::{Direction, Node, SignalId};
use petgraph::Direction::{Incoming, Outgoing};
use petgraph::algo::toposort;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::EdgeRef;

use super::memory;
use crate::analysis::Analysis;
use crate::technology::Technology;

/// Longest paths of one module, in ns; ports are numbered as in the module.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct ModuleTiming {
    /// From clock edge to clock edge, within the module and all below it.
    pub inside_ns: f64,
    /// From each input port to the next register, setup included.
    pub to_register: Vec<Option<f64>>,
    /// From the clock edge to each output port.
    pub from_register: Vec<Option<f64>>,
    /// From an input port to an output port.
    pub through: Vec<(usize, usize, f64)>,
    /// Named signals on the longest path of the module itself.
    pub longest: Vec<String>,
}

impl ModuleTiming {
    /// The longest path of any kind.
    pub fn delay_ns(&self) -> f64 {
        let ports = self.to_register.iter().chain(&self.from_register).flatten().copied();
        ports.chain(self.through.iter().map(|t| t.2)).fold(self.inside_ns, f64::max)
    }
}

/// The signals of one cycle; an edge's weight is the delay through an instance, 0 elsewhere.
struct Paths<'a> {
    graph: DiGraph<SignalId, f64>,
    order: Vec<NodeIndex>,
    delays: &'a [f64],
}

/// The timing of a module whose operators have the given delays; `child` finds that of an instance's module.
pub(super) fn of<'t>(
    analysis: &Analysis,
    technology: &Technology,
    delays: &[f64],
    child: impl Fn(&str) -> Option<&'t ModuleTiming>,
) -> ModuleTiming {
    let module = analysis.module;
    let count = module.signals.len();
    let (mut starts, mut ends) = (vec![None; count], vec![None; count]);
    let mut inside_ns = 0.0f64;
    for register in module.registers.iter().filter(|r| analysis.is_live(r.q)) {
        raise(&mut starts[register.q.index()], technology.flip_flop.clock_to_output_ns);
        for id in register.next.iter().chain(&register.enable) {
            raise(&mut ends[id.index()], technology.flip_flop.setup_ns);
        }
    }
    for m in &module.memories {
        raise(&mut starts[m.read_data.index()], memory::price(technology, m).access_ns);
        for id in [m.write_enable, m.write_address, m.write_data, m.read_enable, m.read_address] {
            raise(&mut ends[id.index()], technology.flip_flop.setup_ns);
        }
    }
    let mut edges = Vec::new();
    for instance in &module.instances {
        let Some(timing) = child(&instance.module.name) else { continue };
        inside_ns = inside_ns.max(timing.inside_ns);
        for (port, ns) in timing.from_register.iter().enumerate() {
            if let (Some(id), Some(ns)) = (instance.outputs[port], ns) {
                raise(&mut starts[id.index()], *ns);
            }
        }
        for (port, ns) in timing.to_register.iter().enumerate() {
            if let (Some(id), Some(ns)) = (instance.inputs[port], ns) {
                raise(&mut ends[id.index()], *ns);
            }
        }
        for &(input, output, ns) in &timing.through {
            if let (Some(from), Some(to)) = (instance.inputs[input], instance.outputs[output]) {
                edges.push((from, to, ns));
            }
        }
    }
    let paths = Paths::new(analysis, delays, &edges);
    let (late, left) = (paths.arrivals(&starts), paths.remaining(&ends));
    let own_ns = (0..count).filter_map(|i| Some(late[i]? + left[i]?)).fold(0.0, f64::max);
    let port = |direction, times: &[Option<f64>]| -> Vec<Option<f64>> {
        module
            .ports
            .iter()
            .map(|p| if p.direction == direction { times[p.signal.index()] } else { None })
            .collect()
    };
    let to_register = port(Direction::Input, &left);
    let from_register = port(Direction::Output, &late);
    let through = paths.through(analysis);
    let longest = paths.trace(analysis, &late, &left);
    ModuleTiming { inside_ns: inside_ns.max(own_ns), to_register, from_register, through, longest }
}

fn raise(time: &mut Option<f64>, to: f64) {
    *time = Some(time.map_or(to, |t| t.max(to)));
}

impl<'a> Paths<'a> {
    fn new(analysis: &Analysis, delays: &'a [f64], instances: &[(SignalId, SignalId, f64)]) -> Paths<'a> {
        let mut graph = DiGraph::with_capacity(analysis.live.len(), analysis.live.len() * 2);
        let mut nodes = vec![None; analysis.module.signals.len()];
        for &id in &analysis.live {
            nodes[id.index()] = Some(graph.add_node(id));
        }
        let operands = analysis
            .live
            .iter()
            .flat_map(|&id| analysis.module.operands(id).iter().map(move |&operand| (operand, id, 0.0)));
        for (from, to, ns) in operands.chain(instances.iter().copied()) {
            if let (Some(from), Some(to)) = (nodes[from.index()], nodes[to.index()]) {
                graph.add_edge(from, to, ns);
            }
        }
        // The module was checked to be free of combinational loops.
        let order = toposort(&graph, None).unwrap_or_default();
        Paths { graph, order, delays }
    }

    /// When each signal is stable, given when the paths start; `None` where none leads.
    fn arrivals(&self, starts: &[Option<f64>]) -> Vec<Option<f64>> {
        let mut late = starts.to_vec();
        for &node in &self.order {
            let at = self.graph[node].index();
            for edge in self.graph.edges_directed(node, Incoming) {
                if let Some(before) = late[self.graph[edge.source()].index()] {
                    raise(&mut late[at], before + edge.weight() + self.delays[at]);
                }
            }
        }
        late
    }

    /// How long it takes from each signal to the farthest end.
    fn remaining(&self, ends: &[Option<f64>]) -> Vec<Option<f64>> {
        let mut left = ends.to_vec();
        for &node in self.order.iter().rev() {
            let at = self.graph[node].index();
            for edge in self.graph.edges_directed(node, Outgoing) {
                let next = self.graph[edge.target()].index();
                if let Some(after) = left[next] {
                    raise(&mut left[at], after + edge.weight() + self.delays[next]);
                }
            }
        }
        left
    }

    /// The longest path between each pair of ports that has one.
    fn through(&self, analysis: &Analysis) -> Vec<(usize, usize, f64)> {
        let module = analysis.module;
        let mut found = Vec::new();
        let mut pairs = module.paths.iter().copied().peekable();
        while let Some(&(input, _)) = pairs.peek() {
            let mut starts = vec![None; module.signals.len()];
            starts[module.ports[input].signal.index()] = Some(0.0);
            let late = self.arrivals(&starts);
            while let Some((_, output)) = pairs.next_if(|&(i, _)| i == input) {
                if let Some(ns) = late[module.ports[output].signal.index()] {
                    found.push((input, output, ns));
                }
            }
        }
        found
    }

    /// Named signals on the longest path from register to register; empty in a module without registers.
    fn trace(&self, analysis: &Analysis, late: &[Option<f64>], left: &[Option<f64>]) -> Vec<String> {
        let total = |id: SignalId| Some(late[id.index()]? + left[id.index()]?);
        let worst = self.order.iter().filter_map(|&n| total(self.graph[n])).fold(0.0, f64::max);
        // Rounding differs with the order of additions: on the path within a millionth of its length.
        let on_path = |id: SignalId| total(id).is_some_and(|t| worst - t <= worst * 1e-6);
        let start = self.order.iter().copied().find(|&n| on_path(self.graph[n]));
        let mut names = Vec::new();
        let mut at = start;
        while let Some(node) = at {
            let id = self.graph[node];
            let data = analysis.module.signal(id);
            if let (Some(name), false) = (&data.name, matches!(data.node, Node::Constant(_))) {
                names.push(name.clone());
            }
            at = self.graph.neighbors_directed(node, Outgoing).filter(|&n| on_path(self.graph[n])).min();
        }
        names
    }
}
