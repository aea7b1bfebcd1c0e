//! The format of a layer's weights, and the 16-bit integers that they are held as.
//!
//! Where a format's values are 16-bit multiples of its last place, they are held as these multiples: integers,
//! codebooks, narrow minifloats and posits. Where they are not (fp8_e4m3 reaches 448 · 2^9), they are held as
//! ordinals ([`Ordered`]), within ±65536. Weights in blocks are held as bf16 ordinals that lie on the grid of their
//! block ([`ChannelBlock`]); blocks run along the input channels of each tap. Weights in groups with integer scales are held as
//! the products of scale and element ([`Grouped`]).

use std::fmt;

use super::quantization::{block_range, float_range};
use bitmill_formats::{
    ChannelBlock, Dyadic, Family, Format, GroupScales, Grouped, Integer, Ordered, Scalar, Value,
};

/// A format of weights, and the integers that stand for its values.
///
/// Scalar formats of up to 16 bits, `sherry` and `ifairy`; in the last two a weight is −1, 0 or 1, and which of
/// them may stand together is the format's rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WeightFormat {
    format: Format,
    /// Ascending; empty where they are a whole range.
    values: Vec<i16>,
    range: (i16, i16),
    /// The format of ordinals; `None` where integers are multiples of the last place.
    ordered: Option<Ordered>,
}

impl WeightFormat {
    /// The format by value.
    ///
    /// # Errors
    /// In words, a format with values that are no 16-bit integers in units of its last place.
    pub fn new(format: Format) -> Result<Self, String> {
        let choices = match &format {
            Format::Scalar(scalar) => scalar.group_choices(),
            _ => Vec::new(),
        };
        Self::of_choices(format, &choices)
    }

    /// What a group of weights chooses from: one set of values, or one for each special value of BitMoD.
    ///
    /// # Errors
    /// None for a format that there is.
    pub fn choices(&self) -> Result<Vec<Self>, String> {
        match &self.format {
            Format::Scalar(scalar) => {
                let choices = scalar.group_choices();
                choices
                    .iter()
                    .map(|choice| Self::of_choices(self.format.clone(), std::slice::from_ref(choice)))
                    .collect()
            }
            _ => Ok(vec![self.clone()]),
        }
    }

    /// `format` with the values of some scalar formats.
    fn of_choices(format: Format, choices: &[Scalar]) -> Result<Self, String> {
        let beyond =
            || format!("the values of {format} do not fit 16-bit integers; weights cannot be held in it");
        let mut values: Vec<Dyadic> = match &format {
            Format::Scalar(Scalar::Integer(integer)) => {
                let (least, most) = integer.range();
                let narrow = |bound: i64| i16::try_from(bound).map_err(|_| beyond());
                let range = (narrow(least)?, narrow(most)?);
                return Ok(Self { format, values: Vec::new(), range, ordered: None });
            }
            Format::Scalar(_) => {
                let codes = choices
                    .iter()
                    .flat_map(|choice| (0..=choice.largest_code()).map(move |c| choice.decode(c)));
                codes.filter_map(|value| value.finite()).collect()
            }
            Format::Grouped(grouped) => {
                let products = GroupScales::new(grouped).products();
                let units = |product: i32| Dyadic::from_integer(product.into());
                products
                    .into_iter()
                    .map(|product| units(product).scale_by_power(grouped.lsb_exponent()))
                    .collect()
            }
            Format::Sherry(_) | Format::Complex(_) => [-1, 0, 1].map(Dyadic::from_integer).to_vec(),
            Format::Block(block) => {
                let block = ChannelBlock::new(block).ok_or_else(|| {
                    format!("weights are held as bf16 numbers, and not all of {format} are some")
                })?;
                let (least, most) = block_range(block);
                let (range, ordered) = ((least as i16, most as i16), Some(ChannelBlock::carrier()));
                return Ok(Self { format, values: Vec::new(), range, ordered });
            }
        };
        values.sort();
        values.dedup();
        let lsb = format.lsb_exponent();
        let integer = |value: &Dyadic| {
            let units = value.scale_by_power(-lsb).to_f64();
            (units.abs() <= f64::from(i16::MAX)).then_some(units as i16).ok_or_else(beyond)
        };
        match values.iter().map(integer).collect::<Result<Vec<i16>, _>>() {
            Ok(values) => {
                let range = (values[0], values[values.len() - 1]);
                Ok(Self { format, values, range, ordered: None })
            }
            Err(beyond) => {
                let ordered = format.scalar("weights").ok().and_then(Ordered::of_wide).ok_or(beyond)?;
                let (least, most) = float_range(ordered);
                // Ordinals have as many bits as codes, 16 at most.
                let range = (least as i16, most as i16);
                Ok(Self { format, values: Vec::new(), range, ordered: Some(ordered) })
            }
        }
    }

    /// Signed integers of `bits`, 2..=16.
    ///
    /// # Errors
    /// In words, another width.
    pub fn signed(bits: u8) -> Result<Self, String> {
        let legal = (2..=16).contains(&bits);
        let format = Integer::signed(bits.into()).ok().filter(|_| legal);
        let format = format.ok_or_else(|| format!("weight width must lie in 2..=16 bits, found {bits}"))?;
        let limit = ((1i32 << (bits - 1)) - 1) as i16;
        Ok(Self {
            format: Format::Scalar(Scalar::Integer(format)),
            values: Vec::new(),
            range: (-limit - 1, limit),
            ordered: None,
        })
    }

    /// The weights of lane layers: `int8`.
    pub fn lane() -> Self {
        Self::signed(8).unwrap_or_else(|problem| unreachable!("int8 is legal: {problem}"))
    }

    /// Whether it is the format of lane layers.
    pub fn is_lane(&self) -> bool {
        *self == Self::lane()
    }

    /// The width of signed integers without a fraction; nothing for every other format.
    pub fn signed_bits(&self) -> Option<u8> {
        match &self.format {
            Format::Scalar(Scalar::Integer(integer))
                if integer.is_signed() && integer.fraction_bits() == 0 =>
            {
                u8::try_from(integer.bits()).ok()
            }
            _ => None,
        }
    }

    /// The width of the signed integers that hold every weight, where weights are whole numbers with a scale for each output
    /// channel and no other: integers, binary, ternary, dual binary, Sherry, slices of an int8 master. Slices are held in
    /// units of their last place.
    pub fn whole_bits(&self) -> Option<u8> {
        let is_whole = !self.is_ordered() && self.grouped().is_none() && self.unit_exponent() >= 0;
        let holds = |bits: &u8| {
            let limit = 1i32 << (bits - 1);
            i32::from(self.range.0) >= -limit && i32::from(self.range.1) < limit
        };
        (2..=16).find(holds).filter(|_| is_whole)
    }

    /// The format by name.
    pub fn format(&self) -> &Format {
        &self.format
    }

    /// Smallest and largest weight.
    pub fn range(&self) -> (i16, i16) {
        self.range
    }

    /// Whether every integer of the range is a weight.
    pub fn is_uniform(&self) -> bool {
        self.values.is_empty() && self.ordered.is_none()
    }

    /// Whether integers are ordinals, not multiples of the last place.
    pub fn is_ordered(&self) -> bool {
        self.ordered.is_some()
    }

    /// The blocks that weights stand in, if they do.
    pub fn block(&self) -> Option<ChannelBlock> {
        if let Format::Block(block) = &self.format { ChannelBlock::new(block) } else { None }
    }

    /// The groups that weights stand in, if they do.
    pub fn grouped(&self) -> Option<&Grouped> {
        if let Format::Grouped(grouped) = &self.format { Some(grouped) } else { None }
    }

    /// What `integer` stands for, in units of 2^[`Self::unit_exponent`]: itself, or the number of the ordinal.
    pub fn real(&self, integer: i16) -> f64 {
        self.ordered.map_or(f64::from(integer), |ordered| ordered.value(integer.into()).to_f64())
    }

    /// The power of two in which [`Self::real`] counts.
    pub fn unit_exponent(&self) -> i32 {
        if self.is_ordered() { 0 } else { self.format.lsb_exponent() }
    }

    /// The number that `integer` stands for, exactly.
    pub fn value(&self, integer: i16) -> Value {
        match self.ordered {
            Some(ordered) => ordered.value(integer.into()),
            None => {
                let units = Dyadic::from_integer(integer.into());
                Value::Finite(units.scale_by_power(self.unit_exponent()))
            }
        }
    }

    /// The integer of the weight nearest to `real` (see [`Self::real`]), the smaller of two equally near ones; of
    /// ordinals the one with the even code.
    pub fn nearest(&self, real: f64) -> i16 {
        if let Some(ordered) = self.ordered {
            return (ordered.nearest(&Value::from_f64(real)) as i16).clamp(self.range.0, self.range.1);
        }
        let units = real;
        let (least, most) = (f64::from(self.range.0), f64::from(self.range.1));
        if self.is_uniform() {
            return units.round_ties_even().clamp(least, most) as i16;
        }
        let above = self.values.partition_point(|&value| f64::from(value) < units);
        let candidates = &self.values[above.saturating_sub(1)..(above + 1).min(self.values.len())];
        let distance = |value: &i16| (f64::from(*value) - units).abs();
        let nearest = candidates.iter().copied().min_by(|a, b| distance(a).total_cmp(&distance(b)));
        nearest.unwrap_or(self.range.0)
    }

    /// The first of `weights`, rows of `taps` by `channels`, that the format does not have: in a block format, one that is
    /// not on its block's grid; the first of a group that no scale stands for.
    pub(super) fn stranger(&self, weights: &[i16], [taps, channels]: [usize; 2]) -> Option<i16> {
        let (least, most) = self.range;
        if self.ordered.is_none() && self.is_uniform() {
            // Nearly always: a pass without branches, so that networks of millions of weights are checked at once.
            let inside = |inside: bool, weight: &i16| inside & (least <= *weight) & (*weight <= most);
            if weights.iter().fold(true, inside) {
                return None;
            }
        }
        let fits = |weight: &i16| {
            (least..=most).contains(weight)
                && match self.ordered {
                    Some(ordered) => ordered.holds((*weight).into()),
                    None => self.is_uniform() || self.values.binary_search(weight).is_ok(),
                }
        };
        let settled = || {
            let mut settled: Vec<i32> = weights.iter().map(|&weight| weight.into()).collect();
            self.block()?.settle(&mut settled, channels);
            let mut pairs = weights.iter().zip(settled);
            pairs.find(|(weight, settled)| i32::from(**weight) != *settled).map(|(weight, _)| *weight)
        };
        let ungrouped = || {
            let grouped = self.grouped()?;
            let (scales, groups) = (GroupScales::new(grouped), grouped.groups(taps, channels));
            let of_row = |row: &[i16]| {
                let mut groups = groups.iter().map(|group| &row[group.clone()]);
                groups.find(|group| scales.of(group).is_none()).map(|group| group[0])
            };
            weights.chunks(taps * channels).find_map(of_row)
        };
        weights.iter().copied().find(|weight| !fits(weight)).or_else(settled).or_else(ungrouped)
    }
}

impl fmt::Display for WeightFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.format.fmt(f)
    }
}
