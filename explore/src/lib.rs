//! Which hardware, at which precision, for a network: sweeps of a space, and their Pareto fronts.
//!
//! A [`Space`] is a configuration and the values that some of its keys take. [`sweep`] quantizes the network
//! to every precision, simulates and prices every configuration, and keeps the points that no other point
//! beats in every objective ([`pareto::front`]). The crate is pure: progress is a callback, results are values.

mod accuracy;
pub mod assignment;
mod detail;
mod error;
mod evaluate;
mod objective;
pub mod pareto;
mod recipe;
mod search;
mod space;
mod sweep;
mod table;
mod workload;

pub use accuracy::{KeptRecipe, Row, TABLE, Weights};
pub use detail::Detail;
pub use error::ExploreError;
pub use evaluate::{Evaluator, Thoroughness};
pub use objective::Objective;
pub use pareto::{Goal, Scale};
pub use recipe::{LayerRecipe, Methods, Range, Recipe, SalientRecipe};
pub use search::{Costs, Evaluate, Search};
pub use space::{Candidate, Datapath, Points, Space, Vary};
pub use sweep::{Outcome, Point, Refusal, Sweep, objectives, summarize, sweep};
pub use table::{COLUMNS, Column, Entry, csv};
pub use workload::{Arithmetic, Workload};
