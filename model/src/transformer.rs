//! Transformer encoders as graphs of layers: attention by head, residual sums, LayerNorm behind each sum (Vaswani et
//! al., 2017, as KWT and BERT do), and a classifier of the first token.
//!
//! Tokens are the positions of a map of one row. Every head has projections, scores and a context of its own, so that a
//! head's matrices are whole tensors; the scale 1/√d of the scores is part of the query's weights.

use crate::ModelError;
use crate::float::{FloatLayer, FloatNetwork};
use crate::network::{Network, Operation, Tensor, TensorId};
use crate::row::{RowArithmetic, RowOperator};
use crate::shape::{Extent, Shape, Window};

/// A layer on each token alone.
#[derive(Debug, Clone, PartialEq)]
pub struct Dense {
    /// `[outputs][inputs]`.
    pub weights: Vec<f32>,
    /// One an output.
    pub bias: Vec<f32>,
}

impl Dense {
    /// The outputs from `first` on, `count` of them, times `factor`.
    fn part(&self, first: usize, count: usize, factor: f32) -> Dense {
        let inputs = self.weights.len() / self.bias.len().max(1);
        let scaled = |values: &[f32]| values.iter().map(|value| value * factor).collect();
        Dense {
            weights: scaled(&self.weights[first * inputs..][..count * inputs]),
            bias: scaled(&self.bias[first..][..count]),
        }
    }
}

/// γ and β of a LayerNorm, one a channel.
#[derive(Debug, Clone, PartialEq)]
pub struct Norm {
    /// Factors.
    pub gamma: Vec<f32>,
    /// Summands.
    pub beta: Vec<f32>,
}

/// An encoder block.
#[derive(Debug, Clone, PartialEq)]
pub struct EncoderBlock {
    /// Attention heads; they divide the outputs of query, key and value, in order.
    pub heads: usize,
    /// Projection to queries.
    pub query: Dense,
    /// Projection to keys.
    pub key: Dense,
    /// Projection to values.
    pub value: Dense,
    /// What the heads' contexts go through together.
    pub output: Dense,
    /// The norm behind the attention.
    pub attention_norm: Norm,
    /// First layer of the perceptron, before GELU.
    pub expansion: Dense,
    /// Its second layer.
    pub contraction: Dense,
    /// The norm behind the perceptron.
    pub output_norm: Norm,
}

/// An encoder over `tokens` tokens of `channels`, and a classifier of the first token if there is one.
///
/// # Errors
/// Parameters that do not fit the shapes, or heads that do not divide them.
pub fn encoder(
    name: &str,
    tokens: usize,
    channels: usize,
    blocks: &[EncoderBlock],
    classifier: Option<&Dense>,
    arithmetic: RowArithmetic,
) -> Result<FloatNetwork, ModelError> {
    let input = Tensor { name: "tokens".to_owned(), shape: Shape::new(1, tokens, channels) };
    let mut builder = Builder { graph: Network::new(name, input)?, layers: Vec::new(), arithmetic };
    let mut x = TensorId::INPUT;
    for (number, block) in blocks.iter().enumerate() {
        x = builder.block(&format!("block{number}"), block, x)?;
    }
    if let Some(classifier) = classifier {
        // A stride as long as the map takes the first token alone.
        let window = Window { stride: Extent { height: 1, width: tokens }, ..Window::square(1) };
        builder.dense("classifier", x, classifier, window)?;
    }
    FloatNetwork::new(builder.graph, builder.layers)
}

struct Builder {
    graph: Network,
    layers: Vec<FloatLayer>,
    arithmetic: RowArithmetic,
}

impl Builder {
    fn block(&mut self, name: &str, block: &EncoderBlock, x: TensorId) -> Result<TensorId, ModelError> {
        let width = block.query.bias.len();
        if block.heads == 0 || !width.is_multiple_of(block.heads) {
            let problem = format!("{} heads do not divide {width} channels", block.heads);
            return Err(ModelError::layer(name, problem));
        }
        if let Some(other) = [&block.key, &block.value].into_iter().find(|dense| dense.bias.len() != width) {
            let other = other.bias.len();
            let problem = format!("queries have {width} channels, keys or values {other}; as many are legal");
            return Err(ModelError::layer(name, problem));
        }
        let contexts: Vec<TensorId> =
            (0..block.heads).map(|head| self.head(name, block, head, x)).collect::<Result<_, _>>()?;
        let context = match contexts[..] {
            [only] => only,
            _ => self.plain(format!("{name}.context"), Operation::Concatenate, contexts)?,
        };
        let window = Window::square(1);
        let attended = self.dense(&format!("{name}.output"), context, &block.output, window)?;
        let sum = self.plain(format!("{name}.attention_sum"), Operation::Add, vec![x, attended])?;
        let normed = self.norm(format!("{name}.attention_norm"), sum, &block.attention_norm)?;
        let expanded = self.dense(&format!("{name}.expansion"), normed, &block.expansion, window)?;
        let gelu = Operation::Row { operator: RowOperator::Gelu };
        let bent = self.plain(format!("{name}.gelu"), gelu, vec![expanded])?;
        let contracted = self.dense(&format!("{name}.contraction"), bent, &block.contraction, window)?;
        let sum = self.plain(format!("{name}.perceptron_sum"), Operation::Add, vec![normed, contracted])?;
        self.norm(format!("{name}.output_norm"), sum, &block.output_norm)
    }

    /// softmax(Q·Kᵀ/√d)·V of one head.
    fn head(
        &mut self,
        name: &str,
        block: &EncoderBlock,
        head: usize,
        x: TensorId,
    ) -> Result<TensorId, ModelError> {
        let channels = block.query.bias.len() / block.heads;
        let name = if block.heads == 1 { name.to_owned() } else { format!("{name}.head{head}") };
        let mut project = |what: &str, dense: &Dense, factor: f32| {
            let part = dense.part(head * channels, channels, factor);
            self.dense(&format!("{name}.{what}"), x, &part, Window::square(1))
        };
        let key = project("key", &block.key, 1.0)?;
        let value = project("value", &block.value, 1.0)?;
        let query = project("query", &block.query, 1.0 / (channels as f32).sqrt())?;
        let product = Operation::MatrixMultiply { is_transposed: true };
        let scores = self.plain(format!("{name}.scores"), product, vec![query, key])?;
        let exponential = self.arithmetic.exponential;
        let softmax = Operation::Row { operator: RowOperator::Softmax { exponential } };
        let shares = self.plain(format!("{name}.softmax"), softmax, vec![scores])?;
        let turned = self.plain(format!("{name}.value_transposed"), Operation::Transpose, vec![value])?;
        self.plain(format!("{name}.context"), product, vec![shares, turned])
    }

    fn dense(
        &mut self,
        name: &str,
        input: TensorId,
        dense: &Dense,
        window: Window,
    ) -> Result<TensorId, ModelError> {
        let operation = Operation::Convolution { window, out_channels: dense.bias.len(), groups: 1 };
        self.layers.push(FloatLayer::weighted(dense.weights.clone(), dense.bias.clone()));
        self.graph.push(name, operation, vec![input])
    }

    fn norm(&mut self, name: String, input: TensorId, norm: &Norm) -> Result<TensorId, ModelError> {
        let operation = Operation::Row { operator: RowOperator::LayerNorm { root: self.arithmetic.root } };
        self.layers.push(FloatLayer::weighted(norm.gamma.clone(), norm.beta.clone()));
        self.graph.push(name, operation, vec![input])
    }

    fn plain(
        &mut self,
        name: String,
        operation: Operation,
        inputs: Vec<TensorId>,
    ) -> Result<TensorId, ModelError> {
        self.layers.push(FloatLayer::plain());
        self.graph.push(name, operation, inputs)
    }
}
