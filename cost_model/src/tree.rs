//! Puts the tree of a design's components together from what its modules come to.

use std::collections::HashMap;
use std::iter::Sum;
use std::ops::Mul;
use std::sync::Arc;

use bitmill_hdl::{Design, Module};

use crate::cost::{Component, DesignCost, LongestPath};
use crate::gates::delay::ModuleTiming;

/// What a part of a design comes to: a cost, or resources.
pub(crate) trait Amount: Copy + Default + PartialEq + Mul<u32, Output = Self> + Sum {
    /// What is left of it beyond `parts`; nothing where they come to more.
    fn beyond(self, parts: Self) -> Self;
}

/// What one instance of a module comes to.
struct Node<C> {
    own: C,
    total: C,
    timing: ModuleTiming,
    parts: Vec<Component<C>>,
}

/// Modules by name.
type Nodes<'a, C> = HashMap<&'a str, Node<C>>;

/// The tree of a design whose modules come to `totals`, of which `memories`, with all that is below them.
pub(crate) fn tree<C: Amount>(
    technology: &str,
    design: &Design,
    totals: &HashMap<&str, C>,
    memories: &HashMap<&str, C>,
    mut timings: HashMap<&str, ModuleTiming>,
) -> DesignCost<C> {
    let mut priced: Nodes<C> = HashMap::new();
    for module in &design.modules {
        let name = module.name.as_str();
        let total = totals.get(name).copied().unwrap_or_default();
        let parts = parts(module, &priced);
        let own = total.beyond(parts.iter().map(|part| part.cost).sum());
        let timing = timings.remove(name).unwrap_or_default();
        priced.insert(name, Node { own, total, timing, parts });
    }
    let top = &design.top;
    let components = top.instances.iter().map(|i| component(&i.name, &i.module, 1, &priced)).collect();
    let (own, total) = priced.get(top.name.as_str()).map(|p| (p.own, p.total)).unwrap_or_default();
    DesignCost {
        technology: technology.to_owned(),
        top: top.name.clone(),
        total,
        memories: memories.get(top.name.as_str()).copied().unwrap_or_default(),
        own,
        components,
        longest_path: longest_path(top, &priced),
    }
}

/// The instances of a module, those of one module together, in the order of their first appearance.
fn parts<C: Amount>(module: &Module, priced: &Nodes<C>) -> Vec<Component<C>> {
    let mut order: Vec<(&Arc<Module>, Vec<&str>)> = Vec::new();
    for instance in &module.instances {
        match order.iter_mut().find(|(child, _)| child.name == instance.module.name) {
            Some((_, names)) => names.push(&instance.name),
            None => order.push((&instance.module, vec![&instance.name])),
        }
    }
    order
        .into_iter()
        .map(|(child, names)| component(&common(&names), child, names.len() as u32, priced))
        .collect()
}

fn component<C: Amount>(name: &str, module: &Module, instances: u32, priced: &Nodes<C>) -> Component<C> {
    let one = priced.get(module.name.as_str());
    Component {
        name: name.to_owned(),
        module: module.name.clone(),
        instances,
        cost: one.map(|p| p.total).unwrap_or_default() * instances,
        delay_ns: one.map_or(0.0, |p| p.timing.delay_ns()),
        parts: one.map(|p| p.parts.clone()).unwrap_or_default(),
    }
}

/// The name of one instance, or what several names begin with and a star.
fn common(names: &[&str]) -> String {
    let [first, rest @ ..] = names else { return String::new() };
    if rest.is_empty() {
        return (*first).to_owned();
    }
    let shared = rest.iter().fold(first.len(), |length, name| {
        first.bytes().zip(name.bytes()).take(length).take_while(|(a, b)| a == b).count()
    });
    // Names are ASCII: they are Verilog identifiers.
    format!("{}*", first[..shared].trim_end_matches(|c: char| c.is_ascii_digit()))
}

/// The longest path of the whole design, with the instance in which it lies.
fn longest_path<C>(top: &Module, priced: &Nodes<C>) -> LongestPath {
    let (mut module, mut instances) = (top, Vec::new());
    loop {
        let Some(timing) = priced.get(module.name.as_str()).map(|p| &p.timing) else {
            return LongestPath::default();
        };
        let slower = module.instances.iter().find(|i| {
            priced.get(i.module.name.as_str()).is_some_and(|p| p.timing.inside_ns >= timing.inside_ns)
        });
        match slower {
            Some(instance) if timing.inside_ns >= timing.delay_ns() => {
                instances.push(instance.name.as_str());
                module = &instance.module;
            }
            _ => {
                return LongestPath {
                    delay_ns: timing.delay_ns(),
                    instance: instances.join("/"),
                    signals: timing.longest.clone(),
                };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::common;

    #[test]
    fn instances_of_one_module_are_named_by_what_they_share() {
        assert_eq!(common(&["i_pe_0"]), "i_pe_0");
        assert_eq!(common(&["i_pe_10", "i_pe_11", "i_pe_12"]), "i_pe_*");
        assert_eq!(common(&["i_a", "j_b"]), "*");
    }
}
