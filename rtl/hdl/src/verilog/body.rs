//! Declarations, assignments, clocked blocks and instances, in the order they were described.

use std::collections::HashSet;

use num_bigint::BigUint;

use super::expression::{Printer, literal, range};
use super::names::{self, Names};
use super::wrap::wrapped;
use super::{push_comment, unused};
use crate::module::{Direction, Instance, Item, MemoryData, Node, Op};
use crate::{Module, SignalId};

pub(super) fn emit(module: &Module, text: &mut String) {
    let names = names::choose(module);
    let mut body = Body {
        module,
        names: &names,
        print: Printer { module, names: &names },
        forward: module
            .items
            .iter()
            .filter_map(|i| if let Item::Drive(id) = i { Some(*id) } else { None })
            .collect(),
        declared: HashSet::new(),
        text,
    };
    let mut items = module.items.iter().peekable();
    while let Some(item) = items.next() {
        if let Item::Register(first) = item {
            let mut group = vec![*first];
            while let Some(Item::Register(next)) = items.next_if(|i| matches!(i, Item::Register(_))) {
                group.push(*next);
            }
            body.registers(&group);
        } else {
            body.item(item);
        }
    }
    body.outputs();
    body.unused();
}

struct Body<'a> {
    module: &'a Module,
    names: &'a Names,
    print: Printer<'a>,
    /// Wires with an assignment of their own, after their declaration.
    forward: HashSet<SignalId>,
    declared: HashSet<SignalId>,
    text: &'a mut String,
}

impl Body<'_> {
    fn line(&mut self, line: &str) {
        self.text.push_str(&wrapped(line));
    }

    fn item(&mut self, item: &Item) {
        match item {
            Item::Comment(comment) => {
                self.text.push('\n');
                push_comment(self.text, "  ", comment);
            }
            Item::Signal(id) => self.declare(*id),
            Item::Drive(wire) => {
                let Node::Wire { driver: Some(driver) } = self.module.signal(*wire).node else { return };
                if let (Some(name), true) = (self.names.of(*wire), self.names.live[wire.index()]) {
                    self.declare_operands(driver);
                    let line = format!("  assign {name} = {};", self.print.read(driver));
                    self.line(&line);
                }
            }
            Item::Register(_) => {}
            Item::Memory(number) => self.memory(&self.module.memories[*number]),
            Item::Instance(number) => self.instance(&self.module.instances[*number]),
        }
    }

    /// Declares a named signal, after the named signals its expression reads.
    fn declare(&mut self, id: SignalId) {
        let mut stack = vec![id];
        while let Some(&next) = stack.last() {
            let before = stack.len();
            if !self.declared.contains(&next) && self.names.live[next.index()] {
                stack.extend(self.undeclared_operands(next));
            }
            if stack.len() == before {
                stack.pop();
                if self.declared.insert(next) {
                    self.write_declaration(next);
                }
            }
        }
    }

    fn declare_operands(&mut self, id: SignalId) {
        if self.names.of(id).is_some() {
            self.declare(id);
        } else {
            for operand in self.undeclared_operands(id) {
                self.declare(operand);
            }
        }
    }

    /// Named signals that the expression of `id` reads and that are still to be declared.
    fn undeclared_operands(&self, id: SignalId) -> Vec<SignalId> {
        let mut found = Vec::new();
        let mut work: Vec<SignalId> = match self.module.signal(id).node {
            // A wire with a later assignment is declared on its own.
            Node::Wire { .. } if self.forward.contains(&id) => Vec::new(),
            _ => self.module.operands(id).to_vec(),
        };
        while let Some(operand) = work.pop() {
            if self.names.of(operand).is_none() {
                work.extend(self.module.operands(operand));
            } else if !self.declared.contains(&operand) {
                found.push(operand);
            }
        }
        found.sort_unstable_by(|a, b| b.cmp(a));
        found.dedup();
        found
    }

    fn write_declaration(&mut self, id: SignalId) {
        let data = self.module.signal(id);
        let (Some(name), true) = (self.names.of(id), self.names.live[id.index()]) else { return };
        let range = range(data.shape);
        let line = match &data.node {
            Node::Input | Node::MemoryRead(_) => return,
            Node::Register(_) => format!("  reg{range} {name};"),
            // Read before the instance: its inputs may be connected late.
            Node::InstanceOutput { .. } => format!("  wire{range} {name};"),
            Node::Constant(bits) => format!("  localparam{range} {name} = {};", literal(data.shape, bits)),
            Node::Wire { .. } if self.forward.contains(&id) => format!("  wire{range} {name};"),
            Node::Operation(Op::Select, operands) => {
                self.selection(name, &range, operands);
                return;
            }
            Node::Wire { .. } | Node::Operation(..) => {
                format!("  wire{range} {name} = {};", self.print.define(id))
            }
        };
        self.line(&line);
    }

    fn selection(&mut self, name: &str, range: &str, operands: &[SignalId]) {
        let index = operands[0];
        let shape = self.module.signal(index).shape;
        self.text.push_str(&format!("  reg{range} {name};\n  always @* begin\n"));
        let head = format!("    case ({})", self.print.read(index));
        self.line(&head);
        let last = operands.len() - 1;
        for (number, item) in operands[1..last].iter().enumerate() {
            let label = literal(shape, &BigUint::from(number));
            let line = format!("      {label}: {name} = {};", self.print.read(*item));
            self.line(&line);
        }
        let line = format!("      default: {name} = {};", self.print.read(operands[last]));
        self.line(&line);
        self.text.push_str("    endcase\n  end\n");
    }

    fn registers(&mut self, group: &[usize]) {
        let live: Vec<usize> =
            group.iter().copied().filter(|&r| self.names.live[self.module.registers[r].q.index()]).collect();
        for &number in &live {
            let register = &self.module.registers[number];
            for &input in register.next.iter().chain(&register.enable) {
                self.declare_operands(input);
            }
        }
        let (with_reset, without): (Vec<usize>, Vec<usize>) =
            live.into_iter().partition(|&r| self.module.registers[r].reset.is_some());
        if !with_reset.is_empty() {
            self.text.push_str("  always @(posedge clk_i) begin\n    if (!rst_ni) begin\n");
            for &number in &with_reset {
                let register = &self.module.registers[number];
                let shape = self.module.signal(register.q).shape;
                let reset = literal(shape, register.reset.as_ref().unwrap_or(&BigUint::ZERO));
                let line = format!("      {} <= {reset};", self.print.read(register.q));
                self.line(&line);
            }
            let enable = self.module.registers[with_reset[0]].enable;
            match enable.filter(|_| with_reset.iter().all(|&r| self.module.registers[r].enable == enable)) {
                Some(enable) => {
                    let head = format!("    end else if ({}) begin", self.print.read(enable));
                    self.line(&head);
                    self.assignments(&with_reset).iter().for_each(|a| self.line(&format!("      {a}")));
                }
                None => {
                    self.text.push_str("    end else begin\n");
                    self.updates(&with_reset, "      ");
                }
            }
            self.text.push_str("    end\n  end\n");
        }
        if !without.is_empty() {
            self.text.push_str("  always @(posedge clk_i) begin\n");
            self.updates(&without, "    ");
            self.text.push_str("  end\n");
        }
    }

    fn assignments(&self, numbers: &[usize]) -> Vec<String> {
        let registers = numbers.iter().map(|&r| &self.module.registers[r]);
        registers
            .filter_map(|r| r.next.map(|n| format!("{} <= {};", self.print.read(r.q), self.print.read(n))))
            .collect()
    }

    fn updates(&mut self, numbers: &[usize], indent: &str) {
        let enable_of = |r: usize| self.module.registers[r].enable;
        for run in numbers.chunk_by(|&a, &b| enable_of(a) == enable_of(b)) {
            let assignments = self.assignments(run);
            match enable_of(run[0]) {
                None => assignments.iter().for_each(|a| self.line(&format!("{indent}{a}"))),
                Some(enable) if run.len() == 1 => {
                    let line = format!("{indent}{}{}", self.condition(enable), assignments[0]);
                    self.line(&line);
                }
                Some(enable) => {
                    let head = format!("{indent}if ({}) begin", self.print.read(enable));
                    self.line(&head);
                    assignments.iter().for_each(|a| self.line(&format!("{indent}  {a}")));
                    self.line(&format!("{indent}end"));
                }
            }
        }
    }

    fn memory(&mut self, m: &MemoryData) {
        for id in [m.write_enable, m.write_address, m.write_data, m.read_enable, m.read_address] {
            self.declare_operands(id);
        }
        let width = if m.width == 1 { String::new() } else { format!(" [{}:0]", m.width - 1) };
        let data = self.names.of(m.read_data).unwrap_or("unused_rdata").to_owned();
        let word = |address| format!("{}[{}]", m.name, self.print.index(address));
        let (written, read) = (word(m.write_address), word(m.read_address));
        let source = self.print.read(m.write_data);
        let write = format!("    {}{written} <= {source};", self.condition(m.write_enable));
        let fetch = format!("    {}{data} <= {read};", self.condition(m.read_enable));
        self.text.push_str(&format!("  reg{width} {} [0:{}];\n  reg{width} {data};\n", m.name, m.depth - 1));
        self.text.push_str("  always @(posedge clk_i) begin\n");
        self.line(&write);
        self.line(&fetch);
        self.text.push_str("  end\n");
    }

    /// `if (enable) `, or nothing where the enable is always set.
    fn condition(&self, enable: SignalId) -> String {
        let always = Node::Constant(BigUint::from(1u8));
        if self.module.signal(enable).node == always {
            String::new()
        } else {
            format!("if ({}) ", self.print.read(enable))
        }
    }

    fn instance(&mut self, instance: &Instance) {
        for read in instance.reads() {
            self.declare_operands(read);
        }
        let child = &instance.module;
        let mut connections: Vec<(String, String)> = Vec::new();
        if child.clocked {
            let reset = instance.reset.map(|id| format!("rst_ni & ~({})", self.print.read(id)));
            connections.push(("clk_i".to_owned(), "clk_i".to_owned()));
            connections.push(("rst_ni".to_owned(), reset.unwrap_or("rst_ni".to_owned())));
        }
        for (index, port) in child.ports.iter().enumerate() {
            let connected = match port.direction {
                Direction::Input => instance.inputs[index].map(|id| self.print.read(id)),
                Direction::Output => {
                    let name = instance.outputs[index].and_then(|id| self.names.of(id).map(str::to_owned));
                    let used = instance.outputs[index].is_some_and(|id| self.names.live[id.index()]);
                    let prefix = instance.name.strip_prefix("i_").unwrap_or(&instance.name);
                    let name = match name {
                        Some(name) if used => name,
                        _ => {
                            format!("unused_{prefix}_{}", port.name.strip_suffix("_o").unwrap_or(&port.name))
                        }
                    };
                    if !used || instance.outputs[index].is_some_and(|id| self.declared.insert(id)) {
                        self.line(&format!("  wire{} {name};", range(port.shape)));
                    }
                    Some(name)
                }
            };
            connections.push((port.name.clone(), connected.unwrap_or_default()));
        }
        self.text.push_str(&format!("  {} {} (\n", child.name, instance.name));
        let width = connections.iter().map(|(port, _)| port.len()).max().unwrap_or(0);
        let count = connections.len();
        for (index, (port, signal)) in connections.into_iter().enumerate() {
            let comma = if index + 1 < count { "," } else { "" };
            self.line(&format!("    .{port:width$} ({signal}){comma}"));
        }
        self.text.push_str("  );\n");
    }

    fn outputs(&mut self) {
        let ports: Vec<_> = self.module.outputs().collect();
        for port in &ports {
            self.declare_operands(port.signal);
        }
        if !ports.is_empty() {
            self.text.push('\n');
        }
        for port in ports {
            let line = format!("  assign {} = {};", port.name, self.print.read(port.signal));
            self.line(&line);
        }
    }

    /// Tells linters which bits are left unread on purpose.
    fn unused(&mut self) {
        let parts = unused::bits(self.module, self.names);
        if !parts.is_empty() {
            self.text.push_str("\n  // Bits that are dropped on purpose.\n");
            self.line(&format!("  wire unused = &{{1'b0, {}}};", parts.join(", ")));
        }
    }
}
