//! Networks with real parameters: what an ONNX file holds, and the reference for accuracy.

mod execute;

use crate::ModelError;
use crate::network::{Layer, Network};
use crate::row::RowArithmetic;

pub(crate) use execute::FloatRun;

/// Real parameters of one layer.
#[derive(Debug, Clone, PartialEq)]
pub struct FloatLayer {
    /// Weights in the order of [`Operation`](crate::Operation); empty for pooling and addition.
    pub weights: Vec<f32>,
    /// One for each output channel; empty for pooling and addition.
    pub bias: Vec<f32>,
    /// Smallest output: −∞ without a clamp, 0 for a ReLU.
    pub low: f32,
    /// Largest output: +∞ without a clamp, 6 for a ReLU6.
    pub high: f32,
}

impl FloatLayer {
    /// Parameters of a layer with weights, without a clamp.
    pub fn weighted(weights: Vec<f32>, bias: Vec<f32>) -> Self {
        Self { weights, bias, low: f32::NEG_INFINITY, high: f32::INFINITY }
    }

    /// Parameters of a pooling or addition without a clamp.
    pub fn plain() -> Self {
        Self::weighted(Vec::new(), Vec::new())
    }

    /// The same layer with a further clamp to `low..=high` behind its own. `low` is at most `high`.
    pub fn clamped(self, low: f32, high: f32) -> Self {
        Self { low: self.low.max(low).min(high), high: self.high.min(high).max(low), ..self }
    }
}

/// A network with real parameters.
#[derive(Debug, Clone, PartialEq)]
pub struct FloatNetwork {
    graph: Network,
    layers: Vec<FloatLayer>,
}

impl FloatNetwork {
    /// Joins a graph with one set of parameters a layer.
    ///
    /// # Errors
    /// When a count does not match the graph, a parameter is not finite, or a clamp is empty.
    pub fn new(graph: Network, layers: Vec<FloatLayer>) -> Result<Self, ModelError> {
        if layers.len() != graph.layers().len() {
            return Err(ModelError::Input(format!(
                "a graph of {} layers needs as many sets of parameters, found {}",
                graph.layers().len(),
                layers.len()
            )));
        }
        let network = Self { graph, layers };
        for (layer, parameters) in network.pairs() {
            if let Some(problem) = problem(&network.graph, layer, parameters) {
                return Err(ModelError::layer(&layer.name, problem));
            }
        }
        Ok(network)
    }

    /// The same network, whose integers are to compute functions of rows by `arithmetic`.
    pub fn with_rows_by(mut self, arithmetic: RowArithmetic) -> Self {
        self.graph.compute_rows_by(arithmetic);
        self
    }

    /// The workload graph.
    pub fn graph(&self) -> &Network {
        &self.graph
    }

    /// The layers' real parameters, in the graph's order.
    pub fn layers(&self) -> &[FloatLayer] {
        &self.layers
    }

    /// The real parameters of the layer at `index`, to be changed into others of the same length, finite too.
    pub(crate) fn layer_mut(&mut self, index: usize) -> &mut FloatLayer {
        &mut self.layers[index]
    }

    /// Every layer of the graph with its real parameters.
    pub fn pairs(&self) -> impl Iterator<Item = (&Layer, &FloatLayer)> {
        self.graph.layers().iter().zip(&self.layers)
    }
}

/// In words, which rule the parameters of `layer` break.
fn problem(graph: &Network, layer: &Layer, parameters: &FloatLayer) -> Option<String> {
    let FloatLayer { weights, bias, low, high } = parameters;
    let count = layer.operation.weight_count(graph.input_shape(layer));
    let channels = if count == 0 { 0 } else { graph.shape(layer.output).channels };
    if weights.len() != count || bias.len() != channels {
        return Some(format!(
            "needs {count} weights and {channels} biases, found {} and {}",
            weights.len(),
            bias.len()
        ));
    }
    if let Some(bad) = weights.iter().chain(bias).find(|value| !value.is_finite()) {
        return Some(format!("weights and biases must be finite, found {bad}"));
    }
    (low.is_nan() || high.is_nan() || low > high).then(|| format!("clamp {low}..{high} is no range"))
}
