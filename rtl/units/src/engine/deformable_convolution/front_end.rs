//! The offset front end: saturates the offsets of a pixel, rounds them where that is asked for, and counts.

use std::sync::Arc;

use bitmill_formats::deformable::{Bound, Interpolation};
use bitmill_hdl::{HdlError, Module, ModuleBuilder, Signal, bits_for, signed, unsigned};

use super::shape::{OFFSET_BITS, Shape};

/// Bits of the number of offsets of a pixel that saturate.
pub fn count_bits(shape: &Shape) -> u32 {
    bits_for(shape.sampling.offsets.values() as u64)
}

/// `offsets_i` → `offsets_o`, `saturated_o`; combinational.
///
/// # Errors
/// Only on our own bugs: the shape was checked.
pub fn module(shape: &Shape) -> Result<Arc<Module>, HdlError> {
    let m = ModuleBuilder::new(
        format!("bitmill_deformable_front_end_{}", shape.name()),
        match shape.sampling.bound {
            Bound::NONE => "offsets of a pixel; none saturates.".to_owned(),
            bound => format!("offsets of a pixel: saturated at {bound} pixels, counted."),
        },
    );
    let fraction_bits = shape.sampling.fraction_bits;
    let rounds = shape.sampling.interpolation == Interpolation::Rounded && fraction_bits > 0;
    let offsets = m.input_with_comment("offsets_i", unsigned(shape.offsets_bits()), "the first lowest");
    let ends = [i64::MIN, i64::MAX].map(|end| shape.sampling.saturate(end));
    let (mut held, mut beyond) = (Vec::new(), Vec::new());
    for index in 0..shape.sampling.offsets.values() as u32 {
        let offset = offsets.slice(index * OFFSET_BITS, OFFSET_BITS).as_signed();
        let clamped = if shape.sampling.bound == Bound::NONE {
            offset
        } else {
            let [low, high] = ends.map(|end| m.constant(signed(OFFSET_BITS), end.into()));
            let is_below = offset.lt(low).named(&format!("is_below_{index}"));
            let is_above = offset.gt(high).named(&format!("is_above_{index}"));
            beyond.push(is_below.or(is_above));
            is_below.mux(low, is_above.mux(high, offset)).named(&format!("clamped_{index}"))
        };
        let rounded = if rounds {
            let half = m.constant(signed(OFFSET_BITS), 1 << (fraction_bits - 1));
            clamped.add(half).shr(fraction_bits)
        } else {
            clamped
        };
        held.push(rounded.resize(shape.held_offset_bits()).as_unsigned());
    }
    let held: Vec<Signal> = held.into_iter().rev().collect();
    m.output("offsets_o", m.concat(&held));
    if !beyond.is_empty() {
        m.output("saturated_o", m.sum(&beyond).resize(count_bits(shape)));
    }
    m.finish()
}
