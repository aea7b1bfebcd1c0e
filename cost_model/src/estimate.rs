//! Prices every module of a design once, children before parents.
//!
//! Cells are priced by gates and steps of paths that were fitted to whole designs, memories by macros.

mod memory;

pub use memory::{MemoryCost, memory_cost};

use std::collections::HashMap;

use bitmill_hdl::{Design, Memory, MemoryData, Module};

use crate::cost::{Cost, DesignCost};
use crate::gates::{Circuits, Gates};
use crate::technology::Technology;
use crate::tree::tree;

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
    let timings = gates.circuits.timings(&calibration.step_ns(), access_ns);
    let mut memories: HashMap<&str, Cost> = HashMap::new();
    let mut totals = HashMap::new();
    for module in &design.modules {
        let own: Cost = module.memories.iter().map(|data| price(data).cost).sum();
        let below = module.instances.iter().filter_map(|i| memories.get(i.module.name.as_str()).copied());
        let all = own + below.sum();
        memories.insert(&module.name, all);
        let cells = gates.counts.get(module.name.as_str()).map(|gates| calibration.cells(gates));
        totals.insert(module.name.as_str(), cells.unwrap_or_default() + all);
    }
    tree(&technology.name, design, &totals, &memories, timings)
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
