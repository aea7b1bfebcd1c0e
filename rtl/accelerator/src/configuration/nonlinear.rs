//! The section `nonlinear`: row units behind the activation scratchpad, for transformers.

use bitmill_formats::nonlinear::Root;
use serde::{Deserialize, Serialize};

use super::{ConfigurationError, illegal, power_of_two, range};
use crate::RowOperator;

/// Row units: as many side by side as rows are drained at once, each as wide as a word of activations.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nonlinear {
    /// Functions of rows that there are circuits for: `softmax`, `softmax_by_table`, `gelu`, `layer_norm`.
    pub operators: Vec<RowOperator>,
    /// Elements of the longest row: a power of two up to 4096.
    #[serde(default = "default_longest_row")]
    pub longest_row: u32,
    /// Bits of a quotient that a divider makes in a cycle, 1 to 31.
    #[serde(default = "default_bits_per_cycle")]
    pub bits_per_cycle: u32,
    /// How LayerNorm takes its root.
    #[serde(default)]
    pub root: NormRoot,
}

/// A square root, see [`Root`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NormRoot {
    /// The exact integer root.
    #[default]
    Floor,
    /// Ten steps of Newton, as I-ViT released it.
    TenIterations,
}

impl NormRoot {
    /// Its meaning.
    pub fn root(self) -> Root {
        match self {
            NormRoot::Floor => Root::Floor,
            NormRoot::TenIterations => Root::TenIterations,
        }
    }
}

fn default_longest_row() -> u32 {
    256
}

fn default_bits_per_cycle() -> u32 {
    4
}

impl Nonlinear {
    pub(super) fn check(&self) -> Result<(), ConfigurationError> {
        const OPERATORS: &str = "nonlinear.operators";
        let names = || self.operators.iter().map(|operator| operator.name()).collect::<Vec<_>>().join(", ");
        let is_twice = |operator| self.operators.iter().filter(|other| *other == operator).count() > 1;
        if self.operators.is_empty() || self.operators.iter().any(is_twice) {
            let legal = "some of softmax, softmax_by_table, gelu and layer_norm are legal, each once; leave nonlinear out for none";
            return Err(illegal(OPERATORS, format!("[{}]", names()), legal));
        }
        power_of_two("nonlinear.longest_row", self.longest_row, 2, 4096)?;
        range("nonlinear.bits_per_cycle", self.bits_per_cycle, 1, 31)
    }
}
