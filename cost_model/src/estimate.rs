//! Prices every module of a design once, children before parents, and puts the tree together.

mod memory;
mod operator;
mod sum;
mod timing;

use std::collections::BTreeMap;
use std::sync::Arc;

use bitmill_hdl::{Design, Module};

use crate::analysis::Analysis;
use crate::cost::{Component, Cost, DesignCost, LongestPath};
use crate::technology::Technology;
use timing::ModuleTiming;

/// What one instance of a module costs.
struct Priced {
    own: Cost,
    total: Cost,
    timing: ModuleTiming,
    parts: Vec<Component>,
}

/// What `design` costs in `technology`, by component.
///
/// Operators are priced by the bits that are read and that carry information; wiring, constants and what
/// nothing reads are free. Sums of products share one carry propagation, as synthesis builds them. The
/// longest path is found through instances.
pub fn estimate(design: &Design, technology: &Technology) -> DesignCost {
    let mut priced = BTreeMap::new();
    for module in &design.modules {
        let cost = price(module, technology, &priced);
        priced.insert(module.name.clone(), cost);
    }
    let top = &design.top;
    let components = top.instances.iter().map(|i| component(&i.name, &i.module, 1, &priced)).collect();
    let (own, total) = priced.get(&top.name).map(|p| (p.own, p.total)).unwrap_or_default();
    DesignCost {
        technology: technology.name.clone(),
        top: top.name.clone(),
        total,
        own,
        components,
        longest_path: longest_path(top, &priced),
    }
}

fn price(module: &Module, technology: &Technology, priced: &BTreeMap<String, Priced>) -> Priced {
    let analysis = Analysis::of(module);
    let mut own = Cost::default();
    let mut delays = vec![0.0; module.signals.len()];
    for &id in &analysis.live {
        let figures = operator::price(&analysis, technology, id);
        delays[id.index()] = figures.delay_ns;
        own.logic_um2 += figures.area_um2;
        own.active_pj += figures.energy_pj;
        own.leakage_nw += figures.leakage_nw;
    }
    own = module.memories.iter().fold(own, |own, m| own + memory::price(technology, m).cost);
    own = own + registers(&analysis, technology);
    let timing = timing::of(&analysis, technology, &delays, |child| priced.get(child).map(|p| &p.timing));
    let parts = parts(module, priced);
    let total = own + parts.iter().map(|part| part.cost).sum();
    Priced { own, total, timing, parts }
}

/// Cost of the registers whose bits are read.
fn registers(analysis: &Analysis, technology: &Technology) -> Cost {
    let mut cost = Cost::default();
    for register in analysis.module.registers.iter().filter(|r| analysis.is_live(r.q)) {
        let count = analysis.used_bits(register.q);
        let (bits, kind) = (
            f64::from(count),
            technology.flip_flop.kind(register.reset.is_some(), register.enable.is_some()),
        );
        cost = cost
            + Cost {
                registers_um2: kind.area_um2 * bits,
                active_pj: (kind.clock_pj + kind.data_pj) * bits,
                idle_pj: kind.clock_pj * bits,
                leakage_nw: kind.leakage_nw * bits,
                register_bits: u64::from(count),
                ..Cost::default()
            };
    }
    cost
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
