//! From a module to boxes and arrows.

use std::collections::{BTreeMap, BTreeSet};

use bitmill_hdl::{Direction, Item, Module, Node, SignalId};

/// A section of a module, a group of input ports, or the outputs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Block {
    /// What it is for.
    pub title: String,
    /// The instance that it lies in; empty at the top.
    pub place: String,
    /// Registers with their widths, or ports.
    pub lines: Vec<String>,
    /// Whether it is ports of the top module.
    pub is_port: bool,
}

/// Boxes in the order of description, and arrows with the signals that they carry.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Graph {
    pub blocks: Vec<Block>,
    /// By (from, to): names and widths of signals.
    pub arrows: BTreeMap<(usize, usize), BTreeSet<String>>,
}

/// The block that makes a signal, and what to call it.
type Origin = (usize, String);

/// The graph of `module`.
pub(super) fn graph(module: &Module) -> Graph {
    let mut graph = Graph::default();
    let mut inputs = vec![BTreeSet::new(); module.ports.len()];
    for (number, port) in module.ports.iter().enumerate().filter(|(_, p)| p.direction == Direction::Input) {
        let known = graph.blocks.iter().position(|block| block.is_port && block.title == port.group);
        let block = known.unwrap_or_else(|| graph.add(&port.group, "", true));
        graph.blocks[block].lines.push(format!("{} [{}]", port.name, port.shape.width));
        inputs[number].insert((block, label(&port.name, port.shape.width)));
    }
    let outputs = graph.open(module, "", &inputs);
    let block = graph.add("Outputs", "", true);
    for (number, port) in module.ports.iter().enumerate().filter(|(_, p)| p.direction == Direction::Output) {
        graph.blocks[block].lines.push(format!("{} [{}]", port.name, port.shape.width));
        graph.connect(&outputs[number], block);
    }
    graph
}

/// Whether the module, or one within it, has registers or memories.
fn stores(module: &Module) -> bool {
    let own = !module.registers.is_empty() || !module.memories.is_empty();
    own || module.instances.iter().any(|instance| stores(&instance.module))
}

/// The first clause of what the module is for.
fn first_words(module: &Module) -> String {
    module.purpose.split(['.', ':', ',', ';', '\n']).next().unwrap_or_default().to_owned()
}

fn label(name: &str, width: u32) -> String {
    if width == 1 { name.to_owned() } else { format!("{name} [{width}]") }
}

impl Graph {
    fn add(&mut self, title: &str, place: &str, is_port: bool) -> usize {
        let (title, place) = (title.to_owned(), place.to_owned());
        self.blocks.push(Block { title, place, lines: vec![], is_port });
        self.blocks.len() - 1
    }

    fn connect(&mut self, origins: &BTreeSet<Origin>, to: usize) {
        for (from, name) in origins {
            if *from != to {
                self.arrows.entry((*from, to)).or_default().insert(name.clone());
            }
        }
    }

    /// Adds a combinational instance as one box; drivers as in [`Graph::open`].
    fn close(&mut self, module: &Module, place: &str, inputs: &[BTreeSet<Origin>]) -> Vec<BTreeSet<Origin>> {
        let block = self.add(&first_words(module), place, false);
        inputs.iter().for_each(|origins| self.connect(origins, block));
        module
            .ports
            .iter()
            .map(|port| BTreeSet::from([(block, label(&port.name, port.shape.width))]))
            .collect()
    }

    /// Adds the sections of `module`, an instance called `place`; what drives its inputs, by port, goes in and
    /// what drives its outputs comes out.
    fn open(&mut self, module: &Module, place: &str, inputs: &[BTreeSet<Origin>]) -> Vec<BTreeSet<Origin>> {
        let mut sections = Sections { module, block_of: BTreeMap::new(), known: BTreeMap::new() };
        for (port, origins) in module.ports.iter().zip(inputs) {
            if port.direction == Direction::Input {
                sections.known.insert(port.signal, origins.clone());
            }
        }
        let mut title = first_words(module);
        let mut block = None;
        // Where each named signal and register stands; instances open where they are described.
        for item in &module.items {
            match item {
                Item::Comment(text) => (title, block) = (text.clone(), None),
                Item::Instance(number) => {
                    let instance = &module.instances[*number];
                    let driven: Vec<BTreeSet<Origin>> = instance
                        .inputs
                        .iter()
                        .map(|input| input.map_or_else(BTreeSet::new, |signal| sections.origins(signal)))
                        .collect();
                    let name = instance.name.trim_start_matches("i_").replace('_', " ");
                    let made = if stores(&instance.module) {
                        self.open(&instance.module, &name, &driven)
                    } else {
                        self.close(&instance.module, &name, &driven)
                    };
                    for (signal, origins) in instance.outputs.iter().zip(made) {
                        signal.map(|signal| sections.known.insert(signal, origins));
                    }
                }
                Item::Signal(id) | Item::Drive(id) => {
                    let block = *block.get_or_insert_with(|| self.add(&title, place, false));
                    sections.block_of.insert(*id, block);
                }
                Item::Register(number) => {
                    let q = module.registers[*number].q;
                    let block = *block.get_or_insert_with(|| self.add(&title, place, false));
                    let block = *sections.block_of.entry(q).or_insert(block);
                    let data = module.signal(q);
                    let name = data.name.as_deref().unwrap_or("register");
                    self.blocks[block].lines.push(label(name, data.shape.width));
                }
                Item::Memory(number) => {
                    let memory = &module.memories[*number];
                    let block = *block.get_or_insert_with(|| self.add(&title, place, false));
                    sections.block_of.insert(memory.read_data, block);
                }
            }
        }
        for (&id, &to) in &sections.block_of.clone() {
            for read in sections.reads(id) {
                self.connect(&sections.origins(read), to);
            }
        }
        module
            .ports
            .iter()
            .map(|port| match port.direction {
                Direction::Output => sections.origins(port.signal),
                Direction::Input => BTreeSet::new(),
            })
            .collect()
    }
}

/// The sections of one module.
struct Sections<'m> {
    module: &'m Module,
    block_of: BTreeMap<SignalId, usize>,
    /// Of input ports and outputs of instances.
    known: BTreeMap<SignalId, BTreeSet<Origin>>,
}

impl Sections<'_> {
    /// The blocks that make `id`, through expressions without a name.
    fn origins(&self, id: SignalId) -> BTreeSet<Origin> {
        let (mut found, mut seen, mut open) = (BTreeSet::new(), BTreeSet::new(), vec![id]);
        while let Some(id) = open.pop() {
            if !seen.insert(id) {
                continue;
            }
            let data = self.module.signal(id);
            if let Some(origins) = self.known.get(&id) {
                found.extend(origins.iter().cloned());
            } else if let Some(&block) = self.block_of.get(&id) {
                let name = data.name.as_deref().unwrap_or("data");
                found.insert((block, label(name, data.shape.width)));
            } else {
                open.extend(self.module.operands(id));
            }
        }
        found
    }

    /// What the signal is made of: operands, or what a register takes.
    fn reads(&self, id: SignalId) -> Vec<SignalId> {
        match self.module.signal(id).node {
            Node::Register(number) => {
                let register = &self.module.registers[number];
                register.next.into_iter().chain(register.enable).collect()
            }
            Node::MemoryRead(number) => {
                let memory = &self.module.memories[number];
                vec![memory.write_enable, memory.write_address, memory.write_data, memory.read_address]
            }
            _ => self.module.operands(id).to_vec(),
        }
    }
}
