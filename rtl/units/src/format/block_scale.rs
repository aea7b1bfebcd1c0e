//! Block scale: applies the scales of two blocks to the exact dot product of their elements.
//!
//! Meaning: sum · 2^lsb · scale a · scale b, rounded once, where the sum counts in units of the elements'
//! exact products ([`AccumulatorShape::for_products`]). Both scales are combined first, so the wide factor
//! is multiplied once a block. The FP32 scale of a whole NV tensor is not part of it. Timing: combinational.

use std::sync::Arc;

use bitmill_formats::circuits::{self, Rounder, Unpacked};
use bitmill_formats::{AccumulatorShape, Block, Dyadic, Family, Format, Value};
use bitmill_hdl::unit::{Model, Random, Unit, Values, signed_number};
use bitmill_hdl::{BigUint, HdlError, Module, ModuleBuilder, signed, unsigned};

use super::{BLOCKS, RANDOM_BITS, ROUNDING, Rounded, SCALARS, code, format, rounding_mode, scalar, stimulus};
use crate::{Entry, Parameter, Settings, UnitError};

/// Catalogue entry.
pub const ENTRY: Entry = Entry {
    name: "block_scale",
    summary: "scales of two blocks applied to the exact dot product of their elements, rounded once",
    parameters: &[
        Parameter {
            name: "a",
            default: "mxfp8_e4m3",
            help: "block format of the first operand",
            legal: BLOCKS,
        },
        Parameter {
            name: "b",
            default: "mxfp8_e4m3",
            help: "block format of the second operand, same block size",
            legal: BLOCKS,
        },
        Parameter { name: "result", default: "fp32", help: "scalar format of the result", legal: SCALARS },
        ROUNDING,
        RANDOM_BITS,
    ],
    examples: &[
        "",
        "a=mxfp4 b=mxfp8_e5m2 result=bf16",
        "a=mxint8 b=mxint8",
        "a=nvfp4 b=nvfp4",
        "a=nvint4 b=nvfp4 result=bf16 rounding=stochastic",
        "a=bfp8_g16 b=bfp4_g16 result=fp16 rounding=toward_zero",
    ],
    build: |settings| Ok(Box::new(BlockScale::from_settings(settings)?)),
};

/// Widest sum that the unit takes, in bits.
const WIDEST_SUM_BITS: u32 = 64;

/// Parameters of a block-scale unit.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BlockScale {
    a: Block,
    b: Block,
    result: Rounded,
    shape: AccumulatorShape,
}

impl BlockScale {
    /// The unit for blocks of two formats.
    ///
    /// # Errors
    /// Blocks of different sizes, or whose exact dot product has more than 64 bits.
    pub fn new(a: Block, b: Block, result: Rounded) -> Result<BlockScale, UnitError> {
        if a.size() != b.size() {
            let legal = format!("blocks of {} elements, as those of {a}, are needed", a.size());
            return Err(UnitError::illegal("b", b, legal));
        }
        let shape = AccumulatorShape::for_products(a.element(), b.element(), a.size());
        if shape.width_bits > WIDEST_SUM_BITS {
            let legal =
                format!("its dot products have {} bits; up to {WIDEST_SUM_BITS} are legal", shape.width_bits);
            return Err(UnitError::illegal("a", a, legal));
        }
        Ok(BlockScale { a, b, result, shape })
    }

    fn from_settings(settings: &Settings) -> Result<BlockScale, UnitError> {
        let block = |name: &'static str| match format(settings, name)? {
            Format::Block(block) => Ok(block),
            other => Err(UnitError::illegal(name, other, "a block format is needed, such as mxfp8_e4m3")),
        };
        let result = Rounded::new(scalar(settings, "result")?, rounding_mode(settings)?)?;
        BlockScale::new(block("a")?, block("b")?, result)
    }
}

impl Unit for BlockScale {
    fn module(&self) -> Result<Arc<Module>, HdlError> {
        let BlockScale { a, b, result, shape } = self;
        let m = ModuleBuilder::new(
            format!("bitmill_block_scale_{a}_{b}_{}", result.name()),
            format!(
                "dot product of blocks of {a} and {b} scaled and rounded to {}.\nCombinational.",
                result.format
            ),
        );
        m.group("Dot product of the elements");
        let comment = format!("in units of 2^{}", shape.lsb_exponent);
        let sum = m.input_with_comment("sum_i", signed(shape.width_bits), &comment);
        m.group("Scale codes");
        let a_scale = m.input("a_scale_i", unsigned(a.scale().bits()));
        let b_scale = m.input("b_scale_i", unsigned(b.scale().bits()));
        let rounder = Rounder::new(&m, result.mode);
        m.comment("Combine the scales, then scale the sum, exactly.");
        let x = circuits::decode(&m, "a", a.scale(), a_scale);
        let y = circuits::decode(&m, "b", b.scale(), b_scale);
        let scale = circuits::multiply(&m, &x, &y).named("scale");
        let sum = Unpacked::fixed(sum, shape.lsb_exponent);
        let scaled = circuits::multiply(&m, &scale, &sum).named("scaled");
        m.comment("Round once.");
        m.output("result_o", circuits::encode(&m, &result.format, &scaled, &rounder));
        m.finish()
    }

    fn model(&self) -> Box<dyn Model> {
        let unit = self.clone();
        Box::new(move |inputs: &[BigUint]| {
            let sum = Dyadic::from_integer(signed_number(&inputs[0], unit.shape.width_bits));
            let sum = Value::Finite(sum.scale_by_power(unit.shape.lsb_exponent));
            let scale =
                unit.a.scale().decode(code(&inputs[1])).multiply(unit.b.scale().decode(code(&inputs[2])));
            let rounded = unit.result.format.encode(&sum.multiply(scale), unit.result.rounding(inputs));
            vec![Some(rounded.into())]
        })
    }

    fn stimulus(&self, random: &mut Random, cycles: usize) -> Vec<Values> {
        self.module().map_or(vec![], |module| stimulus::all_or_random(&module, random, cycles))
    }
}
