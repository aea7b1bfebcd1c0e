//! The longest paths of modules, gate by gate.
//!
//! A path is made of steps: gates by kind, the drive of what reads them, trees of buffers, and bits through which carries
//! ripple. Synthesis restructures every path, so what a step takes is fitted to whole designs.

use std::collections::HashMap;

use bitmill_hdl::{Module, Node};

use super::circuit::{Circuit, End, MOST_READERS, Start, Step};
use super::{BUFFER, Circuits, ENABLE, Gate, Literal, TRUE};

/// What a path is made of: gates as in [`super::KINDS`], of which the ninth and tenth are the clock to the output of a flip-flop
/// and the choice in front of one with an enable, and the eleventh is a level of a tree of buffers; doublings of readers, bits of a sum
/// beyond the first that a carry ripples through, and the set-up of a flip-flop.
pub const STEPS: [&str; 14] = [
    "and",
    "carry_and",
    "tree_and",
    "product_and",
    "xor",
    "tree_xor",
    "mux",
    "table_mux",
    "clock_to_output",
    "enable",
    "buffer",
    "fan_out",
    "carry",
    "setup",
];

/// About how the steps compare with each other in any library: where measurements say little of one, this stands.
pub(crate) const TYPICAL_STEPS: Steps =
    [0.7, 0.8, 1.0, 1.0, 1.2, 1.2, 1.0, 1.2, 4.0, 1.0, 1.5, 0.4, 0.4, 2.0];

/// A number for each of [`STEPS`].
pub type Steps = [f64; STEPS.len()];

const FAN_OUT: usize = 11;
const CARRY: usize = 12;
const SETUP: usize = 13;

/// Bits of a sum whose carries take no longer than the gates of its tree.
const TREE_BITS: u32 = 8;

/// No path leads here.
const NEVER: f64 = f64::NEG_INFINITY;

/// Longest paths of one module, in ns; ports are numbered as in the module.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct ModuleTiming {
    /// From clock edge to clock edge, within the module and all below it.
    pub inside_ns: f64,
    /// From each input port to the next register, set-up included.
    pub to_register: Vec<Option<f64>>,
    /// From the clock edge to each output port.
    pub from_register: Vec<Option<f64>>,
    /// From an input port to an output port.
    pub through: Vec<(usize, usize, f64)>,
    /// Named signals on the longest path from register to register of the module itself, in the order in which it meets them.
    pub longest: Vec<String>,
}

impl ModuleTiming {
    /// The longest path of any kind.
    pub fn delay_ns(&self) -> f64 {
        let ports = self.to_register.iter().chain(&self.from_register).flatten().copied();
        ports.chain(self.through.iter().map(|t| t.2)).fold(self.inside_ns, f64::max)
    }
}

/// A circuit with what its gates take.
struct Timed<'c> {
    circuit: &'c Circuit,
    /// How many read each gate.
    readers: Vec<u32>,
    /// What each gate takes in ns, what it drives included.
    gate_ns: Vec<f64>,
    step_ns: &'c [f64],
}

impl<'c> Timed<'c> {
    fn new(circuit: &'c Circuit, step_ns: &'c [f64]) -> Timed<'c> {
        let mut timed = Timed { circuit, readers: circuit.readers(), gate_ns: Vec::new(), step_ns };
        let ns = |node| timed.steps(node).map(|(step, count)| step_ns[step] * count).sum();
        timed.gate_ns = (0..circuit.gates.len())
            .map(|node| if circuit.is_needed[node] { ns(node) } else { 0.0 })
            .collect();
        timed
    }

    /// The steps that a gate is on a path through it.
    fn steps(&self, node: usize) -> impl Iterator<Item = (usize, f64)> {
        let (cells, fabric) = match self.circuit.rules {
            None => (Some(self.cell_steps(node)), None),
            Some(_) => (None, Some(self.circuit.fabric_steps(node, self.readers[node]))),
        };
        cells.into_iter().flatten().chain(fabric.into_iter().flatten())
    }

    fn cell_steps(&self, node: usize) -> impl Iterator<Item = (usize, f64)> {
        let readers = self.readers[node];
        let kind = self.circuit.kind(node).map(|kind| (kind, 1.0));
        let fan_out = f64::from(readers.clamp(1, MOST_READERS)).log2();
        let levels = std::iter::successors(Some(readers), |n| Some(n.div_ceil(MOST_READERS)));
        let levels = levels.take_while(|n| *n > MOST_READERS).count() as f64;
        let carried = self.circuit.carried_bits.get(&((node as Literal) << 1)).copied().unwrap_or_default();
        let carried = f64::from(carried.saturating_sub(TREE_BITS));
        kind.into_iter().chain([(FAN_OUT, fan_out), (BUFFER, levels), (CARRY, carried)])
    }

    /// When each gate is stable, if paths start at inputs as `start` says, and at `registers`; [`NEVER`] where none leads.
    fn arrivals(&self, registers: bool, start: impl Fn(usize, &[f64]) -> f64) -> Vec<f64> {
        let mut late = vec![NEVER; self.gate_ns.len()];
        for (node, (gate, _)) in self.circuit.gates.iter().enumerate().skip(1) {
            if !self.circuit.is_needed[node] {
                continue;
            }
            let from = match gate {
                Gate::Leaf => start(node, &late),
                Gate::Register(..) if registers => 0.0,
                Gate::Register(..) => NEVER,
                _ => latest(&late, self.circuit.operands(node)),
            };
            late[node] = from + self.gate_ns[node];
        }
        late
    }

    /// The steps at the end of a path at a register; an FPGA's flip-flop is one step in all.
    fn end_steps(&self, step: &Step) -> impl Iterator<Item = (usize, f64)> + use<> {
        let ends = [(SETUP, 1.0), (ENABLE, f64::from(u8::from(step.enable.is_some())))];
        ends.into_iter().take(if self.circuit.rules.is_some() { 0 } else { ends.len() })
    }

    /// What the set-up of a memory's inputs takes.
    fn setup_ns(&self) -> f64 {
        if self.circuit.rules.is_some() { 0.0 } else { self.step_ns[SETUP] }
    }

    /// Where paths end at registers, and what they take there.
    fn register_ends(&self) -> impl Iterator<Item = (Literal, f64)> {
        self.circuit.registers.iter().flat_map(|step| {
            let ns = self.end_steps(step).map(|(step, count)| self.step_ns[step] * count).sum();
            step.operands().map(move |literal| (literal, ns))
        })
    }
}

impl<'d> Circuits<'d> {
    /// The steps of the longest path within any one module, ports included, and its length in ns.
    pub fn longest_steps<const N: usize>(&self, step_ns: &[f64; N]) -> (f64, [f64; N]) {
        let paths = self.circuits.iter().map(|(_, circuit)| longest(&Timed::new(circuit, step_ns)));
        paths.fold((0.0, [0.0; N]), |most, path| if path.0 > most.0 { path } else { most })
    }

    /// The longest path of the whole in ns; a memory's data are there with the clock.
    pub fn delay_ns(&self, step_ns: &[f64]) -> f64 {
        let timings = self.timings(step_ns, |_, _| 0.0);
        timings.get(self.design.top.name.as_str()).map_or(0.0, ModuleTiming::delay_ns)
    }

    /// The longest paths of every module. `access_ns` is from the clock to the data of a module's memory.
    pub(crate) fn timings(
        &self,
        step_ns: &[f64],
        access_ns: impl Fn(&Module, usize) -> f64,
    ) -> HashMap<&'d str, ModuleTiming> {
        let mut timings: HashMap<&'d str, ModuleTiming> = HashMap::new();
        for (module, circuit) in &self.circuits {
            let timing = timing(module, &Timed::new(circuit, step_ns), &timings, &access_ns);
            timings.insert(&module.name, timing);
        }
        timings
    }
}

/// The longest path and its steps; from and to ports and instances it takes no time.
fn longest<const N: usize>(timed: &Timed) -> (f64, [f64; N]) {
    let late = timed.arrivals(true, |_, _| 0.0);
    let at = |literal: Literal| late[(literal >> 1) as usize];
    let registers = timed.register_ends().map(|(literal, ns)| (at(literal) + ns, literal, true));
    let outside = timed.circuit.ends.iter().map(|(literal, _)| (at(*literal), *literal, false));
    let ends = registers.chain(outside).filter(|end| end.1 > TRUE && end.0 > 0.0);
    let Some((ns, literal, is_register)) = ends.max_by(|a, b| a.0.total_cmp(&b.0)) else {
        return (0.0, [0.0; N]);
    };
    let mut found = [0.0; N];
    if is_register {
        let reads = |step: &&Step| step.operands().any(|operand| operand == literal);
        let slowest = timed.circuit.registers.iter().filter(reads).max_by_key(|step| step.enable.is_some());
        slowest
            .into_iter()
            .flat_map(|step| timed.end_steps(step))
            .for_each(|(step, count)| found[step] += count);
    }
    let mut node = (literal >> 1) as usize;
    loop {
        timed.steps(node).for_each(|(step, count)| found[step] += count);
        let operands = timed.circuit.operands(node).map(|operand| (operand >> 1) as usize);
        match operands.max_by(|a, b| late[*a].total_cmp(&late[*b])) {
            Some(before) => node = before,
            None => return (ns, found),
        }
    }
}

/// A module's instances, as paths meet them.
struct Instances<'a> {
    module: &'a Module,
    timings: &'a HashMap<&'a str, ModuleTiming>,
    /// What drives each input, by instance and port.
    inputs: HashMap<(usize, usize), Vec<Literal>>,
}

impl Instances<'_> {
    fn timing(&self, number: usize) -> Option<&ModuleTiming> {
        self.timings.get(self.module.instances[number].module.name.as_str())
    }

    /// Ways through an instance to an output: what drives the input that each begins at, and its ns.
    fn through(&self, number: usize, output: usize) -> impl Iterator<Item = (&[Literal], f64)> {
        let paths = self.timing(number).into_iter().flat_map(|timing| &timing.through);
        let to_output = paths.filter(move |path| path.1 == output);
        to_output.filter_map(move |path| Some((&self.inputs.get(&(number, path.0))?[..], path.2)))
    }

    /// When an output is stable, of what comes in.
    fn passed(&self, late: &[f64], number: usize, output: usize) -> f64 {
        let lates =
            self.through(number, output).map(|(literals, ns)| latest(late, literals.iter().copied()) + ns);
        lates.fold(NEVER, f64::max)
    }
}

/// When all of these are stable.
fn latest(late: &[f64], literals: impl IntoIterator<Item = Literal>) -> f64 {
    literals.into_iter().map(|literal| late[(literal >> 1) as usize]).fold(NEVER, f64::max)
}

/// The longest paths of a module whose instances have `timings`.
fn timing(
    module: &Module,
    timed: &Timed,
    timings: &HashMap<&str, ModuleTiming>,
    access_ns: &impl Fn(&Module, usize) -> f64,
) -> ModuleTiming {
    let circuit = timed.circuit;
    let (mut inputs, mut outputs) = (HashMap::new(), vec![Vec::new(); module.ports.len()]);
    for &(literal, end) in &circuit.ends {
        match end {
            End::Instance(number, port) => {
                inputs.entry((number, port)).or_insert_with(Vec::new).push(literal);
            }
            End::Output(port) => outputs[port].push(literal),
            End::Memory => {}
        }
    }
    let instances = Instances { module, timings, inputs };
    let late = timed.arrivals(true, |node, late| match circuit.starts.get(&node) {
        Some(&Start::Memory(number)) => access_ns(module, number),
        Some(&Start::Instance(number, port)) => {
            let own = instances.timing(number).and_then(|timing| timing.from_register[port]);
            own.unwrap_or(NEVER).max(instances.passed(late, number, port))
        }
        Some(Start::Input(_)) | None => NEVER,
    });
    let left = remaining(timed, &instances);
    let own_ns = (1..circuit.gates.len()).map(|node| late[node] + left[node]).fold(0.0, f64::max);
    let longest = if own_ns > 0.0 { named(timed, &instances, &late, &left, own_ns) } else { Vec::new() };
    let below_ns = (0..module.instances.len()).filter_map(|number| instances.timing(number));
    let mut to_register = vec![NEVER; module.ports.len()];
    for (&node, start) in &circuit.starts {
        if let Start::Input(port) = *start {
            to_register[port] = to_register[port].max(left[node] + timed.gate_ns[node]);
        }
    }
    let known = |ns: f64| (ns > NEVER).then_some(ns);
    let mut through = Vec::new();
    let mut pairs = module.paths.iter().copied().peekable();
    while let Some(&(input, _)) = pairs.peek() {
        let late = timed.arrivals(false, |node, late| match circuit.starts.get(&node) {
            Some(&Start::Input(port)) if port == input => 0.0,
            Some(&Start::Instance(number, port)) => instances.passed(late, number, port),
            _ => NEVER,
        });
        while let Some((_, output)) = pairs.next_if(|pair| pair.0 == input) {
            through
                .extend(known(latest(&late, outputs[output].iter().copied())).map(|ns| (input, output, ns)));
        }
    }
    ModuleTiming {
        inside_ns: below_ns.map(|timing| timing.inside_ns).fold(own_ns, f64::max),
        to_register: to_register.into_iter().map(known).collect(),
        from_register: outputs
            .iter()
            .map(|literals| known(latest(&late, literals.iter().copied())))
            .collect(),
        through,
        longest,
    }
}

/// How long it takes from each gate to the farthest register; [`NEVER`] where there is none.
fn remaining(timed: &Timed, instances: &Instances) -> Vec<f64> {
    let circuit = timed.circuit;
    let mut left = vec![NEVER; circuit.gates.len()];
    let raise = |left: &mut [f64], literal: Literal, to: f64| {
        let left = &mut left[(literal >> 1) as usize];
        *left = left.max(to);
    };
    timed.register_ends().for_each(|(literal, ns)| raise(&mut left, literal, ns));
    for &(literal, end) in &circuit.ends {
        let ns = match end {
            End::Memory => Some(timed.setup_ns()),
            End::Instance(number, port) => {
                instances.timing(number).and_then(|timing| timing.to_register[port])
            }
            End::Output(_) => None,
        };
        raise(&mut left, literal, ns.unwrap_or(NEVER));
    }
    for node in (1..circuit.gates.len()).rev().filter(|&node| circuit.is_needed[node]) {
        let after = left[node] + timed.gate_ns[node];
        circuit.operands(node).for_each(|operand| raise(&mut left, operand, after));
        if let Some(&Start::Instance(number, port)) = circuit.starts.get(&node) {
            for (literals, ns) in instances.through(number, port) {
                literals.iter().for_each(|&literal| raise(&mut left, literal, after + ns));
            }
        }
    }
    left
}

/// Named signals on the longest path of a module itself, which takes `own_ns`, in the order in which it meets them.
fn named(timed: &Timed, instances: &Instances, late: &[f64], left: &[f64], own_ns: f64) -> Vec<String> {
    let circuit = timed.circuit;
    // Sums of the same path differ by rounding, gate by gate.
    let is_on_path = |node: &usize| late[*node] + left[*node] >= own_ns * (1.0 - 1e-9);
    let latest = |operands: &mut dyn Iterator<Item = Literal>| {
        let nodes = operands.map(|operand| (operand >> 1) as usize);
        nodes.max_by(|a, b| late[*a].total_cmp(&late[*b]))
    };
    let mut places: HashMap<usize, usize> = HashMap::new();
    let mut at = (1..circuit.gates.len()).rev().find(is_on_path);
    while let Some(node) = at {
        places.insert(node, places.len());
        at = match circuit.starts.get(&node) {
            Some(&Start::Instance(number, port)) => {
                let ways = instances.through(number, port).flat_map(|(literals, _)| literals).copied();
                latest(&mut ways.filter(|literal| is_on_path(&((literal >> 1) as usize))))
            }
            _ => latest(&mut circuit.operands(node)),
        };
    }
    let mut found: Vec<(usize, &str)> = Vec::new();
    for (data, bits) in instances.module.signals.iter().zip(&circuit.bits) {
        let (Some(name), Some(bits)) = (&data.name, bits) else { continue };
        let place = bits.iter().filter_map(|bit| places.get(&((bit >> 1) as usize))).max();
        if let (Some(place), false) = (place, matches!(data.node, Node::Constant(_))) {
            found.push((*place, name));
        }
    }
    found.sort_by_key(|(place, _)| std::cmp::Reverse(*place));
    found.into_iter().map(|(_, name)| name.to_owned()).collect()
}
