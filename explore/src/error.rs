//! Why a sweep has no answer.

use bitmill_cost_model::CostError;
use bitmill_model::ModelError;

/// A space or a workload that cannot be explored.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum ExploreError {
    /// The YAML of a space is malformed.
    #[error("{0}")]
    Yaml(String),
    /// A recipe asks for a format that networks are not quantized to.
    #[error("recipe: {0}")]
    Recipe(String),
    /// A list of the space is empty or names a value twice.
    #[error("vary.{key}: {problem}")]
    IllegalList {
        /// The key.
        key: &'static str,
        /// What is wrong and what would be legal.
        problem: String,
    },
    /// Every point of the space was refused.
    #[error("no point of the space is legal; the first, {name}, is refused: {reason}")]
    NoLegalPoint {
        /// The first point.
        name: String,
        /// Why it was refused.
        reason: String,
    },
    /// A point that was evaluated is refused by what it is run with now.
    #[error("{name}: {reason}")]
    Point {
        /// The point.
        name: String,
        /// Why it is refused.
        reason: String,
    },
    /// A technology that there is none of.
    #[error(transparent)]
    Technology(#[from] CostError),
    /// A point has no number for an objective.
    #[error("point {point} has no number for {objective}")]
    NotANumber {
        /// The point, counted from 0.
        point: usize,
        /// The objective, counted from 0.
        objective: usize,
    },
    /// Precisions that cannot be assigned.
    #[error("{0}")]
    Assignment(String),
    /// The network cannot be quantized or run.
    #[error(transparent)]
    Model(#[from] ModelError),
}
