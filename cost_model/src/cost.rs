//! The answer: what a design and each of its components cost.

use std::iter::Sum;
use std::ops::{Add, Mul};

use serde::Serialize;

use crate::tree::Amount;

/// Area, energy and leakage of a part of a design, all that is below it included.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize)]
pub struct Cost {
    /// Area of operators in µm².
    pub logic_um2: f64,
    /// Area of registers in µm².
    pub registers_um2: f64,
    /// Area of memories in µm².
    pub memories_um2: f64,
    /// Energy of a cycle in which it works, in pJ: operators and registers see random data, every memory is
    /// read; the clock included.
    pub active_pj: f64,
    /// Energy of a cycle in which nothing changes but the clock, in pJ.
    pub idle_pj: f64,
    /// Leakage in nW.
    pub leakage_nw: f64,
    /// Bits in registers.
    pub register_bits: u64,
    /// Bits in memories.
    pub memory_bits: u64,
}

impl Cost {
    /// Area in µm².
    pub fn area_um2(&self) -> f64 {
        self.cells_um2() + self.memories_um2
    }

    /// Area of cells in µm²: operators and registers.
    pub fn cells_um2(&self) -> f64 {
        self.logic_um2 + self.registers_um2
    }

    /// What is left of it beyond `parts`; nothing where they come to more.
    pub fn beyond(self, parts: Cost) -> Cost {
        let left = |all: f64, parts: f64| (all - parts).max(0.0);
        Cost {
            logic_um2: left(self.logic_um2, parts.logic_um2),
            registers_um2: left(self.registers_um2, parts.registers_um2),
            memories_um2: left(self.memories_um2, parts.memories_um2),
            active_pj: left(self.active_pj, parts.active_pj),
            idle_pj: left(self.idle_pj, parts.idle_pj),
            leakage_nw: left(self.leakage_nw, parts.leakage_nw),
            register_bits: self.register_bits.saturating_sub(parts.register_bits),
            memory_bits: self.memory_bits.saturating_sub(parts.memory_bits),
        }
    }
}

impl Amount for Cost {
    fn beyond(self, parts: Cost) -> Cost {
        Cost::beyond(self, parts)
    }
}

impl Add for Cost {
    type Output = Cost;
    fn add(self, other: Cost) -> Cost {
        Cost {
            logic_um2: self.logic_um2 + other.logic_um2,
            registers_um2: self.registers_um2 + other.registers_um2,
            memories_um2: self.memories_um2 + other.memories_um2,
            active_pj: self.active_pj + other.active_pj,
            idle_pj: self.idle_pj + other.idle_pj,
            leakage_nw: self.leakage_nw + other.leakage_nw,
            register_bits: self.register_bits + other.register_bits,
            memory_bits: self.memory_bits + other.memory_bits,
        }
    }
}

impl Mul<u32> for Cost {
    type Output = Cost;
    fn mul(self, count: u32) -> Cost {
        let factor = f64::from(count);
        Cost {
            logic_um2: self.logic_um2 * factor,
            registers_um2: self.registers_um2 * factor,
            memories_um2: self.memories_um2 * factor,
            active_pj: self.active_pj * factor,
            idle_pj: self.idle_pj * factor,
            leakage_nw: self.leakage_nw * factor,
            register_bits: self.register_bits * u64::from(count),
            memory_bits: self.memory_bits * u64::from(count),
        }
    }
}

impl Sum for Cost {
    fn sum<I: Iterator<Item = Cost>>(costs: I) -> Cost {
        costs.fold(Cost::default(), Add::add)
    }
}

/// One or several instances of a module, side by side under one parent; what they come to is a cost, or resources of an FPGA.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Component<C = Cost> {
    /// Instance name; of several, what their names have in common, such as `i_pe_*`.
    pub name: String,
    /// Module name.
    pub module: String,
    /// How many instances there are.
    pub instances: u32,
    /// Cost of all of them, with what is below.
    pub cost: C,
    /// Longest path within one of them, in ns.
    pub delay_ns: f64,
    /// What is below one of them, costs of that one instance.
    pub parts: Vec<Component<C>>,
}

/// The slowest way through a design within one cycle.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct LongestPath {
    /// Its delay in ns, from clock edge to clock edge.
    pub delay_ns: f64,
    /// Path of the instance that it lies in, from the top module down; empty for the top module itself.
    pub instance: String,
    /// Signals with a name that it passes, first to last.
    pub signals: Vec<String>,
}

/// What a design costs in a technology or takes of an FPGA family, see [`crate::Technology::limits`] and [`crate::Fabric::limits`].
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct DesignCost<C = Cost> {
    /// The technology or family.
    pub technology: String,
    /// Name of the top module.
    pub top: String,
    /// Cost of everything.
    pub total: C,
    /// Of it, what memories come to; each is read in an active cycle.
    pub memories: C,
    /// Cost of what stands in the top module itself, outside its instances.
    pub own: C,
    /// Instances of the top module, each by itself, in the order of the design.
    pub components: Vec<Component<C>>,
    /// The slowest way through it.
    pub longest_path: LongestPath,
}

impl<C> DesignCost<C> {
    /// The fastest clock in MHz that the longest path allows; 0 for a design without any path.
    pub fn clock_mhz(&self) -> f64 {
        if self.longest_path.delay_ns > 0.0 { 1e3 / self.longest_path.delay_ns } else { 0.0 }
    }

    /// The clock in MHz that it runs at where so many are wished for: no more than the longest path allows.
    pub fn clock_within_mhz(&self, wished_mhz: u32) -> f64 {
        self.clock_mhz().min(wished_mhz.into())
    }
}
