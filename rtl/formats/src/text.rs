//! Real numbers as text, without rounding: exact decimals and hexadecimal floats, in both directions.

use num_bigint::BigUint;
use num_traits::{ToPrimitive, Zero};

use crate::{Dyadic, FormatError, Value};

/// Largest decimal exponent that is read, either sign: far beyond every format, small enough to be exact.
const MAXIMUM_DECIMAL_EXPONENT: i32 = 5000;
/// Largest binary exponent that is read, either sign.
const MAXIMUM_BINARY_EXPONENT: i32 = 100_000;

/// Reads a decimal (`-1.5e-3`), a hexadecimal float (`0x1.8p-3`), `inf`, `nan` or `nar`, in any case.
/// Decimals that are no binary fraction are kept to at least 128 bits and jammed, so a later rounding
/// gives what the decimal itself would.
pub fn parse_real(text: &str) -> Result<Value, FormatError> {
    let trimmed = text.trim().to_ascii_lowercase();
    let (negative, body) = match trimmed.as_bytes().first() {
        Some(b'-') => (true, &trimmed[1..]),
        Some(b'+') => (false, &trimmed[1..]),
        _ => (false, &trimmed[..]),
    };
    let parsed = match body {
        "inf" | "infinity" => return Ok(Value::Infinite { negative }),
        "nan" | "nar" => return Ok(Value::Nan),
        _ => match body.strip_prefix("0x") {
            Some(hexadecimal) => parse_hexadecimal(negative, hexadecimal),
            None => parse_decimal(negative, body),
        },
    };
    parsed.map(Value::Finite).ok_or_else(|| FormatError::NotANumber { text: text.trim().to_owned() })
}

/// The value as a decimal with every digit, so that reading it back gives the same number: plain up to 21
/// digits, scientific beyond.
pub fn decimal(value: &Value) -> String {
    let Value::Finite(x) = value else { return special(value).to_owned() };
    let sign = if x.is_negative() { "-" } else { "" };
    if x.is_zero() {
        return format!("{sign}0");
    }
    // s·2^−k = s·5^k / 10^k.
    let (digits, places) = if x.exponent() >= 0 {
        (BigUint::from(x.significand()) << x.exponent(), 0)
    } else {
        (BigUint::from(x.significand()) * BigUint::from(5u8).pow(x.exponent().unsigned_abs()), -x.exponent())
    };
    let digits = digits.to_string();
    let exponent = digits.len() as i32 - 1 - places;
    let plain = match exponent {
        0..=20 if places == 0 => digits,
        0..=20 => format!("{}.{}", &digits[..=exponent as usize], &digits[exponent as usize + 1..]),
        -7..=-1 => format!("0.{}{digits}", "0".repeat((-exponent - 1) as usize)),
        _ => {
            let digits = digits.trim_end_matches('0');
            let point = if digits.len() > 1 { "." } else { "" };
            format!("{}{point}{}e{exponent}", &digits[..1], &digits[1..])
        }
    };
    format!("{sign}{plain}")
}

/// The value as a hexadecimal float in C's and Python's notation, `-0x1.8p+3`.
pub fn hexadecimal(value: &Value) -> String {
    let Value::Finite(x) = value else { return special(value).to_owned() };
    let sign = if x.is_negative() { "-" } else { "" };
    let Some(log2) = x.log2_floor() else { return format!("{sign}0x0p+0") };
    let (_, fraction) = x.split_at(log2);
    let digits = format!("{fraction:032x}");
    let digits = digits.trim_end_matches('0');
    let point = if digits.is_empty() { "" } else { "." };
    format!("{sign}0x1{point}{digits}p{log2:+}")
}

fn special(value: &Value) -> &'static str {
    match value {
        Value::Infinite { negative: true } => "-inf",
        Value::Infinite { negative: false } => "inf",
        _ => "nan",
    }
}

/// Splits `12.5e3` at the exponent sign into digits, digits behind the point, and the exponent.
fn parts(text: &str, exponent_mark: char, limit: i32) -> Option<(String, usize, i32)> {
    let (mantissa, exponent) = match text.split_once(exponent_mark) {
        Some((mantissa, exponent)) => {
            let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
            let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
            (mantissa, exponent.parse::<i32>().ok().filter(|_| plain)?)
        }
        None => (text, 0),
    };
    let (integer, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{integer}{fraction}");
    (!digits.is_empty() && exponent.abs() <= limit && fraction.len() <= limit as usize).then_some((
        digits,
        fraction.len(),
        exponent,
    ))
}

fn parse_hexadecimal(negative: bool, text: &str) -> Option<Dyadic> {
    let (digits, places, exponent) = parts(text, 'p', MAXIMUM_BINARY_EXPONENT)?;
    let integer = digits
        .bytes()
        .all(|b| b.is_ascii_hexdigit())
        .then(|| BigUint::parse_bytes(digits.as_bytes(), 16))??;
    Some(jam(negative, &integer, false, exponent - 4 * places as i32))
}

fn parse_decimal(negative: bool, text: &str) -> Option<Dyadic> {
    let (digits, places, exponent) = parts(text, 'e', MAXIMUM_DECIMAL_EXPONENT)?;
    let integer =
        digits.bytes().all(|b| b.is_ascii_digit()).then(|| BigUint::parse_bytes(digits.as_bytes(), 10))??;
    let exponent = exponent - places as i32;
    let power = BigUint::from(10u8).pow(exponent.unsigned_abs());
    if exponent >= 0 {
        return Some(jam(negative, &(integer * power), false, 0));
    }
    // Enough quotient bits for 128 significant ones.
    let shift = 130 + power.bits().saturating_sub(integer.bits());
    let shifted = integer << shift;
    let quotient = &shifted / &power;
    let inexact = &quotient * &power != shifted;
    Some(jam(negative, &quotient, inexact, -(shift as i32)))
}

/// ±integer·2^exponent with at most 128 bits; the last one is set if `sticky` or any bit was dropped.
fn jam(negative: bool, integer: &BigUint, sticky: bool, exponent: i32) -> Dyadic {
    let drop = integer.bits().saturating_sub(127);
    let kept = (integer >> drop).to_u128().unwrap_or(u128::MAX);
    let lost = sticky || (!integer.is_zero() && integer.trailing_zeros().is_some_and(|zeros| zeros < drop));
    Dyadic::new(negative, kept << 1 | u128::from(lost), exponent + drop as i32 - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::family::Family;
    use crate::{Rounding, Scalar};

    #[test]
    fn numbers_print_without_rounding() {
        let table = [
            (0.0, "0", "0x0p+0"),
            (-0.0, "-0", "-0x0p+0"),
            (448.0, "448", "0x1.cp+8"),
            (-0.001953125, "-0.001953125", "-0x1p-9"),
            (1.5, "1.5", "0x1.8p+0"),
            (2f64.powi(127), "1.70141183460469231731687303715884105728e38", "0x1p+127"),
            (2f64.powi(-30), "9.31322574615478515625e-10", "0x1p-30"),
            (1e22, "1e22", "0x1.0f0cf064dd592p+73"),
            (f64::INFINITY, "inf", "inf"),
            (f64::NAN, "nan", "nan"),
        ];
        for (number, as_decimal, as_hexadecimal) in table {
            let value = Value::from_f64(number);
            assert_eq!(decimal(&value), as_decimal);
            assert_eq!(hexadecimal(&value), as_hexadecimal);
            assert_eq!(parse_real(as_decimal), Ok(value));
            assert_eq!(parse_real(as_hexadecimal), Ok(value));
        }
    }

    #[test]
    fn decimals_agree_with_the_standard_library() {
        for text in
            ["0.1", "1e-40", "3.4028235677973366e38", "123456789.123456789", ".5", "7.", "-2.5E-3", "5e-324"]
        {
            assert_eq!(parse_real(text).unwrap().to_f64(), text.parse::<f64>().unwrap(), "{text}");
        }
    }

    #[test]
    fn a_decimal_just_above_a_tie_rounds_up() {
        let int8: Scalar = "int8".parse().unwrap();
        let above = format!("0.5{}1", "0".repeat(60));
        for (text, code) in [("0.5", 0), (above.as_str(), 1), ("1.5", 2), ("2.5", 2)] {
            assert_eq!(int8.encode(&parse_real(text).unwrap(), Rounding::NearestEven), code, "{text}");
        }
        assert_eq!(int8.decode(1), Value::from_integer(1));
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in
            ["", "-", ".", "1e", "1e+", "0x", "0x1p", "1.2.3", "1,5", "abc", "1e9999999", "--1", "0x1g"]
        {
            assert!(parse_real(text).is_err(), "{text}");
        }
    }
}
