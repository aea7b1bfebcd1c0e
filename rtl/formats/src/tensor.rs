//! Encoding and decoding whole tensors of `f32`, fast.
//!
//! Decoding is a table. For encoding, the `f32` bit patterns in ascending order fall into runs of equal
//! code, at most a few more runs than the format has codes. The bit patterns are cut into equal buckets
//! so fine that a bucket meets at most one new run; an entry holds the two codes and where the second
//! begins. One load, one compare, one shift an element, whatever the family (and one load more for
//! codebooks with very close values). The runs are found with the exact encoder, so there is nothing here
//! that could round differently.

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
    /// Region `bits >> 16` holds the place of its own buckets and their shift: place << 5 | shift.
    Regions { regions: Vec<u32>, entries: Vec<u64> },
    /// Element by element through the exact encoder.
    Exact,
}

/// Buckets of 2^16 bit patterns, 65 536 of them, are the finest of equal size.
const REGION_BITS: u32 = 16;
/// Entries that a table may have, 32 MiB: only a codebook with values one place apart all over asks for more.
const MAXIMUM_ENTRIES: usize = 1 << 22;
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
            Encoder::Regions { regions, entries } => encode_by_regions(regions, entries, values, codes),
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
    /// The fastest table that tells the runs apart.
    fn for_runs(runs: &[(u32, u8)]) -> Self {
        let equal = (REGION_BITS..=23).rev().find_map(|shift| Some((shift, buckets(runs, 0, 32, shift)?)));
        if let Some((shift, entries)) = equal {
            return Self::Buckets { shift, entries };
        }
        let (mut regions, mut entries) = (vec![], vec![]);
        for region in 0..1u64 << (32 - REGION_BITS) {
            let first = region << REGION_BITS;
            let finest = (0..=REGION_BITS)
                .rev()
                .find_map(|shift| Some((shift, buckets(runs, first, REGION_BITS, shift)?)));
            let (shift, inside) = finest.expect("a bucket of one bit pattern meets no new run");
            regions.push((entries.len() as u32) << 5 | shift);
            entries.extend(inside);
            if entries.len() > MAXIMUM_ENTRIES {
                return Self::Exact;
            }
        }
        Self::Regions { regions, entries }
    }
}

/// The buckets of 2^shift bit patterns that cover the 2^bits patterns from `first`, or `None` if two runs
/// begin inside one of them.
fn buckets(runs: &[(u32, u8)], first: u64, bits: u32, shift: u32) -> Option<Vec<u64>> {
    let entry = |bucket: u64| {
        let (first, last) =
            ((first + (bucket << shift)) as u32, (first + (bucket << shift) + (1 << shift) - 1) as u32);
        // The runs in force at the first and at the last pattern; the very first run begins at pattern 0.
        let lower = runs.partition_point(|(start, _)| *start <= first) - 1;
        let upper = runs.partition_point(|(start, _)| *start <= last) - 1;
        let threshold = if upper > lower { runs[upper].0 } else { first };
        let codes = u64::from(runs[lower].1) | u64::from(runs[upper].1) << 8;
        (upper - lower <= 1).then_some(u64::from(threshold) | codes << 32)
    };
    (0..1u64 << (bits - shift)).map(entry).collect()
}

/// The code that an entry gives to a bit pattern of its bucket.
fn code_in(entry: u64, bits: u32) -> u8 {
    let upper = u32::from(bits >= entry as u32);
    (entry >> (32 + 8 * upper)) as u8
}

fn encode_by_buckets(shift: u32, entries: &[u64], values: &[f32], codes: &mut [u8]) {
    // A table of full length has an entry for every shifted bit pattern, which the compiler cannot see.
    let entries = &entries[..1 << (32 - shift)];
    for (value, code) in values.iter().zip(codes) {
        let bits = value.to_bits();
        *code = code_in(entries[(bits >> shift) as usize], bits);
    }
}

fn encode_by_regions(regions: &[u32], entries: &[u64], values: &[f32], codes: &mut [u8]) {
    let regions = &regions[..1 << (32 - REGION_BITS)];
    for (value, code) in values.iter().zip(codes) {
        let bits = value.to_bits();
        let region = regions[(bits >> REGION_BITS) as usize];
        let inside = (bits & ((1 << REGION_BITS) - 1)) >> (region & 31);
        *code = code_in(entries[((region >> 5) + inside) as usize], bits);
    }
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
