//! The nonlinear operators of a transformer on integers alone, after I-ViT (Li and Gu, ICCV 2023, section 3)
//! and bit-exact to its released PyTorch model read as integers: the meaning that golden model and circuits
//! share. It stands in this crate, beside requantization, because both `units` and `model` rest on it.
//!
//! Inputs are symmetric: a row of integers `x` stands for `x · scale`, zero point 0. Every operator works on
//! one row (the last dimension of a tensor); `2^31 − 1` is written `M`.
//!
//! | operator | result | its scale |
//! |---|---|---|
//! | [`shiftmax`] | `⌊e · ⌊M / Σe⌋ / 2^(31 − b)⌋`, e = [`ShiftExp`] of x − max | 2^-b, released with b = 7 |
//! | [`softmax_by_table`] | the same, e = [`TableExp`] of x − max | 2^-b |
//! | [`shift_gelu`] | `x · ⌊e1 · ⌊M / (e1 + e2)⌋ / 2^24⌋`, e1 of x − max, e2 of −max, at 1.702 · scale | scale · 2^-7 |
//! | [`layer_norm`] | `⌊(x − μ) · ⌊M / k⌋ / 2⌋`, k = √Σ(x − μ)² by a [`Root`] | √N · 2^-30, times γ |
//!
//! The reference computes in single precision and so drops low bits of sums above 2^24; here every step is exact.

mod layer_norm;
mod shift_exp;
mod shift_gelu;
mod shiftmax;
mod table_exp;

pub use layer_norm::{NEWTON_ITERATIONS, NEWTON_START, Root, layer_norm, layer_norm_bias, rounded_mean};
pub use shift_exp::ShiftExp;
pub use shift_gelu::{GELU_SLOPE, shift_gelu};
pub use shiftmax::{normalise, shiftmax, softmax_by_table};
pub use table_exp::TableExp;

/// How a softmax makes its exponentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Exponential {
    /// [`ShiftExp`], as in I-ViT.
    #[default]
    Shifts,
    /// [`TableExp`].
    Table,
}

impl Exponential {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Exponential::Shifts => "shifts",
            Exponential::Table => "table",
        }
    }
}

/// `2^31 − 1`: where sums are clamped, and the dividend of every reciprocal.
pub const M: u32 = i32::MAX as u32;
/// Fraction bits of a sigmoid, and of a share as released: they lie in 0..=127.
pub const PROBABILITY_BITS: u32 = 7;
/// Bits of a scale's reciprocal that serve both ShiftGELU, which has no more, and Shiftmax.
pub const RECIPROCAL_BITS: u32 = 31 - ShiftExp::GELU_N;
/// Fraction bits of a share that leaves it to a requantizer how fine it shall be.
pub const FINE_SHARE_BITS: u32 = 15;
/// Right shift from `e · ⌊M / Σe⌋` to a sigmoid.
pub const PROBABILITY_SHIFT: u32 = 31 - PROBABILITY_BITS;
