//! Sparse blocks: the codes of a block that differ from one code, and where they stand.
//!
//! A [`SparseLayout`] fixes the positions of a block, the bits of a code, and the code of a position that is not
//! stored (zero, in most formats code 0). A block is kept in one of two forms, both packed as in [`packing`](crate::packing):
//!
//! | form | where values stand | bits, with n values of b bits in N positions |
//! |---|---|---|
//! | [`Bitmap`](Form::Bitmap) | a bit a position, set where a value is | `N + n · b` |
//! | [`Coordinates`](Form::Coordinates) | ascending indices of `i = ⌈log2 N⌉` bits | `n · (i + b)` |
//!
//! The values follow, in ascending order of their positions. Coordinates are smaller where `n · i < N`, that is, where
//! the sparsity `1 − n/N` is above `1 − 1/i`, whatever b is ([`SparseLayout::break_even`]): 80 % for blocks of 32.
//! RT-NeRF (Li et al., ICCAD 2022) switches between the two forms; the layout is our own.
//!
//! A block has one encoding in each form, and [`SparseLayout::decode`] refuses everything else.

mod block;

use std::fmt;

use crate::{Family, FormatError, Rounding, Scalar, Value};

pub use block::{SparseBlock, SparseEntries};

/// How a block says where its values stand.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Form {
    /// A bit a position.
    Bitmap,
    /// Ascending indices.
    Coordinates,
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Form::Bitmap => "bitmap",
            Form::Coordinates => "coordinates",
        })
    }
}

/// Which form a block gets.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum FormRule {
    /// The smaller one; the bitmap where both are of one size.
    #[default]
    Smaller,
    /// Coordinates where more than so many percent of the positions have no value.
    SparserThan {
        /// Sparsity in percent.
        percent: u32,
    },
    /// Always this one.
    Always(Form),
}

impl FormRule {
    /// RT-NeRF's switch at a sparsity of 80 %.
    pub const RT_NERF: FormRule = FormRule::SparserThan { percent: 80 };
}

/// What the blocks of a tensor have in common.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct SparseLayout {
    positions: u32,
    value_bits: u32,
    absent: u32,
}

impl SparseLayout {
    /// Most positions of a block.
    pub const MOST_POSITIONS: u32 = 1 << 16;

    /// Blocks of `positions` codes of `value_bits` bits, where `absent` is the code that is not stored.
    ///
    /// # Errors
    /// Fewer than 2 or more than [`Self::MOST_POSITIONS`] positions, codes of 0 or more than 32 bits, or a code
    /// `absent` with more than `value_bits` bits.
    pub fn new(positions: u32, value_bits: u32, absent: u32) -> Result<SparseLayout, FormatError> {
        let most = Self::MOST_POSITIONS;
        if !(2..=most).contains(&positions) {
            return Err(illegal("positions of a sparse block", positions, format!("2 to {most} are legal")));
        }
        if !(1..=32).contains(&value_bits) {
            return Err(illegal("bits of a sparse value", value_bits, "1 to 32 are legal"));
        }
        if u64::from(absent) >> value_bits != 0 {
            let legal = format!("a code of {value_bits} bits is legal");
            return Err(illegal("code of an absent value", absent, legal));
        }
        Ok(SparseLayout { positions, value_bits, absent })
    }

    /// Blocks of `positions` codes of `format`, without its zeros.
    ///
    /// # Errors
    /// As [`Self::new`], and a format without a zero.
    pub fn of(format: &Scalar, positions: u32) -> Result<SparseLayout, FormatError> {
        let zero = format.encode(&Value::ZERO, Rounding::NearestEven);
        if format.decode(zero) != Value::ZERO {
            let (operation, needs) = ("leaving zeros out", "a format with a zero");
            return Err(FormatError::Unsupported { operation, needs, format: format.to_string() });
        }
        SparseLayout::new(positions, format.bits(), zero)
    }

    /// Positions of a block.
    pub fn positions(&self) -> u32 {
        self.positions
    }

    /// Bits of a value.
    pub fn value_bits(&self) -> u32 {
        self.value_bits
    }

    /// The code of a position without a value.
    pub fn absent(&self) -> u32 {
        self.absent
    }

    /// Bits of an index.
    pub fn index_bits(&self) -> u32 {
        (self.positions - 1).ilog2() + 1
    }

    /// Sparsity above which coordinates are the smaller form, from 0 to 1.
    pub fn break_even(&self) -> f64 {
        1.0 - 1.0 / f64::from(self.index_bits())
    }

    /// Bits that say where `count` values stand.
    pub fn place_bits(&self, form: Form, count: u32) -> u64 {
        match form {
            Form::Bitmap => u64::from(self.positions),
            Form::Coordinates => u64::from(count) * u64::from(self.index_bits()),
        }
    }

    /// Bits of a block with `count` values. What tells its form and count is not among them ([`Self::header_bits`]).
    pub fn bits(&self, form: Form, count: u32) -> u64 {
        self.place_bits(form, count) + u64::from(count) * u64::from(self.value_bits)
    }

    /// Bits that tell a block's form and count, where it may have either form: 1, and those of a number up to
    /// [`Self::positions`].
    pub fn header_bits(&self) -> u32 {
        1 + self.positions.ilog2() + 1
    }

    /// The form that `rule` gives a block with `count` values.
    pub fn form(&self, rule: FormRule, count: u32) -> Form {
        let (positions, count_wide) = (u64::from(self.positions), u64::from(count));
        let sparse = match rule {
            FormRule::Smaller => self.bits(Form::Coordinates, count) < self.bits(Form::Bitmap, count),
            FormRule::SparserThan { percent } => {
                positions.saturating_sub(count_wide) * 100 > u64::from(percent) * positions
            }
            FormRule::Always(form) => return form,
        };
        if sparse { Form::Coordinates } else { Form::Bitmap }
    }
}

fn illegal(parameter: &'static str, value: impl ToString, legal: impl Into<String>) -> FormatError {
    FormatError::IllegalValue { parameter, value: value.to_string(), legal: legal.into() }
}
