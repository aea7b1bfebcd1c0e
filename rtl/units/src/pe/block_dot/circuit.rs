//! The circuit of a block dot product: elements, scale, accumulator.

use std::sync::Arc;

use bitmill_formats::circuits::{self, Rounder, Unpacked};
use bitmill_formats::{AccumulatorShape, Family};
use bitmill_hdl::{HdlError, Module, ModuleBuilder, Signal, bits_for, signed, unsigned};

use super::{BlockAccumulator, BlockDot};
use crate::pe::ProcessingElement;
use crate::pe::float_mac::dot_product::Product;
use crate::pe::float_mac::exact::{Specials, step};
use crate::pe::float_mac::rounded::add_and_keep;

/// Valid, first and last of whatever a pipeline stage holds.
#[derive(Clone, Copy)]
struct Control<'m> {
    valid: Signal<'m>,
    first: Signal<'m>,
    last: Signal<'m>,
}

impl<'m> Control<'m> {
    fn delayed(self, m: &'m ModuleBuilder, stage: u32) -> Control<'m> {
        let name = |signal: &str| format!("{signal}_{stage}_q");
        Control {
            valid: m.delay(&name("valid"), self.valid),
            first: m.delay_data(&name("first"), self.first),
            last: m.delay_data(&name("last"), self.last),
        }
    }
}

/// The exact sum of a block's products, its scale codes, and whether the block is complete.
struct BlockSum<'m> {
    sum: Unpacked<'m>,
    scales: [Signal<'m>; 2],
    control: Control<'m>,
}

pub(super) fn module(pe: &BlockDot) -> Result<Arc<Module>, HdlError> {
    let [a, w] = &pe.blocks;
    let latency = pe.timing().latency_cycles;
    let purpose = format!(
        "dot product of blocks of {a} and {w}, {} elements a cycle,\nscales combined once a block.\n\
         Latency {latency} cycles, interval 1.",
        pe.lanes
    );
    let m = ModuleBuilder::new(pe.name(), purpose);
    m.group("Control");
    let control = Control {
        valid: m.input_with_comment("valid_i", unsigned(1), "operands are present"),
        first: m.input_with_comment("first_i", unsigned(1), "start a new sum"),
        last: m.input_with_comment("last_i", unsigned(1), "hand the sum to result_o, at the end of a block"),
    };
    m.group("Scale above the elements, lane 0 lowest");
    let words = [
        m.input("activation_i", unsigned(pe.activation_bits())),
        m.input("weight_i", unsigned(pe.weight_bits())),
    ];
    let block = block_sum(&m, pe, words, control)?;
    let scaled = scaled(&m, pe, &block);
    match &pe.accumulator {
        BlockAccumulator::Format(rounded) => {
            m.comment("The block's sum, rounded.");
            let term = circuits::encode(&m, &rounded.format, &scaled, &Rounder::new(&m, rounded.mode));
            let term_q = m.delay_data("term_q", term);
            let control = block.control.delayed(&m, latency - 1);
            add_and_keep(&m, rounded, term_q, [control.valid, control.first, control.last])?;
        }
        BlockAccumulator::Fixed(shape) => fixed(&m, &scaled, *shape, block.control.delayed(&m, latency - 1)),
    }
    m.finish()
}

/// Multiplies the elements and sums them over the steps of the block.
fn block_sum<'m>(
    m: &'m ModuleBuilder,
    pe: &BlockDot,
    words: [Signal<'m>; 2],
    control: Control<'m>,
) -> Result<BlockSum<'m>, HdlError> {
    m.comment("Products of the elements.");
    let widths = pe.blocks.each_ref().map(|block| block.element().bits());
    let products: Vec<Unpacked> = (0..pe.lanes)
        .map(|lane| {
            let [a, w] = [0, 1].map(|i| words[i].slice(lane * widths[i], widths[i]));
            pe.product.circuit(m, lane, a, w)
        })
        .collect::<Result<_, _>>()?;
    let flags = Specials::of(m, &products).map(|name, flag| m.delay_data(&format!("{name}_dot_q"), flag));
    let step = step(m, &products, pe.register);
    let scale = |i: usize| words[i].slice(pe.lanes * widths[i], pe.blocks[i].scale().bits());
    let scales = [m.delay_data("activation_scale_q", scale(0)), m.delay_data("weight_scale_q", scale(1))];
    let control = control.delayed(m, 1);
    let width = pe.register.width_bits;
    if pe.steps() == 1 {
        let sum = step.total().resize(width).named("block_sum");
        return Ok(BlockSum { sum: flags.with_sum(sum, pe.register.lsb_exponent), scales, control });
    }

    m.comment("The block's sum over its steps.");
    let count_q = m.register("step_q", unsigned(bits_for(u64::from(pe.steps() - 1))));
    let count = count_q.q().gate(control.first.not());
    let begins = count.any().not().named("block_begins");
    let ends = count.eq_value(i128::from(pe.steps() - 1)).named("block_ends");
    count_q.set_when(control.valid, count.increment().gate(ends.not()));
    let block_q = m.register("block_sum_q", signed(width)).without_reset();
    let sum = block_q.q().gate(begins.not()).add_wrapping(step.total().resize(width));
    block_q.set_when(control.valid, sum);
    let flags = flags.map(|name, flag| {
        let seen = m.register(&format!("{name}_block_q"), unsigned(1)).without_reset();
        seen.set_when(control.valid, flag.or(seen.q().gate(begins.not())));
        seen.q()
    });
    // `first` belongs to a block's first step, and is needed with its last.
    let first_q = m.register("first_block_q", unsigned(1)).without_reset();
    first_q.set_when(control.valid, control.first.or(first_q.q().and(begins.not())));
    let control = Control {
        valid: m.delay("block_valid_q", control.valid.and(ends)),
        first: first_q.q(),
        last: m.delay_data("block_last_q", control.last),
    };
    let scales = [("activation", scales[0]), ("weight", scales[1])]
        .map(|(name, scale)| m.delay_data(&format!("{name}_scale_2_q"), scale));
    Ok(BlockSum { sum: flags.with_sum(block_q.q(), pe.register.lsb_exponent), scales, control })
}

/// Combines the scales, then scales the sum, exactly.
fn scaled<'m>(m: &'m ModuleBuilder, pe: &BlockDot, block: &BlockSum<'m>) -> Unpacked<'m> {
    m.comment("One scale for both blocks.");
    let [x, y] = [(0, "activation_scale"), (1, "weight_scale")]
        .map(|(i, name)| circuits::decode(m, name, pe.blocks[i].scale(), block.scales[i]));
    let scale = circuits::multiply(m, &x, &y).named("scale");
    circuits::multiply(m, &scale, &block.sum).named("scaled")
}

/// The fixed-point accumulator, with a flag for what it cannot hold.
fn fixed<'m>(m: &'m ModuleBuilder, x: &Unpacked<'m>, shape: AccumulatorShape, control: Control<'m>) {
    m.comment("The block's sum in the register's places: moved down from above them.");
    let (width, own) = (shape.width_bits, x.significand.width());
    let up = x.exponent.above(m, shape.lsb_exponent + width as i32);
    let down = up.neg();
    let far_above = down.msb().and(x.is_zero().not());
    let down = down.truncate(down.width() - 1).as_unsigned();
    let placed = x.significand.shl(width).shift_right(down).named("placed");
    let head = placed.slice(width - 1, own + 1);
    let misfit = head.any().and(head.all().not());
    let flags = [Some(far_above), Some(misfit), x.nan, x.infinite];
    let special_d = m.any(&flags.into_iter().flatten().collect::<Vec<_>>());
    let term_q = m.delay_data("term_q", placed.truncate(width));
    let special_term_q = m.delay_data("special_term_q", special_d);

    m.comment("Accumulator.");
    let acc_q = m.register("acc_q", signed(width)).without_reset();
    let acc_d = acc_q.q().gate(control.first.not()).add_wrapping(term_q).named("acc_d");
    acc_q.set_when(control.valid, acc_d);
    let seen_q = m.register("special_seen_q", unsigned(1)).without_reset();
    let special = special_term_q.or(seen_q.q().gate(control.first.not()));
    seen_q.set_when(control.valid, special);
    let hand = control.valid.and(control.last).named("hand_over");
    let result_q = m.register("result_q", signed(width)).without_reset();
    result_q.set_when(hand, acc_d);
    let special_q = m.register("special_q", unsigned(1)).without_reset();
    special_q.set_when(hand, special);
    m.group("Result");
    m.output_with_comment("result_o", result_q.q(), &format!("in units of 2^{}", shape.lsb_exponent));
    m.output_with_comment("special_o", special_q.q(), "a NaN or a block too large was met; result_o is open");
}
