//! The sparse search engine of a radiance field, after RT-NeRF (Li et al., ICCAD 2022), and what it is made of.
//!
//! The paper names its parts and what they are for; how they work is our own. [`tree`] is its dual-purpose
//! bi-direction adder and search tree.

pub mod tree;

use crate::Entry;

/// The catalogue's entries.
pub const ENTRIES: [Entry; 1] = [tree::ENTRY];
