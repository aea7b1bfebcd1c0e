//! Circuits with one operation changed, which a comparison must notice.

use std::sync::Arc;

use bitmill_hdl::{Module, Node, Op};

/// `top` with one operation changed: the first one of `from` behind the signal called `signal` in the module at
/// `path`, through the expression in front of it; behind a register's next value where the signal is a register.
pub fn broken(top: &Arc<Module>, path: &[&str], signal: &str, from: Op, to: Op) -> Arc<Module> {
    let mut module = Module::clone(top);
    if let [instance, rest @ ..] = path {
        let child = module.instances.iter_mut().find(|i| i.name == *instance).expect("the instance");
        child.module = broken(&child.module, rest, signal, from, to);
        // The other instances of the module are broken alike: a module has one description.
        let (name, changed) = (child.module.name.clone(), Arc::clone(&child.module));
        let alike = module.instances.iter_mut().filter(|i| i.module.name == name);
        alike.for_each(|i| i.module = Arc::clone(&changed));
        return Arc::new(module);
    }
    let named = module.signals.iter().position(|s| s.name.as_deref() == Some(signal)).expect("the signal");
    let register = module.registers.iter().find(|r| r.q.index() == named).and_then(|r| r.next);
    let mut work = vec![register.map_or(named, |next| next.index())];
    while let Some(index) = work.pop() {
        let Node::Operation(op, operands) = &mut module.signals[index].node else { continue };
        if *op == from {
            *op = to;
            return Arc::new(module);
        }
        work.extend(operands.iter().map(|o| o.index()));
    }
    panic!("no {from:?} behind {signal}");
}
