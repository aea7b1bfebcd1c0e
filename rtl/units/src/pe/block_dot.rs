//! Block dot-product PE: blocks of MX, NV and block floating-point formats, their scales combined once a block.
//!
//! Elements multiply at their own width and are summed exactly over the block; the two scales meet in one
//! narrow product, which is applied to that sum. So the wide work is done once a block, not once an element.
//! The words are `{scale, elements}`, lane 0 lowest; a block takes size / lanes steps that carry its scale
//! each, and the scale of its last step counts. A sum is made of whole blocks.
//!
//! Meaning: with a format as accumulator (`fp32`), each block's exact scaled sum is rounded to it and added in
//! it, to nearest even, as the OCP MX specification leaves open. With `fixed`, each is cut to a multiple of
//! 2^lsb towards minus infinity and added, modulo 2^accumulator_bits; `special_o` tells that a NaN, or a
//! block too large for the register, went into the sum, and `result_o` is open then. The FP32 scale of an NV
//! tensor is not part of it. Timing: a step every cycle; three cycles to a sum, four if a block takes
//! several steps.

mod circuit;
mod meaning;

use std::sync::Arc;

use bitmill_formats::circuits::RoundingMode;
use bitmill_formats::{
    AccumulatorShape, Block, BlockSums, ChannelBlock, Family, Format, Multiplication, Scalar,
};
use bitmill_hdl::unit::{Model, Random, Unit, Values, pack};
use bitmill_hdl::{BigUint, HdlError, Module};

use super::float_mac::TrueProduct;
use super::{Mode, PeTiming, ProcessingElement, WeightPacker};
use crate::format::{self, Rounded, code};
use crate::{Entry, Legal, Parameter, Settings, UnitError};

/// Catalogue entry.
pub const ENTRY: Entry = Entry {
    name: "pe_block_dot",
    summary: "dot product of MX, NV and block floating-point blocks, scales combined once a block",
    parameters: &[
        Parameter {
            name: "activation",
            default: "mxfp8_e4m3",
            help: "block format, such as mxfp4 or nvfp4",
            legal: format::BLOCKS,
        },
        Parameter {
            name: "weight",
            default: "mxfp8_e4m3",
            help: "block format with blocks of the same size",
            legal: format::BLOCKS,
        },
        Parameter {
            name: "lanes",
            default: "32",
            help: "elements a cycle; divides the block",
            legal: Legal::Numbers(1, 64),
        },
        Parameter {
            name: "accumulator",
            default: "fp32",
            help: "scalar format that block sums are rounded to and added in, or fixed",
            legal: Legal::OneOf(&["fixed", "fp32", "bf16", "fp16", "fp8_e5m2", "fixed16_8"]),
        },
        Parameter {
            name: "accumulator_bits",
            default: "48",
            help: "bits of a fixed accumulator, up to 64",
            legal: Legal::Numbers(8, 64),
        },
        Parameter {
            name: "lsb",
            default: "-24",
            help: "a fixed accumulator counts in 2^lsb, -200 to 200",
            legal: Legal::OneOf(&["-1…-200", "0…200"]),
        },
    ],
    examples: &[
        "",
        "activation=mxfp8_e5m2 weight=mxfp8_e4m3 lanes=8",
        "activation=mxfp6_e2m3 weight=mxfp6_e3m2 lanes=16 accumulator=bf16",
        "activation=mxfp4 weight=mxfp4",
        "activation=mxint8 weight=mxfp4 lanes=4 accumulator=fixed",
        "activation=mxint8 weight=mxint8 accumulator=fixed accumulator_bits=32 lsb=-12",
        "activation=nvfp4 weight=nvfp4 lanes=16",
        "activation=nvint4 weight=nvfp4 lanes=2 accumulator=fixed accumulator_bits=40 lsb=-10",
        "activation=nvint4 weight=nvint4 lanes=16 accumulator=fp16",
        "activation=bfp8_g16 weight=bfp4_g16 lanes=1 accumulator=fixed accumulator_bits=64 lsb=-30",
    ],
    build: |settings| Ok(Box::new(BlockDot::from_settings(settings)?)),
};

/// What sums up the blocks.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum BlockAccumulator {
    /// A code of this format, rounded at every block.
    Format(Rounded),
    /// A fixed-point register.
    Fixed(AccumulatorShape),
}

/// A block dot-product PE.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BlockDot {
    blocks: [Block; 2],
    product: TrueProduct,
    lanes: u32,
    accumulator: BlockAccumulator,
    /// The exact sum of one block's element products.
    register: AccumulatorShape,
}

/// Widest exact sum of a block, in bits.
const WIDEST_BITS: u32 = 128;

impl BlockDot {
    /// A PE for blocks of two formats, `lanes` elements a cycle.
    ///
    /// # Errors
    /// Blocks of different sizes, lanes that do not divide them, an exact block sum of more than 128 bits, or
    /// a fixed accumulator outside 8 to 64 bits or 2^±200.
    pub fn new(
        activation: Block,
        weight: Block,
        lanes: u32,
        accumulator: BlockAccumulator,
    ) -> Result<BlockDot, UnitError> {
        let size = activation.size() as u32;
        if weight.size() as u32 != size {
            let legal = format!("blocks of {size} elements, as those of {activation}, are needed");
            return Err(UnitError::illegal("weight", weight, legal));
        }
        if lanes == 0 || lanes > 64 || !size.is_multiple_of(lanes) {
            let divisors: Vec<String> =
                (1..=size.min(64)).filter(|n| size.is_multiple_of(*n)).map(|n| n.to_string()).collect();
            let legal = format!("it does not divide a block of {size}; use {}", divisors.join(", "));
            return Err(UnitError::illegal("lanes", lanes, legal));
        }
        if let BlockAccumulator::Fixed(shape) = &accumulator {
            if !(8..=64).contains(&shape.width_bits) {
                return Err(UnitError::illegal(
                    "accumulator_bits",
                    shape.width_bits,
                    "8 to 64 bits are legal",
                ));
            }
            if !(-200..=200).contains(&shape.lsb_exponent) {
                return Err(UnitError::illegal("lsb", shape.lsb_exponent, "-200 to 200 are legal"));
            }
        }
        let product = TrueProduct::new(activation.element().clone(), weight.element().clone())?;
        let register = AccumulatorShape::for_products(activation.element(), weight.element(), size as usize);
        if register.width_bits > WIDEST_BITS {
            let legal = format!(
                "a block's exact sum has {} bits; up to {WIDEST_BITS} are legal",
                register.width_bits
            );
            return Err(UnitError::illegal("activation", activation, legal));
        }
        Ok(BlockDot { blocks: [activation, weight], product, lanes, accumulator, register })
    }

    pub(super) fn from_settings(settings: &Settings) -> Result<BlockDot, UnitError> {
        let block = |name: &'static str| match format::format(settings, name)? {
            Format::Block(block) => Ok(block),
            other => Err(UnitError::illegal(name, other, "a block format is needed, such as mxfp8_e4m3")),
        };
        let accumulator = match settings.text("accumulator") {
            "fixed" => {
                let text = settings.text("lsb");
                let lsb = text.parse().map_err(|_| UnitError::illegal("lsb", text, "-200 to 200 are legal"));
                let width_bits = settings.number("accumulator_bits", 8..=64)?;
                BlockAccumulator::Fixed(AccumulatorShape { lsb_exponent: lsb?, width_bits })
            }
            _ => {
                let format = format::scalar(settings, "accumulator")?;
                BlockAccumulator::Format(Rounded::new(format, RoundingMode::NearestEven)?)
            }
        };
        BlockDot::new(block("activation")?, block("weight")?, settings.number("lanes", 1..=64)?, accumulator)
    }

    /// Steps of a block.
    fn steps(&self) -> u32 {
        self.blocks[0].size() as u32 / self.lanes
    }

    /// Bits of a word of operand 0 or 1: elements, and the scale above them.
    fn word_bits(&self, operand: usize) -> u32 {
        let block = &self.blocks[operand];
        self.lanes * block.element().bits() + block.scale().bits()
    }

    /// The PE as an array takes it, whose results are integers.
    ///
    /// # Errors
    /// An accumulator in a format other than an integer or fixed point.
    pub fn array_element(&self) -> Result<&dyn ProcessingElement, UnitError> {
        match &self.accumulator {
            BlockAccumulator::Format(rounded) if !matches!(rounded.format, Scalar::Integer(_)) => Err(
                UnitError::illegal("accumulator", &rounded.format, "an array takes integers: fixed is legal"),
            ),
            _ => Ok(self),
        }
    }

    fn name(&self) -> String {
        let [a, w] = &self.blocks;
        let accumulator = match &self.accumulator {
            BlockAccumulator::Format(rounded) => rounded.format.to_string(),
            BlockAccumulator::Fixed(shape) => {
                let sign = if shape.lsb_exponent < 0 { "m" } else { "p" };
                format!("fixed{}_{sign}{}", shape.width_bits, shape.lsb_exponent.abs())
            }
        };
        format!("bitmill_pe_block_dot_{a}_{w}_l{}_{accumulator}", self.lanes)
    }
}

impl Unit for BlockDot {
    fn module(&self) -> Result<Arc<Module>, HdlError> {
        circuit::module(self)
    }

    fn model(&self) -> Box<dyn Model> {
        meaning::model(self)
    }

    /// Sums of whole blocks with idle cycles; one scale in thirty is any code, the others meet in the middle.
    fn stimulus(&self, random: &mut Random, cycles: usize) -> Vec<Values> {
        let flag = |set: bool| BigUint::from(u8::from(set));
        let mut all: Vec<Values> = Vec::with_capacity(cycles);
        while all.len() < cycles {
            let blocks = 1 + random.below(5) as u32;
            let steps = blocks * self.steps();
            let mut scales = [BigUint::ZERO, BigUint::ZERO];
            for step in 0..steps {
                if step % self.steps() == 0 {
                    scales = self.blocks.each_ref().map(|block| meaning::scale(random, block));
                }
                while random.one_in(6) {
                    let words = [0, 1].map(|operand| random.bits(self.word_bits(operand)));
                    all.push([vec![flag(false), random.bits(1), random.bits(1)], words.to_vec()].concat());
                }
                let words = [0, 1].map(|operand| self.word(random, operand, &scales[operand]));
                all.push(
                    [vec![flag(true), flag(step == 0), flag(step + 1 == steps)], words.to_vec()].concat(),
                );
            }
        }
        all
    }
}

impl BlockDot {
    /// A word with that scale and random elements, seldom special ones.
    fn word(&self, random: &mut Random, operand: usize, scale: &BigUint) -> BigUint {
        let element = self.blocks[operand].element();
        let mut one = || {
            loop {
                let bits = random.corner_bits(element.bits());
                if element.decode(code(&bits)).finite().is_some() || random.one_in(200) {
                    return bits;
                }
            }
        };
        let codes: Vec<BigUint> = (0..self.lanes).map(|_| one()).collect();
        pack(&codes, element.bits()) | (scale << (self.lanes * element.bits()))
    }
}

impl ProcessingElement for BlockDot {
    fn lanes(&self) -> u32 {
        self.lanes
    }

    fn activation_bits(&self) -> u32 {
        self.word_bits(0)
    }

    fn weight_bits(&self) -> u32 {
        self.word_bits(1)
    }

    fn result_bits(&self) -> u32 {
        match &self.accumulator {
            BlockAccumulator::Format(rounded) => rounded.format.bits(),
            BlockAccumulator::Fixed(shape) => shape.width_bits,
        }
    }

    fn timing(&self) -> PeTiming {
        PeTiming { latency_cycles: if self.steps() == 1 { 3 } else { 4 }, interval_cycles: 1 }
    }

    fn modes(&self) -> Vec<Mode> {
        let [activation, weight] = self.blocks.clone().map(Format::Block);
        let lsb_exponent = match &self.accumulator {
            BlockAccumulator::Format(rounded) => rounded.format.extremes().lsb_exponent,
            BlockAccumulator::Fixed(shape) => shape.lsb_exponent,
        };
        vec![Mode { code: 0, activation, weight, lanes: self.lanes, interval_cycles: 1, lsb_exponent }]
    }

    fn multiplication(&self, mode: &Mode) -> Multiplication {
        let blocks = BlockSums { size: self.blocks[0].size() as u32, lsb_exponent: mode.lsb_exponent };
        Multiplication { blocks: Some(blocks), ..Multiplication::EXACT }
    }

    /// Weights are bf16 ordinals that lie on a block's grid; those that meet no channel are 0.
    fn weight_packer(&self, _: &Mode) -> WeightPacker {
        let weight = &self.blocks[1];
        let (block, bits) = (ChannelBlock::new(weight), weight.element().bits());
        Box::new(move |weights| {
            let given = weights[0].iter_mut().map(|weight| i32::try_from(*weight.get_or_insert(0)).ok());
            let ordinals: Vec<i32> = given.collect::<Option<_>>()?;
            let (scale, elements) = block?.encode(&ordinals);
            let codes: Vec<BigUint> = elements.iter().map(|&element| element.into()).collect();
            let is_held = block?.decode(scale, &elements) == ordinals;
            is_held.then(|| pack(&codes, bits) | BigUint::from(scale) << (ordinals.len() as u32 * bits))
        })
    }
}
