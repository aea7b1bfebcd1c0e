//! The quire: one shifter and one adder of 128 bits, divided into segments as the lanes are.
//!
//! A product enters near the top of its segment and moves down by its distance, sign bits entering: whatever
//! falls off below the segment is cut, towards minus infinity (only bf16 has such bits). Where a segment
//! ends, the sign enters instead of the neighbour's bits, and the carry stays out.

use bitmill_hdl::{ModuleBuilder, Signal};

use super::lanes::{LaneWidth, QUIRE_BITS, SEGMENT_BITS};
use super::multiplier::Division;

const SEGMENTS: u32 = QUIRE_BITS / SEGMENT_BITS;

/// Each lane's product at its position in its segment, sign-extended.
fn place<'m>(m: &'m ModuleBuilder, products: Signal<'m>, division: Division<'m>) -> Signal<'m> {
    let placed = |width: LaneWidth| {
        let (lanes, bits) = (width.lanes(), 2 * width.bits());
        let segments: Vec<Signal> = (0..lanes)
            .rev()
            .map(|lane| {
                let product = products.slice(lane * bits, bits).as_signed();
                product.shl(width.position()).extend(width.segment_bits()).as_unsigned()
            })
            .collect();
        m.concat(&segments)
    };
    let narrow = division.eight.mux(placed(LaneWidth::Eight), placed(LaneWidth::Four));
    division.sixteen.mux(placed(LaneWidth::Sixteen), narrow)
}

/// The products moved to their places. `distances` are those of the four segments' own lanes.
pub(super) fn align<'m>(
    m: &'m ModuleBuilder,
    products: Signal<'m>,
    distances: [Signal<'m>; 4],
    division: Division<'m>,
) -> Signal<'m> {
    m.comment("Products in their segments.");
    let mut word = place(m, products, division).named("placed");
    m.comment("Moved down by the distances.");
    let [whole, second, third, fourth] = distances;
    let near = whole.truncate(5);
    // The distance of a segment: its own lane's, or that of the wider lane it belongs to.
    let of_upper = division.sixteen.mux(near, third);
    let amounts = [near, division.four.mux(second, near), of_upper, division.four.mux(fourth, of_upper)];
    for stage in 0..5 {
        let selects = amounts.map(|amount| amount.bit(stage));
        word = shift(m, word, 1 << stage, selects, division).named(&format!("moved_{}", 1 << stage));
    }
    let mut word = word.as_signed();
    for stage in 5..7 {
        // Only a lane of 16 bits moves further than 31 places.
        let distance = 1 << stage;
        word = whole.bit(stage).mux(word.shr(distance).extend(QUIRE_BITS), word);
    }
    word.as_unsigned().named("terms")
}

/// One stage of the shifter: every segment down by `distance` ≤ 16 where its select is set.
fn shift<'m>(
    m: &'m ModuleBuilder,
    word: Signal<'m>,
    distance: u32,
    selects: [Signal<'m>; 4],
    division: Division<'m>,
) -> Signal<'m> {
    let segment = |s: u32| word.slice(s * SEGMENT_BITS, SEGMENT_BITS);
    let moved = |s: u32| {
        let sign = segment(s).msb().replicate(distance);
        let enters = if s + 1 == SEGMENTS {
            sign
        } else {
            // The middle boundary is one for lanes of 8 bits too.
            let ends = if s == 1 { division.sixteen.not() } else { division.four };
            ends.mux(sign, segment(s + 1).truncate(distance))
        };
        let shifted = m.concat(&[enters, segment(s).slice(distance, SEGMENT_BITS - distance)]);
        selects[s as usize].mux(shifted, segment(s))
    };
    m.concat(&(0..SEGMENTS).rev().map(moved).collect::<Vec<_>>())
}

/// The segments' sums, without carries between the lanes.
pub(super) fn add<'m>(
    m: &'m ModuleBuilder,
    quire: Signal<'m>,
    terms: Signal<'m>,
    division: Division<'m>,
) -> Signal<'m> {
    let mut carry = m.bit(false);
    let mut sums = Vec::new();
    for s in 0..SEGMENTS {
        let slice = |word: Signal<'m>| word.slice(s * SEGMENT_BITS, SEGMENT_BITS);
        let sum = slice(quire).add(slice(terms)).add_wrapping(carry.resize(SEGMENT_BITS + 1));
        sums.push(sum.truncate(SEGMENT_BITS));
        let joined = if s == 1 { division.sixteen } else { division.four.not() };
        carry = sum.msb().and(joined);
    }
    sums.reverse();
    m.concat(&sums)
}

/// The sum over the lanes: segments of 32 bits in pairs, then the pairs.
pub(super) fn total<'m>(quire: Signal<'m>, division: Division<'m>) -> Signal<'m> {
    let half = QUIRE_BITS / 2;
    let part = |lsb: u32, width: u32| quire.slice(lsb, width).as_signed();
    let pair = |lsb: u32| {
        let sum = part(lsb, SEGMENT_BITS).add(part(lsb + SEGMENT_BITS, SEGMENT_BITS));
        division.four.mux(sum.extend(half), part(lsb, half))
    };
    let narrow = pair(0).add(pair(half)).named("lanes_sum");
    division.sixteen.mux(quire.as_signed(), narrow.extend(QUIRE_BITS))
}
