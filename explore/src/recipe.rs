//! A recipe for quantization, in YAML: formats, ranges, and the methods that are composed.

mod methods;

use std::collections::BTreeMap;

use bitmill_formats::Format;
use bitmill_model::{ActivationFormat, Clipping, PtqConfig, WeightFormat, WeightRounding, WeightScales};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use crate::ExploreError;
pub use methods::{Methods, SalientRecipe};

/// What to do to a network. Keys that are left out have the values that serve best in most networks.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Format of the weights of convolutions and fully connected layers. Scales for groups of weights are part of a
    /// format: `int4_g64`.
    #[serde(deserialize_with = "format")]
    pub weights: Format,
    /// Format of all activations.
    #[serde(deserialize_with = "format")]
    pub activations: Format,
    /// Layers that differ, by name.
    #[serde(default)]
    pub layers: BTreeMap<String, LayerRecipe>,
    /// How many weights share a scale.
    #[serde(default)]
    pub weight_scales: Scales,
    /// How the range of weights is chosen.
    #[serde(default)]
    pub weight_range: Range,
    /// How the range of activations is chosen.
    #[serde(default)]
    pub activation_range: Range,
    /// Whether zero points are all 0.
    #[serde(default)]
    pub symmetric_activations: bool,
    /// Whether ranges of channels are evened out between layers first.
    #[serde(default)]
    pub equalization: bool,
    /// What else is done to weights.
    #[serde(default)]
    pub methods: Methods,
    /// How weights are rounded.
    #[serde(default)]
    pub rounding: Rounding,
    /// Whether biases make up for shifted means.
    #[serde(default = "yes")]
    pub bias_correction: bool,
}

/// What is different in one layer.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerRecipe {
    /// Format of its weights.
    #[serde(deserialize_with = "format")]
    pub weights: Format,
}

/// Weights that share a scale.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scales {
    /// A layer's.
    PerTensor,
    /// An output channel's.
    #[default]
    PerChannel,
}

/// How a range is chosen.
#[derive(Clone, Copy, PartialEq, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Range {
    /// From the smallest to the largest value.
    MinMax,
    /// Without this many percent of the values at either end.
    Percentile(f64),
    /// With the least mean squared error.
    #[default]
    Mse,
    /// The same of a range that reaches as far up as down.
    Symmetric,
}

/// How weights are rounded.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rounding {
    /// To the nearest.
    #[default]
    Nearest,
    /// So that the layer's outputs change least.
    Learned,
}

/// A format by its name.
pub(crate) fn format<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Format, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
}

fn yes() -> bool {
    true
}

impl Recipe {
    /// Reads a recipe.
    ///
    /// # Errors
    /// The line, a caret and what was expected there.
    pub fn from_yaml(text: &str) -> Result<Recipe, ExploreError> {
        serde_saphyr::from_str(text).map_err(|error| ExploreError::Yaml(error.to_string()))
    }

    /// How networks are quantized by it.
    ///
    /// # Errors
    /// A format that activations cannot be rounded to, or weights that are no integers: QDQ files hold no others.
    pub fn ptq(&self) -> Result<PtqConfig, ExploreError> {
        let weights = |format: &Format| {
            let weights = WeightFormat::new(format.clone()).map_err(ExploreError::Recipe)?;
            let is_whole = weights.whole_bits().is_some() && !matches!(format, Format::Complex(_));
            is_whole.then_some(weights).ok_or_else(|| {
                ExploreError::Recipe(format!(
                    "weights in {format} are no whole numbers with one scale a channel; int2 to int16, binary, ternary, \
                     dual_binary, sherry and slices such as matgptq4 are legal"
                ))
            })
        };
        let activations = ActivationFormat::new(&self.activations).map_err(ExploreError::Recipe)?;
        let of_layer = |(name, layer): (&String, &LayerRecipe)| Ok((name.clone(), weights(&layer.weights)?));
        Ok(PtqConfig {
            layer_weights: self.layers.iter().map(of_layer).collect::<Result<_, ExploreError>>()?,
            weight_scales: match self.weight_scales {
                Scales::PerTensor => WeightScales::PerTensor,
                Scales::PerChannel => WeightScales::PerChannel,
            },
            methods: self.methods.weight_methods().map_err(ExploreError::Recipe)?,
            weight_rounding: match self.rounding {
                Rounding::Nearest => WeightRounding::Nearest,
                Rounding::Learned => WeightRounding::Learned,
            },
            weight_clipping: self.weight_range.clipping(),
            activation_clipping: self.activation_range.clipping(),
            has_symmetric_activations: self.symmetric_activations,
            equalizes: self.equalization,
            corrects_bias: self.bias_correction,
            ..PtqConfig::new(weights(&self.weights)?, activations)
        })
    }
}

impl Range {
    pub(crate) fn clipping(self) -> Clipping {
        match self {
            Range::MinMax => Clipping::MinMax,
            Range::Percentile(share) => Clipping::Percentile(share),
            Range::Mse => Clipping::Mse,
            Range::Symmetric => Clipping::Symmetric,
        }
    }
}
