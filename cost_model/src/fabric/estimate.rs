//! What a design takes of an FPGA, by component.

use std::collections::HashMap;

use bitmill_hdl::{Design, Module};

use super::{Fabric, Resources};
use crate::cost::DesignCost;
use crate::gates::Circuits;
use crate::tree::tree;

/// What `design` takes of an FPGA family, by component; see [`crate::estimate`]. Where no tool places and routes for the family, paths
/// take no time.
pub fn estimate_on(design: &Design, family: &Fabric) -> DesignCost<Resources> {
    let circuits = Circuits::on(design, &family.rules);
    let counts = circuits.fabric_count_modules();
    let mut memories: HashMap<&str, Resources> = HashMap::new();
    let mut totals = HashMap::new();
    for module in &design.modules {
        let own: Resources = module.memories.iter().map(|memory| family.memory(memory)).sum();
        let below = module.instances.iter().filter_map(|i| memories.get(i.module.name.as_str()).copied());
        let all = own + below.sum();
        memories.insert(&module.name, all);
        let logic = counts.get(module.name.as_str()).map(|counts| family.calibration.resources(counts));
        totals.insert(module.name.as_str(), logic.unwrap_or_default() + all);
    }
    let access_ns = |module: &Module, number: usize| family.access_ns(&module.memories[number]);
    let timings = family.calibration.step_ns().map(|step_ns| circuits.timings(&step_ns, access_ns));
    tree(&family.name, design, &totals, &memories, timings.unwrap_or_default())
}
