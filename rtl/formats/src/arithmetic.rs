//! Arithmetic on codes: decode, operate exactly, round once.

use crate::family::Family;
use crate::{ExactSum, FormatError, Rounding, Scalar};

/// a·b in `format`.
pub fn multiply(format: &Scalar, a: u32, b: u32, rounding: Rounding) -> u32 {
    format.encode(&format.decode(a).multiply(format.decode(b)), rounding)
}

/// a+b in `format`.
pub fn add(format: &Scalar, a: u32, b: u32, rounding: Rounding) -> u32 {
    format.encode(&format.decode(a).add(format.decode(b)), rounding)
}

/// The code in `to` of a code in `from`, rounded once.
pub fn convert(from: &Scalar, code: u32, to: &Scalar, rounding: Rounding) -> u32 {
    to.encode(&from.decode(code), rounding)
}

/// The exact dot product of two vectors of codes. Errors if their lengths differ.
pub fn exact_dot(
    (a_format, a): (&Scalar, &[u32]),
    (b_format, b): (&Scalar, &[u32]),
) -> Result<ExactSum, FormatError> {
    if a.len() != b.len() {
        return Err(FormatError::Length {
            what: "elements of the second vector",
            given: b.len(),
            expected: a.len(),
        });
    }
    let mut sum = ExactSum::new();
    for (a, b) in a.iter().zip(b) {
        sum.add_product(&a_format.decode(*a), &b_format.decode(*b));
    }
    Ok(sum)
}

/// The fused dot product: exact sum, one rounding to `result`. Errors if the lengths differ.
pub fn dot(
    a: (&Scalar, &[u32]),
    b: (&Scalar, &[u32]),
    result: &Scalar,
    rounding: Rounding,
) -> Result<u32, FormatError> {
    Ok(result.encode(&exact_dot(a, b)?.value(), rounding))
}
