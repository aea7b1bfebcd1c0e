//! What weights in a format cost in accuracy: a classifier's right answers, a language model's perplexity.

mod row;

use std::fmt;
use std::str::FromStr;

use bitmill_formats::Format;
use bitmill_model::llama::Llama;
use bitmill_model::{
    ActivationFormat, Clipping, FloatNetwork, InputMoments, MatrixRecipe, ModelError, PtqConfig,
    WeightFormat, WeightMethods, quantize, round_weights,
};

use crate::Workload;
pub use row::{KeptRecipe, Row};

/// How weights are held.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Weights {
    /// In a format, with a scale for each output channel.
    Format(Format),
    /// As unsigned integers with a scale and a zero point for each group of neighbouring inputs: the baseline of BitMoD
    /// (Chen et al., 2025). No hardware of ours has it.
    Asymmetric {
        /// Bits of an integer.
        bits: u32,
        /// Weights of a group.
        group: usize,
    },
}

/// The formats of the table: integers, blocks, BitMoD's, and others.
pub const TABLE: [&str; 15] = [
    "int8",
    "int6",
    "int4",
    "int3",
    "int4_g64",
    "int3_g64",
    "int4_asymmetric_g64",
    "int3_asymmetric_g64",
    "mxfp4",
    "nvfp4",
    "bitmod_fp4_g64",
    "bitmod_fp3_g64",
    "fp4_e2m1",
    "posit8_0",
    "ternary",
];

impl FromStr for Weights {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let asymmetric = text.strip_prefix("int").and_then(|rest| rest.split_once("_asymmetric_g"));
        let Some((bits, group)) = asymmetric else {
            return text.parse().map(Weights::Format).map_err(|error| format!("{error}"));
        };
        match (bits.parse(), group.parse()) {
            (Ok(bits @ 2..=8), Ok(group @ 1..)) => Ok(Weights::Asymmetric { bits, group }),
            _ => Err(format!(
                "{text}: 2 to 8 bits and a group of at least 1 are legal, as in int3_asymmetric_g64"
            )),
        }
    }
}

impl fmt::Display for Weights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Weights::Format(format) => format.fmt(f),
            Weights::Asymmetric { bits, group } => write!(f, "int{bits}_asymmetric_g{group}"),
        }
    }
}

impl Weights {
    /// Right answers, in percent of the test inputs, of the network of integers, with int8 activations and weights rounded
    /// to the nearest; `None` without test inputs.
    ///
    /// # Errors
    /// Weights, methods or layers that no such network has.
    pub fn accuracy_percent(
        &self,
        workload: &Workload,
        methods: &WeightMethods,
        clipping: Clipping,
    ) -> Result<Option<f64>, ModelError> {
        let activations = ActivationFormat::signed(8).map_err(ModelError::Input)?;
        let MatrixRecipe { format, methods, .. } = self.recipe(methods, clipping)?;
        let config = PtqConfig { weight_clipping: clipping, methods, ..PtqConfig::new(format, activations) };
        let network = quantize(&workload.network, &workload.calibration, &config)?;
        workload.quantized_accuracy_percent(&network)
    }

    /// The network with its weights in this format and all else in real numbers. Depthwise layers have int8, as in the hardware.
    ///
    /// # Errors
    /// A format that the weights of such networks cannot be rounded to, or methods that they cannot have.
    pub fn round_network(
        &self,
        network: &FloatNetwork,
        methods: &WeightMethods,
        clipping: Clipping,
        inputs: &[Vec<f32>],
    ) -> Result<FloatNetwork, ModelError> {
        round_weights(network, &self.recipe(methods, clipping)?, inputs)
    }

    /// The language model with the matrices of its layers in this format. `inputs` is what they read, for methods that look at it.
    ///
    /// # Errors
    /// A format that weights cannot be rounded to, or methods that they cannot have.
    pub fn round(
        &self,
        model: &Llama,
        methods: &WeightMethods,
        clipping: Clipping,
        inputs: &[InputMoments],
    ) -> Result<Llama, ModelError> {
        match self {
            Weights::Asymmetric { bits, group } if *methods == WeightMethods::default() => {
                model.rounded(|_, real, [_, inputs]| {
                    let rows = real.chunks(inputs).flat_map(|row| row.chunks(*group));
                    Ok(rows.flat_map(|group| asymmetric(group, *bits)).collect::<Vec<f32>>())
                })
            }
            _ => {
                let recipe = self.recipe(methods, clipping)?;
                model.rounded(|number, real, sizes| recipe.round(real, sizes, inputs.get(number)))
            }
        }
    }

    /// How matrices are rounded.
    fn recipe(&self, methods: &WeightMethods, clipping: Clipping) -> Result<MatrixRecipe, ModelError> {
        match self {
            Weights::Format(format) => {
                let format = WeightFormat::new(format.clone()).map_err(ModelError::Input)?;
                Ok(MatrixRecipe { format, clipping, methods: methods.clone() })
            }
            Weights::Asymmetric { .. } => {
                Err(ModelError::Input(format!("{self} weights have zero points, which no hardware here has")))
            }
        }
    }
}

/// A group between its smallest and its largest weight, zero among them.
fn asymmetric(group: &[f32], bits: u32) -> Vec<f32> {
    let least = group.iter().copied().fold(0f32, f32::min);
    let most = group.iter().copied().fold(0f32, f32::max);
    let largest = ((1u32 << bits) - 1) as f32;
    let step = if most > least { (most - least) / largest } else { 1.0 };
    let zero_point = (-least / step).round_ties_even();
    let rounded = |weight: &f32| ((weight / step).round_ties_even() + zero_point).clamp(0.0, largest);
    group.iter().map(|weight| (rounded(weight) - zero_point) * step).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_they_were() {
        for name in TABLE {
            assert_eq!(name.parse::<Weights>().expect(name).to_string(), name);
        }
        assert!("int9_asymmetric_g64".parse::<Weights>().is_err());
        assert!("int3_asymmetric_g0".parse::<Weights>().is_err());
    }

    #[test]
    fn a_group_reaches_from_its_least_to_its_largest_weight() {
        assert_eq!(asymmetric(&[-0.5, 0.1, 1.25], 3), [-0.5, 0.0, 1.25]);
        assert_eq!(asymmetric(&[0.0, 0.0], 3), [0.0, 0.0]);
    }
}
