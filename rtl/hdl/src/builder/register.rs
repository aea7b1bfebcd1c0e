//! Wires that are driven later, and registers.

use num_bigint::BigUint;

use crate::module::{Item, Node, RegisterData};
use crate::{ModuleBuilder, Shape, Signal, Source};

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

impl ModuleBuilder {
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
}
