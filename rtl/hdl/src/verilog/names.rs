//! Which expressions need a wire of their own, and what it is called.

use std::collections::HashSet;

use crate::module::{Node, Op};
use crate::{Module, SignalId, check};

/// Inlined operators in one expression before it is split.
const LARGEST_EXPRESSION: u32 = 7;

/// How each signal is written.
pub(super) struct Names {
    /// Name of each signal that has one in Verilog; `None` where it is written in place or is dead.
    pub names: Vec<Option<String>>,
    /// Signals that the outside of the module depends on.
    pub live: Vec<bool>,
}

impl Names {
    pub fn of(&self, id: SignalId) -> Option<&str> {
        self.names[id.index()].as_deref()
    }
}

pub(super) fn choose(module: &Module) -> Names {
    let live = check::live(module);
    let needs_name = needing_names(module, &live);
    let mut names: Vec<Option<String>> = module.signals.iter().map(|s| s.name.clone()).collect();
    let mut taken: HashSet<String> = names.iter().flatten().cloned().collect();
    taken.extend(module.ports.iter().map(|p| p.name.clone()));
    taken.extend(module.instances.iter().map(|i| i.name.clone()));
    let hints = hints(module);
    for index in 0..module.signals.len() {
        if live[index] && names[index].is_none() && needs_name[index] {
            let base = format!("{}_{}", hints[index], noun(module, index));
            let mut name = base.clone();
            let mut number = 2;
            while !taken.insert(name.clone()) {
                name = format!("{base}_{number}");
                number += 1;
            }
            names[index] = Some(name);
        }
    }
    for (index, name) in names.iter_mut().enumerate() {
        let always = matches!(module.signals[index].node, Node::Input | Node::InstanceOutput { .. });
        if !live[index] && !always {
            *name = None;
        }
    }
    Names { names, live }
}

/// The signal whose bits a slice finally takes, and from which bit on.
pub(super) fn slice_root(module: &Module, mut id: SignalId) -> (SignalId, u32) {
    let mut offset = 0;
    while module.signal(id).name.is_none() {
        match &module.signal(id).node {
            Node::Operation(Op::Slice { lsb }, operands) => {
                offset += lsb;
                id = operands[0];
            }
            Node::Operation(Op::Reinterpret, operands) => id = operands[0],
            _ => break,
        }
    }
    (id, offset)
}

fn needing_names(module: &Module, live: &[bool]) -> Vec<bool> {
    let mut readers = vec![0u32; module.signals.len()];
    let mut needed = vec![false; module.signals.len()];
    let mut count = |id: SignalId| readers[id.index()] += 1;
    for index in (0..module.signals.len()).filter(|&i| live[i]) {
        module.operands(SignalId(index as u32)).iter().for_each(|&o| count(o));
    }
    for register in &module.registers {
        register.next.iter().chain(&register.enable).for_each(|&id| count(id));
    }
    for instance in &module.instances {
        instance.reads().for_each(&mut count);
    }
    for port in module.outputs() {
        count(port.signal);
    }
    for memory in &module.memories {
        let m = memory;
        for id in [m.write_enable, m.write_address, m.write_data, m.read_enable, m.read_address] {
            count(id);
        }
    }
    let mut size = vec![0u32; module.signals.len()];
    for index in (0..module.signals.len()).filter(|&i| live[i]) {
        let id = SignalId(index as u32);
        let Node::Operation(op, operands) = &module.signal(id).node else { continue };
        for &operand in operands.iter().filter(|o| takes_bits(module, *op, id, **o)) {
            let (root, _) = slice_root(module, operand);
            needed[root.index()] |= matches!(module.signal(root).node, Node::Operation(..));
        }
        let cheap = matches!(op, Op::Slice { .. } | Op::Reinterpret | Op::Not | Op::Extend | Op::Replicate);
        let inlined: u32 = operands
            .iter()
            .filter(|o| module.signal(**o).name.is_none() && !needed[o.index()])
            .map(|o| size[o.index()])
            .sum();
        size[index] = inlined + u32::from(!cheap);
        let signed_shift = *op == Op::ShiftRight && module.signal(operands[0]).shape.signed;
        needed[index] |= matches!(op, Op::Mul | Op::Select) || signed_shift;
        needed[index] |= size[index] > LARGEST_EXPRESSION;
        needed[index] |= readers[index] > 1 && size[index] > 0;
    }
    needed
}

/// Whether the text of `reader` takes single bits of `operand`: by slicing it or to repeat its sign bit.
fn takes_bits(module: &Module, op: Op, reader: SignalId, operand: SignalId) -> bool {
    let widens = matches!(op, Op::Extend | Op::Add | Op::Sub | Op::Mul);
    let shape = module.signal(operand).shape;
    matches!(op, Op::Slice { .. })
        || (widens && shape.signed && shape.width < module.signal(reader).shape.width)
}

/// For each signal, the name of the nearest named signal that reads it, without its suffix.
fn hints(module: &Module) -> Vec<String> {
    let mut hints = vec![String::new(); module.signals.len()];
    let set = |hints: &mut Vec<String>, id: SignalId, hint: &str| {
        if hints[id.index()].is_empty() {
            hints[id.index()] = stem(hint).to_owned();
        }
    };
    for port in module.outputs() {
        set(&mut hints, port.signal, &port.name);
    }
    for register in &module.registers {
        if let (Some(name), Some(next)) = (&module.signal(register.q).name, register.next) {
            set(&mut hints, next, name);
            if let Some(enable) = register.enable {
                set(&mut hints, enable, &format!("{}_enable", stem(name)));
            }
        }
    }
    for instance in &module.instances {
        let prefix = instance.name.strip_prefix("i_").unwrap_or(&instance.name);
        for (port, input) in instance.module.ports.iter().zip(&instance.inputs) {
            if let Some(input) = input {
                set(&mut hints, *input, &format!("{prefix}_{}", stem(&port.name)));
            }
        }
    }
    for m in &module.memories {
        let name = m.name.strip_suffix("_mem").unwrap_or(&m.name);
        set(&mut hints, m.write_data, &format!("{name}_wdata"));
        set(&mut hints, m.write_address, &format!("{name}_waddr"));
        set(&mut hints, m.read_address, &format!("{name}_raddr"));
        set(&mut hints, m.write_enable, &format!("{name}_write"));
        set(&mut hints, m.read_enable, &format!("{name}_read"));
    }
    for index in (0..module.signals.len()).rev() {
        let id = SignalId(index as u32);
        let hint = match &module.signal(id).name {
            Some(name) => stem(name).to_owned(),
            None if hints[index].is_empty() => "value".to_owned(),
            None => hints[index].clone(),
        };
        for &operand in module.operands(id) {
            set(&mut hints, operand, &hint);
        }
        if hints[index].is_empty() {
            hints[index] = hint;
        }
    }
    hints
}

fn stem(name: &str) -> &str {
    ["_d", "_q", "_i", "_o"].iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(name)
}

fn noun(module: &Module, index: usize) -> &'static str {
    let Node::Operation(op, _) = module.signals[index].node else { return "value" };
    match op {
        Op::Add => "sum",
        Op::Sub => "difference",
        Op::Mul => "product",
        Op::Mux | Op::Select => "choice",
        Op::Equal => "equal",
        Op::Less | Op::LessEqual => "less",
        Op::Slice { .. } => "slice",
        Op::Concat | Op::Replicate => "bits",
        Op::Extend => "extended",
        Op::Reinterpret => "value",
        Op::ShiftLeft | Op::ShiftRight => "shifted",
        Op::Not => "inverted",
        Op::And => "masked",
        Op::Or | Op::ReduceOr => "any",
        Op::Xor => "differs",
        Op::ReduceAnd => "all",
        Op::ReduceXor => "parity",
    }
}
