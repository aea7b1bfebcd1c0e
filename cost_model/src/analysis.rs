//! What synthesis would see in a module: which bits are read, which only repeat a sign, what is constant.

use bitmill_hdl::{BigUint, Module, Node, Op, SignalId};

/// Facts about every signal of a module.
pub(crate) struct Analysis<'m> {
    pub module: &'m Module,
    /// Signals that anything reads, in the order of the arena.
    pub live: Vec<SignalId>,
    /// Bits of the signal that anything reads, from the lowest to one past the highest; empty where unread.
    used: Vec<(u32, u32)>,
    /// How many times the signal is read by what is itself read.
    readers: Vec<u32>,
    /// The last signal that reads it within the same cycle.
    reader: Vec<Option<SignalId>>,
    /// Bits up to which the signal carries information; those above repeat its sign, or are zero.
    significant: Vec<u32>,
}

impl<'m> Analysis<'m> {
    /// Analyses `module`.
    pub fn of(module: &'m Module) -> Analysis<'m> {
        let Used { used, mut live, .. } = Used::of(module);
        live.sort_unstable();
        let mut readers = vec![0u32; module.signals.len()];
        let mut reader = vec![None; module.signals.len()];
        for &id in &live {
            for operand in module.operands(id) {
                readers[operand.index()] += 1;
                reader[operand.index()] = Some(id);
            }
        }
        for id in module.outputs().map(|p| p.signal).chain(sinks(module, &used)) {
            readers[id.index()] += 1;
        }
        let mut significant = vec![None; module.signals.len()];
        live.iter().for_each(|&id| {
            significant_bits(module, id, &mut significant);
        });
        let significant = significant.into_iter().map(Option::unwrap_or_default).collect();
        Analysis { module, live, used, readers, reader, significant }
    }

    /// Whether anything reads the signal.
    pub fn is_live(&self, id: SignalId) -> bool {
        let (low, high) = self.used[id.index()];
        low < high
    }

    /// How many bits of the signal are read, from the lowest that is to the highest.
    pub fn used_bits(&self, id: SignalId) -> u32 {
        let (low, high) = self.used[id.index()];
        high - low
    }

    /// One past the highest bit that is read: arithmetic needs all bits below.
    pub fn used_below(&self, id: SignalId) -> u32 {
        self.used[id.index()].1
    }

    /// How many times the signal is read.
    pub fn readers(&self, id: SignalId) -> u32 {
        self.readers[id.index()]
    }

    /// The signal that reads it within the same cycle; the last where there are several.
    pub fn reader(&self, id: SignalId) -> Option<SignalId> {
        self.reader[id.index()]
    }

    /// Whether the signal is its operand under another name, extended, or of another signedness.
    pub fn keeps_value(&self, id: SignalId) -> bool {
        matches!(
            self.module.signal(id).node,
            Node::Wire { .. } | Node::Operation(Op::Extend | Op::Reinterpret, _)
        )
    }

    /// Bits up to which the signal carries information.
    pub fn significant(&self, id: SignalId) -> u32 {
        self.significant[id.index()]
    }

    /// The constant that the signal carries, seen through free wiring that keeps its value.
    pub fn constant(&self, id: SignalId) -> Option<&'m BigUint> {
        match &self.module.signal(id).node {
            Node::Constant(value) => Some(value),
            Node::Wire { driver: Some(driver) } => self.constant(*driver),
            Node::Operation(Op::Reinterpret, operands) => self.constant(operands[0]),
            Node::Operation(Op::Extend, operands) if !self.module.signal(operands[0]).shape.signed => {
                self.constant(operands[0])
            }
            _ => None,
        }
    }

    /// Whether the signal never changes.
    pub fn is_constant(&self, id: SignalId) -> bool {
        match &self.module.signal(id).node {
            Node::Constant(_) => true,
            Node::Wire { .. } | Node::Operation(..) => {
                let operands = self.module.operands(id);
                !operands.is_empty() && operands.iter().all(|&o| self.is_constant(o))
            }
            _ => false,
        }
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

/// Bits up to which `id` carries information, found through wiring, choices and sums.
fn significant_bits(module: &Module, id: SignalId, known: &mut [Option<u32>]) -> u32 {
    if let Some(bits) = known[id.index()] {
        return bits;
    }
    let data = module.signal(id);
    let width = data.shape.width;
    let mut of = |id: SignalId| significant_bits(module, id, known);
    let bits = match &data.node {
        Node::Constant(value) => (value.bits() as u32 + u32::from(data.shape.signed)).max(1),
        Node::Wire { driver: Some(driver) } => of(*driver),
        Node::Operation(op, operands) => match op {
            Op::Reinterpret | Op::Slice { lsb: 0 } => of(operands[0]),
            // The sign of an unsigned signal is the zero above it.
            Op::Extend => of(operands[0]) + u32::from(!module.signal(operands[0]).shape.signed && width > 1),
            Op::Mux | Op::Select => operands[1..].iter().map(|&o| of(o)).max().unwrap_or(width),
            Op::Add | Op::Sub => 1 + of(operands[0]).max(of(operands[1])),
            Op::Mul => of(operands[0]) + of(operands[1]),
            _ => width,
        },
        _ => width,
    };
    let bits = bits.min(width);
    known[id.index()] = Some(bits);
    bits
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
