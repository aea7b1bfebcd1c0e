//! Energy of a run: what the simulator counted, at the prices of the estimate.

use bitmill_accelerator::Activity;
use serde::Serialize;

use crate::DesignCost;

/// Energy of one component over a run, in pJ.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct ComponentEnergy {
    /// Instance name in the top module; the top module's name for what stands outside its instances.
    pub name: String,
    /// Cycles in which it worked.
    pub active_cycles: u64,
    /// Energy of the work, the clock included.
    pub active_pj: f64,
    /// Energy of the clock in the other cycles. Of a part of a run it is negative where the component worked on its
    /// behalf for longer than it lasted, so that parts add up to the run.
    pub idle_pj: f64,
    /// Leakage over the run.
    pub leakage_pj: f64,
}

impl ComponentEnergy {
    /// Energy in all.
    pub fn total_pj(&self) -> f64 {
        self.active_pj + self.idle_pj + self.leakage_pj
    }
}

/// Energy of a run by component: see [`crate::Technology::limits`]. Memory outside the design is not in it.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct EnergyBreakdown {
    /// Length of the run in clock cycles.
    pub cycles: u64,
    /// Clock in MHz, for the leakage.
    pub clock_mhz: f64,
    /// Components, in the order of the design; the top module's own logic last.
    pub components: Vec<ComponentEnergy>,
}

impl EnergyBreakdown {
    /// Energy in all, in pJ.
    pub fn total_pj(&self) -> f64 {
        self.components.iter().map(ComponentEnergy::total_pj).sum()
    }

    /// Mean power in mW.
    pub fn power_mw(&self) -> f64 {
        if self.cycles == 0 { 0.0 } else { self.total_pj() / self.cycles as f64 * self.clock_mhz * 1e-3 }
    }
}

/// The energy of a run at `clock_mhz`. Components that `activity` does not name were idle; the top module's own
/// logic works in every cycle.
pub fn energy(cost: &DesignCost, activity: &Activity, clock_mhz: f64) -> EnergyBreakdown {
    let mut components = Vec::new();
    for component in &cost.components {
        let active = activity.active_cycles.get(&component.name).copied().unwrap_or(0);
        components.push(priced(&component.name, &component.cost, active, activity.cycles, clock_mhz));
    }
    components.push(priced(&cost.top, &cost.own, activity.cycles, activity.cycles, clock_mhz));
    EnergyBreakdown { cycles: activity.cycles, clock_mhz, components }
}

fn priced(name: &str, cost: &crate::Cost, active: u64, cycles: u64, clock_mhz: f64) -> ComponentEnergy {
    // nW times µs is fJ.
    let leakage_pj = cost.leakage_nw * (cycles as f64 / clock_mhz) * 1e-3;
    ComponentEnergy {
        name: name.to_owned(),
        active_cycles: active,
        active_pj: cost.active_pj * active as f64,
        idle_pj: cost.idle_pj * (cycles as f64 - active as f64),
        leakage_pj,
    }
}
