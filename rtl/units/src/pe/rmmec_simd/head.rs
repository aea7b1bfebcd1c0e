//! The head of a column or row: decodes a word of any mode into signed significands and distances.
//!
//! All PEs of a column share its weights, so decoders stand once at the column's head and once at the row's,
//! and an array of n × n PEs has 2n of them. The decoded word is `{special, distances, significands}`: 16 bits
//! of two's complement lanes, the distances of lanes 3 to 1 with 4 bits each and of lane 0 with 9 bits, two's
//! complement, and a bit that tells a NaN, NaR or infinity in any lane.

use std::sync::Arc;

use bitmill_formats::circuits::{self, Unpacked};
use bitmill_formats::{Family, Scalar};
use bitmill_hdl::{HdlError, Module, ModuleBuilder, Signal, unsigned};

use super::lanes::{LaneMode, LaneWidth, WORD_BITS};

/// Bits of the distance of each lane.
pub(super) const DISTANCE_BITS: [u32; 4] = [9, 4, 4, 4];
/// Bits of a decoded word.
pub(super) const DECODED_BITS: u32 = WORD_BITS + 9 + 3 * 4 + 1;
/// Bits of `mode_i`.
pub(super) const MODE_BITS: u32 = 4;

/// What a mode makes of a word.
struct Decoded<'m> {
    significands: Signal<'m>,
    /// By lane 0 to 3; a lane that the mode does not have takes any.
    distances: [Option<Signal<'m>>; 4],
    special: Option<Signal<'m>>,
}

/// The head for operand 0 (a row's activations) or 1 (a column's weights).
pub(super) fn module(modes: &[LaneMode], operand: usize, name: &str) -> Result<Arc<Module>, HdlError> {
    let (what, input, output) =
        [("activation", "activation_i", "activation_o"), ("weight", "weight_i", "weight_o")][operand];
    let formats: Vec<&str> = modes.iter().map(|mode| mode.name).collect();
    let m = ModuleBuilder::new(
        name,
        format!(
            "{what} word to signed significands and distances, for\n{}.\nCombinational.",
            formats.join(", ")
        ),
    );
    let mode = m.input_with_comment("mode_i", unsigned(MODE_BITS), "format of the lanes");
    let word = m.input(input, unsigned(WORD_BITS));
    let selected: Vec<(Signal, Decoded)> = modes
        .iter()
        .map(|lane_mode| {
            m.comment(&format!("Lanes of {}.", lane_mode.name));
            let is = mode.eq_value(lane_mode.code.into()).named(&format!("is_{}", lane_mode.name));
            (is, decode(&m, lane_mode, operand, word.gate(is)))
        })
        .collect();
    m.comment("The selected mode's.");
    let significands = one_of(&m, selected.iter().map(|(is, d)| (*is, Some(d.significands))), WORD_BITS);
    let mut parts = vec![any_special(&m, &selected)];
    for lane in (0..4).rev() {
        parts.push(one_of(&m, selected.iter().map(|(is, d)| (*is, d.distances[lane])), DISTANCE_BITS[lane]));
    }
    parts.push(significands);
    m.output_with_comment(output, m.concat(&parts), "{special, distances of lanes 3 to 0, significands}");
    m.finish()
}

/// The item whose bit is set; 0 if there is none.
fn one_of<'m>(
    m: &'m ModuleBuilder,
    items: impl Iterator<Item = (Signal<'m>, Option<Signal<'m>>)>,
    width: u32,
) -> Signal<'m> {
    let gated = items.filter_map(|(is, item)| item.map(|item| item.gate(is)));
    gated.reduce(|a, b| a.or(b)).unwrap_or_else(|| m.lit(width, 0))
}

fn any_special<'m>(m: &'m ModuleBuilder, selected: &[(Signal<'m>, Decoded<'m>)]) -> Signal<'m> {
    let flags: Vec<Signal> =
        selected.iter().filter_map(|(is, d)| d.special.map(|special| special.and(*is))).collect();
    m.any(&flags)
}

fn decode<'m>(m: &'m ModuleBuilder, mode: &LaneMode, operand: usize, word: Signal<'m>) -> Decoded<'m> {
    let format = mode.format();
    let (lanes, bits) = (mode.width.lanes(), mode.width.bits());
    let numbers: Vec<Unpacked> = (0..lanes)
        .map(|lane| {
            let code = word.slice(lane * bits, bits);
            circuits::decode(m, &format!("{}_{lane}", mode.name), &format, code).to_signed(m)
        })
        .collect();
    let significands: Vec<Signal> =
        numbers.iter().rev().map(|x| x.significand.extend(bits).as_unsigned()).collect();
    let flags: Vec<Signal> = numbers.iter().flat_map(|x| [x.nan, x.infinite]).flatten().collect();
    let mut distances = [None; 4];
    for (lane, x) in numbers.iter().enumerate() {
        // The quire's segments go with the lanes of 4 bits: the second lane of 8 bits is number 2.
        let place = if mode.width == LaneWidth::Eight { 2 * lane } else { lane };
        distances[place] = Some(distance(m, mode, operand, x, &format, DISTANCE_BITS[place]));
    }
    Decoded {
        significands: m.concat(&significands),
        distances,
        special: (!flags.is_empty()).then(|| m.any(&flags)),
    }
}

/// How far the number's exponent lies below the mode's base.
fn distance<'m>(
    m: &'m ModuleBuilder,
    mode: &LaneMode,
    operand: usize,
    x: &Unpacked<'m>,
    format: &Scalar,
    width: u32,
) -> Signal<'m> {
    if x.exponent.is_constant() {
        let lsb = format.extremes().lsb_exponent;
        return m.lit(width, u64::from((mode.base[operand] - lsb).unsigned_abs()));
    }
    // base − e is the complement of e − base − 1.
    x.exponent.above(m, mode.base[operand] + 1).not().resize(width).as_unsigned()
}
