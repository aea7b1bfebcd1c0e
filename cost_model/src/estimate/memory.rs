//! A memory: the macro, or flip-flops with a choice behind them where those are smaller.

use bitmill_hdl::Memory;

use crate::cost::Cost;
use crate::gates::{ENABLE, FLIP_FLOP, Gates, TABLE_MUX};
use crate::technology::Technology;

/// What one memory costs.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct MemoryCost {
    /// Its cost. The active cycle is a read.
    pub cost: Cost,
    /// Energy of a write in pJ.
    pub write_pj: f64,
    /// Time from the clock to the read data in ns.
    pub access_ns: f64,
}

/// What `memory` costs in `technology`: the macro, or flip-flops where those are smaller.
pub fn memory_cost(technology: &Technology, memory: Memory) -> MemoryCost {
    let (flip_flops, figures) =
        (flip_flops(technology, memory), technology.memory.at(memory.width, memory.depth));
    if flip_flops.cost.memories_um2 < figures.area_um2 {
        return flip_flops;
    }
    let cost = Cost {
        memories_um2: figures.area_um2,
        active_pj: figures.read_pj,
        leakage_nw: figures.leakage_nw,
        memory_bits: bits(memory),
        ..Cost::default()
    };
    MemoryCost { cost, write_pj: figures.write_pj, access_ns: figures.access_ns }
}

/// Flip-flops with an enable for every bit and for the read word, and a tree of choices between them. A cycle writes one word
/// and reads one, both random; a write alone is priced as such a cycle too.
fn flip_flops(technology: &Technology, memory: Memory) -> MemoryCost {
    let (width, depth) = (f64::from(memory.width), f64::from(memory.depth));
    let mut gates = Gates::default();
    for kind in [FLIP_FLOP, ENABLE] {
        gates.counts[kind] = width * depth + width;
        // Half of the bits of the written and of the read word are others than before.
        gates.toggles[kind] = width;
    }
    gates.counts[TABLE_MUX] = width * (depth - 1.0);
    gates.toggles[TABLE_MUX] = width * toggles_of_choice(depth);
    let cells = technology.calibration.cells(&gates);
    let cost = Cost {
        logic_um2: 0.0,
        registers_um2: 0.0,
        memories_um2: cells.area_um2(),
        register_bits: 0,
        memory_bits: bits(memory),
        ..cells
    };
    MemoryCost { cost, write_pj: cost.active_pj, access_ns: technology.calibration.clock_to_output_ns() }
}

/// Toggles of a tree of choices among `depth` random bits at a random address. A choice among 2^k of them takes another one with a
/// probability of 1 - 2^-k, which differs half of the time.
fn toggles_of_choice(depth: f64) -> f64 {
    let mut toggles = 0.0;
    let (mut choices, mut among) = (depth / 2.0, 2.0);
    while choices >= 1.0 {
        toggles += choices * 0.5 * (1.0 - 1.0 / among);
        (choices, among) = (choices / 2.0, among * 2.0);
    }
    toggles
}

fn bits(memory: Memory) -> u64 {
    u64::from(memory.width) * u64::from(memory.depth)
}
