//! Plane and line factors, what is read between their nodes, and the products of the two.

use super::{AXES, Grid, Point};
use crate::deformable::half_up;

/// The axes that a pair of factors goes over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Mode {
    /// Of the plane: rows, then columns.
    pub plane: [usize; 2],
    /// Of the line.
    pub line: usize,
}

/// The three pairs, in the order of tensors and of products.
pub const MODES: [Mode; AXES] =
    [Mode { plane: [0, 1], line: 2 }, Mode { plane: [0, 2], line: 1 }, Mode { plane: [1, 2], line: 0 }];

/// How values between nodes are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Interpolation {
    /// Bits of a node's value, sign included: `V`.
    pub value_bits: u32,
    /// Bits of a place between nodes: `F`.
    pub fraction_bits: u32,
    /// Bits behind the point of the result, at most `F`: `G`.
    pub guard_bits: u32,
}

impl Interpolation {
    /// Bits of a result, sign included.
    pub fn result_bits(&self) -> u32 {
        self.value_bits + self.guard_bits
    }

    /// Bits of a product of two results, sign included.
    pub fn product_bits(&self) -> u32 {
        2 * self.result_bits()
    }

    /// `fraction` of the way from `near` to `far`, exact: `F` more bits behind the point than the two have.
    fn between(&self, [near, far]: [i64; 2], fraction: i64) -> i64 {
        (near << self.fraction_bits) + (far - near) * fraction
    }

    /// A line between two nodes.
    pub fn linear(&self, nodes: [i64; 2], fraction: i64) -> i64 {
        half_up(self.between(nodes, fraction), self.fraction_bits - self.guard_bits)
    }

    /// A plane between four nodes, `nodes[row][column]`; the fractions are by rows, then by columns.
    pub fn bilinear(&self, nodes: [[i64; 2]; 2], [row, column]: [i64; 2]) -> i64 {
        let rows = nodes.map(|nodes| self.between(nodes, column));
        half_up(self.between(rows, row), 2 * self.fraction_bits - self.guard_bits)
    }
}

/// The factors of a field's density, or of its appearance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Factors {
    /// Components of each mode.
    pub components: usize,
    /// By mode, row, column, component.
    pub planes: Vec<i32>,
    /// By mode, place, component.
    pub lines: Vec<i32>,
}

impl Factors {
    /// Products at `point`: those of mode 0 by component, then those of mode 1, then of mode 2.
    pub fn products(
        &self,
        grid: &Grid,
        interpolation: &Interpolation,
        point: &Point,
    ) -> impl Iterator<Item = i64> {
        let (side, components, fraction) = (grid.side(), self.components, point.fraction);
        let near = point.voxel;
        let far = near.map(|place| (place + 1).min(side - 1));
        let plane_at = move |mode: usize, [row, column]: [usize; 2]| {
            &self.planes[((mode * side + row) * side + column) * components..][..components]
        };
        let line_at =
            move |mode: usize, place: usize| &self.lines[(mode * side + place) * components..][..components];
        MODES.iter().enumerate().flat_map(move |(mode, &Mode { plane: [row, column], line })| {
            let plane = [near, far].map(|r| [near, far].map(|c| plane_at(mode, [r[row], c[column]])));
            let ends = [near, far].map(|place| line_at(mode, place[line]));
            (0..components).map(move |component| {
                let nodes = plane.map(|row| row.map(|values| i64::from(values[component])));
                let of_plane = interpolation.bilinear(nodes, [fraction[row], fraction[column]]);
                let nodes = ends.map(|values| i64::from(values[component]));
                of_plane * interpolation.linear(nodes, fraction[line])
            })
        })
    }
}

/// A product as an 8-bit channel of the network that makes colours.
pub fn activation(product: i64, shift: u32) -> i8 {
    half_up(product, shift).clamp(i8::MIN.into(), i8::MAX.into()) as i8
}
