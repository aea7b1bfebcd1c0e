//! Flattens a module hierarchy into slots and instructions in dependency order.

use std::collections::HashMap;
use std::sync::Arc;

use super::evaluate::{self, Instruction};
use super::{FlatMemory, FlatRegister, Interpreter, Reset, Slot};
use crate::module::{Direction, Node};
use crate::{Module, Shape, SignalId, check};

/// One module instance of the flattened hierarchy.
struct Place {
    module: Arc<Module>,
    path: String,
    /// Parent's place and the number of the instance in it.
    parent: Option<(usize, usize)>,
    /// Place of each instance of the module.
    children: Vec<usize>,
    slots: Vec<Option<Slot>>,
}

struct Flattener {
    places: Vec<Place>,
    values: Vec<u64>,
    instructions: Vec<Instruction>,
}

pub(super) fn flatten(top: &Arc<Module>) -> Interpreter {
    let mut flattener = Flattener { places: Vec::new(), values: Vec::new(), instructions: Vec::new() };
    flattener.place(top, String::new(), None);
    let mut inputs = HashMap::new();
    let mut outputs = HashMap::new();
    for port in &top.ports {
        let slot = flattener.resolve(0, port.signal);
        let map = if port.direction == Direction::Input { &mut inputs } else { &mut outputs };
        map.insert(port.name.clone(), slot);
    }
    let (registers, memories) = flattener.state();
    let names = flattener.names();
    Interpreter {
        values: flattener.values,
        instructions: flattener.instructions,
        registers,
        memories,
        inputs,
        outputs,
        names,
        pending: Vec::new(),
        settled: false,
    }
}

impl Flattener {
    fn place(&mut self, module: &Arc<Module>, path: String, parent: Option<(usize, usize)>) -> usize {
        let number = self.places.len();
        self.places.push(Place {
            module: Arc::clone(module),
            path,
            parent,
            children: Vec::new(),
            slots: vec![None; module.signals.len()],
        });
        for (index, instance) in module.instances.iter().enumerate() {
            let path = format!("{}{}.", self.places[number].path, instance.name);
            let child = self.place(&instance.module, path, Some((number, index)));
            self.places[number].children.push(child);
        }
        number
    }

    fn allocate(&mut self, shape: Shape) -> Slot {
        let slot = Slot { word: self.values.len() as u32, shape };
        self.values.resize(self.values.len() + slot.words(), 0);
        slot
    }

    /// The slot of a signal; emits the instructions that compute it, operands first. The walk keeps its
    /// own stack, since chains of logic can be deeper than the machine's.
    fn resolve(&mut self, place: usize, id: SignalId) -> Slot {
        let mut stack = vec![(place, id)];
        while let Some(&(place, id)) = stack.last() {
            if self.places[place].slots[id.index()].is_some() {
                stack.pop();
                continue;
            }
            let before = stack.len();
            for needed in self.needs(place, id) {
                if self.places[needed.0].slots[needed.1.index()].is_none() {
                    stack.push(needed);
                }
            }
            if stack.len() == before {
                let slot = self.make(place, id);
                self.places[place].slots[id.index()] = Some(slot);
                stack.pop();
            }
        }
        self.slot(place, id)
    }

    fn slot(&self, place: usize, id: SignalId) -> Slot {
        self.places[place].slots[id.index()].expect("operands are resolved before their readers")
    }

    /// Signals that must be resolved before this one.
    fn needs(&self, place: usize, id: SignalId) -> Vec<(usize, SignalId)> {
        let here = &self.places[place];
        match &here.module.signal(id).node {
            Node::Input => self.driver_outside(place, id).into_iter().collect(),
            Node::InstanceOutput { instance, port } => {
                let child = here.children[*instance];
                vec![(child, self.places[child].module.ports[*port].signal)]
            }
            _ => here.module.operands(id).iter().map(|&operand| (place, operand)).collect(),
        }
    }

    fn driver_outside(&self, place: usize, id: SignalId) -> Option<(usize, SignalId)> {
        let here = &self.places[place];
        let (parent, instance) = here.parent?;
        let port =
            here.module.ports.iter().position(|p| p.signal == id && p.direction == Direction::Input)?;
        let signal = self.places[parent].module.instances[instance].inputs[port];
        Some((parent, signal.expect("checked modules connect every input")))
    }

    fn make(&mut self, place: usize, id: SignalId) -> Slot {
        let module = Arc::clone(&self.places[place].module);
        let data = module.signal(id);
        match &data.node {
            Node::Constant(bits) => {
                let slot = self.allocate(data.shape);
                evaluate::write_big(&mut self.values, slot, bits.clone());
                slot
            }
            Node::Register(_) | Node::MemoryRead(_) => self.allocate(data.shape),
            Node::Operation(op, operands) => {
                let operands: Vec<Slot> = operands.iter().map(|&o| self.slot(place, o)).collect();
                let result = self.allocate(data.shape);
                self.instructions.push(Instruction::new(*op, result, &operands));
                result
            }
            Node::Input | Node::Wire { .. } | Node::InstanceOutput { .. } => {
                match self.needs(place, id).first() {
                    Some(&(from, signal)) => Slot { shape: data.shape, ..self.slot(from, signal) },
                    None => self.allocate(data.shape),
                }
            }
        }
    }

    fn state(&mut self) -> (Vec<FlatRegister>, Vec<FlatMemory>) {
        let (mut registers, mut memories) = (Vec::new(), Vec::new());
        for place in 0..self.places.len() {
            let module = Arc::clone(&self.places[place].module);
            let by = self.resets(place);
            for register in &module.registers {
                let q = self.resolve(place, register.q);
                let next = self.resolve(place, register.next.expect("checked registers are driven"));
                let enable = register.enable.map(|e| self.resolve(place, e));
                let reset = register.reset.as_ref().map(|value| {
                    let mut words = value.to_u64_digits();
                    words.resize(q.words(), 0);
                    Reset { value: words, by: by.clone() }
                });
                registers.push(FlatRegister { q, next, enable, reset });
            }
            for memory in &module.memories {
                let read_data = self.resolve(place, memory.read_data);
                memories.push(FlatMemory {
                    write_enable: self.resolve(place, memory.write_enable),
                    write_address: self.resolve(place, memory.write_address),
                    write_data: self.resolve(place, memory.write_data),
                    read_enable: self.resolve(place, memory.read_enable),
                    read_address: self.resolve(place, memory.read_address),
                    read_data,
                    depth: memory.depth,
                    contents: vec![0; memory.depth as usize * read_data.words()],
                    pending: None,
                });
            }
        }
        (registers, memories)
    }

    /// The bits that reset a place: its own instance's and those of the instances around it.
    fn resets(&mut self, mut place: usize) -> Vec<Slot> {
        let mut resets = Vec::new();
        while let Some((parent, instance)) = self.places[place].parent {
            if let Some(reset) = self.places[parent].module.instances[instance].reset {
                resets.push(self.resolve(parent, reset));
            }
            place = parent;
        }
        resets
    }

    fn names(&mut self) -> Vec<(String, Slot)> {
        let mut names = Vec::new();
        for place in 0..self.places.len() {
            let module = Arc::clone(&self.places[place].module);
            let live = check::live(&module);
            for (index, signal) in module.signals.iter().enumerate() {
                if let (Some(name), true) = (&signal.name, live[index]) {
                    let slot = self.resolve(place, SignalId(index as u32));
                    names.push((format!("{}{name}", self.places[place].path), slot));
                }
            }
        }
        names
    }
}
