//! The head of a column or row: decodes a word of any mode into signs, magnitudes and distances.
//!
//! All PEs of a column share its weights, so decoders stand once at the column's head and once at the row's,
//! and an array of n × n PEs has 2n of them. The decoded word is `{special, distances, signs, magnitudes}`: the
//! magnitudes in the quarters of [`Layout`], a sign for each segment of the shifter, the distances of lanes 3 to
//! 1 with 4 bits each and of lane 0 with 9 bits, two's complement, and a bit that tells a NaN, NaR or infinity
//! in any lane. Negating stands here, once for all PEs, so that a PE multiplies without signs.

use std::sync::Arc;

use bitmill_formats::circuits::{self, Unpacked};
use bitmill_formats::{Family, Scalar};
use bitmill_hdl::{HdlError, Module, ModuleBuilder, Signal, unsigned};

use super::lanes::{LaneMode, LaneWidth, Layout, WORD_BITS};
use crate::pe::sum::negate_if;

/// Bits of the distance of each lane.
pub(super) const DISTANCE_BITS: [u32; 4] = [9, 4, 4, 4];
/// Signs, one for every segment.
pub(super) const SIGN_BITS: u32 = 4;
/// Bits of `mode_i`.
pub(super) const MODE_BITS: u32 = 4;

/// Bits of a decoded word.
pub(super) fn decoded_bits(layout: Layout) -> u32 {
    layout.word_bits + SIGN_BITS + DISTANCE_BITS.iter().sum::<u32>() + 1
}

/// What a mode makes of a word.
struct Decoded<'m> {
    magnitudes: Signal<'m>,
    signs: Signal<'m>,
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
            "{what} word to signs, magnitudes and distances, for\n{}.\nCombinational.",
            formats.join(", ")
        ),
    );
    let mode = m.input_with_comment("mode_i", unsigned(MODE_BITS), "format of the lanes");
    let word = m.input(input, unsigned(WORD_BITS));
    let layout = Layout::new(modes);
    let selected: Vec<(Signal, Decoded)> = modes
        .iter()
        .map(|lane_mode| {
            m.comment(&format!("Lanes of {}.", lane_mode.name));
            let is = mode.eq_value(lane_mode.code.into()).named(&format!("is_{}", lane_mode.name));
            (is, decode(&m, lane_mode, operand, layout, word.gate(is)))
        })
        .collect();
    m.comment("The selected mode's.");
    let magnitudes = one_of(&m, selected.iter().map(|(is, d)| (*is, Some(d.magnitudes))), layout.word_bits);
    let signs = one_of(&m, selected.iter().map(|(is, d)| (*is, Some(d.signs))), SIGN_BITS);
    let mut parts = vec![any_special(&m, &selected)];
    for lane in (0..4).rev() {
        parts.push(one_of(&m, selected.iter().map(|(is, d)| (*is, d.distances[lane])), DISTANCE_BITS[lane]));
    }
    parts.extend([signs, magnitudes]);
    m.output_with_comment(
        output,
        m.concat(&parts),
        "{special, distances of lanes 3 to 0, signs, magnitudes}",
    );
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

fn decode<'m>(
    m: &'m ModuleBuilder,
    mode: &LaneMode,
    operand: usize,
    layout: Layout,
    word: Signal<'m>,
) -> Decoded<'m> {
    let format = mode.format();
    let (lanes, bits, magnitude_bits) = (mode.width.lanes(), mode.width.bits(), mode.magnitude_bits());
    let numbers: Vec<Unpacked> = (0..lanes)
        .map(|lane| {
            let code = word.slice(lane * bits, bits);
            magnitude(m, &format!("{}_{lane}", mode.name), &format, code)
        })
        .collect();
    let flags: Vec<Signal> = numbers.iter().flat_map(|x| [x.nan, x.infinite]).flatten().collect();
    let quarters = layout.quarters();
    let (mut distances, mut signs) = ([None; 4], [m.bit(false); 4]);
    let mut magnitudes = m.lit(layout.word_bits, 0);
    for (lane, x) in numbers.iter().enumerate() {
        // Segments and quarters go with the lanes of 4 bits: the second lane of 8 bits is number 2.
        let place = if mode.width == LaneWidth::Eight { 2 * lane } else { lane };
        distances[place] = Some(distance(m, mode, operand, x, &format, DISTANCE_BITS[place]));
        signs[place] = x.sign(m);
        let significand = x.significand.truncate(magnitude_bits).as_unsigned();
        magnitudes = magnitudes.or(significand.shl(quarters[place]).extend(layout.word_bits));
    }
    signs.reverse();
    Decoded {
        magnitudes,
        signs: m.concat(&signs),
        distances,
        special: (!flags.is_empty()).then(|| m.any(&flags)),
    }
}

/// The number of a code with its sign apart. A posit is negated before it is decoded: −2 is then 1·2, and its
/// magnitude needs no bit more.
fn magnitude<'m>(m: &'m ModuleBuilder, prefix: &str, format: &Scalar, code: Signal<'m>) -> Unpacked<'m> {
    let sign = code.msb();
    match format {
        Scalar::Minifloat(_) => circuits::decode(m, prefix, format, code),
        _ => {
            let positive =
                negate_if(sign, code.as_signed()).as_unsigned().named(&format!("{prefix}_magnitude"));
            Unpacked { negative: Some(sign), ..circuits::decode(m, prefix, format, positive) }
        }
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
