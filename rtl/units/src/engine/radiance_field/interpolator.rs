//! The factor interpolator: nodes of plane and line factors in, densities and appearance out.
//!
//! A sample comes as pairs of beats: four nodes of a plane, `lanes` components each, then two nodes of the line. A pair's
//! products go to the tree and are summed up until the sample's last pair, or, of appearance, leave as activations, a
//! word of `lanes` a pair.
//!
//! Meaning: [`Interpolation`] and [`activation`].
//!
//! Trick: a line is a plane of which only the first row counts. Between two nodes of the row the value has F bits behind
//! the point, and interpolating with a row fraction of zero adds F zeros that the rounding takes away. So plane and line
//! share one interpolator a lane.
//!
//! Timing: a beat every cycle of the unit's time; results show [`LATENCY_CYCLES`] after their pair's second beat. Time
//! stands still while a result waits to be taken.

use std::collections::VecDeque;
use std::sync::Arc;

use bitmill_formats::radiance_field::{AXES, Interpolation, activation};
use bitmill_hdl::unit::{Expected, Model, Random, Unit, Values, lane, number, pack, signed_number, to_bits};
use bitmill_hdl::{BigUint, HdlError, Module, ModuleBuilder, Signal, bits_for, signed, unsigned};

use crate::engine::deformable_convolution::gather;
use crate::engine::sparse_search::tree::{self, Mode, Tree};
use crate::{Entry, Legal, Parameter, Settings, UnitError};

/// Parameters of an interpolator.
pub(super) const PARAMETERS: [Parameter; 5] = [
    Parameter {
        name: "lanes",
        default: "4",
        help: "components of a beat, a power of 2 from 2 to 16",
        legal: Legal::OneOf(&["2", "4", "8", "16"]),
    },
    Parameter {
        name: "components",
        default: "16",
        help: "most components of a mode, 1 to 64",
        legal: Legal::Numbers(1, 64),
    },
    Parameter {
        name: "value_bits",
        default: "8",
        help: "bits of a node's signed value, 2 to 8",
        legal: Legal::Numbers(2, 8),
    },
    Parameter {
        name: "fraction_bits",
        default: "6",
        help: "bits of a place between nodes, 2 to 8",
        legal: Legal::Numbers(2, 8),
    },
    Parameter {
        name: "guard_bits",
        default: "4",
        help: "bits kept behind the point of what is interpolated, up to fraction_bits",
        legal: Legal::Numbers(0, 8),
    },
];

/// Catalogue entry.
pub const ENTRY: Entry = Entry {
    name: "factor_interpolator",
    summary: "plane times line factors between nodes, summed to densities or rounded to activations (TensoRF)",
    parameters: &PARAMETERS,
    examples: &[
        "",
        "lanes=2 components=3 value_bits=4 fraction_bits=3 guard_bits=3",
        "lanes=2 guard_bits=0 fraction_bits=2",
    ],
    build: |settings| Ok(Box::new(FactorInterpolator::from_settings(settings)?)),
};

/// Cycles of the unit's time from a pair's second beat to its result: inputs, columns, rows, products, the tree, the sum.
pub const LATENCY_CYCLES: usize = 5 + tree::LATENCY_CYCLES as usize;
/// Bits of the shift that makes activations.
pub const SHIFT_BITS: u32 = 5;
/// Bits of an activation.
const ACTIVATION_BITS: u32 = 8;
/// Nodes of a beat: row by row.
pub const NODES: u32 = 4;

/// A factor interpolator.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct FactorInterpolator {
    lanes: u32,
    components: u32,
    interpolation: Interpolation,
}

impl FactorInterpolator {
    /// An interpolator of `lanes` components a beat, for up to `components` a mode.
    ///
    /// # Errors
    /// Lanes that are no power of 2 from 2 to 16, 0 or more than 64 components, values of fewer than 2 or more than 8 bits,
    /// fewer than 2 or more than 8 fraction bits, or more guard bits than those.
    pub fn new(lanes: u32, components: u32, interpolation: Interpolation) -> Result<Self, UnitError> {
        let Interpolation { value_bits, fraction_bits, guard_bits } = interpolation;
        if !lanes.is_power_of_two() || !(2..=16).contains(&lanes) {
            return Err(UnitError::illegal("lanes", lanes, "a power of 2 from 2 to 16 is needed"));
        }
        if !(1..=64).contains(&components) {
            return Err(UnitError::illegal("components", components, "1 to 64 are legal"));
        }
        for (name, bits) in [("value_bits", value_bits), ("fraction_bits", fraction_bits)] {
            if !(2..=8).contains(&bits) {
                return Err(UnitError::illegal(name, bits, "2 to 8 are legal"));
            }
        }
        if guard_bits > fraction_bits {
            let legal = format!("up to fraction_bits = {fraction_bits} are legal");
            return Err(UnitError::illegal("guard_bits", guard_bits, legal));
        }
        Ok(Self { lanes, components, interpolation })
    }

    pub(super) fn from_settings(settings: &Settings) -> Result<Self, UnitError> {
        let interpolation = Interpolation {
            value_bits: settings.number("value_bits", 2..=8)?,
            fraction_bits: settings.number("fraction_bits", 2..=8)?,
            guard_bits: settings.number("guard_bits", 0..=8)?,
        };
        Self::new(settings.number("lanes", 2..=16)?, settings.number("components", 1..=64)?, interpolation)
    }

    /// Bits of a node's value.
    pub fn value_bits(&self) -> u32 {
        self.interpolation.value_bits
    }

    /// Bits of a place between nodes.
    pub fn fraction_bits(&self) -> u32 {
        self.interpolation.fraction_bits
    }

    /// Components of a beat.
    pub fn lanes(&self) -> u32 {
        self.lanes
    }

    fn tree(&self) -> Tree {
        Tree::new(self.lanes, self.interpolation.product_bits(), &[Mode::Reduce]).expect("a legal tree")
    }

    /// Groups of lanes that the components of a mode make.
    pub fn groups(&self) -> u32 {
        self.components.div_ceil(self.lanes)
    }

    /// Most products of a density, in whole pairs of beats.
    fn most_products(&self) -> u32 {
        AXES as u32 * self.groups() * self.lanes
    }

    /// Bits of a density, sign included.
    pub fn density_bits(&self) -> u32 {
        self.interpolation.product_bits() + bits_for(u64::from(self.most_products() - 1))
    }

    /// For names of modules.
    pub(super) fn name(&self) -> String {
        let Interpolation { value_bits, fraction_bits, guard_bits } = self.interpolation;
        format!("l{}_c{}_v{value_bits}_f{fraction_bits}_g{guard_bits}", self.lanes, self.components)
    }

    /// Bits of a beat's nodes.
    pub fn nodes_bits(&self) -> u32 {
        NODES * self.lanes * self.interpolation.value_bits
    }

    /// What component `index` of a beat comes to, where the row fraction of a line does not count.
    fn value(&self, nodes: &BigUint, [row, column]: [i64; 2], is_line: bool, index: u32) -> i64 {
        let bits = self.interpolation.value_bits;
        let node = |node: u32| signed_number(&lane(nodes, node * self.lanes + index, bits), bits);
        match is_line {
            true => self.interpolation.linear([node(0), node(1)], column),
            false => self.interpolation.bilinear([[node(0), node(1)], [node(2), node(3)]], [row, column]),
        }
    }
}

/// A value between two, exact.
fn between<'m>(bits: u32, [near, far]: [Signal<'m>; 2], fraction: Signal<'m>) -> Signal<'m> {
    let step = far.sub(near).mul(fraction.to_signed());
    // It lies between the two, so that it has no more bits before the point than they have.
    near.shl(bits).add(step).truncate(near.width() + bits)
}

/// `value / 2^shift`, halves up, in `bits`.
fn rounded<'m>(m: &'m ModuleBuilder, value: Signal<'m>, shift: u32, bits: u32) -> Signal<'m> {
    match shift {
        0 => value.truncate(bits),
        _ => value.add(m.constant(signed(shift + 1), 1 << (shift - 1))).shr(shift).truncate(bits),
    }
}

/// `product / 2^shift`, halves up, within 8 bits: [`activation`].
fn activated<'m>(m: &'m ModuleBuilder, product: Signal<'m>, shift: Signal<'m>) -> Signal<'m> {
    let width = product.width() + 2;
    let wide = product.extend(width);
    // Twice the value, one more and halved again: that is half up, for a shift of 0 too.
    let doubled = wide.shl(1).extend(width + 2);
    let shifted = doubled.shift_right(shift);
    let half_up = shifted.add(m.constant(signed(2), 1)).shr(1);
    let [low, high] = [i128::from(i8::MIN), i128::from(i8::MAX)].map(|end| m.constant(half_up.shape(), end));
    let clamped = half_up.lt(low).mux(low, half_up.gt(high).mux(high, half_up));
    clamped.truncate(ACTIVATION_BITS)
}

impl Unit for FactorInterpolator {
    fn module(&self) -> Result<Arc<Module>, HdlError> {
        let Interpolation { value_bits, fraction_bits, guard_bits } = self.interpolation;
        let m = ModuleBuilder::new(
            format!("bitmill_factor_interpolator_{}", self.name()),
            format!(
                "plane times line factors, {} components a beat.\nLatency {LATENCY_CYCLES} cycles, interval 1.",
                self.lanes
            ),
        );
        m.group("Settings");
        let shift = m.input_with_comment("shift_i", unsigned(SHIFT_BITS), "of products, to activations");
        m.group("Beats in: a plane's, then a line's");
        let valid = m.input("valid_i", unsigned(1));
        let line =
            m.input_with_comment("line_i", unsigned(1), "two nodes of a line, and the column's fraction");
        let appearance = m.input_with_comment("appearance_i", unsigned(1), "products leave as activations");
        let last = m.input_with_comment("last_i", unsigned(1), "the sample's density ends with this pair");
        let nodes = m.input_with_comment(
            "nodes_i",
            unsigned(self.nodes_bits()),
            "row by row, lane 0 of node 0 lowest",
        );
        let fractions =
            m.input_with_comment("fractions_i", unsigned(2 * fraction_bits), "of the row in the high bits");
        m.group("Results out");
        let ready = m.input("ready_i", unsigned(1));
        let ends = m.register("ends_q", unsigned(1));
        let advance = ends.q().not().or(ready).named("advance");
        let data = |name: &str, next: Signal<'_>| {
            let register = m.register(name, next.shape()).without_reset();
            register.set_when(advance, next);
            register.q()
        };
        let flag = |name: &str, next: Signal<'_>| {
            let register = m.register(name, unsigned(1));
            register.set_when(advance, next);
            register.q()
        };

        m.comment("What a beat is goes along with it: line, appearance, last.");
        let mut kinds = vec![m.concat(&[last, appearance, line])];
        let mut valids = vec![valid];
        for stage in 1..LATENCY_CYCLES {
            kinds.push(data(&format!("kind_{stage}_q"), kinds[stage - 1]));
            // From the products on, a pair is one.
            let comes = if stage == 4 { valids[3].and(kinds[3].bit(0)) } else { valids[stage - 1] };
            valids.push(flag(&format!("valid_{stage}_q"), comes));
        }
        let nodes_q = data("nodes_q", nodes);
        let fractions_q = data("fractions_q", fractions);
        let row_q =
            data("row_2_q", fractions_q.slice(fraction_bits, fraction_bits).gate(kinds[1].bit(0).not()));
        let column_q = fractions_q.truncate(fraction_bits);
        let is_plane = valids[3].and(kinds[3].bit(0).not());
        let (mut products, mut activations) = (vec![], vec![]);
        for lane in 0..self.lanes {
            m.comment(&format!("Lane {lane}: columns, rows, and the plane's value times the line's."));
            let node =
                |node: u32| nodes_q.slice((node * self.lanes + lane) * value_bits, value_bits).as_signed();
            let rows = [0, 1].map(|row| {
                let value = between(fraction_bits, [node(2 * row), node(2 * row + 1)], column_q);
                data(&format!("row_{row}_of_{lane}_q"), value)
            });
            let exact = between(fraction_bits, rows, row_q);
            let value = rounded(&m, exact, 2 * fraction_bits - guard_bits, self.interpolation.result_bits());
            let value = data(&format!("value_{lane}_q"), value);
            let plane = m.register(&format!("plane_{lane}_q"), value.shape()).without_reset();
            plane.set_when(advance.and(is_plane), value);
            let product = data(&format!("product_{lane}_q"), plane.q().mul(value));
            products.push(product.as_unsigned());
            let late = data(&format!("activation_{lane}_q"), activated(&m, product, shift));
            activations.push(data(&format!("activation_{lane}_2_q"), late).as_unsigned());
        }
        m.comment("The tree, and the sum of a sample's pairs.");
        let inputs = [("advance_i", advance), ("word_i", gather::pack(&m, &products))];
        let sum = m.instance("i_tree", &self.tree().module()?, &inputs).output("sum_o").as_signed();
        let (comes, kind) = (valids[LATENCY_CYCLES - 1], kinds[LATENCY_CYCLES - 1]);
        let (is_appearance, is_last) = (kind.bit(1), kind.bit(2));
        let density = m.register("density_q", signed(self.density_bits())).without_reset();
        let continues = m.register("continues_q", unsigned(1));
        let adds = advance.and(comes).and(is_appearance.not()).named("adds");
        let before = continues.q().mux(density.q(), m.constant(density.q().shape(), 0));
        density.set_when(adds, before.add_wrapping(sum.extend(self.density_bits())));
        continues.set_when(adds, is_last.not());
        ends.set_when(advance, comes.and(is_appearance.or(is_last)));
        m.output("ready_o", advance);
        m.output("valid_o", ends.q());
        m.output_with_comment(
            "appearance_o",
            data("appearance_q", is_appearance),
            "activations, not a density",
        );
        m.output("density_o", density.q().as_unsigned());
        m.output("activations_o", data("activations_q", gather::pack(&m, &activations)));
        m.finish()
    }

    fn model(&self) -> Box<dyn Model> {
        Box::new(InterpolatorModel::new(*self))
    }

    fn stimulus(&self, random: &mut Random, cycles: usize) -> Vec<Values> {
        // Beats are repeated until they are taken, so that pairs stay pairs.
        let mut model = InterpolatorModel::new(*self);
        let pairs_of_sample = self.most_products() / self.lanes;
        let shift = BigUint::from(random.below(u64::from(self.interpolation.product_bits())));
        let (mut line, mut appearance, mut left) = (false, false, 1 + random.below(pairs_of_sample.into()));
        let mut stimulus = Vec::new();
        while stimulus.len() < cycles {
            let bit = |bit: bool| BigUint::from(u8::from(bit));
            let comes = !random.one_in(4);
            let inputs = vec![
                shift.clone(),
                bit(comes),
                bit(line),
                bit(appearance),
                bit(!appearance && left == 1),
                random.corner_bits(self.nodes_bits()),
                random.corner_bits(2 * self.interpolation.fraction_bits),
                bit(!random.one_in(3)),
            ];
            let taken = comes && model.is_free(inputs[7].bit(0));
            model.cycle(&inputs);
            stimulus.push(inputs);
            if taken && line {
                left -= u64::from(!appearance);
                if left == 0 {
                    left = 1 + random.below(pairs_of_sample.into());
                }
                appearance = random.one_in(3);
            }
            line ^= taken;
        }
        stimulus
    }
}

/// What a pair comes to.
pub(super) enum Outcome {
    Density(i64),
    Activations(Vec<i64>),
}

/// A factor interpolator, cycle by cycle.
pub(super) struct InterpolatorModel {
    unit: FactorInterpolator,
    plane: Vec<i64>,
    density: i64,
    pipeline: VecDeque<Option<Outcome>>,
}

impl InterpolatorModel {
    pub fn new(unit: FactorInterpolator) -> InterpolatorModel {
        let pipeline = std::iter::repeat_with(|| None).take(LATENCY_CYCLES).collect();
        InterpolatorModel { unit, plane: Vec::new(), density: 0, pipeline }
    }

    /// What waits to be taken.
    pub fn shown(&self) -> Option<&Outcome> {
        self.pipeline.front().and_then(Option::as_ref)
    }

    /// Whether a beat would be taken in a cycle in which what is shown is taken if `ready`.
    pub fn is_free(&self, ready: bool) -> bool {
        self.shown().is_none() || ready
    }

    /// What a beat that is taken comes to, if it ends a sample or is one of appearance.
    fn take(&mut self, inputs: &[BigUint]) -> Option<Outcome> {
        let [is_line, is_appearance, is_last] = [2, 3, 4].map(|port| inputs[port].bit(0));
        let bits = self.unit.interpolation.fraction_bits;
        let fractions = [1, 0].map(|axis| number(&lane(&inputs[6], axis, bits)) as i64);
        let values: Vec<i64> = (0..self.unit.lanes)
            .map(|index| self.unit.value(&inputs[5], fractions, is_line, index))
            .collect();
        if !is_line {
            self.plane = values;
            return None;
        }
        let products: Vec<i64> = self.plane.iter().zip(values).map(|(plane, line)| plane * line).collect();
        if is_appearance {
            let shift = number(&inputs[0]) as u32;
            return Some(Outcome::Activations(
                products.iter().map(|p| activation(*p, shift).into()).collect(),
            ));
        }
        self.density += products.iter().sum::<i64>();
        is_last.then(|| Outcome::Density(std::mem::take(&mut self.density)))
    }
}

impl Model for InterpolatorModel {
    fn cycle(&mut self, inputs: &[BigUint]) -> Expected {
        let bit = |bit: bool| Some(BigUint::from(u8::from(bit)));
        let ready = self.is_free(inputs[7].bit(0));
        let shown = self.shown();
        let mut outputs = vec![bit(ready), bit(shown.is_some())];
        outputs.extend(match shown {
            None => [None, None, None],
            Some(Outcome::Density(density)) => {
                [bit(false), Some(to_bits((*density).into(), self.unit.density_bits())), None]
            }
            Some(Outcome::Activations(values)) => {
                let lanes: Vec<BigUint> =
                    values.iter().map(|v| to_bits((*v).into(), ACTIVATION_BITS)).collect();
                [bit(true), None, Some(pack(&lanes, ACTIVATION_BITS))]
            }
        });
        if ready {
            self.pipeline.pop_front();
            let outcome = if inputs[1].bit(0) { self.take(inputs) } else { None };
            self.pipeline.push_back(outcome);
        }
        outputs
    }
}
