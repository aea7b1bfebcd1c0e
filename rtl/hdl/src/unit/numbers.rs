//! Numbers in port values: two's complement, and lanes packed side by side.

use num_bigint::BigUint;
use num_traits::One;

/// The low 64 bits of a port value.
pub fn number(bits: &BigUint) -> u64 {
    bits.iter_u64_digits().next().unwrap_or(0)
}

/// A port value of `width` ≤ 64 bits, read as two's complement.
///
/// ```
/// use bitmill_hdl::{BigUint, unit::signed_number};
/// assert_eq!(signed_number(&BigUint::from(0xfu8), 4), -1);
/// ```
pub fn signed_number(bits: &BigUint, width: u32) -> i64 {
    let unused = 64 - width;
    ((number(bits) << unused) as i64) >> unused
}

/// `value` modulo 2^`width`, as a port value of `width` < 128 bits.
pub fn to_bits(value: i128, width: u32) -> BigUint {
    BigUint::from((value as u128) & ((1u128 << width) - 1))
}

/// Lane `index` of a packed port value, lane 0 lowest, `width` bits each.
pub fn lane(word: &BigUint, index: u32, width: u32) -> BigUint {
    (word >> (index * width)) & ((BigUint::one() << width) - 1u8)
}

/// Lanes of `width` bits packed side by side, the first lowest.
pub fn pack<'v>(lanes: impl IntoIterator<Item = &'v BigUint>, width: u32) -> BigUint {
    lanes.into_iter().enumerate().fold(BigUint::ZERO, |word, (i, lane)| word | (lane << (i as u32 * width)))
}
