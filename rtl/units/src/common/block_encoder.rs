//! Block encoder: bf16 results of neighbouring channels become a block, elements under one scale.
//!
//! Meaning: [`ChannelBlock::encode`], the format's own rule (OCP's for MX, nearest for NV, but never a subnormal
//! scale), elements saturating.
//! The word is `{scale, elements}`, lane 0 lowest, as [`crate::pe::block_dot`] reads it.
//!
//! Circuit: magnitudes of bf16 codes order like numbers, so the largest one is found without decoding. A power of two
//! as scale is its exponent, moved; a minifloat is its quotient by the element format's largest number, a division
//! by a constant. Each element is the exact quotient by the scale, with a sticky bit, rounded once; a
//! minifloat's few significand bits make that a short restoring division.
//!
//! Timing: a block every cycle, three cycles from input to output.

use std::sync::Arc;

use bitmill_formats::circuits::{self, Exponent, Rounder, RoundingMode, Unpacked};
use bitmill_formats::{Block, ChannelBlock, Family, Format, Minifloat, PowerOfTwo, Scalar, Specials};
use bitmill_hdl::unit::{Model, Pipeline, Random, Unit, Values, lane, pack, signed_number, to_bits};
use bitmill_hdl::{BigUint, HdlError, Module, ModuleBuilder, Signal, unsigned};

use crate::{Entry, Legal, Parameter, Settings, UnitError, format};

/// Catalogue entry.
pub const ENTRY: Entry = Entry {
    name: "block_encoder",
    summary: "bf16 results of neighbouring channels under one scale, as a block of an MX, NV or BFP format",
    parameters: &[Parameter {
        name: "format",
        default: "mxfp8_e4m3",
        help: "block format whose numbers are bf16 numbers too",
        legal: FORMATS,
    }],
    examples: &[
        "",
        "format=mxfp4_g8",
        "format=mxfp8_e5m2_g4",
        "format=mxint8_g8",
        "format=mxfp6_e3m2_g2",
        "format=bfp8_g4",
        "format=nvfp4",
        "format=nvint4_g4",
    ],
    build: |settings| Ok(Box::new(BlockEncoder::from_settings(settings)?)),
};

const FORMATS: Legal = Legal::OneOf(&[
    "mxfp8_e4m3",
    "mxfp8_e5m2_g16",
    "mxfp6_e2m3_g8",
    "mxfp6_e3m2_g2",
    "mxfp4",
    "mxint8_g8",
    "mxint4_g16",
    "bfp6_g4",
    "nvfp4",
    "nvint4_g8",
]);

/// Bits of a bf16 code, and of its mantissa.
const CODE_BITS: u32 = 16;
const MANTISSA_BITS: u32 = 7;

/// Parameters of a block encoder.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct BlockEncoder {
    format: ChannelBlock,
}

impl BlockEncoder {
    /// Cycles from input to output.
    pub const LATENCY_CYCLES: u32 = 3;

    /// An encoder of blocks in `format`.
    pub fn new(format: ChannelBlock) -> BlockEncoder {
        BlockEncoder { format }
    }

    fn from_settings(settings: &Settings) -> Result<BlockEncoder, UnitError> {
        let legal = "blocks whose numbers are bf16 numbers, with scales rounded down, and NV blocks are legal: mxfp8_e4m3, \
                     mxfp4, mxint8, bfp8_g16 or nvfp4, for instance";
        let parsed = format::format(settings, "format")?;
        let Format::Block(block) = &parsed else { return Err(UnitError::illegal("format", parsed, legal)) };
        let format = ChannelBlock::new(block).ok_or_else(|| UnitError::illegal("format", &parsed, legal))?;
        Ok(BlockEncoder::new(format))
    }

    /// The format of the blocks.
    pub fn format(&self) -> ChannelBlock {
        self.format
    }
}

impl Unit for BlockEncoder {
    fn module(&self) -> Result<Arc<Module>, HdlError> {
        let (format, size) = (self.format, self.format.size());
        let block = format.block();
        let m = ModuleBuilder::new(
            format!("bitmill_block_encoder_{format}"),
            format!(
                "{size} bf16 numbers to a block of {format}, rounded once.\nLatency {} cycles, interval 1.",
                Self::LATENCY_CYCLES
            ),
        );
        m.group("Data");
        let ordinals = m.input_with_comment(
            "ordinals_i",
            unsigned(size * CODE_BITS),
            "bf16 numbers as ordinals, lane 0 lowest",
        );
        let carrier = ChannelBlock::carrier();
        let codes: Vec<Signal> = (0..size)
            .map(|lane| carrier.code_circuit(&m, ordinals.slice(lane * CODE_BITS, CODE_BITS)))
            .collect();
        m.comment("The largest magnitude.");
        let magnitudes = codes.iter().map(|code| code.truncate(CODE_BITS - 1)).collect();
        let largest = m.delay_data("largest_q", largest(magnitudes).named("largest"));
        let codes = delayed(&m, "code", codes);
        m.comment("The scale.");
        let scale = match block.scale() {
            Scalar::PowerOfTwo(power) => power_scale(&m, &block, *power, largest),
            _ => quotient_scale(&m, &block, format.smallest_scale(), largest),
        };
        let scale_q = m.delay_data("scale_q", scale);
        let codes = delayed(&m, "scaled_code", codes);
        m.comment("The elements.");
        let element = element(&block)?;
        let elements: Vec<Signal> = codes
            .into_iter()
            .enumerate()
            .map(|(lane, code)| {
                let inputs = [("code_i", code), ("scale_i", scale_q)];
                m.instance(&format!("i_element_{lane}"), &element, &inputs).output("element_o")
            })
            .collect();
        let word: Vec<Signal> = std::iter::once(scale_q).chain(elements.into_iter().rev()).collect();
        m.output_with_comment("word_o", m.delay_data("word_q", m.concat(&word)), "{scale, elements}");
        m.finish()
    }

    fn model(&self) -> Box<dyn Model> {
        let format = self.format;
        let bits = format.block().element().bits();
        Box::new(Pipeline::new(Self::LATENCY_CYCLES as usize, 1, move |inputs: &[BigUint]| {
            let ordinal = |i| signed_number(&lane(&inputs[0], i, CODE_BITS), CODE_BITS) as i32;
            let ordinals: Vec<i32> = (0..format.size()).map(ordinal).collect();
            let (scale, elements) = format.encode(&ordinals);
            let codes: Vec<BigUint> = elements.into_iter().map(BigUint::from).collect();
            vec![Some(pack(&codes, bits) | BigUint::from(scale) << (format.size() * bits))]
        }))
    }

    /// Numbers up to the format's largest, in blocks of a few binades, with ties and zeros among them.
    fn stimulus(&self, random: &mut Random, cycles: usize) -> Vec<Values> {
        let carrier = ChannelBlock::carrier();
        let most = carrier.nearest(&bitmill_formats::Value::Finite(self.format.largest()));
        (0..cycles)
            .map(|_| {
                let top = match random.below(8) {
                    0 => random.below(most as u64 + 1) as i32,
                    1 => random.below(1 << 11) as i32,
                    _ => most - random.below(1 << 12) as i32,
                };
                let spread = 1 << random.below(13);
                let codes: Vec<BigUint> = (0..self.format.size())
                    .map(|_| {
                        let mut magnitude = (top - random.below(spread) as i32).max(0);
                        if random.one_in(3) {
                            // A short significand: a tie at some scale.
                            magnitude &= !0x1f;
                        }
                        if random.one_in(16) {
                            magnitude = 0;
                        }
                        let ordinal = if random.one_in(2) { magnitude } else { !magnitude };
                        to_bits(ordinal.into(), CODE_BITS)
                    })
                    .collect();
                vec![pack(&codes, CODE_BITS)]
            })
            .collect()
    }
}

fn delayed<'m>(m: &'m ModuleBuilder, name: &str, codes: Vec<Signal<'m>>) -> Vec<Signal<'m>> {
    codes
        .into_iter()
        .enumerate()
        .map(|(lane, code)| m.delay_data(&format!("{name}_{lane}_q"), code))
        .collect()
}

/// The largest of some unsigned signals: a tree of comparisons.
fn largest(mut values: Vec<Signal>) -> Signal {
    while values.len() > 1 {
        let pairs = values.chunks(2).map(|pair| match *pair {
            [a, b] => a.gt(b).mux(a, b),
            _ => pair[0],
        });
        values = pairs.collect();
    }
    values[0]
}

/// The code of the power of two that is an exponent of `largest`, less that of the largest element.
fn power_scale<'m>(
    m: &'m ModuleBuilder,
    block: &Block,
    power: PowerOfTwo,
    largest: Signal<'m>,
) -> Signal<'m> {
    let element = block.element().extremes().highest;
    let reach = element.log2_floor().unwrap_or(0);
    let exponent = largest.slice(MANTISSA_BITS, CODE_BITS - 1 - MANTISSA_BITS);
    // Subnormal numbers read as one binade below the normal ones: their scale is the smallest.
    let moved = Exponent::variable(exponent, power.bias() - 127 - reach, -1024, 1024).above(m, 0);
    let moved = moved.named("moved_exponent");
    let magnitude = moved.truncate(moved.width() - 1).as_unsigned();
    let most = power.largest_code();
    let is_above = circuits::at_least(m, magnitude, u64::from(most) + 1);
    let code = is_above.mux(m.lit(power.bits(), most.into()), magnitude.resize(power.bits()));
    code.gate(moved.msb().not())
}

/// The code nearest to `largest` / the largest element, or `smallest`.
fn quotient_scale<'m>(m: &'m ModuleBuilder, block: &Block, smallest: u32, largest: Signal<'m>) -> Signal<'m> {
    let (element, scale) = (block.element().extremes().highest, block.scale());
    let odd = element.significand() >> element.significand().trailing_zeros();
    let exponent = element.exponent() + element.significand().trailing_zeros() as i32;
    let x = decoded(m, "largest", m.concat(&[m.bit(false), largest]));
    let places = significand_bits(scale) + 2;
    let quotient = divide_by_constant(m, x.significand.shl(places), odd as u64);
    let x = Unpacked {
        negative: None,
        leading: quotient.width() - 1,
        significand: quotient,
        exponent: x.exponent.plus(-(places as i32) - 1 - exponent),
        ..x
    };
    let code = circuits::encode(m, scale, &x, &Rounder::new(m, RoundingMode::NearestEven).prefixed("scale"));
    let is_normal = circuits::at_least(m, code, smallest.into());
    is_normal.mux(code, m.lit(code.width(), smallest.into()))
}

/// ⌊x / divisor⌋ with a sticky bit below. The quotient is a product by 2^(N + l) / divisor, rounded up, which is
/// exact for N bits if 2^l is no less than the divisor (Granlund and Montgomery, 1994, theorem 4.2).
fn divide_by_constant<'m>(m: &'m ModuleBuilder, x: Signal<'m>, divisor: u64) -> Signal<'m> {
    let places = x.width() + divisor.next_power_of_two().trailing_zeros();
    let factor = (1u64 << places).div_ceil(divisor);
    let factor = m.lit(64 - factor.leading_zeros(), factor);
    let quotient = x.mul(factor).shr(places).named("quotient");
    let width = 64 - divisor.leading_zeros();
    let product = quotient.mul(m.lit(width, divisor)).resize(x.width());
    m.concat(&[quotient, x.ne(product)])
}

/// Rounds one number to an element under the block's scale.
fn element(block: &Block) -> Result<Arc<Module>, HdlError> {
    let block = block.saturating();
    let m = ModuleBuilder::new(
        format!("bitmill_block_encoder_{block}_element"),
        format!("a bf16 number as an element of {block}.\nCombinational."),
    );
    let code = m.input_with_comment("code_i", unsigned(CODE_BITS), "bf16");
    let scale = m.input("scale_i", unsigned(block.scale().bits()));
    let x = decoded(&m, "x", code);
    let scale = circuits::decode(&m, "scale", block.scale(), scale);
    let rounder = Rounder::new(&m, RoundingMode::NearestEven);
    if scale.is_power_of_two() {
        let quotient = Unpacked { exponent: x.exponent.add(negated(&m, scale.exponent)), ..x };
        m.output("element_o", circuits::encode(&m, block.element(), &quotient, &rounder));
        return m.finish();
    }
    m.comment("Restoring division of the significands.");
    let scale_bits = significand_bits(block.scale());
    let places = (significand_bits(block.element()) + 2 + scale_bits).saturating_sub(MANTISSA_BITS + 1);
    let significand = divide(&m, x.significand.shl(places), scale.significand).named("quotient");
    let quotient = Unpacked {
        leading: significand.width() - 1,
        significand,
        exponent: x.exponent.plus(-(places as i32) - 1).add(negated(&m, scale.exponent)),
        ..x
    };
    m.output("element_o", circuits::encode(&m, block.element(), &quotient, &rounder));
    m.finish()
}

/// ⌊x / divisor⌋ with a sticky bit below.
fn divide<'m>(m: &'m ModuleBuilder, x: Signal<'m>, divisor: Signal<'m>) -> Signal<'m> {
    let width = divisor.width() + 1;
    let wide = divisor.extend(width);
    let mut remainder = m.lit(divisor.width(), 0);
    let mut quotient = Vec::new();
    for (place, bit) in x.bits().into_iter().enumerate().rev() {
        let partial = m.concat(&[remainder, bit]).named(&format!("partial_{place}"));
        let fits = partial.ge(wide).named(&format!("fits_{place}"));
        quotient.push(fits);
        remainder = partial.sub_wrapping(wide.gate(fits)).truncate(divisor.width());
    }
    quotient.push(remainder.any());
    m.concat(&quotient)
}

/// Minus an exponent: the complement of what it has above its lowest, moved.
fn negated<'m>(m: &'m ModuleBuilder, exponent: Exponent<'m>) -> Exponent<'m> {
    let (low, high) = (exponent.low(), exponent.high());
    let above = exponent.above_low(m, low);
    let most = (1 << above.width()) - 1;
    Exponent::variable(above.not(), -low - most, -high, -low)
}

/// A finite bf16 number.
fn decoded<'m>(m: &'m ModuleBuilder, prefix: &str, code: Signal<'m>) -> Unpacked<'m> {
    let bf16 = Minifloat::new(8, MANTISSA_BITS).and_then(|bf16| bf16.with_specials(Specials::FiniteOnly));
    circuits::decode(m, prefix, &Scalar::Minifloat(bf16.expect("bf16 is a format")), code)
}

/// Significant bits of a format's numbers.
fn significand_bits(format: &Scalar) -> u32 {
    match format {
        Scalar::Minifloat(minifloat) => minifloat.mantissa_bits() + 1,
        other => other.bits() - 1,
    }
}

#[cfg(test)]
mod tests {
    use bitmill_hdl::unit::{compare, interpret};

    use super::*;

    #[test]
    fn every_kind_of_block_is_encoded_as_its_format_says() {
        for example in ENTRY.examples {
            let settings = Settings::parse(ENTRY.name, ENTRY.parameters, example.split_whitespace());
            let unit = BlockEncoder::from_settings(&settings.expect("an example")).expect("an example");
            let module = unit.module().expect("an example");
            let stimulus = unit.stimulus(&mut Random::new(3), 4000);
            let seen = interpret(&module, &stimulus);
            compare(&module, &mut *unit.model(), &stimulus, &seen, "the interpreter")
                .unwrap_or_else(|mismatch| panic!("{example}: {mismatch}"));
        }
    }

    #[test]
    fn a_division_by_a_constant_is_exact() {
        for divisor in [3u64, 5, 7, 15, 31, 127] {
            let m = ModuleBuilder::new("bitmill_division", "a test");
            let x = m.input("x_i", unsigned(14));
            m.output("quotient_o", divide_by_constant(&m, x, divisor));
            let module = m.finish().expect("a test");
            let stimulus: Vec<Values> = (0..1u64 << 14).map(|x| vec![x.into()]).collect();
            for (x, seen) in (0..1u64 << 14).zip(interpret(&module, &stimulus)) {
                let expected = ((x / divisor) << 1) | u64::from(x % divisor != 0);
                assert_eq!(seen[0], expected.into(), "{x} / {divisor}");
            }
        }
    }
}
