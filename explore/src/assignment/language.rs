//! A small Llama as what precisions are assigned to: the matrices of its layers.
//!
//! Sensitivity: the Kullback-Leibler divergence of what the model foretells with one matrix rounded from what it foretells in
//! real numbers, in nats a token. Time and energy are those of the matrices by themselves, for one token.

use bitmill_model::llama::{Distributions, Llama, NamedMatrix, RunPrecision};
use bitmill_model::shapes::ShapeLayer;
use bitmill_model::{ActivationFormat, Clipping, ModelError, WeightFormat, round_matrix};

use super::hardware::bytes;
use super::{Cost, Hardware, Measure, Resource, Subject};
use crate::{ExploreError, Goal};

/// A language model on an accelerator.
pub struct LanguageSubject<'a> {
    model: &'a Llama,
    hardware: &'a Hardware<'a>,
    matrices: Vec<NamedMatrix>,
    /// Texts that sensitivities are measured on, and those of quality.
    texts: [&'a [Vec<usize>]; 2],
    /// What the model foretells in real numbers.
    truths: [Distributions; 2],
}

impl<'a> LanguageSubject<'a> {
    /// A model with texts to measure sensitivities and texts to measure quality on.
    ///
    /// # Errors
    /// Texts that are too long or have tokens beyond the vocabulary.
    pub fn new(
        model: &'a Llama,
        hardware: &'a Hardware<'a>,
        calibration: &'a [Vec<usize>],
        test: &'a [Vec<usize>],
    ) -> Result<LanguageSubject<'a>, ExploreError> {
        let truths = [model.distributions(calibration)?, model.distributions(test)?];
        let matrices = model.matrices().collect();
        Ok(LanguageSubject { model, hardware, matrices, texts: [calibration, test], truths })
    }
}

impl Subject for LanguageSubject<'_> {
    fn layers(&self) -> Vec<(String, usize)> {
        self.matrices.iter().map(|matrix| (matrix.name.clone(), matrix.outputs * matrix.inputs)).collect()
    }

    fn loss(&self, formats: &[Option<&WeightFormat>]) -> Result<f64, ExploreError> {
        let rounded = self.model.rounded(|number, real, sizes| match formats[number] {
            Some(format) => round_matrix(real, sizes, format, Clipping::Mse),
            None => Ok(real.to_vec()),
        })?;
        Ok(rounded.divergence(&self.truths[0], self.texts[0])?)
    }

    fn cost(&self, resource: Resource, formats: &[&WeightFormat]) -> Result<Cost, ExploreError> {
        let accelerator = self.hardware.accelerator;
        let activation = accelerator.configuration().precision.activations.first();
        let of_matrix = |(matrix, format): (&NamedMatrix, &&WeightFormat)| -> Result<f64, ExploreError> {
            if resource == Resource::Size {
                return Ok(bytes(matrix.outputs * matrix.inputs, format.format()));
            }
            let layer = ShapeLayer::matrix(&matrix.name, [1, matrix.inputs, matrix.outputs], 1);
            let multiplication = accelerator.multiplication(activation, format.format());
            let activations = ActivationFormat::new(activation).map_err(ModelError::Input)?;
            let network = layer.placeholder(activations, (*format).clone(), multiplication)?;
            Ok(self.hardware.layers(&network, resource)?.iter().sum())
        };
        let layers = self.matrices.iter().zip(formats).map(of_matrix).collect::<Result<_, _>>()?;
        Ok(Cost { layers, rest: 0.0 })
    }

    fn measures(&self) -> Vec<Measure> {
        ["perplexity", "divergence nats/token"]
            .map(|heading| Measure { heading: heading.to_owned(), goal: Goal::Minimise })
            .to_vec()
    }

    fn quality(&self, formats: &[&WeightFormat]) -> Result<Vec<f64>, ExploreError> {
        let rounded = self
            .model
            .rounded(|number, real, sizes| round_matrix(real, sizes, formats[number], Clipping::Mse))?;
        let [_, test] = self.texts;
        Ok(vec![
            rounded.perplexity(test, RunPrecision::default())?,
            rounded.divergence(&self.truths[1], test)?,
        ])
    }
}
