//! Encoding and decoding whole tensors of `f32`, fast.
//!
//! Decoding is a table. For encoding, the `f32` bit patterns in ascending order fall into runs of equal
//! code, at most a few more runs than the format has codes. The bit patterns are cut into equal buckets
//! so fine that a bucket meets at most one new run; an entry holds the two codes and where the second
//! begins. One load, one compare, one shift an element, whatever the family. The runs are found with the
//! exact encoder, so there is nothing here that could round differently.

use crate::family::Family;
use crate::{FormatError, Rounding, Scalar, Value};

/// Encoder and decoder of tensors in one format with one rounding.
#[derive(Debug, Clone)]
pub struct TensorCodec {
    format: Scalar,
    rounding: Rounding,
    values: Vec<f32>,
    encoder: Encoder,
}

#[derive(Debug, Clone)]
enum Encoder {
    /// Bucket `bits >> shift` holds: threshold (32 bits) | lower code << 32 | upper code << 40.
    Buckets { shift: u32, entries: Vec<u64> },
    /// First bit pattern of each run, filled up to 512 with `u32::MAX`, and its code.
    Search { starts: Box<[u32; RUNS]>, codes: Box<[u8; RUNS]> },
    /// Element by element through the exact encoder.
    Exact,
}

const RUNS: usize = 512;
/// Buckets of 2^14 bit patterns, 262 144 of them: beyond, searching the runs is faster than missing the cache.
const FINEST_SHIFT: u32 = 14;
const INFINITY: u32 = 0x7f80_0000;
const SIGN: u32 = 0x8000_0000;

impl TensorCodec {
    /// Builds the tables. Formats of more than 8 bits, wrapping integers and stochastic rounding get no
    /// encoding table and go through the exact encoder.
    pub fn new(format: &Scalar, rounding: Rounding) -> Self {
        let values = if format.bits() <= 16 {
            (0..=format.largest_code()).map(|code| format.decode(code).to_f32()).collect()
        } else {
            vec![]
        };
        let wraps = matches!(format, Scalar::Integer(integer) if integer.is_wrapping());
        let stochastic = matches!(rounding, Rounding::Stochastic { .. });
        let encoder = if format.bits() > 8 || wraps || stochastic {
            Encoder::Exact
        } else {
            Encoder::for_runs(&runs(|bits| {
                format.encode(&Value::from_f32(f32::from_bits(bits)), rounding) as u8
            }))
        };
        Self { format: format.clone(), rounding, values, encoder }
    }

    /// The format of the codes.
    pub fn format(&self) -> &Scalar {
        &self.format
    }

    /// Codes of `values`, one byte each. Errors if the format is wider than a byte or the lengths differ.
    pub fn encode_bytes(&self, values: &[f32], codes: &mut [u8]) -> Result<(), FormatError> {
        self.check_bytes(values.len(), codes.len())?;
        match &self.encoder {
            Encoder::Buckets { shift, entries } => encode_by_buckets(*shift, entries, values, codes),
            Encoder::Search { starts, codes: run_codes } => {
                for (value, code) in values.iter().zip(codes) {
                    *code = run_codes[search(starts, value.to_bits())];
                }
            }
            Encoder::Exact => {
                for (index, (value, code)) in values.iter().zip(codes).enumerate() {
                    *code = self.encode_exactly(index, *value) as u8;
                }
            }
        }
        Ok(())
    }

    /// Values of byte codes; bits above the format's width are ignored. Errors as [`Self::encode_bytes`].
    pub fn decode_bytes(&self, codes: &[u8], values: &mut [f32]) -> Result<(), FormatError> {
        self.check_bytes(codes.len(), values.len())?;
        let table: [f32; 256] = std::array::from_fn(|code| self.values[code & (self.values.len() - 1)]);
        for (code, value) in codes.iter().zip(values) {
            *value = table[usize::from(*code)];
        }
        Ok(())
    }

    /// Codes of `values` in a format of any width.
    pub fn encode(&self, values: &[f32]) -> Vec<u32> {
        if self.format.bits() > 8 {
            return values
                .iter()
                .enumerate()
                .map(|(index, value)| self.encode_exactly(index, *value))
                .collect();
        }
        let mut codes = vec![0; values.len()];
        self.encode_bytes(values, &mut codes).expect("widths and lengths agree");
        codes.into_iter().map(u32::from).collect()
    }

    /// Values of codes in a format of any width, to the nearest `f32`.
    pub fn decode(&self, codes: &[u32]) -> Vec<f32> {
        let mask = self.format.largest_code();
        let decode = |code: &u32| match self.values.get((code & mask) as usize) {
            Some(value) => *value,
            None => self.format.decode(*code).to_f32(),
        };
        codes.iter().map(decode).collect()
    }

    fn encode_exactly(&self, index: usize, value: f32) -> u32 {
        self.format.encode_at(&Value::from_f32(value), self.rounding, index as u64)
    }

    fn check_bytes(&self, given: usize, expected: usize) -> Result<(), FormatError> {
        if self.format.bits() > 8 {
            return Err(FormatError::Unsupported {
                operation: "a tensor of bytes",
                needs: "a format of at most 8 bits",
                format: self.format.to_string(),
            });
        }
        if given != expected {
            return Err(FormatError::Length { what: "elements of the tensor", given, expected });
        }
        Ok(())
    }
}

impl Encoder {
    fn for_runs(runs: &[(u32, u8)]) -> Self {
        (FINEST_SHIFT..=23).rev().find_map(|shift| Self::buckets(runs, shift)).unwrap_or_else(|| {
            let mut starts = Box::new([u32::MAX; RUNS]);
            let mut codes = Box::new([0; RUNS]);
            for (index, (start, code)) in runs.iter().enumerate() {
                starts[index] = *start;
                codes[index] = *code;
            }
            Self::Search { starts, codes }
        })
    }

    /// The bucket table, or `None` if two runs begin inside one bucket.
    fn buckets(runs: &[(u32, u8)], shift: u32) -> Option<Self> {
        let mut entries = Vec::with_capacity(1 << (32 - shift));
        let mut runs = runs.iter().copied().peekable();
        let mut code = 0;
        for bucket in 0..1u64 << (32 - shift) {
            let (first, end) = ((bucket << shift) as u32, (bucket + 1) << shift);
            if let Some((_, started)) = runs.next_if(|(start, _)| *start == first) {
                code = started;
            }
            let lower = code;
            let inside = runs.next_if(|(start, _)| u64::from(*start) < end);
            let threshold = inside.map_or(first, |(start, _)| start);
            code = inside.map_or(code, |(_, started)| started);
            if runs.peek().is_some_and(|(start, _)| u64::from(*start) < end) {
                return None;
            }
            entries.push(u64::from(threshold) | u64::from(lower) << 32 | u64::from(code) << 40);
        }
        Some(Self::Buckets { shift, entries })
    }
}

fn encode_by_buckets(shift: u32, entries: &[u64], values: &[f32], codes: &mut [u8]) {
    // A table of full length has an entry for every shifted bit pattern, which the compiler cannot see.
    let entries = &entries[..1 << (32 - shift)];
    for (value, code) in values.iter().zip(codes) {
        let bits = value.to_bits();
        let entry = entries[(bits >> shift) as usize];
        let upper = u32::from(bits >= entry as u32);
        *code = (entry >> (32 + 8 * upper)) as u8;
    }
}

/// The index of the last start that is not above `bits`, without branches.
fn search(starts: &[u32; RUNS], bits: u32) -> usize {
    let mut index = 0;
    let mut step = RUNS / 2;
    while step > 0 {
        index += if starts[(index + step) % RUNS] <= bits { step } else { 0 };
        step /= 2;
    }
    index
}

/// All runs of equal code over the `f32` bit patterns in ascending order: first pattern and code of each.
fn runs(encode: impl Fn(u32) -> u8) -> Vec<(u32, u8)> {
    let mut runs = vec![];
    for sign in [0, SIGN] {
        // Within one binade every encoder is monotone, so equal ends mean a constant binade.
        let binades =
            (0..0xff).map(|exponent| (sign | exponent << 23, sign | ((exponent << 23) + 0x7f_ffff)));
        let zero = (sign, sign);
        let subnormals = (sign | 1, sign | 0x7f_ffff);
        for (first, last) in [zero, subnormals].into_iter().chain(binades.skip(1)) {
            push(&mut runs, first, encode(first));
            split(&mut runs, (first, encode(first)), (last, encode(last)), &encode);
        }
        push(&mut runs, sign | INFINITY, encode(sign | INFINITY));
        push(&mut runs, (sign | INFINITY) + 1, encode((sign | INFINITY) + 1));
    }
    runs
}

/// Appends the runs that begin after `first`, up to `last`.
fn split(runs: &mut Vec<(u32, u8)>, first: (u32, u8), last: (u32, u8), encode: &impl Fn(u32) -> u8) {
    if first.1 == last.1 {
        return;
    }
    if first.0 + 1 == last.0 {
        return push(runs, last.0, last.1);
    }
    let middle = first.0 + (last.0 - first.0) / 2;
    let middle = (middle, encode(middle));
    split(runs, first, middle, encode);
    split(runs, middle, last, encode);
}

fn push(runs: &mut Vec<(u32, u8)>, start: u32, code: u8) {
    if runs.last().is_none_or(|(_, last)| *last != code) {
        runs.push((start, code));
    }
}
