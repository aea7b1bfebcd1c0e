//! A memory: the macro, or flip-flops with a choice behind them where those are smaller.

use bitmill_hdl::MemoryData;

use crate::cost::Cost;
use crate::technology::{Technology, WORD_BITS};

/// A memory's cost and its time from the clock to the read data.
pub(super) struct PricedMemory {
    pub cost: Cost,
    pub access_ns: f64,
}

/// What `memory` costs. Its active cycle is a read: a write costs a fifth to a quarter more in the macros
/// that were measured.
pub(super) fn price(technology: &Technology, memory: &MemoryData) -> PricedMemory {
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
    PricedMemory { cost, access_ns: figures.access_ns }
}

fn flip_flops(technology: &Technology, memory: &MemoryData) -> PricedMemory {
    let store = technology.flip_flop.enable;
    let output = technology.flip_flop.enable;
    let choice =
        technology.operator.select.at(f64::from(memory.depth)).beside(f64::from(memory.width) / WORD_BITS);
    let (stored, read) = (bits(memory) as f64, f64::from(memory.width));
    let clock_pj = store.clock_pj * stored + output.clock_pj * read;
    let cost = Cost {
        memories_um2: store.area_um2 * stored + output.area_um2 * read + choice.area_um2,
        // A cycle writes one word and reads one.
        active_pj: clock_pj + (store.data_pj + output.data_pj) * read + choice.energy_pj,
        idle_pj: clock_pj,
        leakage_nw: store.leakage_nw * stored + output.leakage_nw * read + choice.leakage_nw,
        memory_bits: bits(memory),
        ..Cost::default()
    };
    PricedMemory { cost, access_ns: technology.flip_flop.clock_to_output_ns }
}

fn bits(memory: &MemoryData) -> u64 {
    u64::from(memory.width) * u64::from(memory.depth)
}
