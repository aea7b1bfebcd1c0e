//! Units that stand around the processing elements.

pub mod block_encoder;
pub mod pair;
pub mod ram;
pub mod requantizer;
pub mod result_encoder;
