//! Methods for weights, as a recipe's key `methods` composes them.

use bitmill_formats::Format;
use bitmill_model::{Rotation, Salient, WeightFormat, WeightMethods};
use serde::Deserialize;

use super::format;

/// What is done to weights besides rounding them; by default nothing.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Methods {
    /// Whether input channels are sorted by the magnitude of their weights.
    pub reordering: bool,
    /// Channels of a group that a Hadamard rotation mixes.
    pub rotation: Option<usize>,
    /// N:M, so many of so many weights stay.
    pub sparsity: Option<String>,
    /// Whether weights that stay make up for the others, where what they read is known.
    pub compensation: bool,
    /// Format of the master that weights are slices of: int8.
    pub master: Option<String>,
    /// Channels with a format of their own.
    pub salient: Option<SalientRecipe>,
}

/// Channels that keep more bits.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SalientRecipe {
    /// Percent of the input channels.
    pub percent: f64,
    /// Format of their weights.
    #[serde(deserialize_with = "format")]
    pub weights: Format,
}

impl Default for Methods {
    fn default() -> Methods {
        Methods {
            reordering: false,
            rotation: None,
            sparsity: None,
            compensation: true,
            master: None,
            salient: None,
        }
    }
}

impl Methods {
    /// The methods by their values.
    ///
    /// # Errors
    /// In words, a group, a pattern or a format that is not legal.
    pub fn weight_methods(&self) -> Result<WeightMethods, String> {
        if let Some(master) = self.master.as_ref().filter(|master| *master != "int8") {
            return Err(format!("a master of slices is int8, found {master}"));
        }
        let salient = |salient: &SalientRecipe| -> Result<Salient, String> {
            let format = WeightFormat::new(salient.weights.clone())?;
            Ok(Salient { percent: salient.percent, format })
        };
        Ok(WeightMethods {
            reorders: self.reordering,
            rotation: self.rotation.map(Rotation::new).transpose()?,
            sparsity: self.sparsity.as_ref().map(|text| text.parse()).transpose()?,
            // Nothing goes, nothing is made up for.
            compensates: self.compensation && self.sparsity.is_some(),
            slices_master: self.master.is_some(),
            salient: self.salient.as_ref().map(salient).transpose()?,
        })
    }
}
