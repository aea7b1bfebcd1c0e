//! Weights in groups with integer scales: small integers or BitMoD's types, a scale of 8 bits a group, and one real step
//! for the whole row.
//!
//! A weight is step × scale × value of its code. BitMoD (Chen et al., HPCA 2025, section III) finds a scale for each
//! group of 128 weights and rounds the scales of an output channel to 8-bit integers in their turn, as VS-Quant does.
//! Scale and value are both small integers, and so is their product: sums of such weights are integer sums, and a
//! processing element may multiply by the scale once a group. A group in a BitMoD type has its own special value.
//!
//! Names are `<element>_g<size>`, such as `bitmod_fp4_g128` and `int4_g64`; `_s<bits>` after it changes the scale's width.

use std::fmt;
use std::ops::Range;

use crate::family::{Family, Policy, parameter};
use crate::{Dyadic, FormatError, Rounding, Scalar, Value};

/// Groups of weights with an unsigned integer scale each.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Grouped {
    element: Scalar,
    size: u32,
    scale_bits: u32,
}

/// A row of weights, rounded.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupedRow {
    /// A weight is step · scale · value of its code.
    pub step: f64,
    /// One for each group.
    pub scales: Vec<u32>,
    /// Which of the element's choices (BitMoD's special values) each group takes.
    pub choices: Vec<usize>,
    /// One for each weight.
    pub codes: Vec<u32>,
    /// Scale · value of each weight, in units of 2^lsb of the element.
    pub integers: Vec<i32>,
}

const SCALE_BITS: u32 = 8;

impl Grouped {
    /// How the names of this family look.
    pub const GRAMMAR: &'static str = "int<2-8> or a codebook with a zero, such as bitmod_fp4, with _g<2-65536>, and _s<2-16> for the scale's bits";

    /// Reads a name; `None` if it is not of this family.
    pub fn parse(name: &str) -> Option<Result<Self, FormatError>> {
        let (body, scale_bits) = match name.rsplit_once("_s") {
            Some((body, bits)) => (body, parameter(bits)?),
            None => (name, SCALE_BITS),
        };
        let (element, size) = body.rsplit_once("_g")?;
        let size = parameter(size)?;
        let element: Scalar = element.parse().ok()?;
        let is_legal = match &element {
            Scalar::Integer(integer) => {
                integer.is_signed() && integer.fraction_bits() == 0 && integer.bits() <= 8
            }
            Scalar::Codebook(_) => {
                element.decode(element.encode(&Value::ZERO, Rounding::NearestEven)) == Value::ZERO
            }
            _ => false,
        };
        let is_legal = is_legal && (2..=65536).contains(&size) && (2..=16).contains(&scale_bits);
        let problem = || FormatError::illegal(name, format!("the formats of groups are {}", Self::GRAMMAR));
        Some(is_legal.then_some(Self { element, size, scale_bits }).ok_or_else(problem))
    }

    /// Format of the elements, with the first of their choices.
    pub fn element(&self) -> &Scalar {
        &self.element
    }

    /// Weights of a group.
    pub fn size(&self) -> usize {
        self.size as usize
    }

    /// Bits of a scale.
    pub fn scale_bits(&self) -> u32 {
        self.scale_bits
    }

    /// The largest scale; the smallest is 1.
    pub fn largest_scale(&self) -> u32 {
        (1 << self.scale_bits) - 1
    }

    /// Bits a weight takes, scales and the choice of a special value included.
    pub fn bits_per_value(&self) -> f64 {
        let choice_bits = self.element.group_choices().len().ilog2();
        f64::from(self.element.bits()) + f64::from(self.scale_bits + choice_bits) / f64::from(self.size)
    }

    /// The groups of a row of `taps` × `channels` weights, channels innermost. A group lies within a tap, or is made of
    /// whole taps where one has fewer channels than a group; what is left at the end of a tap or row, if less than
    /// half a group, belongs to the group before it. So groups have half their size at least, unless the whole row is
    /// shorter.
    pub fn groups(&self, taps: usize, channels: usize) -> Vec<Range<usize>> {
        if channels < self.size() {
            let per_group = self.size() / channels.max(1) * channels;
            return self.cut(0..taps * channels, per_group);
        }
        (0..taps).flat_map(|tap| self.cut(tap * channels..(tap + 1) * channels, self.size())).collect()
    }

    fn cut(&self, range: Range<usize>, length: usize) -> Vec<Range<usize>> {
        let mut groups: Vec<Range<usize>> = Vec::new();
        for start in range.clone().step_by(length.max(1)) {
            let end = (start + length).min(range.end);
            match groups.last_mut() {
                Some(before) if (end - start) * 2 < self.size() => before.end = end,
                _ => groups.push(start..end),
            }
        }
        groups
    }

    /// The part of the scale of [`Grouped::encode`] at which no weight saturates on either side: integers reach less far up
    /// than down, int4 from -8 to 7.
    pub fn spanning_part(&self) -> f64 {
        let extremes = self.element.extremes();
        match self.element {
            Scalar::Integer(_) => extremes.lowest.magnitude().to_f64() / extremes.highest.to_f64(),
            _ => 1.0,
        }
    }

    /// Rounds a row. Each group takes the choice and the scale with the smallest squared error, among `parts` of the scale
    /// that spans its largest weight (BitMoD: 1 only); then the scales are rounded to integers, and the weights once.
    pub fn encode(&self, row: &[f64], groups: &[Range<usize>], parts: &[f64]) -> GroupedRow {
        let choices = self.element.group_choices();
        let nearest = |choice: usize, weight: f64| {
            choices[choice].encode(&Value::from_f64(weight), Rounding::NearestEven)
        };
        let value = |choice: usize, code: u32| choices[choice].decode(code).to_f64();
        let best: Vec<(usize, f64)> = groups
            .iter()
            .map(|group| {
                let weights = &row[group.clone()];
                let largest = weights.iter().fold(0f64, |largest, weight| largest.max(weight.abs()));
                let candidates = (0..choices.len()).flat_map(|choice| {
                    let extremes = choices[choice].extremes();
                    let reach = extremes.highest.max(extremes.lowest.magnitude()).to_f64();
                    parts.iter().map(move |part| (choice, largest / reach * part))
                });
                let error = |&(choice, scale): &(usize, f64)| -> f64 {
                    let rounded = |weight: &f64| scale * value(choice, nearest(choice, weight / scale));
                    weights.iter().map(|weight| (weight - rounded(weight)).powi(2)).sum()
                };
                let candidates = candidates.filter(|(_, scale)| *scale > 0.0);
                candidates.min_by(|a, b| error(a).total_cmp(&error(b))).unwrap_or((0, 0.0))
            })
            .collect();
        let largest = best.iter().fold(0f64, |largest, (_, scale)| largest.max(*scale));
        let step = if largest > 0.0 { largest / f64::from(self.largest_scale()) } else { 1.0 };
        let mut encoded =
            GroupedRow { step, scales: vec![], choices: vec![], codes: vec![], integers: vec![] };
        let lsb_exponent = self.lsb_exponent();
        for (group, (choice, scale)) in groups.iter().zip(best) {
            let scale = (scale / step).round().max(1.0);
            encoded.scales.push(scale as u32);
            encoded.choices.push(choice);
            for weight in &row[group.clone()] {
                let code = nearest(choice, weight / (scale * step));
                encoded.codes.push(code);
                let units = value(choice, code) * 2f64.powi(-lsb_exponent);
                encoded.integers.push((scale * units) as i32);
            }
        }
        encoded
    }

    /// The power of two of which every value is a multiple.
    pub fn lsb_exponent(&self) -> i32 {
        self.element.extremes().lsb_exponent
    }

    /// The written rules.
    pub fn policies(&self) -> Vec<Policy> {
        let size = self.size;
        vec![
            Policy::new(
                "group",
                format!(
                    "{size} weights along the input channels of a tap, or the whole taps that {size} weights hold; less than half a group belongs to the group before."
                ),
            ),
            Policy::new(
                "scale",
                format!(
                    "An integer of 1 to {} a group, and a real step for the whole row.",
                    self.largest_scale()
                ),
            ),
            Policy::new(
                "encoding",
                "The scale that spans a group's largest weight, rounded to a multiple of the step; the nearest value.",
            ),
        ]
    }
}

impl fmt::Display for Grouped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_g{}", self.element, self.size)?;
        if self.scale_bits == SCALE_BITS { Ok(()) } else { write!(f, "_s{}", self.scale_bits) }
    }
}

/// Finds the scale of a group of which only the products with it are known.
#[derive(Debug, Clone)]
pub struct GroupScales {
    largest_scale: u32,
    /// For each choice of the element its values in units of 2^lsb, ascending.
    values: Vec<Vec<i32>>,
}

impl GroupScales {
    /// For groups in `format`.
    pub fn new(format: &Grouped) -> Self {
        let units = |value: Dyadic| value.scale_by_power(-format.lsb_exponent()).to_f64() as i32;
        let values = |choice: &Scalar| {
            let codes = (0..=choice.largest_code()).filter_map(|code| choice.decode(code).finite());
            let mut values: Vec<i32> = codes.map(units).collect();
            values.sort_unstable();
            values
        };
        let choices = format.element.group_choices();
        Self { largest_scale: format.largest_scale(), values: choices.iter().map(values).collect() }
    }

    /// Every scale times every value, ascending.
    pub fn products(&self) -> Vec<i32> {
        let values = self.values.concat();
        let scales = 1..=self.largest_scale as i32;
        let mut products: Vec<i32> = scales.flat_map(|scale| values.iter().map(move |v| scale * v)).collect();
        products.sort_unstable();
        products.dedup();
        products
    }

    /// The smallest scale by which the weights of a group are values of one choice; `None` if there is none.
    pub fn of(&self, weights: &[i16]) -> Option<u32> {
        let divisor = weights.iter().fold(0, |divisor, weight| gcd(divisor, weight.unsigned_abs().into()));
        let stands = |scale: i32| {
            let is_value =
                |values: &[i32], weight: i16| values.binary_search(&(i32::from(weight) / scale)).is_ok();
            self.values.iter().any(|values| weights.iter().all(|weight| is_value(values, *weight)))
        };
        let scales = 1..=self.largest_scale.min(divisor.max(1));
        scales.into_iter().find(|scale| divisor % scale == 0 && stands(*scale as i32))
    }
}

fn gcd(a: u32, b: u32) -> u32 {
    if a == 0 { b } else { gcd(b % a, a) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grouped(name: &str) -> Grouped {
        Grouped::parse(name).expect("a name of groups").expect("a legal name")
    }

    #[test]
    fn names_say_element_size_and_scale() {
        for name in [
            "bitmod_fp4_g128",
            "bitmod_fp3_g32_s5",
            "bitmod_fp4_p7_g64",
            "ternary_g64",
            "int4_g2",
            "int8_g65536_s16",
        ] {
            assert_eq!(grouped(name).to_string(), name);
        }
        assert_eq!(grouped("int4_g64_s8").to_string(), "int4_g64");
        for name in ["int9_g32", "uint4_g32", "binary_g32", "int4_g1", "int4_g32_s1", "posit8_0_g32"] {
            assert!(Grouped::parse(name).expect("a name of groups").is_err(), "{name}");
        }
        assert!(Grouped::parse("int4").is_none());
        assert_eq!(grouped("bitmod_fp4_g128").bits_per_value(), 4.0 + 10.0 / 128.0);
    }

    #[test]
    fn groups_have_half_their_size_at_least() {
        let format = grouped("int4_g32");
        assert_eq!(format.groups(1, 100), [0..32, 32..64, 64..100]);
        assert_eq!(format.groups(1, 80), [0..32, 32..64, 64..80]);
        assert_eq!(format.groups(9, 5), vec![0..45; 1]);
        assert_eq!(format.groups(9, 8), [0..32, 32..72]);
        assert_eq!(format.groups(2, 40), [0..40, 40..80]);
        assert_eq!(format.groups(1, 7), vec![0..7; 1]);
        for (taps, channels) in [(9, 3), (25, 7), (1, 300), (4, 33), (3, 31), (49, 1)] {
            let groups = format.groups(taps, channels);
            assert_eq!((groups[0].start, groups[groups.len() - 1].end), (0, taps * channels));
            assert!(groups.windows(2).all(|pair| pair[0].end == pair[1].start));
            let least = 16.min(taps * channels);
            assert!(groups.iter().all(|group| group.len() >= least), "{taps} {channels}: {groups:?}");
        }
    }

    #[test]
    fn a_row_is_rounded_group_by_group() {
        let format = grouped("bitmod_fp3_g4");
        // The second group is a hundredth of the first, and 6 is no value but a special one.
        let row = [1.0, -2.0, 4.0, 0.0, 0.06, 0.01, -0.02, 0.0];
        let encoded = format.encode(&row, &format.groups(1, 8), &[1.0]);
        assert_eq!((&encoded.scales[..], &encoded.choices[..]), (&[255, 3][..], &[0, 2][..]));
        assert_eq!(encoded.integers, [255, -510, 1020, 0, 18, 3, -6, 0]);
        for (weight, integer) in row.iter().zip(&encoded.integers) {
            assert!((weight - encoded.step * f64::from(*integer)).abs() < 0.012, "{weight}");
        }
        let format = grouped("int4_g4");
        let row = [1.0, -1.0, 0.0, 0.5];
        let encoded = format.encode(&row, &format.groups(1, 4), &[format.spanning_part()]);
        assert_eq!((&encoded.integers[..3], encoded.step * 255.0 * 7.0), (&[255 * 7, -255 * 7, 0][..], 1.0));
        assert_eq!(grouped("bitmod_fp3_g4").spanning_part(), 1.0);
        let format = grouped("bitmod_fp3_g4");
        let none = format.encode(&[0.0; 4], &format.groups(1, 4), &[1.0]);
        assert_eq!((none.step, none.scales, none.integers), (1.0, vec![1], vec![0; 4]));
    }

    #[test]
    fn products_give_their_scale_away() {
        for name in ["bitmod_fp4_g8", "bitmod_fp3_g8", "int4_g8", "int8_g8"] {
            let format = grouped(name);
            let scales = GroupScales::new(&format);
            let products = scales.products();
            for scale in 1..=255i16 {
                for values in &scales.values {
                    let weights: Vec<i16> = values.iter().map(|value| scale * *value as i16).collect();
                    let found = scales.of(&weights).unwrap_or_else(|| panic!("{name} {scale}"));
                    assert!(
                        u32::from(scale.unsigned_abs()).is_multiple_of(found),
                        "{name}: {found} of {scale}"
                    );
                    assert!(weights.iter().all(|w| products.binary_search(&(*w).into()).is_ok()));
                }
            }
            assert_eq!(scales.of(&[0, 0]), Some(1));
        }
        let fp4 = GroupScales::new(&grouped("bitmod_fp4_g8"));
        // In halves: +5 is a special value and -5 another, but a group has one of them.
        assert_eq!([fp4.of(&[10, 12]), fp4.of(&[10, -10])], [Some(1), Some(5)]);
        assert_eq!(fp4.of(&[257]), None, "a prime beyond every scale");
    }
}
