//! The sparse search engine of a radiance field, after RT-NeRF (Li et al., ICCAD 2022), and what it is made of.
//!
//! The paper names its parts and what they are for; how they work is our own. [`tree`] is its dual-purpose
//! bi-direction adder and search tree; [`search`] is its high-density sparse search unit.

pub mod contents;
pub(in crate::engine) mod model;
mod reader;
pub mod search;
pub mod shape;
pub(in crate::engine) mod stimulus;
pub mod tree;
mod walk;

use crate::Entry;
pub use stimulus::requests;

/// The catalogue's entries.
pub const ENTRIES: [Entry; 2] = [tree::ENTRY, search::ENTRY];
