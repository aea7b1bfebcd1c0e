//! How long each part of an accelerator was busy: filled by the simulator, priced by the cost model.

use std::collections::BTreeMap;

/// Busy cycles of a run.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Activity {
    /// Length of the run in clock cycles.
    pub cycles: u64,
    /// Cycles in which a component worked, by its instance name in the top module.
    pub active_cycles: BTreeMap<String, u64>,
}

impl Activity {
    /// Adds `cycles` to the busy cycles of `component`.
    pub fn add(&mut self, component: &str, cycles: u64) {
        *self.active_cycles.entry(component.to_owned()).or_default() += cycles;
    }
}
