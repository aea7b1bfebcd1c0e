//! Bits that no expression reads, so that the text can say that they are dropped on purpose.

use num_bigint::BigUint;
use num_traits::{One, Zero};

use super::names::{Names, slice_root};
use crate::module::{Node, Op};
use crate::{Module, SignalId};

/// Names and bit ranges that are declared and not read.
pub(super) fn bits(module: &Module, names: &Names) -> Vec<String> {
    let mut parts = Vec::new();
    let resets = module.registers.iter().any(|r| r.reset.is_some() && names.live[r.q.index()]);
    if module.clocked && !resets && !module.instances.iter().any(|i| i.module.clocked) {
        parts.push("rst_ni".to_owned());
    }
    let used = Usage::of(module, names).used;
    for (index, signal) in module.signals.iter().enumerate() {
        let id = SignalId(index as u32);
        let declared = names.live[index] || signal.node == Node::Input;
        if let (Some(name), true) = (names.of(id), declared)
            && !matches!(signal.node, Node::Constant(_))
        {
            parts.extend(gaps(name, signal.shape.width, &used[index]));
        }
    }
    parts
}

/// Bits of each signal that the printed text reads.
struct Usage<'a> {
    module: &'a Module,
    names: &'a Names,
    used: Vec<BigUint>,
}

impl<'a> Usage<'a> {
    fn of(module: &'a Module, names: &'a Names) -> Usage<'a> {
        let mut usage = Usage { module, names, used: vec![BigUint::zero(); module.signals.len()] };
        for index in 0..module.signals.len() {
            if names.live[index] && names.names[index].is_some() {
                usage.definition(SignalId(index as u32));
            }
        }
        for r in module.registers.iter().filter(|r| names.live[r.q.index()]) {
            r.next.iter().chain(&r.enable).for_each(|&id| usage.read(id));
        }
        for m in &module.memories {
            for id in [m.write_enable, m.write_address, m.write_data, m.read_enable, m.read_address] {
                usage.read(id);
            }
        }
        module.instances.iter().flat_map(|i| i.reads()).for_each(|id| usage.read(id));
        module.outputs().for_each(|port| usage.read(port.signal));
        usage
    }

    fn read(&mut self, id: SignalId) {
        if self.names.of(id).is_some() {
            let width = self.module.signal(id).shape.width;
            self.mark(id, 0, width);
        } else {
            self.definition(id);
        }
    }

    fn definition(&mut self, id: SignalId) {
        let data = self.module.signal(id);
        match &data.node {
            Node::Operation(Op::Slice { lsb }, operands) => {
                let (root, offset) = slice_root(self.module, operands[0]);
                self.mark(root, lsb + offset, data.shape.width);
                if self.names.of(root).is_none() {
                    self.definition(root);
                }
            }
            _ => {
                let module = self.module;
                module.operands(id).iter().for_each(|&operand| self.read(operand));
            }
        }
    }

    fn mark(&mut self, id: SignalId, lsb: u32, width: u32) {
        self.used[id.index()] |= ((BigUint::one() << width) - 1u8) << lsb;
    }
}

/// Ranges of `name` that nothing reads.
fn gaps(name: &str, width: u32, used: &BigUint) -> Vec<String> {
    let mut parts = Vec::new();
    let mut bit = 0;
    while bit < width {
        let lsb = bit;
        while bit < width && !used.bit(u64::from(bit)) {
            bit += 1;
        }
        match bit - lsb {
            0 => bit += 1,
            n if n == width => parts.push(name.to_owned()),
            1 => parts.push(format!("{name}[{lsb}]")),
            _ => parts.push(format!("{name}[{}:{lsb}]", bit - 1)),
        }
    }
    parts
}
