//! The decoder, token by token.

use super::kept::{Kept, KeptFormats};
use super::{Llama, Matrix, NAMES};
use crate::{Function, ModelError};

/// What is added to a mean square before its root, as in training.
const EPSILON: f32 = 1e-5;
/// The rotation of the slowest pair of a head's channels: 1/BASE radians a position (Su et al., 2021).
const BASE: f32 = 10_000.0;

/// Largest code of activations in integers of 8 bits.
const LARGEST_INT8: f32 = 127.0;

/// What a model foretells: for each token the logarithms of the probabilities of all.
#[derive(Debug, Clone, PartialEq)]
pub struct Distributions(Vec<Vec<f64>>);

/// How a model holds what it computes with, besides its weights: by default in single precision.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RunPrecision {
    /// Whether what matrices read is int8 with a scale a token.
    pub has_int8_activations: bool,
    /// Formats of the keys and values of earlier positions.
    pub kept: Option<KeptFormats>,
}

/// Hears the number of a matrix and what comes to it.
type Listener<'a> = &'a mut dyn FnMut(usize, &[f32]);

/// A run through one sequence.
struct Pass<'a, 'b> {
    precision: RunPrecision,
    /// For each layer.
    kept: Vec<Kept>,
    listener: &'a mut Listener<'b>,
}

impl Pass<'_, '_> {
    /// What the matrix `number` makes of `input`.
    fn times(&mut self, number: usize, matrix: &Matrix, input: &[f32]) -> Vec<f32> {
        (self.listener)(number, input);
        let mut read = input.to_vec();
        matrix.transform.apply(&mut read);
        if self.precision.has_int8_activations {
            to_int8(&mut read);
        }
        matrix.elements.chunks_exact(matrix.inputs).map(|row| dot(row, &read)).collect()
    }
}

impl Llama {
    /// Perplexity per token of some sequences: exp of the mean negative logarithm of each token's probability after those
    /// before it.
    ///
    /// # Errors
    /// No token to foretell, a token beyond the vocabulary, a sequence longer than the model's.
    pub fn perplexity(&self, sequences: &[Vec<usize>], precision: RunPrecision) -> Result<f64, ModelError> {
        let (mut sum, mut count) = (0.0, 0usize);
        self.foretell(sequences, precision, &mut |logits, next| {
            sum -= log_probabilities(logits)[next];
            count += 1;
        })?;
        match count {
            0 => Err(ModelError::Input("perplexity needs a sequence of at least two tokens".to_owned())),
            _ => Ok((sum / count as f64).exp()),
        }
    }

    /// How far this model foretells otherwise than `truth`: the Kullback-Leibler divergence of its distribution of the next
    /// token from the one of `truth`, in nats, mean over all tokens of some sequences that others come before.
    ///
    /// # Errors
    /// As [`Llama::perplexity`].
    pub fn divergence(&self, truth: &Distributions, sequences: &[Vec<usize>]) -> Result<f64, ModelError> {
        let (mut sum, mut expected) = (0.0, truth.0.iter());
        self.foretell(sequences, RunPrecision::default(), &mut |logits, _| {
            let pairs = expected.next().into_iter().flatten().zip(log_probabilities(logits));
            sum += pairs.map(|(p, q)| p.exp() * (p - q)).sum::<f64>();
        })?;
        Ok(sum / truth.0.len().max(1) as f64)
    }

    /// What this model foretells for each token of some sequences that others come before.
    ///
    /// # Errors
    /// As [`Llama::perplexity`].
    pub fn distributions(&self, sequences: &[Vec<usize>]) -> Result<Distributions, ModelError> {
        let mut all = Vec::new();
        self.foretell(sequences, RunPrecision::default(), &mut |logits, _| {
            all.push(log_probabilities(logits))
        })?;
        Ok(Distributions(all))
    }

    /// Gives `hear` the logits and the token that comes, for each token that others come before.
    fn foretell(
        &self,
        sequences: &[Vec<usize>],
        precision: RunPrecision,
        hear: &mut dyn FnMut(&[f32], usize),
    ) -> Result<(), ModelError> {
        self.listen(sequences, precision, hear, &mut |_, _| ())
    }

    /// [`Llama::foretell`], while `listener` hears what comes to each matrix.
    pub(super) fn listen(
        &self,
        sequences: &[Vec<usize>],
        precision: RunPrecision,
        hear: &mut dyn FnMut(&[f32], usize),
        mut listener: Listener<'_>,
    ) -> Result<(), ModelError> {
        let vocabulary = self.embedding.len() / self.width;
        for sequence in sequences {
            if sequence.len() > self.positions || sequence.iter().any(|&token| token >= vocabulary) {
                return Err(ModelError::Input(format!(
                    "a sequence of {} tokens must have at most {}, each below {vocabulary}",
                    sequence.len(),
                    self.positions
                )));
            }
            let kept = vec![Kept::new(self.key_width(), precision.kept); self.layers.len()];
            let mut pass = Pass { precision, kept, listener: &mut listener };
            for (position, pair) in sequence.windows(2).enumerate() {
                hear(&self.step(pair[0], position, &mut pass), pair[1]);
            }
        }
        Ok(())
    }

    /// Channels of a position's keys, and of its values.
    fn key_width(&self) -> usize {
        self.width / self.heads * self.key_heads
    }

    /// The logits after one more token.
    fn step(&self, token: usize, position: usize, pass: &mut Pass) -> Vec<f32> {
        let mut state = self.embedding[token * self.width..][..self.width].to_vec();
        for (layer, block) in self.layers.iter().enumerate() {
            let [query, key, value, output, gate, down, up] =
                std::array::from_fn(|matrix| layer * NAMES.len() + matrix);
            let input = normalized(&state, &block.attention_norm);
            let queries = pass.times(query, &block.query, &input);
            let keys = pass.times(key, &block.key, &input);
            let values = pass.times(value, &block.value, &input);
            let mixed = self.attention([queries, keys, values], position, &mut pass.kept[layer]);
            add(&mut state, &pass.times(output, &block.output, &mixed));
            let input = normalized(&state, &block.feed_norm);
            let gates = pass.times(gate, &block.gate, &input);
            let ups = pass.times(up, &block.up, &input);
            let silu = |x: f32| Function::Silu.at(f64::from(x)) as f32;
            let product: Vec<f32> = gates.iter().zip(ups).map(|(&gate, up)| silu(gate) * up).collect();
            debug_assert_eq!(product.len(), self.hidden);
            add(&mut state, &pass.times(down, &block.down, &product));
        }
        let state = normalized(&state, &self.final_norm);
        let rows = if self.classifier.is_empty() { &self.embedding } else { &self.classifier };
        rows.chunks_exact(self.width).map(|row| dot(row, &state)).collect()
    }

    /// What the heads make of the values of this and earlier positions.
    fn attention(
        &self,
        [mut queries, mut keys, values]: [Vec<f32>; 3],
        position: usize,
        kept: &mut Kept,
    ) -> Vec<f32> {
        let size = self.width / self.heads;
        let key_width = self.key_width();
        rotate(&mut queries, size, position);
        rotate(&mut keys, size, position);
        kept.push(&keys, &values);
        let mut mixed = vec![0.0; self.width];
        for (head, (mixed, query)) in mixed.chunks_exact_mut(size).zip(queries.chunks_exact(size)).enumerate()
        {
            let start = head * self.key_heads / self.heads * size;
            let of_head = |at: usize| at * key_width + start..at * key_width + start + size;
            let score = |at| dot(query, &kept.keys()[of_head(at)]) / (size as f32).sqrt();
            let scores: Vec<f32> = (0..=position).map(score).collect();
            let most = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let weights: Vec<f32> = scores.iter().map(|score| (score - most).exp()).collect();
            let total: f32 = weights.iter().sum();
            for (at, weight) in weights.iter().enumerate() {
                let values = &kept.values()[of_head(at)];
                mixed.iter_mut().zip(values).for_each(|(sum, value)| *sum += weight / total * value);
            }
        }
        mixed
    }
}

/// Natural logarithms of what a softmax makes of `logits`.
fn log_probabilities(logits: &[f32]) -> Vec<f64> {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let total: f64 = logits.iter().map(|&logit| f64::from(logit - most).exp()).sum();
    logits.iter().map(|&logit| f64::from(logit - most) - total.ln()).collect()
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn add(state: &mut [f32], change: &[f32]) {
    state.iter_mut().zip(change).for_each(|(sum, change)| *sum += change);
}

/// RMSNorm (Zhang and Sennrich, 2019).
fn normalized(values: &[f32], factors: &[f32]) -> Vec<f32> {
    let mean = dot(values, values) / values.len() as f32;
    let scale = 1.0 / (mean + EPSILON).sqrt();
    values.iter().zip(factors).map(|(value, factor)| value * scale * factor).collect()
}

/// Turns pairs of neighbouring channels of each head by angles that grow with the position.
fn rotate(vectors: &mut [f32], size: usize, position: usize) {
    for (index, pair) in vectors.chunks_exact_mut(2).enumerate() {
        let channel = (2 * index % size) as f32;
        let (sine, cosine) = (position as f32 * BASE.powf(-channel / size as f32)).sin_cos();
        (pair[0], pair[1]) = (pair[0] * cosine - pair[1] * sine, pair[0] * sine + pair[1] * cosine);
    }
}

/// Rounds to int8, the largest magnitude at the end of the range.
fn to_int8(values: &mut [f32]) {
    let most = values.iter().fold(0f32, |most, value| most.max(value.abs()));
    let step = if most > 0.0 { most / LARGEST_INT8 } else { 1.0 };
    values.iter_mut().for_each(|value| *value = (*value / step).round_ties_even() * step);
}
