//! Number formats as data: names, exact values, exact arithmetic, packing.
//!
//! A [`Format`] is read from its name and printed back to it. Scalar formats ([`Scalar`]) decode a code to
//! an exact [`Value`]; operations on values are exact; one rounder ([`Place::round`]) brings the result
//! back to a code. So there are formats and operations, not formats × operations.
//!
//! ```
//! use bitmill_formats::{Rounding, Scalar, arithmetic};
//! let fp8: Scalar = "fp8_e4m3".parse()?;
//! let product = arithmetic::multiply(&fp8, 0x38, 0x44, Rounding::NearestEven);
//! assert_eq!(product, 0x44); // 1 × 3
//! # Ok::<(), bitmill_formats::FormatError>(())
//! ```

pub mod arithmetic;
pub mod catalogue;
pub mod circuits;
pub mod deformable;
pub mod nonlinear;
pub mod packing;
pub mod radiance_field;
pub mod requantize;
pub mod sparse;
pub mod text;

mod accumulator;
mod channel_block;
mod dyadic;
mod error;
mod families;
mod family;
mod format;
mod lmul;
mod multiplication;
mod ordered;
mod rounding;
mod scalar;
mod tensor;
mod value;

pub use accumulator::{AccumulatorShape, ExactSum, FixedAccumulator};
pub use channel_block::ChannelBlock;
pub use dyadic::Dyadic;
pub use error::FormatError;
pub use families::bitmod::{BitMod, BitModGroup};
pub use families::block::{Block, BlockTensor, ScaleRule};
pub use families::codebook::{Codebook, Ties};
pub use families::complex::{Complex, ComplexGroup};
pub use families::dual_binary::DualBinary;
pub use families::grouped::{GroupScales, Grouped, GroupedRow};
pub use families::integer::Integer;
pub use families::minifloat::{Minifloat, Overflow, Specials, Subnormals};
pub use families::posit::Posit;
pub use families::power_of_two::PowerOfTwo;
pub use families::sherry::Sherry;
pub use families::slice::{Slice, SliceRule};
pub use family::{Extremes, Family, Policy};
pub use format::{Format, Summary};
pub use lmul::LMul;
pub use multiplication::{BlockSums, Multiplication, Rule};
pub use ordered::Ordered;
pub use requantize::{Multiplier, Requantization};
pub use rounding::{Place, Rounding, ZeroSide};
pub use scalar::Scalar;
pub use tensor::TensorCodec;
pub use value::Value;
