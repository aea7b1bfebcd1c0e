//! The pair units in front of the requantizers: they join the two activations that a lane of the vector unit has
//! put side by side.

use bitmill_hdl::unit::Unit;
use bitmill_hdl::{HdlError, ModuleBuilder, Shape, Signal, unsigned};
use bitmill_units::common::pair::Pair;

use super::postprocessor::{choose, rows_of};
use super::scratchpad::group_bits;
use crate::Accelerator;
use crate::command::{Field, fields};

/// Fields of a command that the pair units take, each its own port.
pub(super) const SETTINGS: [&Field; 5] = [
    &fields::FIRST_ZERO_POINT,
    &fields::SECOND_ZERO_POINT,
    &fields::MULTIPLIES,
    &fields::PAIR_FACTOR,
    &fields::PAIR_SHIFT,
];

/// Their ports on a pair unit.
pub(super) const PORTS: [&str; 5] =
    ["first_zero_point_i", "second_zero_point_i", "multiplies_i", "factor_i", "shift_i"];

/// The shape of such a field's port: zero points are as narrow as activations.
pub(super) fn port_shape(unit: &Pair, field: &Field) -> Shape {
    let width = if field.shape.signed { unit.activation_bits() } else { field.shape.width };
    Shape { width, ..field.shape }
}

/// What the pair units share.
pub(super) struct Pairing<'m> {
    unit: Pair,
    is_pair: Signal<'m>,
    group: Signal<'m>,
    settings: Vec<(&'static str, Signal<'m>)>,
}

impl<'m> Pairing<'m> {
    /// Their ports on the postprocessor; the rounding is one of `requantizer_settings`.
    pub fn new(
        m: &'m ModuleBuilder,
        accelerator: &Accelerator,
        unit: &Pair,
        requantizer_settings: &[(&'static str, Signal<'m>)],
    ) -> Pairing<'m> {
        m.group("Pairs");
        let is_pair = m.input("is_pair_i", unsigned(1));
        let group = m.input("pair_group_i", unsigned(group_bits(accelerator)));
        if accelerator.rows() == accelerator.drain_rows() {
            m.ignore(group);
        }
        let port = |field: &Field| m.input(&format!("{}_i", field.name), port_shape(unit, field));
        let mut settings: Vec<_> = PORTS.into_iter().zip(SETTINGS.map(port)).collect();
        if unit.has_choice() {
            settings.extend(requantizer_settings.iter().filter(|(port, _)| *port == "rounding_i"));
        }
        Pairing { unit: *unit, is_pair, group, settings }
    }

    /// The requantizer's accumulator of lane `at.1`, drained as row `at.0` of its group: the joined pair of the
    /// `vector` unit's results (by row and channel), or what was summed.
    pub fn join(
        &self,
        m: &'m ModuleBuilder,
        accelerator: &Accelerator,
        at: (u32, u32),
        vector: Option<&[Vec<Signal<'m>>]>,
        sum: Signal<'m>,
    ) -> Result<Signal<'m>, HdlError> {
        let (drain_row, lane) = at;
        let results = |row: usize| vector.and_then(|rows| rows[row].get(lane as usize).copied());
        let Some(pairs) = rows_of(accelerator, drain_row).into_iter().map(results).collect() else {
            // A lane that only words of another format have.
            return Ok(sum.extend(sum.width().max(self.unit.result_bits())));
        };
        let pair = choose(self.group, pairs);
        let bits = self.unit.activation_bits();
        let side = |lsb| pair.slice(lsb, bits).as_signed();
        let mut inputs = vec![("first_i", side(bits)), ("second_i", side(0))];
        inputs.extend(&self.settings);
        let name = format!("i_pair_{drain_row}_{lane}");
        let joined = m.instance(&name, &self.unit.module()?, &inputs).output("result_o");
        let width = joined.width().max(sum.width());
        Ok(self.is_pair.mux(joined.extend(width), sum.extend(width)))
    }
}
