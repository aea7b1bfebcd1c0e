//! Describes a module: ports, wires, registers, memories and instances.
//!
//! The builder never panics on an illegal call: it keeps the first error, goes on with a stand-in signal of
//! the right shape, and [`ModuleBuilder::finish`] returns that error.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use num_bigint::BigUint;

use crate::module::{Direction, Instance, Item, MemoryData, Node, Op, Port, RegisterData, SignalData};
use crate::{HdlError, Module, Shape, Signal, SignalId, Source, unsigned, verilog};

/// Builds one [`Module`].
pub struct ModuleBuilder {
    pub(crate) state: RefCell<State>,
    described_in: &'static str,
}

pub(crate) struct State {
    pub name: String,
    pub purpose: String,
    pub group: String,
    pub ports: Vec<Port>,
    pub signals: Vec<SignalData>,
    pub registers: Vec<RegisterData>,
    pub memories: Vec<MemoryData>,
    pub instances: Vec<Instance>,
    pub items: Vec<Item>,
    pub ignored: Vec<SignalId>,
    pub names: HashMap<String, Source>,
    pub drivers: HashMap<SignalId, Source>,
    pub error: Option<HdlError>,
}

impl State {
    pub fn fail(&mut self, error: HdlError) {
        self.error.get_or_insert(error);
    }

    pub fn push(&mut self, shape: Shape, node: Node, at: Source) -> SignalId {
        let id = SignalId(self.signals.len() as u32);
        self.signals.push(SignalData { shape, name: None, node, at });
        id
    }

    pub fn set_name(&mut self, id: SignalId, name: &str, at: Source) {
        self.claim(name, at);
        self.signals[id.index()].name = Some(name.to_owned());
    }

    fn claim(&mut self, name: &str, at: Source) {
        let problem = if self.names.contains_key(name) {
            "is taken"
        } else if verilog::is_keyword(name) {
            "is reserved in Verilog"
        } else if !verilog::is_identifier(name) {
            "is not a Verilog identifier (letters, digits, underscores; a letter first)"
        } else {
            self.names.insert(name.to_owned(), at);
            return;
        };
        self.fail(HdlError::BadName { module: self.name.clone(), name: name.to_owned(), problem, at });
    }

    fn drive(&mut self, id: SignalId, at: Source) {
        if let Some(first) = self.drivers.insert(id, at) {
            let signal = describe(&self.signals, id);
            self.fail(HdlError::TwoDrivers { module: self.name.clone(), signal, first, second: at });
        }
    }
}

/// A name for messages: the signal's own, or what kind of expression it is.
pub(crate) fn describe(signals: &[SignalData], id: SignalId) -> String {
    let data = &signals[id.index()];
    match (&data.name, &data.node) {
        (Some(name), _) => format!("`{name}`"),
        (None, Node::Constant(value)) => format!("constant {value}"),
        (None, Node::Operation(op, operands)) => {
            let operands: Vec<String> = operands.iter().take(3).map(|&o| shallow(signals, o)).collect();
            format!("an unnamed {op:?} of {}", operands.join(", "))
        }
        (None, _) => "an unnamed signal".to_owned(),
    }
}

fn shallow(signals: &[SignalData], id: SignalId) -> String {
    let data = &signals[id.index()];
    match (&data.name, &data.node) {
        (Some(name), _) => format!("`{name}`"),
        (None, Node::Constant(value)) => value.to_string(),
        (None, _) => "…".to_owned(),
    }
}

/// A wire that is read before its driver is known.
#[derive(Clone, Copy)]
pub struct Wire<'m> {
    signal: Signal<'m>,
}

impl<'m> Wire<'m> {
    /// The value it carries.
    pub fn value(self) -> Signal<'m> {
        self.signal
    }

    /// Drives the wire, once.
    #[track_caller]
    pub fn drive(self, driver: Signal<'m>) {
        let at = Source::caller();
        let driver = self.signal.require_shape("drive", driver, at);
        let mut state = self.signal.builder.state.borrow_mut();
        state.drive(self.signal.id, at);
        state.signals[self.signal.id.index()].node = Node::Wire { driver: Some(driver.id) };
        state.items.push(Item::Drive(self.signal.id));
    }
}

/// A register; it resets to 0 unless told otherwise.
#[derive(Clone, Copy)]
pub struct Register<'m> {
    q: Signal<'m>,
    number: usize,
}

impl<'m> Register<'m> {
    /// Its present value.
    pub fn q(self) -> Signal<'m> {
        self.q
    }

    /// Resets to `value` instead of 0.
    #[track_caller]
    pub fn reset_to(self, value: u64) -> Self {
        let shape = self.q.shape();
        if shape.width < 64 && value >> shape.width != 0 {
            self.q.illegal("reset_to", format!("{value} does not fit"), Source::caller());
        }
        self.q.builder.state.borrow_mut().registers[self.number].reset = Some(BigUint::from(value));
        self
    }

    /// Leaves the register without reset: for data that a valid bit guards.
    pub fn without_reset(self) -> Self {
        self.q.builder.state.borrow_mut().registers[self.number].reset = None;
        self
    }

    /// Takes `next` at every clock edge.
    #[track_caller]
    pub fn set(self, next: Signal<'m>) {
        self.assign(next, None, Source::caller());
    }

    /// Takes `next` at the clock edges at which `enable` (1 bit) is set.
    #[track_caller]
    pub fn set_when(self, enable: Signal<'m>, next: Signal<'m>) {
        self.assign(next, Some(enable), Source::caller());
    }

    fn assign(self, next: Signal<'m>, enable: Option<Signal<'m>>, at: Source) {
        let next = self.q.require_shape("register input", next, at);
        let enable = enable.map(|e| e.require_bit("register enable", at).id);
        let mut state = self.q.builder.state.borrow_mut();
        state.drive(self.q.id, at);
        let register = &mut state.registers[self.number];
        register.next = Some(next.id);
        register.enable = enable;
        state.items.push(Item::Register(self.number));
    }
}

/// The ports of a memory, see [`ModuleBuilder::memory`].
#[derive(Clone, Copy)]
pub struct RamPorts<'m> {
    /// Write enable, 1 bit.
    pub write_enable: Signal<'m>,
    /// Write address, unsigned, exactly wide enough for the depth.
    pub write_address: Signal<'m>,
    /// Write data.
    pub write_data: Signal<'m>,
    /// Read enable, 1 bit.
    pub read_enable: Signal<'m>,
    /// Read address, as wide as the write address.
    pub read_address: Signal<'m>,
}

/// Size of a memory, see [`ModuleBuilder::memory`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Memory {
    /// Bits a word.
    pub width: u32,
    /// Words.
    pub depth: u32,
}

impl Memory {
    /// Bits of an address.
    pub fn address_bits(self) -> u32 {
        crate::bits_for(u64::from(self.depth.max(2) - 1))
    }
}

impl ModuleBuilder {
    /// Starts a module. `purpose` is printed at its head: what it is for, in a sentence or a few lines.
    #[track_caller]
    pub fn new(name: impl Into<String>, purpose: impl Into<String>) -> ModuleBuilder {
        let at = Source::caller();
        let name = name.into();
        let mut state = State {
            name: name.clone(),
            purpose: purpose.into(),
            group: String::new(),
            ports: Vec::new(),
            signals: Vec::new(),
            registers: Vec::new(),
            memories: Vec::new(),
            instances: Vec::new(),
            items: Vec::new(),
            ignored: Vec::new(),
            names: HashMap::new(),
            drivers: HashMap::new(),
            error: None,
        };
        for reserved in ["clk_i", "rst_ni", &name] {
            state.claim(reserved, at);
        }
        ModuleBuilder { state: RefCell::new(state), described_in: at.file }
    }

    /// Opens a group of ports, such as `Control`.
    pub fn group(&self, heading: &str) {
        self.state.borrow_mut().group = heading.to_owned();
    }

    /// A comment line in the body, before what is described next.
    pub fn comment(&self, text: &str) {
        self.state.borrow_mut().items.push(Item::Comment(text.to_owned()));
    }

    /// An input port.
    #[track_caller]
    pub fn input(&self, name: &str, shape: Shape) -> Signal<'_> {
        self.input_with_comment(name, shape, "")
    }

    /// An input port with a remark beside it.
    #[track_caller]
    pub fn input_with_comment(&self, name: &str, shape: Shape, comment: &str) -> Signal<'_> {
        let signal = self.declare(name, shape, Node::Input, Source::caller());
        self.port(name, Direction::Input, signal, comment);
        signal
    }

    /// An output port, driven by `driver`.
    #[track_caller]
    pub fn output(&self, name: &str, driver: Signal<'_>) {
        self.output_with_comment(name, driver, "");
    }

    /// An output port with a remark beside it.
    #[track_caller]
    pub fn output_with_comment(&self, name: &str, driver: Signal<'_>, comment: &str) {
        self.state.borrow_mut().claim(name, Source::caller());
        self.port(name, Direction::Output, driver, comment);
    }

    fn port(&self, name: &str, direction: Direction, signal: Signal<'_>, comment: &str) {
        let shape = signal.shape();
        let mut state = self.state.borrow_mut();
        let group = state.group.clone();
        let (name, comment) = (name.to_owned(), comment.to_owned());
        state.ports.push(Port { name, direction, shape, signal: signal.id, group, comment });
    }

    fn declare(&self, name: &str, shape: Shape, node: Node, at: Source) -> Signal<'_> {
        let mut state = self.state.borrow_mut();
        let id = state.push(shape, node, at);
        state.set_name(id, name, at);
        if shape.width == 0 {
            let (module, signal) = (state.name.clone(), format!("`{name}`"));
            let problem = "a signal has at least 1 bit".to_owned();
            state.fail(HdlError::IllegalOperation {
                module,
                operation: "declaration",
                signal,
                shape,
                problem,
                at,
            });
        }
        Signal { builder: self, id }
    }

    /// A wire to be driven later.
    #[track_caller]
    pub fn wire(&self, name: &str, shape: Shape) -> Wire<'_> {
        let signal = self.declare(name, shape, Node::Wire { driver: None }, Source::caller());
        self.state.borrow_mut().items.push(Item::Signal(signal.id));
        Wire { signal }
    }

    /// A register, reset to 0; [`Register::set`] gives its next value.
    #[track_caller]
    pub fn register(&self, name: &str, shape: Shape) -> Register<'_> {
        let number = self.state.borrow().registers.len();
        let q = self.declare(name, shape, Node::Register(number), Source::caller());
        let mut state = self.state.borrow_mut();
        state.registers.push(RegisterData { q: q.id, next: None, enable: None, reset: Some(BigUint::ZERO) });
        state.items.push(Item::Signal(q.id));
        Register { q, number }
    }

    /// `next`, one clock later; reset to 0.
    #[track_caller]
    pub fn delay<'m>(&'m self, name: &str, next: Signal<'m>) -> Signal<'m> {
        let register = self.register(name, next.shape());
        register.set(next);
        register.q()
    }

    /// `next`, one clock later, without reset: for data that a valid bit guards.
    #[track_caller]
    pub fn delay_data<'m>(&'m self, name: &str, next: Signal<'m>) -> Signal<'m> {
        let register = self.register(name, next.shape()).without_reset();
        register.set(next);
        register.q()
    }

    /// A memory with one write and one synchronous read port; returns the registered read data.
    /// Reading the word that is written in the same cycle returns the old word.
    #[track_caller]
    pub fn memory<'m>(&'m self, name: &str, size: Memory, ports: RamPorts<'m>) -> Signal<'m> {
        let at = Source::caller();
        self.state.borrow_mut().claim(&format!("{name}_mem"), at);
        let number = self.state.borrow().memories.len();
        let read = self.declare(&format!("{name}_rdata"), unsigned(size.width), Node::MemoryRead(number), at);
        let address = unsigned(size.address_bits());
        let ports = RamPorts {
            write_enable: ports.write_enable.require_bit("memory write enable", at),
            write_address: ports.write_address.require_to_be("memory write address", address, at),
            write_data: ports.write_data.require_to_be("memory write data", unsigned(size.width), at),
            read_enable: ports.read_enable.require_bit("memory read enable", at),
            read_address: ports.read_address.require_to_be("memory read address", address, at),
        };
        let mut state = self.state.borrow_mut();
        state.memories.push(MemoryData {
            name: format!("{name}_mem"),
            width: size.width,
            depth: size.depth,
            write_enable: ports.write_enable.id,
            write_address: ports.write_address.id,
            write_data: ports.write_data.id,
            read_enable: ports.read_enable.id,
            read_address: ports.read_address.id,
            read_data: read.id,
        });
        state.items.push(Item::Memory(number));
        read
    }

    /// Instantiates `module`, connecting `inputs` by port name; outputs are taken from the result.
    #[track_caller]
    pub fn instance<'m>(
        &'m self,
        name: &str,
        module: &Arc<Module>,
        inputs: &[(&str, Signal<'m>)],
    ) -> InstanceHandle<'m> {
        let at = Source::caller();
        let number = {
            let mut state = self.state.borrow_mut();
            state.claim(name, at);
            let (ports, number) = (module.ports.len(), state.instances.len());
            state.instances.push(Instance {
                name: name.to_owned(),
                module: Arc::clone(module),
                inputs: vec![None; ports],
                outputs: vec![None; ports],
                at,
            });
            state.items.push(Item::Instance(number));
            number
        };
        let handle = InstanceHandle { builder: self, number };
        for &(port, signal) in inputs {
            handle.connect(port, signal, at);
        }
        handle
    }

    /// A constant of the given shape; negative values are two's complement.
    #[track_caller]
    pub fn constant(&self, shape: Shape, value: i128) -> Signal<'_> {
        let at = Source::caller();
        let fits = if shape.signed {
            shape.width >= 127
                || (-(1i128 << (shape.width - 1))..(1i128 << (shape.width - 1))).contains(&value)
        } else {
            value >= 0 && (shape.width >= 127 || value >> shape.width == 0)
        };
        let modulus = BigUint::from(1u8) << shape.width;
        let magnitude = BigUint::from(value.unsigned_abs()) % &modulus;
        let bits = if value < 0 { (&modulus - magnitude) % &modulus } else { magnitude };
        let signal = self.big_constant(shape, bits);
        if !fits {
            signal.illegal("constant", format!("the value {value} does not fit"), at);
        }
        signal
    }

    /// A constant given by its bits.
    #[track_caller]
    pub fn big_constant(&self, shape: Shape, bits: BigUint) -> Signal<'_> {
        let at = Source::caller();
        let too_wide = bits.bits() > u64::from(shape.width);
        let id = self.state.borrow_mut().push(shape, Node::Constant(bits), at);
        let signal = Signal { builder: self, id };
        if too_wide || shape.width == 0 {
            signal.illegal("constant", "the value does not fit".to_owned(), at);
        }
        signal
    }

    /// An unsigned constant of `width` bits.
    #[track_caller]
    pub fn lit(&self, width: u32, value: u64) -> Signal<'_> {
        self.constant(unsigned(width), i128::from(value))
    }

    /// A single constant bit.
    #[track_caller]
    pub fn bit(&self, value: bool) -> Signal<'_> {
        self.lit(1, u64::from(value))
    }

    /// Signals side by side, most significant first; unsigned.
    #[track_caller]
    pub fn concat<'m>(&'m self, parts: &[Signal<'m>]) -> Signal<'m> {
        let at = Source::caller();
        match parts {
            [] => {
                let stand_in = self.lit(1, 0);
                stand_in.illegal("concat", "at least one part is needed".to_owned(), at);
                stand_in
            }
            [single] => single.as_unsigned(),
            _ => {
                let width = parts.iter().map(|p| p.width()).sum();
                self.operation(Op::Concat, unsigned(width), parts, at)
            }
        }
    }

    /// Full-width sum of all `terms` (one signedness) through a balanced tree.
    #[track_caller]
    pub fn sum<'m>(&'m self, terms: &[Signal<'m>]) -> Signal<'m> {
        let mut level = terms.to_vec();
        if level.is_empty() {
            let stand_in = self.lit(1, 0);
            stand_in.illegal("sum", "at least one term is needed".to_owned(), Source::caller());
            return stand_in;
        }
        while level.len() > 1 {
            level = level
                .chunks(2)
                .map(|pair| if pair.len() == 2 { pair[0].add(pair[1]) } else { pair[0] })
                .collect();
        }
        level[0]
    }

    /// Or of single bits; constant 0 for none.
    #[track_caller]
    pub fn any<'m>(&'m self, bits: &[Signal<'m>]) -> Signal<'m> {
        if bits.is_empty() { self.bit(false) } else { self.concat(bits).any() }
    }

    /// States that nothing reads `signal` on purpose.
    pub fn ignore(&self, signal: Signal<'_>) {
        self.state.borrow_mut().ignored.push(signal.id);
    }

    pub(crate) fn operation(&self, op: Op, shape: Shape, operands: &[Signal<'_>], at: Source) -> Signal<'_> {
        let operands = operands.iter().map(|s| s.id).collect();
        let id = self.state.borrow_mut().push(shape, Node::Operation(op, operands), at);
        Signal { builder: self, id }
    }

    /// Checks the module and freezes it.
    ///
    /// # Errors
    /// The first illegal call, or what the whole-module checks found; see [`HdlError`].
    pub fn finish(self) -> Result<Arc<Module>, HdlError> {
        let state = self.state.into_inner();
        if let Some(error) = state.error {
            return Err(error);
        }
        let clocked = !state.registers.is_empty()
            || !state.memories.is_empty()
            || state.instances.iter().any(|i| i.module.clocked);
        let mut module = Module {
            name: state.name,
            purpose: state.purpose,
            described_in: self.described_in,
            clocked,
            ports: state.ports,
            signals: state.signals,
            registers: state.registers,
            memories: state.memories,
            instances: state.instances,
            items: state.items,
            ignored: state.ignored,
            paths: Vec::new(),
        };
        module.paths = crate::check::check(&module)?;
        Ok(Arc::new(module))
    }
}

/// An instance under construction: connect late inputs, take outputs.
#[derive(Clone, Copy)]
pub struct InstanceHandle<'m> {
    builder: &'m ModuleBuilder,
    number: usize,
}

impl<'m> InstanceHandle<'m> {
    /// The output `port`, as a signal named after instance and port.
    #[track_caller]
    pub fn output(self, port: &str) -> Signal<'m> {
        let at = Source::caller();
        let Some((index, shape)) = self.find(port, Direction::Output, at) else {
            return self.builder.bit(false);
        };
        let taken = self.builder.state.borrow().instances[self.number].outputs[index];
        if let Some(id) = taken {
            return Signal { builder: self.builder, id };
        }
        let mut state = self.builder.state.borrow_mut();
        let instance = &state.instances[self.number];
        let prefix = instance.name.strip_prefix("i_").unwrap_or(&instance.name);
        let name = format!("{prefix}_{}", port.strip_suffix("_o").unwrap_or(port));
        let id = state.push(shape, Node::InstanceOutput { instance: self.number, port: index }, at);
        state.set_name(id, &name, at);
        state.instances[self.number].outputs[index] = Some(id);
        Signal { builder: self.builder, id }
    }

    /// Connects an input that was not known when the instance was made.
    #[track_caller]
    pub fn input(self, port: &str, signal: Signal<'m>) {
        self.connect(port, signal, Source::caller());
    }

    fn connect(self, port: &str, signal: Signal<'m>, at: Source) {
        let Some((index, shape)) = self.find(port, Direction::Input, at) else { return };
        let signal = signal.require_to_be("instance input", shape, at);
        let mut state = self.builder.state.borrow_mut();
        let instance = &mut state.instances[self.number];
        let first = instance.at;
        if instance.inputs[index].replace(signal.id).is_some() {
            let name = format!("input `{port}` of instance {}", instance.name);
            let module = state.name.clone();
            state.fail(HdlError::TwoDrivers { module, signal: name, first, second: at });
        }
    }

    fn find(self, port: &str, direction: Direction, at: Source) -> Option<(usize, Shape)> {
        let mut state = self.builder.state.borrow_mut();
        let instance = &state.instances[self.number];
        let child = Arc::clone(&instance.module);
        if let Some((index, p)) = child.port(port).filter(|(_, p)| p.direction == direction) {
            return Some((index, p.shape));
        }
        let legal: Vec<&str> =
            child.ports.iter().filter(|p| p.direction == direction).map(|p| p.name.as_str()).collect();
        let error = HdlError::NoSuchPort {
            module: state.name.clone(),
            instance: instance.name.clone(),
            child: child.name.clone(),
            direction: if direction == Direction::Input { "input" } else { "output" },
            port: port.to_owned(),
            legal: legal.join(", "),
            at,
        };
        state.fail(error);
        None
    }
}
