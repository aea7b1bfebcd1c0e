//! One signed multiplier of 16 × 16 bits, or two of 8 × 8, or four of 4 × 4, made of sixteen 4 × 4 tiles.
//!
//! The tiles on the diagonal serve every mode; the others are isolated (their operands held at 0) where the
//! lanes are narrow. Signs follow Baugh and Wooley (1973): a partial product of exactly one sign bit enters
//! complemented. The trick is to keep their constants whole: the array then sums to every lane's product plus
//! half its range, which is never negative and never overflows, so no carry crosses from lane to lane and
//! one adder tree, without a gate between, serves all divisions (twin precision, Själander et al. 2004).

use bitmill_hdl::{ModuleBuilder, Signal};

use super::lanes::WORD_BITS;

/// Bits of a tile's side.
const TILE_BITS: u32 = 4;
const TILES: u32 = WORD_BITS / TILE_BITS;

/// Which division is in force, one bit each.
#[derive(Clone, Copy)]
pub(super) struct Division<'m> {
    pub four: Signal<'m>,
    pub eight: Signal<'m>,
    pub sixteen: Signal<'m>,
}

impl<'m> Division<'m> {
    /// Of a mode code: its upper two bits.
    pub fn of(mode: Signal<'m>) -> Division<'m> {
        let (eight, sixteen) = (mode.bit(2), mode.bit(3));
        Division { four: eight.or(sixteen).not(), eight, sixteen }
    }

    /// Whether the tile of these nibbles of both operands is in use.
    fn is_active(self, m: &'m ModuleBuilder, i: u32, j: u32) -> Signal<'m> {
        match (i == j, i / 2 == j / 2) {
            (true, _) => m.bit(true),
            (_, true) => self.four.not(),
            _ => self.sixteen,
        }
    }

    /// Whether bit `index` of a word is a lane's sign.
    fn is_sign(self, m: &'m ModuleBuilder, index: u32) -> Signal<'m> {
        match index {
            15 => m.bit(true),
            7 => self.sixteen.not(),
            3 | 11 => self.four,
            _ => m.bit(false),
        }
    }
}

/// The lanes' products, each twice as wide as its lane.
pub(super) fn multiply<'m>(
    m: &'m ModuleBuilder,
    a: Signal<'m>,
    b: Signal<'m>,
    division: Division<'m>,
) -> Signal<'m> {
    m.comment("Partial products, tile by tile; those with one sign bit are complemented.");
    let mut rows: Vec<Signal> = (0..WORD_BITS).map(|j| row(m, a, b, division, j).shl(j)).collect();
    m.comment("What Baugh and Wooley's constants leave: one unit above each lane's lower half.");
    let (zero, four, eight, sixteen) = (m.bit(false), division.four, division.eight, division.sixteen);
    let mut units = vec![zero; 2 * WORD_BITS as usize];
    for (bits, is) in [(4, four), (8, eight), (16, sixteen)] {
        for lane in 0..WORD_BITS as usize / bits {
            units[2 * bits * lane + bits] = units[2 * bits * lane + bits].or(is);
        }
    }
    units.reverse();
    rows.push(m.concat(&units));
    let sum = m.sum(&rows).truncate(2 * WORD_BITS).named("biased_products");

    let mut flips = vec![zero; 2 * WORD_BITS as usize];
    for (bit, is) in [(7, four), (15, sixteen.not()), (23, four), (31, m.bit(true))] {
        flips[bit] = is;
    }
    flips.reverse();
    sum.xor(m.concat(&flips)).named("products")
}

/// The partial products of bit `j` of `b` with all bits of `a`.
fn row<'m>(m: &'m ModuleBuilder, a: Signal<'m>, b: Signal<'m>, division: Division<'m>, j: u32) -> Signal<'m> {
    let nibble = |i: u32| {
        let active = division.is_active(m, i, j / TILE_BITS);
        let isolated = b.bit(j).and(active);
        let products = a.slice(TILE_BITS * i, TILE_BITS).and(isolated.replicate(TILE_BITS));
        let sign_j = division.is_sign(m, j);
        let sign_i = division.is_sign(m, TILE_BITS * i + TILE_BITS - 1);
        let complement =
            m.concat(&[sign_i.xor(sign_j).and(active), sign_j.and(active).replicate(TILE_BITS - 1)]);
        products.xor(complement)
    };
    m.concat(&(0..TILES).rev().map(nibble).collect::<Vec<_>>())
}
