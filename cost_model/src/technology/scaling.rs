//! Figures of one node at another, by published equations: area by a table, delay and energy by polynomials of the supply that
//! were fitted to simulated inverters (Stillmaker and Baas, 2017, Integration 58, tables 4 to 6). A rule for whole processes says
//! little of any one library: what it errs between two that are calibrated is part of what is said of a scaled technology.

use super::{MemoryModel, Reference, Source, Technology};
use crate::{Calibration, Fit, significant};

/// A node, high-performance devices where the equations tell them apart.
struct Node {
    nm: f64,
    /// Area against that of the same circuit at 130 nm.
    area: f64,
    /// Coefficients of the delay, from the cube of the supply in V down.
    delay: [f64; 4],
    /// Coefficients of the energy, from the square of the supply in V down.
    energy: [f64; 3],
}

const NODES: [Node; 4] = [
    Node { nm: 130.0, area: 1.0, delay: [-76.65, 334.9, -493.4, 275.8], energy: [7.171, -6.709, 2.904] },
    Node {
        nm: 32.0,
        area: 0.072,
        delay: [-1047.0, 2982.0, -2797.0, 873.5],
        energy: [0.8367, -0.4341, 0.1701],
    },
    Node { nm: 20.0, area: 0.033, delay: [0.0, 34.63, -66.37, 41.15], energy: [0.373, -0.1582, 0.04104] },
    Node { nm: 7.0, area: 0.0092, delay: [-28.58, 76.6, -70.26, 24.69], energy: [0.1776, -0.09097, 0.02447] },
];

/// A node and its supply.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Process {
    /// Node in nm, from 7 to 130.
    pub nm: f64,
    /// Supply in V.
    pub supply_v: f64,
}

/// What a circuit takes at one process against another.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Factors {
    /// Of the area.
    pub area: f64,
    /// Of delays.
    pub delay: f64,
    /// Of energies.
    pub energy: f64,
}

impl Process {
    /// Area, delay and energy in units that only ratios have a meaning of; between two nodes of the equations linear in logarithms.
    fn figures(self) -> [f64; 3] {
        let at = |node: &Node| {
            [node.area, polynomial(&node.delay, self.supply_v), polynomial(&node.energy, self.supply_v)]
        };
        let above = NODES.iter().rposition(|node| node.nm >= self.nm).unwrap_or(0);
        let below = (above + 1).min(NODES.len() - 1);
        let (from, to) = (&NODES[above], &NODES[below]);
        if from.nm <= self.nm || above == below {
            return at(from);
        }
        let share = (from.nm / self.nm).ln() / (from.nm / to.nm).ln();
        let (from, to) = (at(from), at(to));
        std::array::from_fn(|figure| from[figure] * (to[figure] / from[figure]).powf(share))
    }

    /// What a circuit takes here against what it takes at `from`.
    pub fn against(self, from: Process) -> Factors {
        let (own, other) = (self.figures(), from.figures());
        let [area, delay, energy] = std::array::from_fn(|figure| own[figure] / other[figure]);
        Factors { area, delay, energy }
    }
}

fn polynomial(coefficients: &[f64], x: f64) -> f64 {
    coefficients.iter().fold(0.0, |sum, coefficient| sum * x + coefficient)
}

impl Technology {
    /// This technology, which is of process `from`, at another one. Leakage is kept: the equations do not speak of it.
    pub fn scaled(&self, name: &str, from: Process, to: Process, caveat: String) -> Technology {
        let factors = to.against(from);
        let by = |fit: &Fit, factor: f64| Fit {
            coefficients: fit
                .coefficients
                .iter()
                .map(|(k, c)| (k.clone(), significant(c * factor)))
                .collect(),
            ..fit.clone()
        };
        let Calibration { area, energy, clock, delay, .. } = &self.calibration;
        let reference = Reference {
            nand2_um2: significant(self.reference.nand2_um2 * factors.area),
            flip_flop_pj: significant(self.reference.flip_flop_pj * factors.energy),
            flip_flop_ns: significant(self.reference.flip_flop_ns * factors.delay),
            flip_flop_nw: self.reference.flip_flop_nw,
        };
        Technology {
            name: name.to_owned(),
            summary: format!("scaled: {} nm, {} V, from {}", to.nm, to.supply_v, self.name),
            supply_v: to.supply_v,
            source: Source {
                cells: format!("{}, scaled by Stillmaker and Baas, 2017, Integration 58", self.source.cells),
                method: self.source.method.clone(),
                memory: format!("{}; scaled as cells are", self.source.memory),
            },
            memory: MemoryModel::scaled(&self.memory, &self.reference, &reference),
            reference,
            calibration: Calibration {
                area: by(area, factors.area),
                energy: by(energy, factors.energy),
                clock: by(clock, factors.energy),
                delay: by(delay, factors.delay),
                ..self.calibration.clone()
            },
            caveat: Some(caveat),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_those_of_the_equations_and_others_lie_between() {
        let at = |nm: f64, supply_v: f64| Process { nm, supply_v };
        let none = at(130.0, 1.2).against(at(130.0, 1.2));
        assert_eq!(none, Factors { area: 1.0, delay: 1.0, energy: 1.0 });
        let [at_32, at_28, at_20] = [32.0, 28.0, 20.0].map(|nm| at(nm, 0.9).against(at(130.0, 1.2)));
        assert!((at_32.area - 0.072).abs() < 1e-12 && (at_20.area - 0.033).abs() < 1e-12);
        // The polynomials by hand: 8.35 against 33.53, and 0.457 against 5.18.
        assert!((at_32.delay - 0.249).abs() < 2e-3 && (at_32.energy - 0.0882).abs() < 2e-4, "{at_32:?}");
        assert!(at_20.area < at_28.area && at_28.area < at_32.area);
        assert!(at_20.energy < at_28.energy && at_28.energy < at_32.energy);
        // A lower supply is slower and takes less.
        let low = at(28.0, 0.8).against(at(130.0, 1.2));
        assert!(low.delay > at_28.delay && low.energy < at_28.energy);
    }
}
