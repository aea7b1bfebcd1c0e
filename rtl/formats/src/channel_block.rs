//! Block formats of activations: what a processing element reads and what results are brought to.
//!
//! A number of such a tensor is element × scale, and always a bf16 number too. So a tensor is held as bf16
//! ordinals ([`Ordered`]), clamps and all, and what makes it a tensor of blocks is that the channels of each block
//! have been brought to the block's grid ([`ChannelBlock::settle`]). The FP32 scale of an NV tensor is part of the
//! tensor's own scale, which lies outside.
//!
//! What has been settled stays as it is when it is encoded again, code for code. Two rules see to it: scales are
//! rounded down (OCP's rule), not up; and NV scales are normal numbers, 2^-6 in place of 0 and of subnormal ones.

use std::fmt;

use crate::family::Family;
use crate::{Block, Dyadic, Integer, Minifloat, Ordered, PowerOfTwo, Rounding, Scalar, ScaleRule, Specials};

/// Blocks of neighbouring channels of a pixel, with elements and scales that are small enough for bf16.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ChannelBlock {
    size: u32,
    element: Element,
    scale: Scale,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Element {
    Integer(Integer),
    Minifloat(Minifloat),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Scale {
    /// Rounded down.
    Power(PowerOfTwo),
    /// E4M3, for elements whose largest two numbers are far enough apart: FP4 and INT4.
    Nv,
}

impl ChannelBlock {
    /// Largest block, in channels.
    pub const MOST_CHANNELS: usize = 256;

    /// The format, if each of its numbers is a bf16 number and encoding it again keeps its codes: blocks of up to 256
    /// minifloats or symmetric integers that reach at least 1, by powers of two rounded down; and the NV formats.
    pub fn new(block: &Block) -> Option<Self> {
        let (element, significand_bits) = match block.element() {
            Scalar::Integer(integer) if integer.is_symmetric() => {
                (Element::Integer(*integer), integer.bits() - 1)
            }
            Scalar::Minifloat(minifloat) if minifloat.specials() != Specials::NanNegativeZero => {
                (Element::Minifloat(*minifloat), minifloat.mantissa_bits() + 1)
            }
            _ => return None,
        };
        let scale = match (block.scale(), block.rule()) {
            (Scalar::PowerOfTwo(power), ScaleRule::PowerDown) => Scale::Power(*power),
            (Scalar::Minifloat(_), _) if block.is_tensor_scaled() => Scale::Nv,
            _ => return None,
        };
        let reach = block.element().extremes().highest.log2_floor()?;
        let is_legal = significand_bits <= 8 && reach >= 0 && block.size() <= Self::MOST_CHANNELS;
        is_legal.then_some(Self { size: block.size() as u32, element, scale })
    }

    /// The format among all block formats.
    pub fn block(self) -> Block {
        let element = match self.element {
            Element::Integer(integer) => Scalar::Integer(integer),
            Element::Minifloat(minifloat) => Scalar::Minifloat(minifloat),
        };
        let size = self.size as usize;
        let block = match self.scale {
            Scale::Power(power) => Block::new(size, element, Scalar::PowerOfTwo(power), ScaleRule::PowerDown),
            Scale::Nv => Block::nv(size, element),
        };
        block.expect("it was made from a block")
    }

    /// Channels of a block.
    pub fn size(self) -> u32 {
        self.size
    }

    /// The format that tensors are held in: bf16.
    pub fn carrier() -> Ordered {
        Ordered::Minifloat(Minifloat::new(8, 7).expect("bf16 is a format"))
    }

    /// The smallest scale of an NV block, and its code.
    const SMALLEST_NV_SCALE: u32 = 0x08;

    /// Code of the smallest scale that a block gets.
    pub fn smallest_scale(self) -> u32 {
        match self.scale {
            Scale::Power(_) => 0,
            Scale::Nv => Self::SMALLEST_NV_SCALE,
        }
    }

    /// Largest magnitude: that of an element, by a scale of 1 or, in an NV format, by the largest.
    pub fn largest(self) -> Dyadic {
        let block = self.block();
        let scale = match self.scale {
            Scale::Power(_) => Dyadic::from_integer(1),
            Scale::Nv => block.scale().extremes().highest,
        };
        block.element_maximum().multiply(scale)
    }

    /// The codes of up to a block of channels, given as bf16 ordinals: the scale's, then the elements'.
    pub fn encode(self, ordinals: &[i32]) -> (u32, Vec<u32>) {
        self.encode_in(&self.block().saturating(), ordinals)
    }

    /// The bf16 ordinals of a block's codes.
    pub fn decode(self, scale: u32, elements: &[u32]) -> Vec<i32> {
        decode(&self.block(), scale, elements)
    }

    /// Brings a tensor of bf16 ordinals, `channels` to a pixel, to the grids of its blocks: what becomes of results.
    pub fn settle(self, ordinals: &mut [i32], channels: usize) {
        let block = self.block().saturating();
        for pixel in ordinals.chunks_mut(channels.max(1)) {
            for ordinals in pixel.chunks_mut(self.size as usize) {
                let (scale, elements) = self.encode_in(&block, ordinals);
                ordinals.copy_from_slice(&decode(&block, scale, &elements));
            }
        }
    }

    fn encode_in(self, block: &Block, ordinals: &[i32]) -> (u32, Vec<u32>) {
        let carrier = Self::carrier();
        let values: Vec<f32> = ordinals.iter().map(|&x| carrier.value(x).to_f64() as f32).collect();
        let scale = block.find_scale(&values, 1.0).max(self.smallest_scale());
        (scale, block.encode_under(block.scale().decode(scale), &values, Rounding::NearestEven, 0))
    }
}

fn decode(block: &Block, scale: u32, elements: &[u32]) -> Vec<i32> {
    let scale = block.scale().decode(scale);
    let value = |&element: &u32| block.element().decode(element).multiply(scale);
    elements.iter().map(|element| ChannelBlock::carrier().nearest(&value(element))).collect()
}

impl fmt::Display for ChannelBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.block().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Format, Value};

    fn channel_block(name: &str) -> Option<ChannelBlock> {
        match name.parse().unwrap() {
            Format::Block(block) => ChannelBlock::new(&block),
            _ => None,
        }
    }

    const LEGAL: [&str; 10] = [
        "mxfp8_e4m3",
        "mxfp8_e5m2",
        "mxfp6_e2m3",
        "mxfp6_e3m2_g8",
        "mxfp4",
        "mxint8",
        "mxint4_g2",
        "nvfp4",
        "nvint4",
        "bfp8_g16",
    ];

    #[test]
    fn every_number_of_a_legal_format_is_a_bf16_number() {
        for name in LEGAL {
            let format = channel_block(name).unwrap_or_else(|| panic!("{name}"));
            let block = format.block();
            assert_eq!(format.to_string(), name);
            for scale in 0..=block.scale().largest_code() {
                let factor = block.scale().decode(scale);
                for element in 0..=block.element().largest_code() {
                    let value = block.element().decode(element).multiply(factor);
                    let Some(number) = value.finite() else { continue };
                    if number.magnitude() > format.largest() || number.exponent() < -133 {
                        continue;
                    }
                    let ordinal = format.decode(scale, &[element])[0];
                    assert_eq!(
                        ChannelBlock::carrier().value(ordinal),
                        value,
                        "{name} {scale:#x} {element:#x}"
                    );
                }
            }
        }
    }

    #[test]
    fn what_has_been_settled_keeps_its_codes() {
        let carrier = ChannelBlock::carrier();
        let mut state = 7u64;
        for name in LEGAL {
            let format = channel_block(name).unwrap();
            let most = carrier.nearest(&Value::Finite(format.largest()));
            let count = 37.min(format.size() as usize);
            for round in 0..400 {
                let top = if round % 4 == 0 { (state >> 50) as i32 } else { most };
                let mut ordinals: Vec<i32> = (0..37)
                    .map(|_| {
                        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                        let ordinal = (top - (state >> 40) as i32 % (8 << (round % 13))).max(0);
                        if state >> 63 == 0 { ordinal } else { !ordinal }
                    })
                    .collect();
                let codes = format.encode(&ordinals[..count]);
                format.settle(&mut ordinals, 37);
                assert_eq!(ordinals[..count], format.decode(codes.0, &codes.1), "{name}");
                assert_eq!(format.encode(&ordinals[..count]), codes, "{name}");
                let largest = ordinals.iter().map(|&x| carrier.value(x).to_f64().abs()).fold(0.0, f64::max);
                assert!(largest <= format.largest().to_f64(), "{name}: {largest}");
            }
        }
    }

    #[test]
    fn blocks_are_encoded_as_everywhere_else_but_for_the_smallest_nv_scales() {
        for name in LEGAL {
            let format = channel_block(name).unwrap();
            let values: Vec<f32> = (0..format.size()).map(|i| (i as f32 - 3.0) * 0.75).collect();
            let ordinals: Vec<i32> =
                values.iter().map(|&x| ChannelBlock::carrier().nearest(&Value::from_f32(x))).collect();
            let expected = format.block().encode_scaled(&values, 1.0, Rounding::NearestEven);
            assert_eq!(format.encode(&ordinals), (expected.scales[0], expected.elements), "{name}");
        }
        assert_eq!(channel_block("nvfp4").unwrap().encode(&[0, 0]), (0x08, vec![0, 0]));
        assert_eq!(channel_block("mxfp4").unwrap().encode(&[0, 0]), (0, vec![0, 0]));
    }

    #[test]
    fn other_blocks_are_none_of_channels() {
        for name in ["mxint16", "mxfp4_up", "mxint10", "block16_of_fp4_e2m1_by_fp8_e4m3", "mxfp4_g1024"] {
            assert_eq!(channel_block(name), None, "{name}");
        }
    }
}
