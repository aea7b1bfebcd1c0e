//! The fetch of a sample's nodes: from a point to the positions that the search unit is asked for.
//!
//! Each mode's components come in groups of lanes, and each group is a pair of beats: four nodes of the plane around the
//! point, then two of the line. The node after the last is the last. A position is, from its high bits down,
//!
//! | appearance | plane | row | column | group |
//! |---|---|---|---|---|
//! | 1 bit | 2 bits: the mode; 3 for lines | coordinate; the mode for lines | coordinate | group of components |
//!
//! Meaning: [`MODES`] and the order of [`Factors`](bitmill_formats::radiance_field::Factors). Timing: a beat every cycle in which it is taken; the next
//! sample with the last.

use std::sync::Arc;

use bitmill_formats::radiance_field::{AXES, MODES};
use bitmill_hdl::unit::pack;
use bitmill_hdl::{BigUint, HdlError, Module, ModuleBuilder, Signal, unsigned};

use super::interpolator::NODES;
use crate::engine::deformable_convolution::gather;

/// Sizes of positions.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct FetchShape {
    /// log2 of the voxels a side.
    pub side_bits: u32,
    /// log2 of the groups of a mode's components, one at least.
    pub group_bits: u32,
    /// Bits of a place between nodes.
    pub fraction_bits: u32,
}

/// The plane in which lines lie, a row a mode.
const LINES: u64 = 3;

impl FetchShape {
    /// Bits of a position.
    pub fn position_bits(&self) -> u32 {
        3 + 2 * self.side_bits + self.group_bits
    }

    /// The position of a node: `plane` is a mode, with row and column of its plane.
    pub fn plane_position(
        &self,
        appearance: bool,
        plane: usize,
        row: usize,
        column: usize,
        group: usize,
    ) -> u64 {
        let kind_and_plane = u64::from(appearance) << 2 | plane as u64;
        let row_and_column = (row << self.side_bits | column) as u64;
        (kind_and_plane << (2 * self.side_bits) | row_and_column) << self.group_bits | group as u64
    }

    /// The position of a node of the line of `mode`.
    pub fn line_position(&self, appearance: bool, mode: usize, place: usize, group: usize) -> u64 {
        self.plane_position(appearance, LINES as usize, mode, place, group)
    }

    /// Bits of what goes along with a beat: line, appearance, last; the column's fraction and the row's above them.
    pub(super) fn tag_bits(&self) -> u32 {
        3 + 2 * self.fraction_bits
    }
}

/// What a coordinate comes to in each mode.
fn of_mode<'m>(mode: Signal<'m>, coordinates: &[Signal<'m>], axis: impl Fn(usize) -> usize) -> Signal<'m> {
    let choices: Vec<Signal> = (0..AXES).map(|mode| coordinates[axis(mode)]).collect();
    mode.select(&choices, choices[0])
}

/// The circuit.
pub(super) fn module(shape: &FetchShape) -> Result<Arc<Module>, HdlError> {
    let &FetchShape { side_bits, group_bits, fraction_bits } = shape;
    let m = ModuleBuilder::new(
        format!("bitmill_field_fetch_s{side_bits}_g{group_bits}_f{fraction_bits}"),
        "positions of the nodes around a point: a plane's, then a line's, group by group and mode by mode.",
    );
    m.group("Settings");
    let last_groups =
        m.input_with_comment("last_groups_i", unsigned(2 * group_bits), "of density lowest, of appearance");
    m.group("Point in");
    let valid = m.input("valid_i", unsigned(1));
    let appearance = m.input("appearance_i", unsigned(1));
    let voxel = m.input_with_comment("voxel_i", unsigned(AXES as u32 * side_bits), "axis 0 lowest");
    let fractions = m.input("fractions_i", unsigned(AXES as u32 * fraction_bits));
    m.group("Beats out");
    let ready = m.input("ready_i", unsigned(1));

    let busy = m.register("busy_q", unsigned(1));
    let line = m.register("line_q", unsigned(1));
    let mode = m.register("mode_q", unsigned(2));
    let group = m.register("group_q", unsigned(group_bits));
    let taken = busy.q().and(ready).named("taken");
    let is_appearance = m.wire("is_appearance", unsigned(1));
    let last_group = is_appearance
        .value()
        .mux(last_groups.slice(group_bits, group_bits), last_groups.truncate(group_bits));
    let group_ends = group.q().eq(last_group).named("group_ends");
    let is_last = mode.q().eq_value(AXES as i128 - 1).and(group_ends).named("is_last");
    let done = taken.and(line.q()).and(is_last).named("done");
    let free = busy.q().not().or(done).named("free");
    let takes = valid.and(free).named("takes");
    busy.set(takes.or(busy.q().and(done.not())));
    line.set_when(taken, line.q().not());
    let pair_ends = taken.and(line.q());
    group.set_when(pair_ends, group.q().increment().gate(group_ends.not()));
    mode.set_when(pair_ends.and(group_ends), mode.q().increment().gate(is_last.not()));
    let keep = |name: &str, next: Signal<'_>| {
        let register = m.register(name, next.shape()).without_reset();
        register.set_when(takes, next);
        register.q()
    };
    is_appearance.drive(keep("appearance_q", appearance));
    let (voxel, fractions) = (keep("voxel_q", voxel), keep("fractions_q", fractions));

    m.comment("The nodes before and behind the point; the last has none behind it.");
    let near: Vec<Signal> = (0..AXES as u32).map(|axis| voxel.slice(axis * side_bits, side_bits)).collect();
    let far: Vec<Signal> = near.iter().map(|near| near.all().mux(*near, near.increment())).collect();
    let fraction: Vec<Signal> =
        (0..AXES as u32).map(|axis| fractions.slice(axis * fraction_bits, fraction_bits)).collect();
    let (mode, line) = (mode.q(), line.q());
    let rows = [&near, &far].map(|nodes| of_mode(mode, nodes, |mode| MODES[mode].plane[0]));
    let columns = [&near, &far].map(|nodes| {
        let of_line = of_mode(mode, nodes, |mode| MODES[mode].line);
        line.mux(of_line, of_mode(mode, nodes, |mode| MODES[mode].plane[1]))
    });
    let plane = line.mux(m.lit(2, LINES), mode);
    let positions: Vec<Signal> = (0..NODES as usize)
        .map(|node| {
            let row = line.mux(mode.resize(side_bits), rows[node / 2]);
            m.concat(&[is_appearance.value(), plane, row, columns[node % 2], group.q()])
        })
        .collect();
    let row_fraction = of_mode(mode, &fraction, |mode| MODES[mode].plane[0]);
    let column_fraction = line.mux(
        of_mode(mode, &fraction, |mode| MODES[mode].line),
        of_mode(mode, &fraction, |mode| MODES[mode].plane[1]),
    );
    m.output("ready_o", free);
    m.output("valid_o", busy.q());
    m.output_with_comment("present_o", line.mux(m.lit(NODES, 0b0011), m.lit(NODES, 0b1111)), "node 0 lowest");
    m.output("positions_o", gather::pack(&m, &positions));
    let kind = m.concat(&[is_last, is_appearance.value(), line]);
    m.output_with_comment(
        "tag_o",
        m.concat(&[row_fraction, column_fraction, kind]),
        "line, appearance, last, fractions",
    );
    m.finish()
}

/// A point whose nodes are fetched.
#[derive(Clone, Copy, Debug)]
pub(super) struct FetchPoint {
    pub appearance: bool,
    pub voxel: [u64; AXES],
    pub fraction: [u64; AXES],
}

/// A beat of nodes.
#[derive(Clone, Debug)]
pub(super) struct FetchBeat {
    pub present: BigUint,
    pub positions: BigUint,
    pub tag: FetchTag,
}

/// What goes along with a beat.
#[derive(Clone, Copy, Debug)]
pub(super) struct FetchTag {
    pub line: bool,
    pub appearance: bool,
    pub last: bool,
    /// Of the row in the high bits.
    pub fractions: u64,
}

/// The fetch, cycle by cycle.
pub(super) struct FetchModel {
    shape: FetchShape,
    point: Option<FetchPoint>,
    mode: usize,
    group: u64,
    line: bool,
}

impl FetchModel {
    pub fn new(shape: FetchShape) -> FetchModel {
        FetchModel { shape, point: None, mode: 0, group: 0, line: false }
    }

    /// The beat that is asked for; the last groups are those of density and of appearance.
    pub fn beat(&self, last_groups: [u64; 2]) -> Option<FetchBeat> {
        let point = self.point?;
        let mode = MODES[self.mode];
        let most = (1 << self.shape.side_bits) - 1;
        let [near, far] = [0, 1].map(|step| point.voxel.map(|place| (place + step).min(most) as usize));
        let group = self.group as usize;
        let position = |node: usize| match self.line {
            true => {
                let place = [near, far][node % 2][mode.line];
                self.shape.line_position(point.appearance, self.mode, place, group)
            }
            false => {
                let (row, column) =
                    ([near, far][node / 2][mode.plane[0]], [near, far][node % 2][mode.plane[1]]);
                self.shape.plane_position(point.appearance, self.mode, row, column, group)
            }
        };
        let positions: Vec<BigUint> = (0..NODES as usize).map(|node| BigUint::from(position(node))).collect();
        let column = if self.line { mode.line } else { mode.plane[1] };
        let tag = FetchTag {
            line: self.line,
            appearance: point.appearance,
            last: self.ends_mode(last_groups) && self.mode + 1 == AXES,
            fractions: point.fraction[mode.plane[0]] << self.shape.fraction_bits | point.fraction[column],
        };
        let present = BigUint::from(if self.line { 0b0011_u8 } else { 0b1111 });
        Some(FetchBeat { present, positions: pack(&positions, self.shape.position_bits()), tag })
    }

    fn ends_mode(&self, last_groups: [u64; 2]) -> bool {
        self.point.is_some_and(|point| self.group == last_groups[usize::from(point.appearance)])
    }

    /// Whether the beat that is asked for is the point's last one.
    fn ends_point(&self, last_groups: [u64; 2]) -> bool {
        self.line && self.mode + 1 == AXES && self.ends_mode(last_groups)
    }

    /// Whether a point may come in a cycle in which the beat is taken or not.
    pub fn is_free(&self, taken: bool, last_groups: [u64; 2]) -> bool {
        self.point.is_none() || (taken && self.ends_point(last_groups))
    }

    /// The clock edge of such a cycle, in which a point may have come.
    pub fn step(&mut self, taken: bool, last_groups: [u64; 2], point: Option<FetchPoint>) {
        if taken {
            let (ends_mode, ends_point) = (self.ends_mode(last_groups), self.ends_point(last_groups));
            if self.line {
                self.group = if ends_mode { 0 } else { self.group + 1 };
                self.mode = (self.mode + usize::from(ends_mode)) % AXES;
            }
            self.line = !self.line;
            if ends_point {
                self.point = None;
            }
        }
        self.point = point.or(self.point);
    }
}
