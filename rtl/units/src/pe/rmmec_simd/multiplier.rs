//! One multiplier of W × W bits, or two of half as many, or four of a quarter, made of sixteen tiles.
//!
//! Operands are magnitudes side by side in the quarters of [`Layout`]; the tile (i, j) multiplies quarter i of one
//! operand with quarter j of the other. The tiles on the diagonal serve every mode; the others are isolated (one
//! of their operands held at 0) where lanes are narrow. Since no lane's product reaches the next lane's field, one
//! adder tree without a gate between serves all divisions (twin precision, Själander et al. 2004), and without
//! signs it needs no constants either.

use std::sync::Arc;

use bitmill_hdl::{HdlError, Module, ModuleBuilder, Signal, unsigned};

use super::lanes::Layout;

/// Which division is in force, one bit each.
#[derive(Clone, Copy)]
pub(super) struct Division<'m> {
    pub four: Signal<'m>,
    pub eight: Signal<'m>,
    pub sixteen: Signal<'m>,
}

impl<'m> Division<'m> {
    /// Of the upper two bits of a mode's code.
    pub fn of(width: Signal<'m>) -> Division<'m> {
        let (eight, sixteen) = (width.bit(0), width.bit(1));
        Division { four: eight.or(sixteen).not(), eight, sixteen }
    }

    /// Whether the tile of these quarters of both operands is in use.
    fn is_active(self, m: &'m ModuleBuilder, i: usize, j: usize) -> Signal<'m> {
        match (i == j, i / 2 == j / 2) {
            (true, _) => m.bit(true),
            (_, true) => self.four.not(),
            _ => self.sixteen,
        }
    }
}

/// The circuit: `width_i` (upper two bits of the mode), `a_i`, `b_i` → `products_o`.
pub(super) fn module(layout: Layout) -> Result<Arc<Module>, HdlError> {
    let bits = layout.word_bits;
    let m = ModuleBuilder::new(
        format!("bitmill_rmmec_simd_multiplier_w{bits}"),
        format!(
            "one product of {bits} bits, two of {}, or four of {}; unsigned.\nCombinational.",
            bits / 2,
            bits / 4
        ),
    );
    let width = m.input_with_comment("width_i", unsigned(2), "0: four lanes, 1: two, 2: one");
    let [a, b] = ["a_i", "b_i"].map(|port| m.input(port, unsigned(bits)));
    m.comment("Partial products, tile by tile; idle tiles are isolated.");
    let division = Division::of(width);
    let rows: Vec<Signal> = (0..bits).map(|j| row(&m, [a, b], division, layout, j).shl(j)).collect();
    m.output("products_o", m.sum(&rows).truncate(2 * bits));
    m.finish()
}

/// The partial products of bit `j` of b with all bits of a.
fn row<'m>(
    m: &'m ModuleBuilder,
    [a, b]: [Signal<'m>; 2],
    division: Division<'m>,
    layout: Layout,
    j: u32,
) -> Signal<'m> {
    let quarters = layout.quarters();
    let quarter_of_j = (0..4).rfind(|&quarter| quarters[quarter] <= j).unwrap_or(0);
    let tiles = (0..4).rev().filter(|&i| quarters[i] < quarters[i + 1]).map(|i| {
        let isolated = b.bit(j).and(division.is_active(m, i, quarter_of_j));
        let width = quarters[i + 1] - quarters[i];
        let name = format!("tile_{i}_{quarter_of_j}_bit_{j}");
        a.slice(quarters[i], width).and(isolated.replicate(width)).named(&name)
    });
    m.concat(&tiles.collect::<Vec<_>>())
}
