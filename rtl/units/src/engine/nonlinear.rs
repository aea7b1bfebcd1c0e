//! Softmax, GELU and LayerNorm on integers (I-ViT), a row at a time, and what they are made of.
//!
//! The operators share one contract, see [`row`]: a row streams in as words of `lanes` elements, waits in a row
//! buffer while its maximum or its moments become a factor, and streams out as results. Their meaning is
//! [`bitmill_formats::nonlinear`]. When a result appears depends on the row's length alone, never on its data.

pub mod divider;
mod exponential;
mod exponential_row;
pub mod gelu;
pub mod layer_norm;
pub mod row;
pub mod softmax;
pub mod square_root;
mod table_exponential;

use crate::Entry;

/// The catalogue's entries.
pub const ENTRIES: [Entry; 5] =
    [softmax::ENTRY, gelu::ENTRY, layer_norm::ENTRY, divider::ENTRY, square_root::ENTRY];
