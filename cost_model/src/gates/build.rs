//! From the signals of a module to gates.

use std::collections::HashMap;

use bitmill_hdl::{Direction, Instance, Module, Node, Op, SignalId};
use rustc_hash::FxHashMap;

use super::arithmetic::Columns;
use super::circuit::{Circuit, End, Start, Step};
use super::fabric::{Multiplied, Rules};
use super::{FALSE, Gate, Graph, Literal, Origin, is_combinational, lookup};
use crate::analysis::Analysis;

/// A module, or an instance that is taken apart within it.
struct Scope<'m> {
    analysis: Analysis<'m>,
    bits: Vec<Option<Vec<Literal>>>,
    /// The scope around an instance, and how it stands there.
    around: Option<(usize, &'m Instance)>,
    /// Scopes of instances, by their number.
    instances: HashMap<usize, usize>,
}

struct Builder<'m> {
    scopes: Vec<Scope<'m>>,
    /// The scope whose signals are being taken apart.
    at: usize,
    graph: Graph,
    starts: FxHashMap<usize, Start>,
    /// Of registers of an FPGA.
    controls: HashMap<usize, Controls>,
    reset: Option<Literal>,
}

/// What a flip-flop of an FPGA takes, and when it does so or is reset.
#[derive(Clone, Copy)]
struct Controls {
    next: Option<SignalId>,
    enable: Option<Literal>,
    reset: Option<Literal>,
}

/// The gates of `module` and of the instances that are taken apart within it.
pub(super) fn build(module: &Module, rules: Option<Rules>) -> Circuit {
    let mut builder = Builder {
        scopes: Vec::new(),
        at: 0,
        graph: Graph::new(rules),
        starts: FxHashMap::default(),
        controls: HashMap::new(),
        reset: None,
    };
    builder.enter(module, None);
    let mut ends = Vec::new();
    let mut end = |builder: &mut Builder, id: SignalId, end: End| {
        ends.extend(builder.bits(id).into_iter().map(|bit| (bit, end)));
    };
    for (number, port) in module.ports.iter().enumerate() {
        if port.direction == Direction::Output {
            end(&mut builder, port.signal, End::Output(number));
        }
    }
    for m in &module.memories {
        for id in [m.write_enable, m.write_address, m.write_data, m.read_enable, m.read_address] {
            end(&mut builder, id, End::Memory);
        }
    }
    for (number, instance) in module.instances.iter().enumerate() {
        if !is_combinational(&instance.module) {
            for (port, id) in instance.inputs.iter().enumerate() {
                if let Some(id) = id {
                    end(&mut builder, *id, End::Instance(number, port));
                }
            }
        }
    }
    let circuit = builder.circuit(ends);
    match rules {
        Some(rules) => lookup::covered(circuit, &rules),
        None => circuit,
    }
}

impl<'m> Builder<'m> {
    fn enter(&mut self, module: &'m Module, around: Option<(usize, &'m Instance)>) -> usize {
        let bits = vec![None; module.signals.len()];
        self.scopes.push(Scope { analysis: Analysis::of(module), bits, around, instances: HashMap::new() });
        self.scopes.len() - 1
    }

    fn analysis(&self) -> &Analysis<'m> {
        &self.scopes[self.at].analysis
    }

    /// The bits of a signal of another scope.
    fn bits_of(&mut self, scope: usize, id: SignalId) -> Vec<Literal> {
        let at = std::mem::replace(&mut self.at, scope);
        let bits = self.bits(id);
        self.at = at;
        bits
    }

    /// What drives an input: nothing at the outermost module.
    fn input(&mut self, id: SignalId, width: usize) -> Vec<Literal> {
        let driver = self.scopes[self.at].around.and_then(|(outer, instance)| {
            let port = self.analysis().module.ports.iter().position(|port| port.signal == id)?;
            instance.inputs[port].map(|driver| (outer, driver))
        });
        match driver {
            Some((outer, driver)) => self.bits_of(outer, driver),
            None => {
                let port = self.analysis().module.ports.iter().position(|port| port.signal == id);
                self.leaves(width, port.map(Start::Input))
            }
        }
    }

    /// An output of an instance, which is taken apart if it keeps nothing.
    fn instance_output(&mut self, number: usize, port: usize, width: usize) -> Vec<Literal> {
        let instance = &self.analysis().module.instances[number];
        if !is_combinational(&instance.module) {
            // Gates stand behind what they read, and so do outputs behind the inputs that lead to them.
            let through = instance.module.paths.iter().filter(|path| path.1 == port);
            for id in through.filter_map(|path| instance.inputs[path.0]) {
                self.bits(id);
            }
            return self.leaves(width, Some(Start::Instance(number, port)));
        }
        let inner = match self.scopes[self.at].instances.get(&number) {
            Some(&inner) => inner,
            None => {
                let inner = self.enter(&instance.module, Some((self.at, instance)));
                self.scopes[self.at].instances.insert(number, inner);
                inner
            }
        };
        self.bits_of(inner, instance.module.ports[port].signal)
    }

    fn leaves(&mut self, width: usize, start: Option<Start>) -> Vec<Literal> {
        let leaves: Vec<Literal> = (0..width).map(|_| self.graph.leaf()).collect();
        if let Some(start) = start {
            self.starts.extend(leaves.iter().map(|leaf| ((leaf >> 1) as usize, start)));
        }
        leaves
    }

    /// What `ends` read, directly or not.
    fn circuit(mut self, ends: Vec<(Literal, End)>) -> Circuit {
        let module = self.analysis().module;
        let mut work: Vec<Literal> = ends.iter().map(|end| end.0).collect();
        let mut is_needed = vec![false; self.graph.gates.len()];
        let mut registers = Vec::new();
        while let Some(literal) = work.pop() {
            let node = (literal >> 1) as usize;
            is_needed.resize(self.graph.gates.len().max(is_needed.len()), false);
            if std::mem::replace(&mut is_needed[node], true) {
                continue;
            }
            let gate = self.graph.gates[node].0;
            work.extend(gate.operands());
            if let Gate::Product(number, _) = gate {
                work.extend(&self.graph.multipliers[number as usize]);
            }
            if let Gate::Register(number, bit) = gate {
                let register = &module.registers[number as usize];
                let [next, enable] = [register.next, register.enable].map(|id| {
                    let bits = self.bits(id?);
                    Some(bits[(bit as usize).min(bits.len() - 1)])
                });
                let mut step = Step { node, next, enable, reset: None };
                if self.graph.rules.is_some() {
                    let controls = self.controls(number as usize);
                    let next = controls.next.and_then(|id| self.bits(id).get(bit as usize).copied());
                    step = Step { node, next, enable: controls.enable, reset: controls.reset };
                }
                work.extend(step.operands());
                registers.push(step);
            }
        }
        let Graph { gates, carried_bits, rules, multipliers, chains, .. } = self.graph;
        is_needed.resize(gates.len(), false);
        let bits = self.scopes.swap_remove(0).bits;
        let products = gates.iter().enumerate().filter_map(|(node, (gate, _))| match *gate {
            Gate::Product(number, _) => Some((node, multipliers[number as usize].clone())),
            _ => None,
        });
        Circuit {
            reads: products.collect(),
            chains,
            rules,
            gates,
            is_needed,
            carried_bits,
            registers,
            starts: self.starts,
            bits,
            ends,
        }
    }

    /// The controls of a register where flip-flops have inputs for them: choices between a new value and the old one, or a
    /// constant that is its reset's, go there.
    fn controls(&mut self, number: usize) -> Controls {
        if let Some(known) = self.controls.get(&number) {
            return *known;
        }
        let module = self.analysis().module;
        let register = &module.registers[number];
        let mut found = Controls { next: register.next, enable: None, reset: None };
        found.enable = register.enable.map(|id| self.bits(id)[0]);
        let mut value = register.reset.as_ref();
        while let Some((id, choice)) = found.next.and_then(|id| self.choice(id)) {
            let [condition, a, b] = choice;
            let constant = |id: SignalId| match &module.signal(id).node {
                Node::Constant(constant) => Some(constant),
                _ => None,
            };
            // An enable behind a reset of the whole leaves no place for another reset.
            let may_reset = register.reset.is_none() || found.enable.is_none();
            let fits = [a, b].map(|id| constant(id).is_some_and(|c| value.is_none_or(|v| v == c)));
            let condition = self.bits(condition)[0];
            if a == register.q || b == register.q {
                let taken = condition ^ u32::from(a == register.q);
                let before = found.enable.unwrap_or(super::TRUE);
                found.enable = Some(self.graph.and(before, taken, Origin::Logic));
                found.next = Some(if a == register.q { b } else { a });
            } else if may_reset && fits != [false; 2] {
                value = constant(if fits[0] { a } else { b });
                let now = condition ^ u32::from(!fits[0]);
                let before = match (found.reset, &register.reset) {
                    (Some(before), _) => before,
                    (None, Some(_)) => self.reset(),
                    (None, None) => FALSE,
                };
                found.reset = Some(self.graph.or(before, now, Origin::Logic));
                found.next = Some(if fits[0] { b } else { a });
            } else {
                break;
            }
            if found.next == Some(id) {
                break;
            }
        }
        self.controls.insert(number, found);
        found
    }

    /// The choice that a signal is, if it is one.
    fn choice(&self, id: SignalId) -> Option<(SignalId, [SignalId; 3])> {
        match &self.analysis().module.signal(id).node {
            Node::Wire { driver: Some(driver) } => self.choice(*driver),
            Node::Operation(Op::Mux, operands) => Some((id, [operands[0], operands[1], operands[2]])),
            _ => None,
        }
    }

    /// The reset of the whole, as an input.
    fn reset(&mut self) -> Literal {
        let reset = self.reset.unwrap_or_else(|| self.graph.leaf());
        self.reset = Some(reset);
        reset
    }

    fn bits(&mut self, id: SignalId) -> Vec<Literal> {
        if let Some(bits) = &self.scopes[self.at].bits[id.index()] {
            return bits.clone();
        }
        let bits = self.make(id);
        self.scopes[self.at].bits[id.index()] = Some(bits.clone());
        bits
    }

    fn extended(&mut self, id: SignalId, width: usize) -> Vec<Literal> {
        let signed = self.analysis().module.signal(id).shape.signed;
        let mut bits = self.bits(id);
        let fill = if signed { bits.last().copied().unwrap_or(FALSE) } else { FALSE };
        bits.resize(width, fill);
        bits
    }

    fn make(&mut self, id: SignalId) -> Vec<Literal> {
        let module = self.analysis().module;
        let data = module.signal(id);
        let width = data.shape.width as usize;
        match &data.node {
            Node::Constant(value) => (0..width).map(|i| Literal::from(value.bit(i as u64))).collect(),
            Node::Wire { driver: Some(driver) } => self.bits(*driver),
            Node::Register(number) => {
                (0..width).map(|bit| self.graph.register(*number as u32, bit as u32)).collect()
            }
            Node::Operation(op, operands) => self.operation(id, *op, operands, width),
            Node::Input => self.input(id, width),
            Node::InstanceOutput { instance, port } => self.instance_output(*instance, *port, width),
            Node::MemoryRead(number) => self.leaves(width, Some(Start::Memory(*number))),
            Node::Wire { driver: None } => self.leaves(width, None),
        }
    }

    fn operation(&mut self, id: SignalId, op: Op, operands: &[SignalId], width: usize) -> Vec<Literal> {
        let module = self.analysis().module;
        let signed = |id: SignalId| module.signal(id).shape.signed;
        match op {
            Op::Add | Op::Sub | Op::Mul => self.sum(id, width),
            Op::Extend => self.extended(operands[0], width),
            Op::Reinterpret => self.bits(operands[0]),
            Op::Slice { lsb } => self.bits(operands[0])[lsb as usize..lsb as usize + width].to_vec(),
            Op::Concat => operands.iter().rev().flat_map(|&o| self.bits(o)).collect(),
            Op::Replicate => {
                let part = self.bits(operands[0]);
                part.iter().copied().cycle().take(width).collect()
            }
            Op::Not => self.bits(operands[0]).iter().map(|bit| bit ^ 1).collect(),
            Op::And | Op::Or | Op::Xor => {
                let (a, b) = (self.bits(operands[0]), self.bits(operands[1]));
                let mut gate = |a: Literal, b: Literal| match op {
                    Op::And => self.graph.and(a, b, Origin::Logic),
                    Op::Or => self.graph.or(a, b, Origin::Logic),
                    _ => self.graph.xor(a, b, Origin::Logic),
                };
                a.iter().zip(&b).map(|(&a, &b)| gate(a, b)).collect()
            }
            Op::Equal => {
                let (a, b) = (self.bits(operands[0]), self.bits(operands[1]));
                vec![self.graph.equal(&a, &b)]
            }
            Op::Less | Op::LessEqual => {
                let (a, b) = (self.bits(operands[0]), self.bits(operands[1]));
                vec![self.graph.less(&a, &b, signed(operands[0]), op == Op::LessEqual)]
            }
            Op::Mux => {
                let choice = self.bits(operands[0])[0];
                let (a, b) = (self.bits(operands[1]), self.bits(operands[2]));
                a.iter().zip(&b).map(|(&a, &b)| self.graph.mux(choice, a, b, Origin::Logic)).collect()
            }
            Op::Select => {
                let index = self.bits(operands[0]);
                let items: Vec<Vec<Literal>> = operands[1..].iter().map(|&o| self.bits(o)).collect();
                self.graph.select(&index, &items)
            }
            Op::ShiftLeft | Op::ShiftRight => {
                let (word, amount) = (self.bits(operands[0]), self.bits(operands[1]));
                let sign = word.last().copied().unwrap_or(FALSE);
                let fill = if op == Op::ShiftRight && signed(operands[0]) { sign } else { FALSE };
                self.graph.shift(&word, &amount, op == Op::ShiftLeft, fill)
            }
            Op::ReduceAnd => {
                let bits = self.bits(operands[0]);
                vec![self.graph.all(&bits)]
            }
            Op::ReduceOr => {
                let bits: Vec<Literal> = self.bits(operands[0]).iter().map(|bit| bit ^ 1).collect();
                vec![self.graph.all(&bits) ^ 1]
            }
            Op::ReduceXor => {
                let bits = self.bits(operands[0]);
                vec![self.graph.tree(&bits, FALSE, |graph, a, b| graph.xor(a, b, Origin::Logic))]
            }
        }
    }

    /// A sum with the sums and products that only it reads.
    fn sum(&mut self, id: SignalId, width: usize) -> Vec<Literal> {
        let used = (self.analysis().used_below(id) as usize).clamp(1, width);
        let Node::Operation(op, operands) = &self.analysis().module.signal(id).node else {
            return Vec::new();
        };
        let mut terms = Vec::new();
        self.collect(*op, operands, false, &mut terms);
        let mut bits = match terms[..] {
            [Term::Word(a, false), Term::Word(b, subtract)] => {
                let (a, b) = (self.extended(a, used), self.extended(b, used));
                let b: Vec<Literal> = b.iter().map(|bit| bit ^ u32::from(subtract)).collect();
                self.graph.carry_propagate(&a[..used], &b[..used], Literal::from(subtract)).0
            }
            _ => {
                let mut columns = Columns::new(used);
                let terms = self.with_multipliers(terms, used);
                for term in terms {
                    match term {
                        Term::Word(word, subtract) => {
                            let bits = self.extended(word, used);
                            columns.add(&bits[..used], 0, subtract);
                        }
                        Term::Bits(bits, column, subtract) => columns.add(&bits, column, subtract),
                        Term::Product(a, b, subtract) => self.product(&mut columns, a, b, used, subtract),
                    }
                }
                self.graph.total(columns)
            }
        };
        // Bits that nothing reads.
        bits.resize(width, FALSE);
        bits
    }

    /// The terms of a sum of `width` bits with what multipliers give in place of products, where an FPGA has them. One that adds
    /// takes in the product, or else the word, before it.
    fn with_multipliers(&mut self, terms: Vec<Term>, width: usize) -> Vec<Term> {
        let Some(rules) = self.graph.rules else { return terms };
        let module = self.analysis().module;
        let (products, mut found): (Vec<Term>, Vec<Term>) =
            terms.into_iter().partition(|term| matches!(term, Term::Product(..)));
        let mut waiting: Option<(Vec<Literal>, bool)> = None;
        for product in products {
            let Term::Product(a, b, subtract) = product else { continue };
            let signed = [a, b].map(|id| module.signal(id).shape.signed);
            let words = [a, b].map(|id| self.bits(id));
            let added = waiting.take();
            let addend = added.as_ref().map(|added| added.0.clone());
            match self.graph.multiplied(&rules, words, signed, width, addend) {
                Some(Multiplied { words, has_added: true }) => {
                    found.extend(words.into_iter().map(|(bits, column)| Term::Bits(bits, column, subtract)));
                }
                Some(Multiplied { words, has_added: false }) => {
                    found.extend(added.map(|(bits, subtract)| Term::Bits(bits, 0, subtract)));
                    match &words[..] {
                        [(bits, 0)] if rules.multiplier.adds => waiting = Some((bits.clone(), subtract)),
                        _ => found.extend(
                            words.into_iter().map(|(bits, column)| Term::Bits(bits, column, subtract)),
                        ),
                    }
                }
                None => {
                    waiting = added;
                    found.push(product);
                }
            }
        }
        found.extend(waiting.map(|(bits, subtract)| Term::Bits(bits, 0, subtract)));
        found
    }

    fn product(&mut self, columns: &mut Columns, a: SignalId, b: SignalId, width: usize, subtract: bool) {
        let module = self.analysis().module;
        let of = |id: SignalId| module.signal(id).shape;
        let (mut a, mut b) = (a, b);
        if of(a).width < of(b).width {
            (a, b) = (b, a);
        }
        let signed = of(b).signed;
        let (long, short) = (self.extended(a, width), self.bits(b));
        let short = &short[..short.len().min(width)];
        self.graph.add_product(
            columns,
            &long,
            short,
            signed && short.len() == of(b).width as usize,
            subtract,
        );
    }

    /// The terms of a sum, through sums and products that nothing else reads.
    fn collect(&self, op: Op, operands: &[SignalId], subtract: bool, terms: &mut Vec<Term>) {
        if op == Op::Mul {
            terms.push(Term::Product(operands[0], operands[1], subtract));
            return;
        }
        for (place, &operand) in operands.iter().enumerate() {
            let subtract = subtract != (op == Op::Sub && place == 1);
            let mut at = operand;
            while self.analysis().keeps_value(at) && self.analysis().readers(at) == 1 {
                at = self.analysis().module.operands(at)[0];
            }
            match &self.analysis().module.signal(at).node {
                Node::Operation(inner @ (Op::Add | Op::Sub | Op::Mul), inner_operands)
                    if self.analysis().readers(at) == 1 =>
                {
                    self.collect(*inner, inner_operands, subtract, terms);
                }
                _ => terms.push(Term::Word(operand, subtract)),
            }
        }
    }
}

/// A term of a sum; whether it is subtracted stands last.
enum Term {
    Word(SignalId, bool),
    Product(SignalId, SignalId, bool),
    /// Bits from a column on.
    Bits(Vec<Literal>, usize, bool),
}
