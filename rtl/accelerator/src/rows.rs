//! The row units of an accelerator: which functions they have, what shape their rows are, how long they take.

use std::sync::Arc;

use bitmill_formats::nonlinear::{Exponential, FINE_SHARE_BITS, RECIPROCAL_BITS, Root};
use bitmill_hdl::unit::Unit;
use bitmill_hdl::{HdlError, Module};
use bitmill_units::UnitError;
use bitmill_units::engine::nonlinear::gelu::Gelu;
use bitmill_units::engine::nonlinear::layer_norm::{self, LayerNorm};
use bitmill_units::engine::nonlinear::row::{RowShape, RowTiming};
use bitmill_units::engine::nonlinear::softmax::Softmax;

use crate::configuration::{ConfigurationError, Nonlinear, illegal, in_section};
use crate::{RowOperator, WordLayout};

/// The unit of one function.
#[derive(Clone, Copy, Debug)]
enum RowUnit {
    Softmax(Softmax),
    Gelu(Gelu),
    LayerNorm(LayerNorm),
}

/// The circuit of one function.
pub(crate) struct RowCircuit {
    pub operator: RowOperator,
    pub module: Arc<Module>,
    /// Its input for what the command says of the scale, and the bits of that.
    pub setting: Option<(&'static str, u32)>,
    /// Whether its results may be negative.
    pub is_signed: bool,
}

/// One unit for each function that the configuration asks for. They work on words of activations, a word a cycle.
#[derive(Clone, Debug)]
pub struct RowUnits {
    shape: RowShape,
    root: Root,
    units: Vec<(RowOperator, RowUnit)>,
}

impl RowUnits {
    /// Units for rows of `word`s, of signed integers.
    pub(crate) fn new(
        nonlinear: &Nonlinear,
        word: Option<&WordLayout>,
    ) -> Result<RowUnits, ConfigurationError> {
        let Some(word) = word else {
            let names: Vec<&str> = nonlinear.operators.iter().map(|operator| operator.name()).collect();
            let legal = "signed integers in precision.activations are needed";
            return Err(illegal("nonlinear.operators", names.join(", "), legal));
        };
        RowUnits::of_words(nonlinear, word).map_err(|error| in_section("nonlinear", error))
    }

    fn of_words(nonlinear: &Nonlinear, word: &WordLayout) -> Result<RowUnits, UnitError> {
        let shape = RowShape::new(word.bits(), word.channels, nonlinear.longest_row)?;
        let (root, bits_per_cycle) = (nonlinear.root.root(), nonlinear.bits_per_cycle);
        let softmax = |exponential| {
            Softmax::new(shape, exponential, RECIPROCAL_BITS, bits_per_cycle, FINE_SHARE_BITS)
                .map(RowUnit::Softmax)
        };
        let unit = |operator: &RowOperator| {
            let unit = match operator {
                RowOperator::Softmax => softmax(Exponential::Shifts)?,
                RowOperator::SoftmaxByTable => softmax(Exponential::Table)?,
                RowOperator::Gelu => RowUnit::Gelu(Gelu::new(shape, RECIPROCAL_BITS, bits_per_cycle)?),
                RowOperator::LayerNorm => RowUnit::LayerNorm(LayerNorm::new(shape, root, bits_per_cycle)?),
            };
            Ok((*operator, unit))
        };
        let units = nonlinear.operators.iter().map(unit).collect::<Result<_, UnitError>>()?;
        Ok(RowUnits { shape, root, units })
    }

    /// Whether there is a unit for `operator`.
    pub fn has(&self, operator: RowOperator) -> bool {
        self.units.iter().any(|(there, _)| *there == operator)
    }

    /// The functions that there are units for.
    pub fn operators(&self) -> impl Iterator<Item = RowOperator> {
        self.units.iter().map(|(operator, _)| *operator)
    }

    /// How LayerNorm takes its root.
    pub fn root(&self) -> Root {
        self.root
    }

    /// Elements of a word.
    pub fn lanes(&self) -> u32 {
        self.shape.lanes
    }

    /// Elements of the longest row.
    pub fn longest_row(&self) -> u32 {
        self.shape.longest
    }

    /// Bits of the number of a row's elements, less 1.
    pub(crate) fn length_bits(&self) -> u32 {
        self.shape.length_bits()
    }

    /// Bits of an element, signed.
    pub(crate) fn element_bits(&self) -> u32 {
        self.shape.bits
    }

    /// Bits of a result, as a signed number wide enough for all units.
    pub(crate) fn result_bits(&self) -> u32 {
        let bits = |unit: &RowUnit| match unit {
            RowUnit::Softmax(softmax) => softmax.result_bits() + 1,
            RowUnit::Gelu(gelu) => gelu.result_bits(),
            RowUnit::LayerNorm(_) => layer_norm::RESULT_BITS,
        };
        self.units.iter().map(|(_, unit)| bits(unit)).max().unwrap_or(1)
    }

    /// When the results of a row appear; none without a unit for `operator`.
    pub(crate) fn timing(&self, operator: RowOperator) -> Option<RowTiming> {
        self.units.iter().find(|(there, _)| *there == operator).map(|(_, unit)| match unit {
            RowUnit::Softmax(softmax) => softmax.timing(),
            RowUnit::Gelu(gelu) => gelu.timing(),
            RowUnit::LayerNorm(norm) => norm.timing(),
        })
    }

    /// The circuits.
    pub(crate) fn circuits(&self) -> Result<Vec<RowCircuit>, HdlError> {
        let circuit = |(operator, unit): &(RowOperator, RowUnit)| {
            let (module, setting, is_signed) = match unit {
                RowUnit::Softmax(softmax) => (softmax.module()?, Some(softmax.setting()), false),
                RowUnit::Gelu(gelu) => (gelu.module()?, Some(gelu.setting()), true),
                RowUnit::LayerNorm(norm) => (norm.module()?, None, true),
            };
            Ok(RowCircuit { operator: *operator, module, setting, is_signed })
        };
        self.units.iter().map(circuit).collect()
    }
}
