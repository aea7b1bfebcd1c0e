//! Grows random legal modules from a seed: every operation, all widths, state, memories, instances of other
//! random modules, and wires that are read before they are driven.

use std::collections::BTreeSet;
use std::sync::Arc;

use bitmill_hdl::unit::Random;
use bitmill_hdl::{HdlError, Memory, Module, ModuleBuilder, RamPorts, Register, Shape, Signal, Wire};

use super::operations;

/// Widest signal that is grown.
pub const WIDEST: u32 = 140;

/// Signals of a module and of all below it, above which it is not instantiated any more.
const LARGEST_CHILD: usize = 600;

/// A module that is fully determined by `seed` and `children`, the modules it may instantiate.
pub fn module(seed: u64, children: &[Arc<Module>]) -> Arc<Module> {
    // Growing does not know what will be read in the end. A signal that nothing reads is refused, and then
    // the same module is grown again with that signal on an output.
    let mut exposed = BTreeSet::new();
    loop {
        match grow(seed, children, &exposed) {
            Ok(module) => return module,
            Err(HdlError::Unused { signal, .. }) => {
                assert!(exposed.insert(signal.clone()), "seed {seed}: {signal} is read and yet unused");
            }
            Err(error) => panic!("seed {seed}: a legal module was refused: {error}"),
        }
    }
}

fn grow(seed: u64, children: &[Arc<Module>], exposed: &BTreeSet<String>) -> Result<Arc<Module>, HdlError> {
    let mut random = Random::new(seed);
    let m = ModuleBuilder::new(format!("bitmill_random_{seed}"), "random logic.\nIt means nothing.");
    let small: Vec<&Arc<Module>> = children.iter().filter(|c| size(c) <= LARGEST_CHILD).collect();
    let mut grower = Grower {
        m: &m,
        known: Vec::new(),
        named: Vec::new(),
        stir: None,
        open_registers: Vec::new(),
        open_wires: Vec::new(),
        behind: BTreeSet::new(),
        wires: 0,
        instances: 0,
        random: random.clone(),
    };
    grower.inputs();
    for _ in 0..5 + random.below(60) {
        match random.below(40) {
            0 | 1 => grower.register(),
            2 => grower.memory(),
            3 => grower.wire(),
            4 if !small.is_empty() => grower.instance(small[random.below(small.len() as u64) as usize]),
            5 => grower.set_register(),
            6 => grower.drive_wire(),
            7 => m.comment("A remark that stands before what follows, long enough to be broken over two lines at least once, as remarks are."),
            _ => operations::grow(&mut grower),
        }
    }
    grower.close(exposed);
    m.finish()
}

fn reshaped(signal: Signal<'_>, shape: Shape) -> Signal<'_> {
    let signal = signal.resize(shape.width);
    if shape.signed { signal.as_signed() } else { signal.as_unsigned() }
}

/// Signals of a module and of all below it.
fn size(module: &Module) -> usize {
    module.signals.len() + module.instances.iter().map(|i| size(&i.module)).sum::<usize>()
}

/// A signal and the wires that must not be driven by it, since it depends on them within the cycle.
#[derive(Clone)]
struct Known<'m> {
    signal: Signal<'m>,
    behind: BTreeSet<usize>,
}

/// A module on its way.
pub struct Grower<'m> {
    /// The builder.
    pub m: &'m ModuleBuilder,
    /// Choices.
    pub random: Random,
    known: Vec<Known<'m>>,
    named: Vec<(String, Signal<'m>)>,
    /// An input that is mixed in where a constant would be refused, and used for nothing else.
    stir: Option<Signal<'m>>,
    open_registers: Vec<Register<'m>>,
    open_wires: Vec<(usize, Wire<'m>)>,
    /// Wires behind the signals that were picked since the last [`Grower::learn`].
    behind: BTreeSet<usize>,
    wires: usize,
    instances: usize,
}

impl<'m> Grower<'m> {
    /// A width, often at the edges of machine words.
    pub fn width(&mut self) -> u32 {
        let random = &mut self.random;
        let width = match random.below(8) {
            0 | 1 => 1,
            2 | 3 => 2 + random.below(8),
            4 => 10 + random.below(20),
            5 => 31 + random.below(3),
            6 => 63 + random.below(3),
            _ => 66 + random.below(u64::from(WIDEST) - 65),
        };
        width as u32
    }

    /// A width and a signedness.
    pub fn shape(&mut self) -> Shape {
        Shape { width: self.width(), signed: self.random.one_in(2) }
    }

    /// A signal that is there, more often a recent one.
    pub fn pick(&mut self) -> Signal<'m> {
        let count = self.known.len() as u64;
        let recent = if self.random.one_in(2) { count.min(8) } else { count };
        let chosen = &self.known[(count - 1 - self.random.below(recent)) as usize];
        self.behind.extend(&chosen.behind);
        chosen.signal
    }

    /// A signal of this shape that no tool can prove constant: linters rightly object to comparing with
    /// constants that lie at the end of the range, and to memories that are addressed with one.
    pub fn pick_lively(&mut self, shape: Shape) -> Signal<'m> {
        let stir = self.stir.expect("inputs are made first");
        let width = shape.width.min(8);
        let bits = stir.slice(self.random.below(u64::from(stir.width() - width)) as u32, width);
        let own = Shape { signed: self.random.one_in(2), ..shape };
        let lively = self.pick_as(own).xor(reshaped(bits, own));
        let lively = if self.random.one_in(2) { self.name(lively) } else { lively };
        reshaped(lively, shape)
    }

    /// A signal of this shape.
    pub fn pick_as(&mut self, shape: Shape) -> Signal<'m> {
        reshaped(self.pick(), shape)
    }

    /// A single bit.
    pub fn pick_bit(&mut self) -> Signal<'m> {
        let signal = self.pick();
        let bit = self.random.below(u64::from(signal.width())) as u32;
        if self.random.one_in(3) { signal.any() } else { signal.bit(bit) }
    }

    /// Adds a signal made of those that were picked; now and then under a name.
    pub fn learn(&mut self, signal: Signal<'m>) {
        let behind = std::mem::take(&mut self.behind);
        let signal = if self.random.one_in(3) { self.name(signal) } else { signal };
        self.known.push(Known { signal, behind });
    }

    fn name(&mut self, signal: Signal<'m>) -> Signal<'m> {
        let name = format!("node_{}", self.named.len());
        let signal = signal.named(&name);
        self.named.push((name, signal));
        signal
    }

    fn learn_named(&mut self, name: String, signal: Signal<'m>) {
        let behind = std::mem::take(&mut self.behind);
        self.named.push((name, signal));
        self.known.push(Known { signal, behind });
    }

    fn inputs(&mut self) {
        let stir = self.m.input("stir_i", bitmill_hdl::unsigned(32));
        self.named.push(("stir_i".to_owned(), stir));
        self.stir = Some(stir);
        for index in 0..1 + self.random.below(5) {
            if index == 2 {
                self.m.group("More");
            }
            let (name, shape) = (format!("port{index}_i"), self.shape());
            let signal = self.m.input_with_comment(&name, shape, if index == 1 { "remark" } else { "" });
            self.learn_named(name, signal);
        }
    }

    fn register(&mut self) {
        let (name, shape) = (format!("state_{}_q", self.named.len()), self.shape());
        let register = self.m.register(&name, shape);
        let register = match self.random.below(3) {
            0 => register.without_reset(),
            1 => register.reset_to(self.random.next_u64() >> (64 - shape.width.min(64)) >> 1),
            _ => register,
        };
        self.open_registers.push(register);
        self.learn_named(name, register.q());
    }

    /// Sets a few registers that wait for it, so that some stand in one block.
    fn set_register(&mut self) {
        let enable = self.pick_lively(bitmill_hdl::unsigned(1));
        for _ in 0..1 + self.random.below(3) {
            if self.open_registers.is_empty() {
                break;
            }
            let at = self.random.below(self.open_registers.len() as u64) as usize;
            let register = self.open_registers.swap_remove(at);
            let next = self.pick_as(register.q().shape());
            match self.random.below(4) {
                0 | 1 => register.set(next),
                2 => register.set_when(enable, next),
                _ => register.set_when(self.pick_lively(bitmill_hdl::unsigned(1)), next),
            }
        }
        self.behind.clear();
    }

    fn memory(&mut self) {
        let size = Memory { width: self.width(), depth: 1 + self.random.below(40) as u32 };
        let address = bitmill_hdl::unsigned(size.address_bits());
        let ports = RamPorts {
            write_enable: self.pick_lively(bitmill_hdl::unsigned(1)),
            write_address: self.pick_lively(address),
            write_data: self.pick_as(bitmill_hdl::unsigned(size.width)),
            read_enable: self.pick_lively(bitmill_hdl::unsigned(1)),
            read_address: self.pick_lively(address),
        };
        let name = format!("buffer_{}", self.named.len());
        let data = self.m.memory(&name, size, ports);
        self.behind.clear();
        self.learn_named(format!("{name}_rdata"), data);
    }

    /// A wire that is driven later, by something that does not depend on it.
    fn wire(&mut self) {
        let (name, shape) = (format!("later_{}", self.named.len()), self.shape());
        let wire = self.m.wire(&name, shape);
        self.open_wires.push((self.wires, wire));
        self.behind.insert(self.wires);
        self.wires += 1;
        self.learn_named(name, wire.value());
    }

    fn drive_wire(&mut self) {
        if self.open_wires.is_empty() {
            return;
        }
        let at = self.random.below(self.open_wires.len() as u64) as usize;
        let (number, wire) = self.open_wires.swap_remove(at);
        let driver = self.pick_not_behind(number, wire.value().shape());
        wire.drive(driver);
        self.close_wire(number);
    }

    /// A signal of this shape that does not depend on wire `number`.
    fn pick_not_behind(&mut self, number: usize, shape: Shape) -> Signal<'m> {
        for _ in 0..20 {
            self.behind.clear();
            let signal = self.pick_as(shape);
            if !self.behind.contains(&number) {
                return signal;
            }
        }
        self.behind.clear();
        self.m.big_constant(shape, self.random.clone().bits(shape.width))
    }

    /// What depends on wire `number` depends from now on also on what was picked to drive it.
    fn close_wire(&mut self, number: usize) {
        let behind = std::mem::take(&mut self.behind);
        for known in self.known.iter_mut().filter(|known| known.behind.contains(&number)) {
            known.behind.extend(&behind);
        }
    }

    fn instance(&mut self, child: &Arc<Module>) {
        let name = format!("i_child_{}", self.instances);
        self.instances += 1;
        let mut connected = Vec::new();
        let mut late = Vec::new();
        let mut behind_port = vec![BTreeSet::new(); child.ports.len()];
        for (index, port) in child.ports.iter().enumerate() {
            if port.direction == bitmill_hdl::Direction::Output {
                continue;
            }
            if self.random.one_in(4) {
                behind_port[index].insert(self.wires);
                late.push((index, self.wires));
                self.wires += 1;
            } else {
                connected.push((port.name.as_str(), self.pick_as(port.shape)));
                behind_port[index] = std::mem::take(&mut self.behind);
            }
        }
        let instance = self.m.instance(&name, child, &connected);
        for (index, port) in child.ports.iter().enumerate() {
            if port.direction == bitmill_hdl::Direction::Input || self.random.one_in(4) {
                continue;
            }
            let through = child.paths.iter().filter(|(_, output)| *output == index);
            let behind = through.flat_map(|(input, _)| behind_port[*input].iter().copied()).collect();
            self.known.push(Known { signal: instance.output(&port.name), behind });
        }
        for (index, number) in late {
            let driver = self.pick_not_behind(number, child.ports[index].shape);
            instance.input(&child.ports[index].name, driver);
            self.close_wire(number);
        }
    }

    /// Drives what is open and puts on outputs what must not go unread.
    fn close(&mut self, exposed: &BTreeSet<String>) {
        while !self.open_wires.is_empty() {
            self.drive_wire();
        }
        while !self.open_registers.is_empty() {
            self.set_register();
        }
        self.m.group("Results");
        for index in 0..1 + self.random.below(4) {
            let signal = self.pick();
            self.m.output_with_comment(&format!("result{index}_o"), signal, "remark");
        }
        let exposed: Vec<(String, Signal<'m>)> =
            self.named.iter().filter(|(name, _)| exposed.contains(&format!("`{name}`"))).cloned().collect();
        for (name, signal) in exposed {
            match self.random.below(6) {
                0 => self.m.ignore(signal),
                1 => self.m.output(&format!("{name}_seen_o"), signal),
                2 => self.m.output(&format!("{name}_seen_o"), signal.parity()),
                _ => {
                    let lsb = self.random.below(u64::from(signal.width())) as u32;
                    let width = 1 + self.random.below(u64::from(signal.width() - lsb)) as u32;
                    self.m.output(&format!("{name}_seen_o"), signal.slice(lsb, width));
                }
            }
        }
    }
}
