//! The power of a netlist: what Liberty's tables say of its activity.
//!
//! A transition of a net costs half of C·V² of what the net drives (switching) and, within the cell that drives it and
//! within those that it drives, the energy of their tables (internal), by slew and load. Leakage is that of the states
//! that cells are in. Probabilities of several pins are taken as independent.

use std::collections::BTreeSet;
use std::ops::Add;

use super::cell::{Cell, Direction, InternalPower};
use super::netlist::{Activity, MappedCell, Netlist};

/// Energy of a cycle by its cause, and leakage.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Power {
    /// Energy of a cycle within cells, in pJ.
    pub internal_pj: f64,
    /// Energy of a cycle in the loads of nets, in pJ.
    pub switching_pj: f64,
    /// Leakage in nW.
    pub leakage_nw: f64,
}

impl Power {
    /// Energy of a cycle without leakage, in pJ.
    pub fn dynamic_pj(&self) -> f64 {
        self.internal_pj + self.switching_pj
    }

    /// Power in mW at a clock of so many MHz.
    pub fn total_mw(&self, clock_mhz: f64) -> f64 {
        // pJ times MHz is µW.
        self.dynamic_pj() * clock_mhz * 1e-3 + self.leakage_nw * 1e-6
    }
}

impl Add for Power {
    type Output = Power;
    fn add(self, other: Power) -> Power {
        Power {
            internal_pj: self.internal_pj + other.internal_pj,
            switching_pj: self.switching_pj + other.switching_pj,
            leakage_nw: self.leakage_nw + other.leakage_nw,
        }
    }
}

/// The power of `netlist` at `activity`, in energy of the time to which its toggles are counted.
pub fn power(netlist: &Netlist, activity: &Activity) -> Power {
    let inputs = netlist.inputs.iter().map(|&net| switching_pj(net, netlist, activity)).sum();
    let outside = Power { switching_pj: inputs, ..Power::default() };
    powers(netlist, activity).into_iter().fold(outside, Add::add)
}

/// The same of each cell, with the loads that it drives. Those of the inputs are left out.
pub fn powers(netlist: &Netlist, activity: &Activity) -> Vec<Power> {
    let of_cell = |cell: &MappedCell| {
        let pins = netlist.library.cells[cell.cell].pins.iter().zip(&cell.nets);
        let driven = pins.filter(|(pin, _)| pin.direction == Direction::Output).filter_map(|(_, net)| *net);
        let switching_pj = driven.map(|net| switching_pj(net, netlist, activity)).sum();
        Power { switching_pj, ..of(cell, netlist, activity) }
    };
    netlist.cells.iter().map(of_cell).collect()
}

/// What the transitions of a net take in its load.
fn switching_pj(net: usize, netlist: &Netlist, activity: &Activity) -> f64 {
    0.5 * netlist.load_pf[net] * netlist.library.corner.voltage_v.powi(2) * activity.toggles[net]
}

/// Internal energy and leakage of a cell.
fn of(cell: &MappedCell, netlist: &Netlist, activity: &Activity) -> Power {
    let kind = &netlist.library.cells[cell.cell];
    let net = |name: &str| kind.pin(name).and_then(|pin| cell.nets[pin]);
    let likely = |name: &str| match &kind.sequential {
        Some(s) if s.state.iter().any(|q| q == name) => 0.5,
        _ => net(name).map_or(0.0, |n| activity.ones[n]),
    };
    let mut internal_pj = 0.0;
    for (pin, at) in kind.pins.iter().zip(&cell.nets) {
        let Some(at) = *at else { continue };
        let energy = |table: &InternalPower| {
            let from = table.related.as_deref().and_then(net).unwrap_or(at);
            let load = if pin.direction == Direction::Output { netlist.load_pf[at] } else { 0.0 };
            let slew = netlist.slew_ns[from];
            f64::midpoint(table.rise.at(slew, load), table.fall.at(slew, load))
        };
        let weight = |table: &InternalPower| {
            let when = table.when.as_ref().map_or(1.0, |f| f.probability(likely));
            // An output changes because an input did: the livelier, the likelier it was this one.
            let cause = table.related.as_deref().and_then(net).map_or(1.0, |n| activity.toggles[n]);
            if pin.direction == Direction::Output { when * cause } else { when }
        };
        let supplies: BTreeSet<Option<&str>> = pin.internal.iter().map(|t| t.supply.as_deref()).collect();
        for supply in supplies {
            let tables: Vec<_> = pin.internal.iter().filter(|t| t.supply.as_deref() == supply).collect();
            let total: f64 = tables.iter().map(|t| weight(t)).sum();
            let weighted: f64 = tables.iter().map(|t| energy(t) * weight(t)).sum();
            internal_pj += activity.toggles[at]
                * match pin.direction {
                    // What the conditions of an input leave out costs nothing.
                    Direction::Input => weighted,
                    Direction::Output if total > 0.0 => weighted / total,
                    Direction::Output => tables.iter().map(|t| energy(t)).sum::<f64>() / tables.len() as f64,
                };
        }
    }
    Power { internal_pj, switching_pj: 0.0, leakage_nw: leakage(kind, likely) }
}

/// Mean leakage over the states of the cell.
fn leakage(kind: &Cell, likely: impl Fn(&str) -> f64 + Copy) -> f64 {
    let weighted =
        kind.leakage_nw.iter().map(|(when, nw)| (when.as_ref().map_or(1.0, |f| f.probability(likely)), nw));
    let (weights, sum) = weighted.fold((0.0, 0.0), |(weights, sum), (w, nw)| (weights + w, sum + w * nw));
    if weights > 0.0 { sum / weights } else { 0.0 }
}
