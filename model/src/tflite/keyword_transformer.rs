//! Reads a Keyword Transformer (Berg et al., 2021) in single precision: its audio front end, its encoder, its classifier.
//!
//! The converter has taken the network apart into some six hundred small operators; what tells the layers is the order
//! of their constants. The front end (frames, a Fourier transform by matrices, mel filters, logarithm, cosine transform,
//! normalization, embedding, class token, positions) stays on the host; the encoder becomes layers of the
//! accelerator, in which GELU is exact where the file has its approximation by a hyperbolic tangent.

use std::collections::VecDeque;

use super::schema::{ElementType, ModelInfo, OperatorInfo, TensorInfo};
use crate::float::FloatNetwork;
use crate::transformer::{Dense, EncoderBlock, Norm, encoder};
use crate::{ModelError, RowArithmetic};

/// Operators with constants that matter, by their number in the schema's `BuiltinOperator`.
const ADD: i32 = 0;
const CONCATENATION: i32 = 2;
const FULLY_CONNECTED: i32 = 9;
const MUL: i32 = 18;
const SOFTMAX: i32 = 25;
const SUB: i32 = 41;
const MAXIMUM: i32 = 55;

/// A Keyword Transformer.
#[derive(Debug, Clone, PartialEq)]
pub struct KeywordTransformer {
    /// What the host does.
    pub front_end: FrontEnd,
    /// The encoder's blocks.
    pub blocks: Vec<EncoderBlock>,
    /// The classifier of the class token.
    pub classifier: Dense,
}

/// From audio to tokens.
#[derive(Debug, Clone, PartialEq)]
pub struct FrontEnd {
    window: Vec<f32>,
    /// Fourier transform: real and imaginary part.
    fourier: [Dense; 2],
    mel: Dense,
    least_energy: f32,
    cosine: Dense,
    mean: f32,
    factors: Vec<f32>,
    embedding: Dense,
    class_token: Vec<f32>,
    positions: Vec<f32>,
}

/// Samples from one frame to the next: a third of a frame.
const FRAMES_A_WINDOW: usize = 3;

impl FrontEnd {
    /// Tokens: the class token's and those of all frames.
    pub fn tokens(&self) -> usize {
        self.positions.len() / self.class_token.len()
    }

    /// The tokens of `audio`, token by token: the encoder's input. Samples beyond its end are silent.
    pub fn run(&self, audio: &[f32]) -> Vec<f32> {
        let hop = self.window.len() / FRAMES_A_WINDOW;
        let mut tokens = self.class_token.clone();
        for frame in 0..self.tokens() - 1 {
            let samples = audio.iter().skip(frame * hop).chain(std::iter::repeat(&0.0));
            let windowed: Vec<f32> =
                samples.zip(&self.window).map(|(sample, factor)| sample * factor).collect();
            let [real, imaginary] = [0, 1].map(|part| apply(&self.fourier[part], &windowed));
            let magnitudes: Vec<f32> = real.iter().zip(&imaginary).map(|(re, im)| re.hypot(*im)).collect();
            let energies = apply(&self.mel, &magnitudes);
            let logs: Vec<f32> = energies.iter().map(|energy| energy.max(self.least_energy).ln()).collect();
            let coefficients = apply(&self.cosine, &logs);
            let normal: Vec<f32> =
                coefficients.iter().zip(&self.factors).map(|(c, factor)| (c - self.mean) * factor).collect();
            tokens.extend(apply(&self.embedding, &normal));
        }
        tokens.iter().zip(&self.positions).map(|(token, position)| token + position).collect()
    }
}

fn apply(dense: &Dense, inputs: &[f32]) -> Vec<f32> {
    let rows = dense.weights.chunks_exact(inputs.len()).zip(&dense.bias);
    rows.map(|(row, bias)| row.iter().zip(inputs).map(|(w, x)| w * x).sum::<f32>() + bias).collect()
}

impl KeywordTransformer {
    /// Reads the bytes of a TFLite file.
    ///
    /// # Errors
    /// A [`ModelError`] that says which part of the network was expected and what was found.
    pub fn read(bytes: &[u8]) -> Result<KeywordTransformer, ModelError> {
        Self::of(&super::schema::read(bytes)?)
    }

    /// The encoder with its classifier, over tokens that the front end makes.
    ///
    /// # Errors
    /// Parameters that do not fit each other.
    pub fn encoder(&self, arithmetic: RowArithmetic) -> Result<FloatNetwork, ModelError> {
        let (tokens, channels) = (self.front_end.tokens(), self.front_end.class_token.len());
        encoder("keyword_transformer", tokens, channels, &self.blocks, Some(&self.classifier), arithmetic)
    }

    pub(super) fn of(model: &ModelInfo) -> Result<KeywordTransformer, ModelError> {
        let constants = model.operators.iter().map(|operator| constant(model, operator));
        let constants = constants.filter_map(Result::transpose).collect::<Result<VecDeque<_>, _>>()?;
        let mut source = Constants(constants);
        let front_end = source.front_end()?;
        // Factors of GELU and of the scores are the same in every such network.
        source.0.retain(|constant| constant.dims > 0);
        let (channels, heads) = (front_end.class_token.len(), heads(model)?);
        let mut blocks = Vec::new();
        while source.0.len() > 1 {
            blocks.push(source.block(channels, heads)?);
        }
        let classifier = source.dense("the classifier", channels)?;
        if blocks.is_empty() {
            return Err(refusal("an encoder block", None));
        }
        Ok(KeywordTransformer { front_end, blocks, classifier })
    }
}

/// Attention heads: the scores are a matrix for each.
fn heads(model: &ModelInfo) -> Result<usize, ModelError> {
    let softmax = model.operators.iter().find(|operator| operator.code == SOFTMAX);
    let scores =
        softmax.and_then(|softmax| model.tensors.get(usize::try_from(*softmax.inputs.first()?).ok()?));
    match scores.map(|scores| &scores.dims[..]) {
        Some(&[1, heads, _, _]) if heads > 0 => Ok(heads as usize),
        _ => Err(refusal("a softmax of scores, a matrix for each head", None)),
    }
}

/// The constant operand of an operator.
#[derive(Debug)]
struct Constant {
    operator: i32,
    /// Number of dimensions; 0 for a single number.
    dims: usize,
    values: Vec<f32>,
    bias: Option<Vec<f32>>,
}

/// The constant operand of `operator`, if it is one that matters and has some.
fn constant(model: &ModelInfo, operator: &OperatorInfo) -> Result<Option<Constant>, ModelError> {
    if ![ADD, CONCATENATION, FULLY_CONNECTED, MUL, SUB, MAXIMUM].contains(&operator.code) {
        return Ok(None);
    }
    let operand = |place: usize| {
        let index = operator.inputs.get(place).and_then(|&index| usize::try_from(index).ok());
        index.and_then(|index| model.tensors.get(index)).filter(|tensor| !tensor.data.is_empty())
    };
    let places = if operator.code == FULLY_CONNECTED { 1..2 } else { 0..2 };
    let Some(tensor) = places.into_iter().find_map(operand) else { return Ok(None) };
    let bias = if operator.code == FULLY_CONNECTED { operand(2).map(numbers).transpose()? } else { None };
    let dims = tensor.dims.len();
    Ok(Some(Constant { operator: operator.code, dims, values: numbers(tensor)?, bias }))
}

fn numbers(tensor: &TensorInfo) -> Result<Vec<f32>, ModelError> {
    if tensor.element != ElementType::Float32 {
        let problem =
            format!("tensor `{}` has elements of type {:?}, not Float32", tensor.name, tensor.element);
        return Err(ModelError::Model(problem));
    }
    let (words, _) = tensor.data.as_chunks::<4>();
    Ok(words.iter().map(|word| f32::from_le_bytes(*word)).collect())
}

fn refusal(what: &str, found: Option<&Constant>) -> ModelError {
    let found = found.map_or("no more constants".to_owned(), |constant| {
        format!("{} numbers at operator {}", constant.values.len(), constant.operator)
    });
    ModelError::Model(format!(
        "is a real-valued network, of which the Keyword Transformer is supported: expected {what}, found {found}"
    ))
}

/// The constants that were not read yet.
struct Constants(VecDeque<Constant>);

impl Constants {
    /// The next constant, of `operator`, with `count` numbers where that is known.
    fn next(&mut self, what: &str, operator: i32, count: Option<usize>) -> Result<Constant, ModelError> {
        let is_legal = |found: &Constant| {
            found.operator == operator && count.is_none_or(|count| found.values.len() == count)
        };
        match self.0.pop_front() {
            Some(found) if is_legal(&found) => Ok(found),
            other => Err(refusal(what, other.as_ref())),
        }
    }

    fn dense(&mut self, what: &str, inputs: usize) -> Result<Dense, ModelError> {
        let Constant { values, bias, .. } = self.next(what, FULLY_CONNECTED, None)?;
        let outputs = values.len() / inputs.max(1);
        let bias = bias.unwrap_or_else(|| vec![0.0; outputs]);
        if outputs == 0 || values.len() != outputs * inputs || bias.len() != outputs {
            let found = format!("{} weights and {} biases", values.len(), bias.len());
            return Err(ModelError::Model(format!("{what} has {found}, which do not fit {inputs} inputs")));
        }
        Ok(Dense { weights: values, bias })
    }

    fn norm(&mut self, what: &str, channels: usize) -> Result<Norm, ModelError> {
        let gamma = self.next(what, MUL, Some(channels))?.values;
        Ok(Norm { gamma, beta: self.next(what, SUB, Some(channels))?.values })
    }

    fn front_end(&mut self) -> Result<FrontEnd, ModelError> {
        let window = self.next("the window of a frame", MUL, None)?.values;
        let samples = window.len();
        let fourier =
            [self.dense("the Fourier transform", samples)?, self.dense("the Fourier transform", samples)?];
        if fourier[0].bias.len() != fourier[1].bias.len() {
            return Err(refusal("as many imaginary as real parts", None));
        }
        let mel = self.dense("the mel filters", fourier[0].bias.len())?;
        let least_energy = self.next("the least energy", MAXIMUM, Some(1))?.values[0];
        let cosine = self.dense("the cosine transform", mel.bias.len())?;
        let mean = self.next("the coefficients' mean", SUB, Some(1))?.values[0];
        let factors = self.next("the coefficients' factors", MUL, Some(cosine.bias.len()))?.values;
        let embedding = self.dense("the embedding", factors.len())?;
        let channels = embedding.bias.len();
        let class_token = self.next("the class token", CONCATENATION, Some(channels))?.values;
        let positions = self.next("the positions", ADD, None)?.values;
        if positions.len() < 2 * channels || !positions.len().is_multiple_of(channels) {
            let (found, legal) = (positions.len(), "a multiple of the channels, two tokens or more");
            return Err(ModelError::Model(format!("the positions are {found} numbers: {legal}, {channels}")));
        }
        Ok(FrontEnd {
            window,
            fourier,
            mel,
            least_energy,
            cosine,
            mean,
            factors,
            embedding,
            class_token,
            positions,
        })
    }

    fn block(&mut self, channels: usize, heads: usize) -> Result<EncoderBlock, ModelError> {
        let query = self.dense("the queries", channels)?;
        let key = self.dense("the keys", channels)?;
        let value = self.dense("the values", channels)?;
        let output = self.dense("the attention's output", value.bias.len())?;
        let attention_norm = self.norm("the norm of the attention", channels)?;
        let expansion = self.dense("the perceptron's first layer", channels)?;
        let contraction = self.dense("the perceptron's second layer", expansion.bias.len())?;
        let output_norm = self.norm("the norm of the perceptron", channels)?;
        Ok(EncoderBlock {
            heads,
            query,
            key,
            value,
            output,
            attention_norm,
            expansion,
            contraction,
            output_norm,
        })
    }
}
