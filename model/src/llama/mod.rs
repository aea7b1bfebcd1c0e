//! Small Llamas in real numbers: what low-precision weights do to a language model, as perplexity.
//!
//! A decoder of RMSNorm, rotary position embedding, grouped-query attention and SwiGLU (Touvron et al., 2023), read from
//! llama2.c's checkpoint (version 0: seven 32-bit integers, then single-precision matrices). Tokens are evaluated one after
//! the other, on keys and values that are kept. Embeddings, the classifier and the norms stay as they are; the seven
//! matrices of every layer may be rounded, and what they read and the kept keys and values may be too.

mod kept;
mod run;
mod tokenizer;

use crate::ModelError;
use crate::ptq::{InputMoments, InputTransform, RoundedMatrix};

pub use kept::{KeptFormat, KeptFormats};
pub use run::{Distributions, RunPrecision};
pub use tokenizer::Tokenizer;

/// Most numbers of one dimension: far above any checkpoint that is read here.
const MOST: i32 = 1 << 20;

/// A model with its parameters.
#[derive(Debug, Clone, PartialEq)]
pub struct Llama {
    width: usize,
    hidden: usize,
    heads: usize,
    key_heads: usize,
    /// Most positions of a sequence.
    positions: usize,
    /// One row a token.
    embedding: Vec<f32>,
    layers: Vec<Block>,
    final_norm: Vec<f32>,
    /// One row a token; empty where it is the embedding.
    classifier: Vec<f32>,
}

/// A matrix of `[outputs][inputs]`, and what it does to what it reads before it multiplies.
#[derive(Debug, Clone, PartialEq)]
struct Matrix {
    inputs: usize,
    elements: Vec<f32>,
    transform: InputTransform,
}

impl Matrix {
    fn new(inputs: usize, elements: Vec<f32>) -> Matrix {
        Matrix { inputs, elements, transform: InputTransform::default() }
    }
}

/// One decoder layer.
#[derive(Debug, Clone, PartialEq)]
struct Block {
    attention_norm: Vec<f32>,
    query: Matrix,
    key: Matrix,
    value: Matrix,
    output: Matrix,
    feed_norm: Vec<f32>,
    gate: Matrix,
    down: Matrix,
    up: Matrix,
}

/// A matrix of a layer, without its elements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedMatrix {
    /// The layer's number, from 0, and what the matrix makes: `0.query`.
    pub name: String,
    /// Rows.
    pub outputs: usize,
    /// Columns.
    pub inputs: usize,
}

/// What the matrices of a layer make, in their order.
const NAMES: [&str; 7] = ["query", "key", "value", "output", "gate", "down", "up"];

impl Block {
    fn matrices(&self) -> [&Matrix; 7] {
        let Block { query, key, value, output, gate, down, up, .. } = self;
        [query, key, value, output, gate, down, up]
    }

    fn matrices_mut(&mut self) -> [&mut Matrix; 7] {
        let Block { query, key, value, output, gate, down, up, .. } = self;
        [query, key, value, output, gate, down, up]
    }
}

/// Numbers of a checkpoint in their order.
struct Reader<'a> {
    rest: &'a [[u8; 4]],
}

impl Reader<'_> {
    fn take(&mut self, count: usize) -> Result<Vec<f32>, ModelError> {
        let (these, rest) = self.rest.split_at_checked(count).ok_or_else(|| {
            ModelError::Input(format!(
                "the checkpoint is truncated: {count} more numbers are needed, found {}",
                self.rest.len()
            ))
        })?;
        self.rest = rest;
        let values: Vec<f32> = these.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        match values.iter().find(|value| !value.is_finite()) {
            Some(bad) => {
                Err(ModelError::Input(format!("the checkpoint holds {bad}; numbers must be finite")))
            }
            None => Ok(values),
        }
    }

    /// One array for each of `layers`.
    fn each(&mut self, layers: usize, count: usize) -> Result<std::vec::IntoIter<Vec<f32>>, ModelError> {
        let arrays: Vec<_> = (0..layers).map(|_| self.take(count)).collect::<Result<_, _>>()?;
        Ok(arrays.into_iter())
    }
}

impl Llama {
    /// Reads a checkpoint.
    ///
    /// # Errors
    /// Sizes that no model has, too few bytes, numbers that are not finite.
    pub fn from_checkpoint(bytes: &[u8]) -> Result<Llama, ModelError> {
        let (words, _) = bytes.as_chunks::<4>();
        let (header, rest) = words.split_at_checked(7).ok_or_else(|| {
            ModelError::Input(
                "a checkpoint begins with seven 32-bit integers; the file is shorter".to_owned(),
            )
        })?;
        let sizes: Vec<i32> = header.iter().map(|word| i32::from_le_bytes(*word)).collect();
        let magnitude = |index: usize| sizes[index].unsigned_abs() as usize;
        let is_legal = sizes
            .iter()
            .enumerate()
            .all(|(index, &size)| index == 5 && size != 0 || (1..=MOST).contains(&size));
        let [width, hidden, depth, heads, key_heads] = std::array::from_fn(magnitude);
        let (vocabulary, positions) = (magnitude(5), magnitude(6));
        let even = is_legal && width.is_multiple_of(2 * heads) && heads.is_multiple_of(key_heads);
        if !even || vocabulary > MOST as usize {
            return Err(ModelError::Input(format!(
                "{sizes:?} are not the sizes of a checkpoint of llama2.c"
            )));
        }
        let key_width = width / heads * key_heads;
        let mut reader = Reader { rest };
        let embedding = reader.take(vocabulary * width)?;
        let mut attention_norm = reader.each(depth, width)?;
        let mut query = reader.each(depth, width * width)?;
        let mut key = reader.each(depth, key_width * width)?;
        let mut value = reader.each(depth, key_width * width)?;
        let mut output = reader.each(depth, width * width)?;
        let mut feed_norm = reader.each(depth, width)?;
        let mut gate = reader.each(depth, hidden * width)?;
        let mut down = reader.each(depth, width * hidden)?;
        let mut up = reader.each(depth, hidden * width)?;
        let final_norm = reader.take(width)?;
        // Tables of cosines and sines that are computed here.
        reader.take(positions * width / heads)?;
        let classifier = if sizes[5] < 0 { reader.take(vocabulary * width)? } else { Vec::new() };
        let mut layers = Vec::with_capacity(depth);
        let next = |arrays: &mut std::vec::IntoIter<Vec<f32>>| arrays.next().unwrap_or_default();
        for _ in 0..depth {
            let attention_norm = next(&mut attention_norm);
            let feed_norm = next(&mut feed_norm);
            let mut wide = |arrays| Matrix::new(width, next(arrays));
            let [query, key, value, output] = [&mut query, &mut key, &mut value, &mut output].map(&mut wide);
            let [gate, up] = [&mut gate, &mut up].map(&mut wide);
            let down = Matrix::new(hidden, next(&mut down));
            layers.push(Block { attention_norm, query, key, value, output, feed_norm, gate, down, up });
        }
        Ok(Llama { width, hidden, heads, key_heads, positions, embedding, layers, final_norm, classifier })
    }

    /// Most tokens of a sequence.
    pub fn positions(&self) -> usize {
        self.positions
    }

    /// The matrices of all layers, in order.
    pub fn matrices(&self) -> impl Iterator<Item = NamedMatrix> {
        self.layers.iter().enumerate().flat_map(|(number, block)| {
            NAMES.iter().zip(block.matrices()).map(move |(name, matrix)| NamedMatrix {
                name: format!("{number}.{name}"),
                outputs: matrix.elements.len() / matrix.inputs,
                inputs: matrix.inputs,
            })
        })
    }

    /// The same model with every matrix of its layers as `round` makes it, from its number in [`Llama::matrices`], its
    /// elements, and its outputs and inputs.
    ///
    /// # Errors
    /// Those of `round`.
    pub fn rounded<E, R: Into<RoundedMatrix>>(
        &self,
        round: impl Fn(usize, &[f32], [usize; 2]) -> Result<R, E>,
    ) -> Result<Llama, E> {
        let mut rounded = self.clone();
        for (number, matrix) in rounded.layers.iter_mut().flat_map(Block::matrices_mut).enumerate() {
            let outputs = matrix.elements.len() / matrix.inputs;
            let made = round(number, &matrix.elements, [outputs, matrix.inputs])?.into();
            (matrix.elements, matrix.transform) = (made.elements, made.transform);
        }
        Ok(rounded)
    }

    /// The second moments of what each of [`Llama::matrices`] reads in some sequences.
    ///
    /// # Errors
    /// As [`Llama::perplexity`].
    pub fn input_moments(&self, sequences: &[Vec<usize>]) -> Result<Vec<InputMoments>, ModelError> {
        let mut moments: Vec<_> = self.matrices().map(|matrix| InputMoments::new(matrix.inputs)).collect();
        self.listen(sequences, RunPrecision::default(), &mut |_, _| (), &mut |number, read| {
            moments[number].add(read);
        })?;
        Ok(moments)
    }
}
