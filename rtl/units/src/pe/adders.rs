//! Size of the PEs that need no multiplier: lanes of integers, gated, swapped and negated into one adder tree.

use bitmill_formats::{Format, Integer, Scalar};
use bitmill_hdl::{ModuleBuilder, Signal, bits_for, unsigned};

use super::{Mode, PeTiming};
use crate::{Legal, Parameter, Settings, UnitError};

/// Parameter: bits of the signed activations.
pub(super) const ACTIVATION_BITS: Parameter = Parameter {
    name: "activation_bits",
    default: "8",
    help: "bits of a signed activation, 2 to 16",
    legal: Legal::Numbers(2, 16),
};
/// Parameter: bits of the sum.
pub(super) const ACCUMULATOR: Parameter = Parameter {
    name: "accumulator",
    default: "32",
    help: "bits of the sum, up to 64",
    legal: Legal::Numbers(4, 64),
};

/// Size of a PE of adders.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct AdderSize {
    /// Weights a step.
    pub lanes: u32,
    /// Bits of a signed activation.
    pub activation_bits: u32,
    /// Bits of the sum.
    pub accumulator_bits: u32,
}

impl AdderSize {
    /// Refuses what no circuit is built for; a product has `product_bits` more than an activation, and lanes come
    /// in groups of `group`.
    pub(super) fn check(self, group: u32, product_bits: u32) -> Result<AdderSize, UnitError> {
        let AdderSize { lanes, activation_bits, accumulator_bits } = self;
        if !(1..=256).contains(&lanes) || !lanes.is_multiple_of(group) {
            let legal = match group {
                1 => "1 to 256 lanes are legal".to_owned(),
                _ => format!("multiples of {group} up to 256 are legal"),
            };
            return Err(UnitError::illegal("lanes", lanes, legal));
        }
        if !(2..=16).contains(&activation_bits) {
            return Err(UnitError::illegal("activation_bits", activation_bits, "2 to 16 bits are legal"));
        }
        let least = activation_bits + product_bits + bits_for(u64::from(lanes));
        if !(least..=64).contains(&accumulator_bits) {
            let legal = format!("one step makes up to {least} bits, so {least} to 64 are legal");
            return Err(UnitError::illegal("accumulator", accumulator_bits, legal));
        }
        Ok(self)
    }

    pub(super) fn from_settings(settings: &Settings) -> Result<AdderSize, UnitError> {
        Ok(AdderSize {
            lanes: settings.number("lanes", 1..=256)?,
            activation_bits: settings.number(ACTIVATION_BITS.name, 2..=16)?,
            accumulator_bits: settings.number(ACCUMULATOR.name, 4..=64)?,
        })
    }

    /// For a module's name.
    pub(super) fn name(self) -> String {
        format!("a{}_l{}_acc{}", self.activation_bits, self.lanes, self.accumulator_bits)
    }

    /// The single mode of these PEs.
    pub(super) fn modes(self, weight: Format) -> Vec<Mode> {
        let activation = Integer::signed(self.activation_bits).expect("int2 to int16 are legal");
        let activation = Format::Scalar(Scalar::Integer(activation));
        vec![Mode { code: 0, activation, weight, lanes: self.lanes, interval_cycles: 1, lsb_exponent: 0 }]
    }

    /// One step a cycle, the sum two cycles after the last.
    pub(super) fn timing(self) -> PeTiming {
        PeTiming { latency_cycles: 2, interval_cycles: 1 }
    }

    /// The ports `activation_i`, as signed lanes, and `weight_i` of `weight_bits`.
    pub(super) fn operands<'m>(
        self,
        m: &'m ModuleBuilder,
        lanes: u32,
        weight_bits: u32,
    ) -> (Vec<Signal<'m>>, Signal<'m>) {
        m.group("Data, lane 0 lowest");
        let bits = self.activation_bits;
        let word = m.input("activation_i", unsigned(lanes * bits));
        let weight = m.input("weight_i", unsigned(weight_bits));
        ((0..lanes).map(|lane| word.slice(lane * bits, bits).as_signed()).collect(), weight)
    }
}
