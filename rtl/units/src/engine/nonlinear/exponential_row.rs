//! What softmax and GELU share: rows whose elements go through an exponential, and a divider for what follows.

use std::sync::Arc;

use bitmill_hdl::unit::{Random, Values};
use bitmill_hdl::{BigUint, Module, ModuleBuilder, Signal};

use super::divider::Divider;
use super::exponential::Exponential;
use super::row::{self, RowModel, RowShape, Rows};
use crate::{Legal, Parameter, Settings, UnitError};

/// Parameters of such an operator.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct ExponentialRow {
    pub shape: RowShape,
    /// Bits of `one_i`, the reciprocal of the scale, or of what stands in its place.
    pub one_bits: u32,
    /// Divides 2^31 − 1 by sums of 31 bits.
    pub divider: Divider,
    bits_per_cycle: u32,
    /// Largest number of halvings of the exponential.
    n: u32,
}

impl ExponentialRow {
    /// Rows of `shape`, for scales whose reciprocal has `one_bits` and exponentials of up to `n` halvings; divisions
    /// make `bits_per_cycle` bits a cycle.
    ///
    /// # Errors
    /// Reciprocals of no or of more than 31 − `n` bits, or quotients outside 1 to 31 bits a cycle.
    pub fn new(
        shape: RowShape,
        one_bits: u32,
        bits_per_cycle: u32,
        n: u32,
    ) -> Result<ExponentialRow, UnitError> {
        let most = 31 - n;
        if !(1..=most).contains(&one_bits) {
            return Err(UnitError::illegal("one_bits", one_bits, format!("1 to {most} bits are legal")));
        }
        Ok(ExponentialRow {
            shape,
            one_bits,
            divider: Divider::new(31, 31, bits_per_cycle)?,
            bits_per_cycle,
            n,
        })
    }

    /// The same from the text of the parameters.
    pub fn from_settings(settings: &Settings, n: u32) -> Result<ExponentialRow, UnitError> {
        ExponentialRow::new(
            RowShape::from_settings(settings)?,
            settings.number("one_bits", 1..=31 - n)?,
            settings.number("bits_per_cycle", 1..=31)?,
            n,
        )
    }

    /// What tells modules of different parameters apart.
    pub fn name(&self) -> String {
        format!("{}_one{}_r{}", self.shape.name(), self.one_bits, self.bits_per_cycle)
    }

    /// The exponential of an element less the maximum; of any difference if `either_sign`.
    pub fn exponential(&self, either_sign: bool) -> Exponential {
        Exponential { bits: self.shape.bits + 1, one_bits: self.one_bits, n: self.n, either_sign }
    }

    /// Rows of all lengths for the operator that `model` predicts, with reciprocals of all sizes but 0.
    pub fn stimulus(&self, model: RowModel, random: &mut Random, cycles: usize) -> Vec<Values> {
        row::stimulus(model, random, cycles, |random| {
            vec![random.corner_bits(self.one_bits).max(BigUint::from(1u8))]
        })
    }
}

/// What circuits of `module` make of each element of the word that was read, less the row's maximum; `setting` is their
/// input beside it.
pub(super) fn exponentials<'m>(
    m: &'m ModuleBuilder,
    rows: &Rows<'m>,
    maximum: Signal<'m>,
    module: &Arc<Module>,
    setting: (&'static str, Signal<'m>),
) -> Vec<Signal<'m>> {
    m.comment("The exponential of each element, less the maximum.");
    let exp = |(lane, x): (usize, &Signal<'m>)| {
        let inputs = [("enable_i", rows.advance), ("x_i", x.sub(maximum)), setting];
        m.instance(&format!("i_exp_{lane}"), module, &inputs).output("exp_o")
    };
    rows.outgoing.iter().enumerate().map(exp).collect()
}

/// Parameter `one_bits` of an operator.
pub(super) const fn one_bits(help: &'static str, legal: Legal) -> Parameter {
    Parameter { name: "one_bits", default: "8", help, legal }
}
