//! Instances of other modules.

use std::sync::Arc;

use crate::module::{Direction, Instance, Item, Node};
use crate::{HdlError, Module, ModuleBuilder, Shape, Signal, Source};

impl ModuleBuilder {
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
                reset: None,
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

    /// Holds the instance in reset while `reset` (1 bit, named) is 1, besides the reset of the module around it.
    #[track_caller]
    pub fn reset_when(self, reset: Signal<'m>) {
        let reset = reset.require_bit("reset of an instance", Source::caller());
        self.builder.state.borrow_mut().instances[self.number].reset = Some(reset.id);
    }

    fn connect(self, port: &str, signal: Signal<'m>, at: Source) {
        let Some((index, shape)) = self.find(port, Direction::Input, at) else { return };
        if signal.shape() != shape {
            let instance = self.builder.state.borrow().instances[self.number].name.clone();
            let problem = format!("input `{port}` of instance {instance} takes {shape}");
            signal.illegal("connection", problem, at);
        }
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
