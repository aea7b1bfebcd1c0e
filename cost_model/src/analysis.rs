//! What synthesis would see in a module: which bits are read, and how often.

use bitmill_hdl::{Module, Node, Op, SignalId};

/// Facts about every signal of a module.
pub(crate) struct Analysis<'m> {
    pub module: &'m Module,
    /// Bits of the signal that anything reads, from the lowest to one past the highest; empty where unread.
    used: Vec<(u32, u32)>,
    /// How many times the signal is read by what is itself read.
    readers: Vec<u32>,
}

impl<'m> Analysis<'m> {
    /// Analyses `module`.
    pub fn of(module: &'m Module) -> Analysis<'m> {
        let Used { used, live, .. } = Used::of(module);
        let mut readers = vec![0u32; module.signals.len()];
        for id in live {
            module.operands(id).iter().for_each(|operand| readers[operand.index()] += 1);
        }
        for id in module.outputs().map(|p| p.signal).chain(sinks(module, &used)) {
            readers[id.index()] += 1;
        }
        Analysis { module, used, readers }
    }

    /// One past the highest bit that is read: arithmetic needs all bits below.
    pub fn used_below(&self, id: SignalId) -> u32 {
        self.used[id.index()].1
    }

    /// How many times the signal is read.
    pub fn readers(&self, id: SignalId) -> u32 {
        self.readers[id.index()]
    }

    /// Whether the signal is its operand under another name, extended, or of another signedness.
    pub fn keeps_value(&self, id: SignalId) -> bool {
        matches!(
            self.module.signal(id).node,
            Node::Wire { .. } | Node::Operation(Op::Extend | Op::Reinterpret, _)
        )
    }
}

/// Signals that memories, instances and the registers that are read take.
fn sinks(module: &Module, used: &[(u32, u32)]) -> Vec<SignalId> {
    let registers = module.registers.iter().filter(|r| used[r.q.index()].0 < used[r.q.index()].1);
    let mut sinks: Vec<SignalId> = registers.flat_map(|r| r.next.iter().chain(&r.enable).copied()).collect();
    for m in &module.memories {
        sinks.extend([m.write_enable, m.write_address, m.write_data, m.read_enable, m.read_address]);
    }
    sinks.extend(module.instances.iter().flat_map(|i| i.reads()));
    sinks
}

/// Bits that are read, found backwards from outputs, memories and instances.
struct Used<'m> {
    module: &'m Module,
    used: Vec<(u32, u32)>,
    live: Vec<SignalId>,
    work: Vec<SignalId>,
}

impl<'m> Used<'m> {
    fn of(module: &'m Module) -> Used<'m> {
        let nothing = vec![(0, 0); module.signals.len()];
        let mut used = Used { module, used: nothing, live: Vec::new(), work: Vec::new() };
        for id in module.outputs().map(|p| p.signal) {
            used.whole(id);
        }
        for m in &module.memories {
            for id in [m.write_enable, m.write_address, m.write_data, m.read_enable, m.read_address] {
                used.whole(id);
            }
        }
        module.instances.iter().flat_map(|i| i.reads()).for_each(|id| used.whole(id));
        while let Some(id) = used.work.pop() {
            used.pass_on(id);
        }
        used
    }

    fn whole(&mut self, id: SignalId) {
        self.mark(id, 0, self.module.signal(id).shape.width);
    }

    fn mark(&mut self, id: SignalId, low: u32, high: u32) {
        let high = high.min(self.module.signal(id).shape.width);
        let before = self.used[id.index()];
        let after = if before.0 == before.1 {
            (low.min(high), high)
        } else {
            (before.0.min(low), before.1.max(high))
        };
        if after != before {
            if before.0 == before.1 {
                self.live.push(id);
            }
            self.used[id.index()] = after;
            self.work.push(id);
        }
    }

    /// Marks the bits that the used bits of `id` are made of.
    fn pass_on(&mut self, id: SignalId) {
        let module = self.module;
        let (low, high) = self.used[id.index()];
        match &module.signal(id).node {
            Node::Wire { driver: Some(driver) } => self.mark(*driver, low, high),
            Node::Register(number) => {
                let register = &module.registers[*number];
                register.next.iter().for_each(|&next| self.mark(next, low, high));
                register.enable.iter().for_each(|&enable| self.whole(enable));
            }
            Node::Operation(op, operands) => self.operands(*op, operands, low, high),
            _ => {}
        }
    }

    fn operands(&mut self, op: Op, operands: &[SignalId], low: u32, high: u32) {
        match op {
            Op::Not | Op::And | Op::Or | Op::Xor | Op::Reinterpret => {
                operands.iter().for_each(|&o| self.mark(o, low, high));
            }
            Op::Add | Op::Sub | Op::Mul => operands.iter().for_each(|&o| self.mark(o, 0, high)),
            Op::Mux | Op::Select => {
                self.whole(operands[0]);
                operands[1..].iter().for_each(|&o| self.mark(o, low, high));
            }
            Op::Slice { lsb } => self.mark(operands[0], low + lsb, high + lsb),
            Op::Extend => {
                // Bits above the operand are its sign.
                let width = self.module.signal(operands[0]).shape.width;
                self.mark(operands[0], low.min(width - 1), high);
            }
            Op::Concat => {
                let mut lsb = 0;
                for &part in operands.iter().rev() {
                    let width = self.module.signal(part).shape.width;
                    if low < lsb + width && high > lsb {
                        self.mark(part, low.saturating_sub(lsb), high - lsb);
                    }
                    lsb += width;
                }
            }
            _ => operands.iter().for_each(|&o| self.whole(o)),
        }
    }
}
