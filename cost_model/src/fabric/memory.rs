//! Memories of an FPGA: block RAM or lookup tables, and the logic that the mapper puts around them.

use bitmill_hdl::MemoryData;
use serde::{Deserialize, Serialize};

/// How a mapper builds memories of one write and one read port.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemoryRules {
    /// Shapes of a block RAM.
    pub blocks: Vec<Block>,
    /// Width and depth of a cell of lookup tables that hold bits.
    pub lut_cell: [u32; 2],
    /// What a cell of lookup tables and a block RAM weigh where the mapper chooses; the lighter memory is built.
    pub lut_cell_weight: u32,
}

/// A block RAM, or a part of one, in one shape.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Block {
    /// Bits a word.
    pub width: u32,
    /// Words.
    pub depth: u32,
    /// Halves of a block RAM that it takes.
    pub halves: u32,
    /// What it weighs where the mapper chooses.
    pub weight: u32,
}

/// What the logic of memories is fitted by: bits of a word of block RAM, of its address, and of a word for each further bank; cells of
/// lookup tables, and bits of a word for each further row of them.
pub const MEMORY_PARTS: [&str; 5] = ["block_bit", "block_address", "bank_bit", "lut_cell", "row_bit"];

/// What times to read data are fitted by: a block RAM, doublings of its banks; lookup tables, doublings of their rows.
pub const MEMORY_STEPS: [&str; 4] = ["block", "bank", "lut_cell", "row"];

/// A memory as it is built.
pub(crate) struct Built {
    pub block_rams: f64,
    pub parts: [f64; MEMORY_PARTS.len()],
    pub steps: [f64; MEMORY_STEPS.len()],
}

impl MemoryRules {
    /// How a memory is built.
    pub(crate) fn build(&self, memory: &MemoryData) -> Built {
        let (width, depth) = (memory.width, memory.depth);
        let [cell_width, cell_depth] = self.lut_cell;
        let rows = depth.div_ceil(cell_depth);
        let cells = width.div_ceil(cell_width) * rows;
        let count = |block: &Block| width.div_ceil(block.width) * depth.div_ceil(block.depth);
        let of = |block: &Block| (count(block) * block.weight, depth.div_ceil(block.depth));
        let best = self.blocks.iter().min_by_key(|block| of(block));
        match best.filter(|block| count(block) * block.weight < cells * self.lut_cell_weight) {
            Some(block) => {
                let banks = depth.div_ceil(block.depth);
                let address_bits = u32::BITS - (depth - 1).leading_zeros();
                Built {
                    block_rams: f64::from(count(block) * block.halves) / 2.0,
                    parts: [width, address_bits, width * (banks - 1), 0, 0].map(f64::from),
                    steps: [1.0, f64::from(banks).log2(), 0.0, 0.0],
                }
            }
            None => Built {
                block_rams: 0.0,
                parts: [0, 0, 0, cells, width * (rows - 1)].map(f64::from),
                steps: [0.0, 0.0, 1.0, f64::from(rows).log2()],
            },
        }
    }
}
