//! Prices every module of a design once, children before parents, and puts the tree together.
//!
//! Cells are priced by gates and steps of paths that were fitted to whole designs, memories by macros.

mod memory;

pub use memory::{MemoryCost, memory_cost};

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use bitmill_hdl::{Design, Memory, MemoryData, Module};

use crate::cost::{Component, Cost, DesignCost, LongestPath};
use crate::gates::delay::ModuleTiming;
use crate::gates::{Circuits, Gates};
use crate::technology::Technology;

/// What one instance of a module costs.
struct Priced {
    own: Cost,
    total: Cost,
    /// Of the total, what memories cost.
    memories: Cost,
    timing: ModuleTiming,
    parts: Vec<Component>,
}

/// What `design` costs in `technology`, by component.
///
/// Only bits that are read and that carry information are priced; wiring, constants and what
/// nothing reads are free. Sums of products share one carry propagation, as synthesis builds them. The
/// longest path is found through instances. A component without registers may cost more by itself
/// than where it stands, since synthesis joins it with what is around it.
pub fn estimate(design: &Design, technology: &Technology) -> DesignCost {
    in_technology(design, technology, &ModuleGates::of(design))
}

/// The same in several technologies: gates are those of all, and taken apart once.
pub fn estimate_in_all(design: &Design, technologies: &[Technology]) -> Vec<DesignCost> {
    let gates = ModuleGates::of(design);
    technologies.iter().map(|technology| in_technology(design, technology, &gates)).collect()
}

fn in_technology(design: &Design, technology: &Technology, gates: &ModuleGates) -> DesignCost {
    let calibration = &technology.calibration;
    let price = |data: &MemoryData| memory_cost(technology, Memory { width: data.width, depth: data.depth });
    let access_ns = |module: &Module, number: usize| price(&module.memories[number]).access_ns;
    let mut timings = gates.circuits.timings(&calibration.step_ns(), access_ns);
    let mut priced = BTreeMap::new();
    for module in &design.modules {
        let own_memories: Cost = module.memories.iter().map(|data| price(data).cost).sum();
        let below = module.instances.iter().filter_map(|i| priced.get(&i.module.name));
        let memories = own_memories + below.map(|child: &Priced| child.memories).sum();
        let cells = gates.counts.get(module.name.as_str()).map(|gates| calibration.cells(gates));
        let total = cells.unwrap_or_default() + memories;
        let parts = parts(module, &priced);
        let own = total.beyond(parts.iter().map(|part| part.cost).sum());
        let timing = timings.remove(module.name.as_str()).unwrap_or_default();
        priced.insert(module.name.clone(), Priced { own, total, memories, timing, parts });
    }
    let top = &design.top;
    let components = top.instances.iter().map(|i| component(&i.name, &i.module, 1, &priced)).collect();
    let (own, total, memories) =
        priced.get(&top.name).map(|p| (p.own, p.total, p.memories)).unwrap_or_default();
    DesignCost {
        technology: technology.name.clone(),
        top: top.name.clone(),
        total,
        memories,
        own,
        components,
        longest_path: longest_path(top, &priced),
    }
}

/// The gates of a design.
struct ModuleGates<'d> {
    circuits: Circuits<'d>,
    /// Of each module, all that is below included.
    counts: HashMap<&'d str, Gates>,
}

impl<'d> ModuleGates<'d> {
    fn of(design: &'d Design) -> ModuleGates<'d> {
        let circuits = Circuits::of(design);
        ModuleGates { counts: circuits.count_modules(), circuits }
    }
}

/// The instances of a module, those of one module together, in the order of their first appearance.
fn parts(module: &Module, priced: &BTreeMap<String, Priced>) -> Vec<Component> {
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

fn component(name: &str, module: &Module, instances: u32, priced: &BTreeMap<String, Priced>) -> Component {
    let one = priced.get(&module.name);
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
fn longest_path(top: &Module, priced: &BTreeMap<String, Priced>) -> LongestPath {
    let (mut module, mut instances) = (top, Vec::new());
    loop {
        let Some(timing) = priced.get(&module.name).map(|p| &p.timing) else { return LongestPath::default() };
        let slower = module
            .instances
            .iter()
            .find(|i| priced.get(&i.module.name).is_some_and(|p| p.timing.inside_ns >= timing.inside_ns));
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
