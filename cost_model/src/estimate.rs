//! Prices every module of a design once, children before parents, and puts the tree together.
//!
//! Cells are priced by gates and steps of paths that were fitted to whole designs where the technology is calibrated, and by
//! operators that were measured one by one where it is not; memories by the technology's macros in either case.

mod memory;
mod operator;
mod sum;
mod timing;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use bitmill_hdl::{Design, Module};

use crate::analysis::Analysis;
use crate::cost::{Component, Cost, DesignCost, LongestPath};
use crate::gates::{Circuits, Gates};
use crate::technology::Technology;
pub(crate) use timing::ModuleTiming;

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
/// longest path is found through instances. In calibrated technologies a component without registers may cost more by itself
/// than where it stands, since synthesis joins it with what is around it.
pub fn estimate(design: &Design, technology: &Technology) -> DesignCost {
    let gates = technology.calibration.as_ref().map(|_| ModuleGates::of(design));
    in_technology(design, technology, gates.as_ref())
}

/// The same in several technologies: gates are those of all, and taken apart once.
pub fn estimate_in_all(design: &Design, technologies: &[Technology]) -> Vec<DesignCost> {
    let are_needed = technologies.iter().any(|technology| technology.calibration.is_some());
    let gates = are_needed.then(|| ModuleGates::of(design));
    technologies.iter().map(|technology| in_technology(design, technology, gates.as_ref())).collect()
}

fn in_technology(design: &Design, technology: &Technology, gates: Option<&ModuleGates>) -> DesignCost {
    let mut priced = BTreeMap::new();
    let cells = gates.and_then(|gates| Cells::of(gates, technology));
    for module in &design.modules {
        let mut cost = price(module, technology, &priced);
        if let Some(cells) = &cells {
            cells.calibrate(module, &mut cost);
        }
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

/// What fitted coefficients make of the cells of each module, all that is below included.
struct Cells<'d> {
    costs: HashMap<&'d str, Cost>,
    timings: HashMap<&'d str, ModuleTiming>,
}

impl<'d> Cells<'d> {
    /// `None` where the technology is not calibrated.
    fn of(gates: &ModuleGates<'d>, technology: &Technology) -> Option<Cells<'d>> {
        let calibration = technology.calibration.as_ref()?;
        let access_ns =
            |module: &Module, number: usize| memory::price(technology, &module.memories[number]).access_ns;
        Some(Cells {
            costs: gates.counts.iter().map(|(&name, gates)| (name, calibration.cells(gates))).collect(),
            timings: gates.circuits.timings(&calibration.step_ns(), access_ns),
        })
    }

    /// Puts these figures in place of those of operators.
    fn calibrate(&self, module: &Module, priced: &mut Priced) {
        let name = module.name.as_str();
        if let (Some(&cells), Some(timing)) = (self.costs.get(name), self.timings.get(name)) {
            priced.total = cells + priced.memories;
            priced.own = priced.total.beyond(priced.parts.iter().map(|part| part.cost).sum());
            let longest = std::mem::take(&mut priced.timing.longest);
            priced.timing = ModuleTiming { longest, ..timing.clone() };
        }
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
    let own_memories: Cost = module.memories.iter().map(|m| memory::price(technology, m).cost).sum();
    own = own + own_memories + registers(&analysis, technology);
    let timing = timing::of(&analysis, technology, &delays, |child| priced.get(child).map(|p| &p.timing));
    let parts = parts(module, priced);
    let total = own + parts.iter().map(|part| part.cost).sum();
    let below = module.instances.iter().filter_map(|instance| priced.get(&instance.module.name));
    let memories = own_memories + below.map(|child| child.memories).sum();
    Priced { own, total, memories, timing, parts }
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
