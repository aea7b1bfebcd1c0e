//! What a field takes to store: whole, or in sparse blocks.
//!
//! The components of a node lie in words of up to 32 bits. A tensor of words (of a mode, and of one of a set's four units) goes through its nodes
//! along Morton's curve, so that 32 neighbours of a plane, four by eight, make a block, and is kept as
//! [`bitmill_formats::sparse`] says; each block has an entry in its search unit's directory besides. A word is absent
//! where all its components are zero. Occupancy is kept likewise, in blocks of 4 × 4 × 4 voxels without values. Lines are
//! short and whole.

use bitmill_formats::FormatError;
use bitmill_formats::radiance_field::{AXES, Factors};
use bitmill_formats::sparse::{FormRule, SparseLayout};
use bitmill_model::radiance_field::Field;

/// Bits of a word at most: those of a search unit's values.
const MOST_WORD_BITS: u32 = 32;
/// Components of a word at most.
const MOST_LANES: usize = 16;
/// Nodes of a block.
pub(super) const BLOCK_NODES: u32 = 32;
/// Voxels of a block of the occupancy.
const BLOCK_VOXELS: u32 = 64;

/// How a field is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Storing {
    /// Every factor, and a bit a voxel.
    Dense,
    /// In sparse blocks, in the form that the rule gives each.
    Sparse(FormRule),
}

/// Bits that a field takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FieldStorage {
    /// Occupancy.
    pub occupancy: u64,
    /// Planes: places, values and directories.
    pub planes: u64,
    /// Lines.
    pub lines: u64,
}

impl FieldStorage {
    /// Bytes in all.
    pub fn bytes(&self) -> u64 {
        (self.occupancy + self.planes + self.lines).div_ceil(8)
    }
}

/// Components of a word: a power of two, as an interpolator has lanes.
pub(super) fn components_of_word(field: &Field) -> usize {
    let fit = (MOST_WORD_BITS / field.code_bits).max(1);
    (1 << fit.ilog2()).min(MOST_LANES)
}

/// Words of a node of one mode with so many components.
pub(super) fn words_of_mode(field: &Field, components: usize) -> usize {
    components.div_ceil(components_of_word(field))
}

/// What `field` takes.
///
/// # Errors
/// A factor format of more than 32 bits.
pub fn storage(field: &Field, storing: Storing) -> Result<FieldStorage, FormatError> {
    let side = field.grid.side();
    let kinds = [&field.density, &field.appearance];
    let code_bits = u64::from(field.code_bits);
    let lines = kinds.iter().map(|factors| factors.lines.len() as u64 * code_bits).sum();
    let Storing::Sparse(rule) = storing else {
        let planes = kinds.iter().map(|factors| factors.planes.len() as u64 * code_bits).sum();
        return Ok(FieldStorage { occupancy: side.pow(3) as u64, planes, lines });
    };
    let mut planes = 0;
    for factors in kinds {
        planes += sparse_planes(field, factors, rule)?;
    }
    Ok(FieldStorage { occupancy: sparse_occupancy(field, rule)?, planes, lines })
}

/// Bits of the planes of `factors` in sparse blocks.
fn sparse_planes(field: &Field, factors: &Factors, rule: FormRule) -> Result<u64, FormatError> {
    let of_word = components_of_word(field);
    let mut bits = 0;
    for mode in 0..AXES {
        for word in 0..words_of_mode(field, factors.components) {
            let width = of_word.min(factors.components - word * of_word);
            let layout = SparseLayout::new(BLOCK_NODES, width as u32 * field.code_bits, 0)?;
            for parity in 0..4 {
                let counts = plane_blocks(field, factors, [mode, word], parity);
                bits += sparse(&layout, &counts, rule, |count| layout.bits(layout.form(rule, count), count));
            }
        }
    }
    Ok(bits)
}

/// Nodes that are present in each block of one word of a mode, of those nodes whose row and column are even or odd as `parity` says.
pub(super) fn plane_blocks(
    field: &Field,
    factors: &Factors,
    [mode, word]: [usize; 2],
    parity: usize,
) -> Vec<u32> {
    let side = field.grid.side();
    let half = (side / 2).max(1);
    counts(half * half, BLOCK_NODES, |place| {
        let [row, column] = morton(place);
        is_present(field, factors, [mode, word], [2 * row + parity / 2, 2 * column + parity % 2])
    })
}

/// Whether any component of a node's word is other than zero.
pub(super) fn is_present(
    field: &Field,
    factors: &Factors,
    [mode, word]: [usize; 2],
    [row, column]: [usize; 2],
) -> bool {
    let (side, of_word, of_node) = (field.grid.side(), components_of_word(field), factors.components);
    let node = &factors.planes[((mode * side + row) * side + column) * of_node..][..of_node];
    node.iter().skip(word * of_word).take(of_word).any(|value| *value != 0)
}

/// Bits of the occupancy in sparse blocks: places alone.
fn sparse_occupancy(field: &Field, rule: FormRule) -> Result<u64, FormatError> {
    let side = field.grid.side();
    let block_side = side.min(4);
    let layout = SparseLayout::new(BLOCK_VOXELS, 1, 0)?;
    let blocks = side / block_side;
    let is_present = |place: usize| {
        let (block, within) = (place / BLOCK_VOXELS as usize, place % BLOCK_VOXELS as usize);
        let split = |index: usize, side: usize| [index / side / side, index / side % side, index % side];
        let [block, within] = [split(block, blocks), split(within, 4)];
        let voxel: [usize; AXES] = std::array::from_fn(|axis| block[axis] * block_side + within[axis]);
        within.iter().all(|part| *part < block_side) && field.is_occupied(voxel)
    };
    let count = blocks.pow(3) * BLOCK_VOXELS as usize;
    let places = |count| layout.place_bits(layout.form(rule, count), count);
    Ok(sparse(&layout, &counts(count, BLOCK_VOXELS, is_present), rule, places))
}

/// How many of each `size` of the `places` are present.
fn counts(places: usize, size: u32, is_present: impl Fn(usize) -> bool) -> Vec<u32> {
    let size = size as usize;
    (0..places)
        .step_by(size)
        .map(|first| (first..(first + size).min(places)).filter(|place| is_present(*place)).count() as u32)
        .collect()
}

/// Bits of blocks with so many values: what each takes by its count, and its entry.
fn sparse(layout: &SparseLayout, counts: &[u32], rule: FormRule, bits_of: impl Fn(u32) -> u64) -> u64 {
    // Where a block's places and values begin, as wide as the whole tensor needs, besides its form and count.
    let words: u64 = counts.iter().map(|count| layout.place_bits(layout.form(rule, *count), *count)).sum();
    let values: u64 = counts.iter().map(|count| u64::from(*count)).sum();
    let address_bits = |last: u64| u64::from(u64::BITS - last.leading_zeros());
    let entry = u64::from(layout.header_bits()) + address_bits(words) + address_bits(values);
    counts.iter().map(|count| entry + bits_of(*count)).sum()
}

/// Row and column of a place on Morton's curve: its odd bits and its even bits.
fn morton(place: usize) -> [usize; 2] {
    let even = |bits: usize| (0..usize::BITS / 2).fold(0, |sum, bit| sum | (bits >> (2 * bit) & 1) << bit);
    [even(place >> 1), even(place)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mortons_curve_visits_every_node_once_and_keeps_blocks_together() {
        let mut seen = [false; 64];
        for place in 0..64 {
            let [row, column] = morton(place);
            assert!(!std::mem::replace(&mut seen[row * 8 + column], true));
            if place < 32 {
                assert!(row < 4 && column < 8);
            }
        }
    }
}
