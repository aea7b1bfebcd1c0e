//! What a block dot product means: exact values, scaled once a block.

use bitmill_formats::{
    AccumulatorShape, Block, Dyadic, ExactSum, Family, Rounding, Scalar, Value, arithmetic,
};
use bitmill_hdl::BigUint;
use bitmill_hdl::unit::{Model, Pipeline, Random, lane, to_bits};

use super::{BlockAccumulator, BlockDot};
use crate::format::code;
use crate::pe::ProcessingElement;
use crate::pe::float_mac::dot_product::Product;

/// The running sum over blocks.
#[derive(Clone, Copy)]
enum Sum {
    Code(u32),
    Fixed { units: i128, special: bool },
}

impl BlockDot {
    /// Adds the products of a step's elements.
    fn add_elements(&self, sum: &mut ExactSum, words: [&BigUint; 2]) {
        let widths = self.blocks.each_ref().map(|block| block.element().bits());
        for index in 0..self.lanes {
            let [a, w] = [0, 1].map(|i| code(&lane(words[i], index, widths[i])));
            sum.add(&self.product.value(a, w));
        }
    }

    /// The product of the scales in two words.
    fn scale(&self, words: [&BigUint; 2]) -> Value {
        let value = |operand: usize| {
            let block = &self.blocks[operand];
            let scale = words[operand] >> (self.lanes * block.element().bits());
            block.scale().decode(code(&scale))
        };
        value(0).multiply(value(1))
    }

    fn start(&self) -> Sum {
        match &self.accumulator {
            BlockAccumulator::Format(_) => Sum::Code(0),
            BlockAccumulator::Fixed(_) => Sum::Fixed { units: 0, special: false },
        }
    }

    /// The sum with one more block.
    fn add(&self, sum: Sum, block: Value) -> Sum {
        match (&self.accumulator, sum) {
            (BlockAccumulator::Format(rounded), Sum::Code(sum)) => {
                let term = rounded.format.encode(&block, Rounding::NearestEven);
                Sum::Code(arithmetic::add(&rounded.format, sum, term, Rounding::NearestEven))
            }
            (BlockAccumulator::Fixed(shape), Sum::Fixed { units, special }) => match cut(&block, *shape) {
                Some(term) => Sum::Fixed { units: units + term, special },
                None => Sum::Fixed { units, special: true },
            },
            _ => unreachable!("a sum is of its accumulator's kind"),
        }
    }
}

/// ⌊x / 2^lsb⌋, if it is a number that the register holds.
fn cut(x: &Value, shape: AccumulatorShape) -> Option<i128> {
    let x = x.finite()?;
    let Some(log2) = x.log2_floor() else { return Some(0) };
    let top = log2 - shape.lsb_exponent;
    if top > shape.width_bits as i32 {
        return None;
    }
    let places = x.exponent() - shape.lsb_exponent;
    let magnitude = Dyadic::significand(&x) as i128;
    let units = if places >= 0 {
        let magnitude = magnitude << places;
        if x.is_negative() { -magnitude } else { magnitude }
    } else {
        let signed = if x.is_negative() { -magnitude } else { magnitude };
        signed >> (-places).min(127)
    };
    let limit = 1i128 << (shape.width_bits - 1);
    (-limit..limit).contains(&units).then_some(units)
}

pub(super) fn model(pe: &BlockDot) -> Box<dyn Model> {
    let unit = pe.clone();
    let outputs = match &unit.accumulator {
        BlockAccumulator::Format(_) => 1,
        BlockAccumulator::Fixed(_) => 2,
    };
    let (mut elements, mut step, mut sum) = (ExactSum::new(), 0, unit.start());
    let mut shown = vec![None; outputs];
    Box::new(Pipeline::new(pe.timing().latency_cycles as usize, outputs, move |inputs: &[BigUint]| {
        let [valid, first, last, activations, weights] = inputs else { unreachable!("five inputs") };
        if !valid.bit(0) {
            return shown.clone();
        }
        if first.bit(0) {
            (elements, step, sum) = (ExactSum::new(), 0, unit.start());
        }
        unit.add_elements(&mut elements, [activations, weights]);
        step += 1;
        if step == unit.steps() {
            sum = unit.add(sum, elements.value().multiply(unit.scale([activations, weights])));
            (elements, step) = (ExactSum::new(), 0);
        }
        if last.bit(0) {
            shown = match (sum, &unit.accumulator) {
                (Sum::Fixed { units, special }, BlockAccumulator::Fixed(shape)) => {
                    vec![(!special).then(|| to_bits(units, shape.width_bits)), Some(u8::from(special).into())]
                }
                (Sum::Code(code), _) => vec![Some(code.into())],
                _ => unreachable!("a sum is of its accumulator's kind"),
            };
        }
        shown.clone()
    }))
}

/// A scale, seldom any code; mostly from the middle of the range, where the sums of blocks overlap.
pub(super) fn scale(random: &mut Random, block: &Block) -> BigUint {
    let bits = block.scale().bits();
    match block.scale() {
        _ if random.one_in(30) => random.corner_bits(bits),
        Scalar::PowerOfTwo(_) => BigUint::from((1u64 << (bits - 1)) - 9 + random.below(16)),
        _ => random.bits(bits - 1),
    }
}
