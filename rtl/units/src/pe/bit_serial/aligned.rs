//! Row head of the rounded PE: the activations of a step moved down to the largest exponent among them.
//!
//! BitMoD's PE (HPCA 2025, section IV) aligns its four products and keeps three more bits, rounded to nearest
//! even. The trick: all PEs of a row have the same activations, so they are aligned once, at the head of the
//! row, and a PE sees one exponent and short integers. A term's own exponent (0 to 3) shifts up, behind it.

use std::sync::Arc;

use bitmill_formats::circuits::{self, Unpacked};
use bitmill_formats::{Dyadic, Family, Scalar};
use bitmill_hdl::{HdlError, Module, ModuleBuilder, Signal, bits_for, unsigned};

/// Places that are kept below the significand of the largest activation.
const MORE_BITS: u32 = 3;

/// The activations of a step in a minifloat, with one exponent.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct AlignedActivations {
    pub format: Scalar,
    pub lanes: u32,
}

/// The meaning: signed integers in units of 2^(exponent + [`AlignedActivations::lsb_exponent`]).
pub(super) struct Block {
    pub exponent: u32,
    pub values: Vec<i128>,
}

impl AlignedActivations {
    /// Bits of the format's significand.
    fn significand_bits(&self) -> u32 {
        match &self.format {
            Scalar::Minifloat(minifloat) => minifloat.mantissa_bits() + 1,
            _ => 1,
        }
    }

    /// Bits of a magnitude.
    pub fn magnitude_bits(&self) -> u32 {
        self.significand_bits() + MORE_BITS
    }

    /// Largest exponent of a step.
    pub fn most_exponent(&self) -> u32 {
        let extremes = self.format.extremes();
        let highest = extremes.highest.log2_floor().unwrap_or(0);
        let above = highest - extremes.lsb_exponent - (self.significand_bits() as i32 - 1);
        above.max(0) as u32
    }

    /// Bits of the exponent.
    pub fn exponent_bits(&self) -> u32 {
        bits_for(self.most_exponent().into())
    }

    /// What values with exponent 0 count in, as a power of two.
    pub fn lsb_exponent(&self) -> i32 {
        self.format.extremes().lsb_exponent - MORE_BITS as i32
    }

    /// Bits of the word that the head hands out: the exponent over a sign and a magnitude a lane.
    pub fn word_bits(&self) -> u32 {
        self.exponent_bits() + self.lanes * (1 + self.magnitude_bits())
    }

    /// The activations of these codes. Infinities and NaN count as 0.
    pub fn block(&self, codes: &[u32]) -> Block {
        let lsb = self.format.extremes().lsb_exponent;
        let numbers: Vec<Dyadic> = codes
            .iter()
            .map(|&code| self.format.decode(code).finite().unwrap_or(Dyadic::from_integer(0)))
            .collect();
        let places = self.significand_bits() as i32 - 1;
        let exponent = |x: &Dyadic| x.log2_floor().map_or(0, |log2| (log2 - places - lsb).max(0));
        let largest = numbers.iter().map(exponent).max().unwrap_or(0);
        let unit = largest + self.lsb_exponent();
        let values = numbers.iter().map(|x| nearest_even(x, unit)).collect();
        Block { exponent: largest as u32, values }
    }

    /// The row head.
    pub fn row_head(&self) -> Result<Arc<Module>, HdlError> {
        let (format, lanes, bits) = (&self.format, self.lanes, self.magnitude_bits());
        let m = ModuleBuilder::new(
            format!("bitmill_{format}_to_block_l{lanes}"),
            format!(
                "{lanes} activations, {format}, moved down to the largest exponent among them, to nearest even;\n\
                 infinities and NaN to 0. Combinational."
            ),
        );
        let word = m.input("activation_i", unsigned(lanes * format.bits()));
        m.comment("Exponents, and the largest of them.");
        let numbers: Vec<Lane> = (0..lanes).map(|index| self.lane(&m, word, index)).collect();
        let largest = numbers[1..]
            .iter()
            .fold(numbers[0].exponent, |most, lane| most.lt(lane.exponent).mux(lane.exponent, most))
            .named("largest_exponent");
        m.comment("Move down and round.");
        let mut parts = vec![largest];
        for (index, lane) in numbers.iter().enumerate().rev() {
            let distance = largest.sub_wrapping(lane.exponent).named(&format!("distance_{index}"));
            let places = lane.significand.shl(MORE_BITS + 2);
            let moved = circuits::shift_right_jamming(&m, places, distance);
            let kept = moved.shr(2);
            let up = moved.bit(1).and(moved.bit(0).or(kept.bit(0)));
            let magnitude = kept.add_wrapping(up.resize(bits)).named(&format!("magnitude_{index}"));
            parts.extend([lane.negative, magnitude]);
        }
        m.output_with_comment("activation_o", m.concat(&parts), "exponent, then {sign, magnitude} a lane");
        m.finish()
    }

    fn lane<'m>(&self, m: &'m ModuleBuilder, word: Signal<'m>, index: u32) -> Lane<'m> {
        let code = word.slice(index * self.format.bits(), self.format.bits());
        let x: Unpacked = circuits::decode(m, &format!("x_{index}"), &self.format, code);
        let finite = m.any(&[x.infinite, x.nan].into_iter().flatten().collect::<Vec<_>>()).not();
        let exponent = x.exponent.above_low(m, self.format.extremes().lsb_exponent);
        Lane {
            negative: x.sign(m),
            significand: x.significand.gate(finite),
            exponent: exponent.resize(self.exponent_bits()).gate(finite),
        }
    }
}

struct Lane<'m> {
    negative: Signal<'m>,
    significand: Signal<'m>,
    exponent: Signal<'m>,
}

/// x / 2^unit to the nearest integer, ties to even.
fn nearest_even(x: &Dyadic, unit: i32) -> i128 {
    let (significand, down) = (x.significand(), unit - x.exponent());
    let magnitude = match down {
        _ if significand == 0 => 0,
        ..=0 => significand << -down,
        1..=127 => {
            let (kept, rest, half) =
                (significand >> down, significand & ((1 << down) - 1), 1u128 << (down - 1));
            kept + u128::from(rest > half || (rest == half && kept & 1 == 1))
        }
        _ => 0,
    };
    if x.is_negative() { -(magnitude as i128) } else { magnitude as i128 }
}

/// The fields of the head's word in a PE: exponent, then sign and magnitude of every lane.
pub(super) fn fields<'m>(
    activations: &AlignedActivations,
    word: Signal<'m>,
) -> (Signal<'m>, Vec<(Signal<'m>, Signal<'m>)>) {
    let bits = activations.magnitude_bits();
    let lane = |index: u32| word.slice(index * (bits + 1), bits + 1);
    let lanes = (0..activations.lanes).map(|index| (lane(index).msb(), lane(index).truncate(bits)));
    (word.slice(activations.lanes * (bits + 1), activations.exponent_bits()), lanes.collect())
}
