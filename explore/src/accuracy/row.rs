//! A row of a table of accuracies: weights, the methods that are composed, and what else is not in real numbers.

use bitmill_model::llama::{KeptFormats, Llama, RunPrecision};
use bitmill_model::{InputMoments, ModelError, WeightMethods};
use serde::Deserialize;

use super::Weights;
use crate::{ExploreError, Methods, Range, Workload};

/// What is done to a network, by a name.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// What the row is called.
    pub name: String,
    /// Format of the weights; without one they stay real.
    pub weights: Option<String>,
    /// How the range of an output channel or a group is chosen.
    #[serde(default)]
    pub weight_range: Range,
    /// What else is done to them.
    #[serde(default)]
    pub methods: Methods,
    /// Whether activations are int8: a network is then one of integers, with corrected biases; of a language model, what
    /// matrices read has a scale a token.
    #[serde(default)]
    pub int8_activations: bool,
    /// Formats of the keys and values that a language model keeps.
    pub kv_cache: Option<KeptRecipe>,
}

/// How keys and values are kept: binary, ternary, or int2 to int8.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeptRecipe {
    /// Of keys, by channel.
    pub keys: String,
    /// Of values, by position.
    pub values: String,
}

/// A row whose words are known to be legal.
struct Meaning {
    weights: Option<Weights>,
    methods: WeightMethods,
    kept: Option<KeptFormats>,
}

impl Row {
    /// Weights in a format and nothing else.
    pub fn of_weights(weights: &Weights) -> Row {
        Row {
            name: weights.to_string(),
            weights: Some(weights.to_string()),
            weight_range: Range::default(),
            methods: Methods::default(),
            int8_activations: false,
            kv_cache: None,
        }
    }

    /// Reads the words of the row.
    ///
    /// # Errors
    /// A format or a method that is not legal, with the name of the row; methods without weights that they are done to.
    pub fn check(&self) -> Result<(), ExploreError> {
        self.meaning().map(|_| ())
    }

    /// Whether it looks at what matrices read.
    ///
    /// # Errors
    /// As [`Row::check`].
    pub fn needs_inputs(&self) -> Result<bool, ExploreError> {
        Ok(self.meaning()?.methods.needs_inputs())
    }

    fn meaning(&self) -> Result<Meaning, ExploreError> {
        let named = |problem: String| ExploreError::Recipe(format!("row `{}`: {problem}", self.name));
        let weights = self.weights.as_ref().map(|weights| weights.parse()).transpose().map_err(named)?;
        if weights.is_none() && self.methods != Methods::default() {
            return Err(named("methods are done to weights; give their format".to_owned()));
        }
        let kept = |kept: &KeptRecipe| -> Result<KeptFormats, String> {
            Ok(KeptFormats { keys: kept.keys.parse()?, values: kept.values.parse()? })
        };
        Ok(Meaning {
            weights,
            methods: self.methods.weight_methods().map_err(named)?,
            kept: self.kv_cache.as_ref().map(kept).transpose().map_err(named)?,
        })
    }

    /// Right answers of a network, in percent of its test inputs; `None` without test inputs.
    ///
    /// # Errors
    /// Weights or methods that the network cannot have; keys and values, which it has none of.
    pub fn accuracy_percent(&self, workload: &Workload) -> Result<Option<f64>, ExploreError> {
        let Meaning { weights, methods, kept } = self.meaning()?;
        let missing = |problem: &str| ExploreError::Model(ModelError::Input(problem.to_owned()));
        if kept.is_some() {
            return Err(missing("a kv_cache is what language models have"));
        }
        let weights = weights.ok_or_else(|| missing("a network needs a format of weights"))?;
        if self.int8_activations {
            return Ok(weights.accuracy_percent(workload, &methods, self.weight_range.clipping())?);
        }
        let clipping = self.weight_range.clipping();
        let rounded = weights.round_network(&workload.network, &methods, clipping, &workload.calibration)?;
        Ok(workload.real_accuracy_percent(&rounded)?)
    }

    /// Perplexity of a language model on some texts. `inputs` is what its matrices read, for methods that look at it.
    ///
    /// # Errors
    /// Weights or methods that its matrices cannot have, or texts that are too long for it.
    pub fn perplexity(
        &self,
        model: &Llama,
        inputs: &[InputMoments],
        texts: &[Vec<usize>],
    ) -> Result<f64, ExploreError> {
        let Meaning { weights, methods, kept } = self.meaning()?;
        let precision = RunPrecision { has_int8_activations: self.int8_activations, kept };
        let perplexity = match weights {
            Some(weights) => {
                let clipping = self.weight_range.clipping();
                weights.round(model, &methods, clipping, inputs)?.perplexity(texts, precision)
            }
            None => model.perplexity(texts, precision),
        };
        perplexity.map_err(|error: ModelError| error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_alone_have_no_methods() {
        // Weights with zero points, which no method knows, are rounded only then.
        let weights = "int3_asymmetric_g64".parse().expect("a format");
        let meaning = Row::of_weights(&weights).meaning().expect("legal");
        assert_eq!(meaning.methods, WeightMethods::default());
    }
}
