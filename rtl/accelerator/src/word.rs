//! How the activations of one format lie in a word of the activation scratchpad.

use bitmill_formats::{ChannelBlock, Family, Format, Ordered, Scalar, Value};

/// A format of activations in a word: one channel above the other, channel 0 lowest, nothing between them. A block
/// format's scale stands above its elements.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WordLayout {
    /// The format that results are rounded to: of blocks, bf16.
    pub format: Scalar,
    /// The format of the blocks that results are brought to, if it is one.
    pub block: Option<ChannelBlock>,
    /// Channels of a word.
    pub channels: u32,
}

impl WordLayout {
    /// Bits of an activation in the word; of a block, bits of an element.
    pub fn bits(&self) -> u32 {
        self.block.map_or(self.format.bits(), |block| block.block().element().bits())
    }

    /// The order of the format's numbers, if it is floating point: results are ordinals before they become codes.
    pub fn float(&self) -> Option<Ordered> {
        Ordered::new(&self.format)
    }

    /// Bits of the two's complement integer that becomes an activation.
    pub fn value_bits(&self) -> u32 {
        match &self.format {
            Scalar::Integer(integer) if !integer.is_signed() => integer.bits() + 1,
            format => format.bits().max(2),
        }
    }

    /// Whether activations are signed integers: what the vector unit calculates with.
    pub fn is_signed_integer(&self) -> bool {
        matches!(&self.format, Scalar::Integer(integer) if integer.is_signed())
    }

    /// Whether only the sign of a result is kept: a bipolar format of one bit.
    pub fn is_bipolar(&self) -> bool {
        self.bits() == 1 && self.format.decode(0).is_negative()
    }

    /// Whether the format stands for what the requantizer makes.
    pub(crate) fn is_legal(&self) -> bool {
        match &self.format {
            Scalar::Integer(integer) => integer.fraction_bits() == 0,
            _ => self.is_bipolar() || self.float().is_some(),
        }
    }

    /// The code of an integer value; in floating point, of an ordinal. A channel of a block has none but for 0: see
    /// [`WordLayout::codes`].
    pub fn code(&self, value: i32) -> u32 {
        if let Some(ordered) = self.float() {
            return ordered.code(value);
        }
        if let Scalar::Integer(integer) = &self.format {
            return value as u32 & ((1 << integer.bits()) - 1);
        }
        self.format.encode(&Value::from_integer(value.into()), bitmill_formats::Rounding::NearestEven)
    }

    /// The integer that a code stands for; in floating point, its ordinal.
    pub fn value(&self, code: u32) -> i32 {
        if let Some(ordered) = self.float() {
            return ordered.ordinal(code);
        }
        if let Scalar::Integer(integer) = &self.format {
            return integer.integer(code) as i32;
        }
        self.format.decode(code).to_f64() as i32
    }

    /// Widths of what stands in a word, lowest first: the channels, then a block's scale.
    pub fn widths(&self) -> Vec<u32> {
        let channels = std::iter::repeat_n(self.bits(), self.channels as usize);
        channels.chain(self.block.map(|block| block.block().scale().bits())).collect()
    }

    /// What stands in the word for the values of its channels.
    pub fn codes(&self, values: &[i32]) -> Vec<u32> {
        match self.block {
            None => values.iter().map(|&value| self.code(value)).collect(),
            Some(block) => {
                let (scale, mut codes) = block.encode(values);
                codes.push(scale);
                codes
            }
        }
    }

    /// The values of a word's channels.
    pub fn values(&self, codes: &[u32]) -> Vec<i32> {
        match (self.block, codes) {
            (Some(block), [elements @ .., scale]) => block.decode(*scale, elements),
            _ => codes.iter().map(|&code| self.value(code)).collect(),
        }
    }

    /// The format by name.
    pub fn name(&self) -> Format {
        match self.block {
            None => Format::Scalar(self.format.clone()),
            Some(block) => Format::Block(block.block()),
        }
    }
}
