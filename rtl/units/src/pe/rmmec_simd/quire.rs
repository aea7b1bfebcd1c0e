//! From products to the quire's addend: one shifter, divided as the lanes are, and the sum over the lanes.
//!
//! A product enters at the top of its segment and moves down by its distance, zeros entering; whatever falls off
//! below the segment is cut (only bf16 has such bits that are not 0). The segments of the narrow lanes lie where a
//! 16-bit lane passes in its first stages, so that few bits serve one division only. Signs come last: −x is the
//! complement plus 1, and each lane's 1 is the carry into another adder.

use bitmill_hdl::{ModuleBuilder, Signal};

use super::lanes::{LaneWidth, Layout, QUIRE_BITS};
use super::multiplier::Division;

/// Each lane's product at the top of its segment.
fn place<'m>(
    m: &'m ModuleBuilder,
    products: Signal<'m>,
    division: Division<'m>,
    layout: Layout,
) -> Signal<'m> {
    let quarters = layout.quarters();
    let placed = |width: LaneWidth, is: Signal<'m>, index: usize| {
        let bits = layout.product_bits[index];
        let lanes = width.lanes();
        let mut word = m.lit(layout.shifter_bits, 0);
        for lane in (0..lanes).filter(|_| bits > 0) {
            let product = products.slice(2 * quarters[(4 / lanes * lane) as usize], bits).gate(is);
            let segment = match width {
                LaneWidth::Sixteen => 0,
                _ => layout.base() + 4 / lanes * lane * layout.segment_bits,
            };
            word = word.or(product.shl(segment + width.position()).extend(layout.shifter_bits));
        }
        word
    };
    placed(LaneWidth::Four, division.four, 0).or(placed(LaneWidth::Eight, division.eight, 1)).or(placed(
        LaneWidth::Sixteen,
        division.sixteen,
        2,
    ))
}

/// The products moved to their places. `distances` are those of the four segments' own lanes.
pub(super) fn align<'m>(
    m: &'m ModuleBuilder,
    products: Signal<'m>,
    distances: [Signal<'m>; 4],
    division: Division<'m>,
    layout: Layout,
) -> Signal<'m> {
    m.comment("Products in their segments.");
    let mut word = place(m, products, division, layout).named("placed");
    m.comment("Moved down by the distances.");
    let [whole, second, third, fourth] = distances;
    let near = whole.truncate(5);
    // The distance of a segment: its own lane's, or that of the wider lane it belongs to.
    let of_upper = division.sixteen.mux(near, third);
    let amounts = [near, division.four.mux(second, near), of_upper, division.four.mux(fourth, of_upper)];
    for stage in 0..5 {
        let selects = amounts.map(|amount| amount.bit(stage));
        word = shift(m, word, 1 << stage, selects, division, layout).named(&format!("moved_{}", 1 << stage));
    }
    for stage in 5..7 {
        // Only a lane of 16 bits moves further than 31 places.
        let distance = 1 << stage;
        let moved = word.shr(distance).extend(layout.shifter_bits);
        word = whole.bit(stage).and(division.sixteen).mux(moved, word);
    }
    word.named("magnitudes")
}

/// One stage of the shifter: every segment down by `distance` ≤ 16 where its select is set.
fn shift<'m>(
    m: &'m ModuleBuilder,
    word: Signal<'m>,
    distance: u32,
    selects: [Signal<'m>; 4],
    division: Division<'m>,
    layout: Layout,
) -> Signal<'m> {
    let (base, bits) = (layout.base(), layout.segment_bits);
    let segment = |s: u32| word.slice(base + s * bits, bits);
    let moved = |s: u32| {
        let enters = match s {
            3 => m.lit(distance, 0),
            // The middle boundary is one for lanes of 8 bits too.
            1 => segment(2).truncate(distance).gate(division.sixteen),
            _ => segment(s + 1).truncate(distance).gate(division.four.not()),
        };
        let shifted = m.concat(&[enters, segment(s).slice(distance, bits - distance)]);
        selects[s as usize].mux(shifted, segment(s))
    };
    let mut parts: Vec<Signal> = (0..4).rev().map(moved).collect();
    if base > 0 {
        // Below the segments: a lane of 16 bits alone.
        let below = m.concat(&[segment(0).truncate(distance).gate(division.sixteen), word.truncate(base)]);
        parts.push(selects[0].mux(below.slice(distance, base), word.truncate(base)));
    }
    m.concat(&parts)
}

/// What is added to the quire: this word, and the carry that goes with it.
pub(super) fn addend<'m>(
    m: &'m ModuleBuilder,
    magnitudes: Signal<'m>,
    signs: Signal<'m>,
    division: Division<'m>,
    layout: Layout,
) -> (Signal<'m>, Signal<'m>) {
    let (base, bits) = (layout.base(), layout.segment_bits);
    let sign = |s: u32| signs.bit(s);
    m.comment("Signs, and the lanes' sum.");
    let lane = |lsb: u32, width: u32, sign: Signal<'m>| {
        let complement = magnitudes.slice(lsb, width).xor(sign.replicate(width));
        m.concat(&[sign, complement]).as_signed()
    };
    let pair = |s: u32| {
        let (low, high) =
            (lane(base + s * bits, bits, sign(s)), lane(base + (s + 1) * bits, bits, sign(s + 1)));
        let both = low.add(high).add_wrapping(sign(s + 1).resize(bits + 2).as_signed());
        let wide = 2 * bits + 1;
        division.eight.mux(lane(base + s * bits, 2 * bits, sign(s)), both.extend(wide))
    };
    let (lower, upper) = (pair(0), pair(2));
    let narrow =
        lower.add(upper).add_wrapping(sign(2).resize(lower.width() + 1).as_signed()).named("lanes_sum");
    let whole = lane(0, layout.shifter_bits, sign(0)).extend(QUIRE_BITS);
    (division.sixteen.mux(whole, narrow.extend(QUIRE_BITS)).as_unsigned().named("addend"), sign(0))
}
