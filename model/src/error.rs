//! The crate's one error: what went wrong, where in the model, and what would be legal.

/// Why a model could not be read, built, quantized or run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// The bytes are not a whole message of their format.
    #[error("model bytes: at byte {byte} of {length}: {problem}")]
    Decode {
        /// Offset of the first byte that could not be read.
        byte: usize,
        /// Number of bytes given.
        length: usize,
        /// The field and what was expected there.
        problem: String,
    },
    /// The model as a whole breaks a rule: no graph, a cycle, a missing input.
    #[error("model: {0}")]
    Model(String),
    /// One node cannot be imported.
    #[error("node `{node}` ({operator}): {problem}")]
    Node {
        /// The node's name, or its first output where it has none.
        node: String,
        /// The node's operator type.
        operator: String,
        /// What was found and what would be legal.
        problem: String,
    },
    /// One constant tensor cannot be read.
    #[error("tensor `{tensor}`: {problem}")]
    Tensor {
        /// The tensor's name.
        tensor: String,
        /// What was found and what would be legal.
        problem: String,
    },
    /// A layer of a workload graph breaks a rule of shape or number range.
    #[error("layer `{layer}`: {problem}")]
    Layer {
        /// The layer's name.
        layer: String,
        /// What was found and what would be legal.
        problem: String,
    },
    /// An input, a calibration set or a setting does not suit the network.
    #[error("{0}")]
    Input(String),
    /// The bytes are not a `.npy` array of the element type asked for.
    #[error("npy: {0}")]
    Npy(String),
}

impl ModelError {
    /// An error of the layer called `layer`.
    pub(crate) fn layer(layer: &str, problem: impl Into<String>) -> Self {
        Self::Layer { layer: layer.to_owned(), problem: problem.into() }
    }
}
