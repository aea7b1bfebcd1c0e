//! Minifloats: decoder and encoder, subnormals and every policy included.

use bitmill_hdl::{ModuleBuilder, Signal, bits_for};

use super::exponent::Exponent;
use super::rounding::{Rounder, RoundingMode};
use super::shift::{at_least, count_leading, keep_top, shift_right_jamming};
use super::unpacked::{Unpacked, either};
use crate::family::Family;
use crate::{Minifloat, Overflow, Specials, Subnormals};

impl Minifloat {
    /// Circuit: the number that `code` stands for. Subnormals keep their leading zeros.
    pub(super) fn decode_circuit<'m>(
        &self,
        m: &'m ModuleBuilder,
        prefix: &str,
        code: Signal<'m>,
    ) -> Unpacked<'m> {
        let (e, mantissa_bits) = (self.exponent_bits(), self.mantissa_bits());
        let field = code.slice(mantissa_bits, e);
        let mantissa = (mantissa_bits > 0).then(|| code.truncate(mantissa_bits));
        let normal = field.any().named(&format!("{prefix}_normal"));
        let gradual = self.subnormals() == Subnormals::Gradual;

        let mut parts = vec![normal];
        parts.extend(mantissa.map(|mantissa| if gradual { mantissa } else { mantissa.gate(normal) }));
        let significand = m.concat(&parts).named(&format!("{prefix}_significand"));

        let smallest = self.minimum_exponent() - mantissa_bits as i32;
        let largest_field = (self.largest_code() >> mantissa_bits) as i32;
        let exponent = if largest_field <= 1 {
            Exponent::constant(smallest)
        } else {
            // Subnormals have the exponent of field 1; flushed ones are zeros, whose exponent is open.
            let lowest = if gradual { field.bit(0).or(normal.not()) } else { field.bit(0) };
            let biased = m.concat(&[field.slice(1, e - 1), lowest]).named(&format!("{prefix}_exponent"));
            Exponent::variable(biased, smallest - 1, smallest, smallest - 1 + largest_field)
        };
        let (infinite, nan) = self.specials_circuit(code);
        Unpacked {
            negative: Some(code.msb()),
            significand,
            exponent,
            leading: if gradual { mantissa_bits } else { 0 },
            infinite,
            nan,
        }
    }

    /// Circuit: whether `code` is an infinity and whether it is NaN; `None` where the format has none.
    pub fn specials_circuit<'m>(&self, code: Signal<'m>) -> (Option<Signal<'m>>, Option<Signal<'m>>) {
        let (e, mantissa_bits) = (self.exponent_bits(), self.mantissa_bits());
        match self.specials() {
            Specials::Ieee => {
                let last = code.slice(mantissa_bits, e).all();
                let payload = code.truncate(mantissa_bits).any();
                (Some(last.and(payload.not())), Some(last.and(payload)))
            }
            Specials::NanAllOnes => (None, Some(code.truncate(e + mantissa_bits).all())),
            Specials::FiniteOnly => (None, None),
            Specials::NanNegativeZero => {
                (None, Some(code.msb().and(code.truncate(e + mantissa_bits).any().not())))
            }
        }
    }

    /// Circuit: the minifloat that `x` is rounded to.
    pub(super) fn encode_circuit<'m>(
        &self,
        m: &'m ModuleBuilder,
        x: &Unpacked<'m>,
        rounder: &Rounder<'m>,
    ) -> Signal<'m> {
        let mantissa_bits = self.mantissa_bits();
        let x = x.to_magnitude();
        let tail_bits = rounder.mode().tail_bits().max(1);
        let (aligned, binade) = self.align(m, &x, mantissa_bits + 1 + tail_bits, rounder);

        // The hidden bit, added to the binade, tells the first normal binade from the subnormals.
        let kept = aligned.slice(tail_bits + 1, mantissa_bits + 1);
        let up = rounder
            .round_up(m, kept.bit(0), aligned.truncate(tail_bits + 1), None)
            .named(&rounder.name("round_up"));
        let width = binade.width() + mantissa_bits + 1;
        let binade = binade.shl(mantissa_bits).resize(width);
        let ordinal = binade
            .add_wrapping(kept.resize(width))
            .add_wrapping(up.resize(width))
            .named(&rounder.name("ordinal"));
        let overflow = match rounder.mode() {
            // Rounding toward zero never leaves the finite numbers.
            RoundingMode::TowardZero => Overflow::Saturate,
            _ => self.overflow(),
        };
        self.assemble(m, &x, ordinal, (&rounder.name("overflow"), overflow))
    }

    /// The significand with its bits in the places of the format, `keep` of them and a sticky one, and how
    /// many binades the number lies above the lowest one; 0 for zeros and subnormals.
    fn align<'m>(
        &self,
        m: &'m ModuleBuilder,
        x: &Unpacked<'m>,
        keep: u32,
        rounder: &Rounder<'m>,
    ) -> (Signal<'m>, Signal<'m>) {
        let significand = x.significand;
        let range = x.top().plus(-self.minimum_exponent());
        let top = range.above(m, 0).named(&rounder.name("top_exponent"));
        let reaches_below = range.low() < 0;
        let below = top.msb();

        // Normal numbers move up until the leading one is in place; subnormal ones as far as they may.
        let (moved, binade) = if x.leading == 0 {
            (significand, top)
        } else {
            let leading = count_leading(m, significand, x.leading).named(&rounder.name("leading_zeros"));
            let width = top.width().max(leading.width() + 1);
            let binade = top
                .extend(width)
                .sub_wrapping(leading.to_signed().extend(width))
                .named(&rounder.name("binade"));
            let limit = top.as_unsigned().resize(leading.width());
            let limit = if reaches_below { limit.gate(below.not()) } else { limit };
            let places = binade.msb().mux(limit, leading);
            (significand.shift_left(places), binade)
        };
        let mut aligned = keep_top(m, moved, keep);
        if reaches_below {
            // Below the lowest binade: moved down, first as a whole and at last as a sticky bit. By −top =
            // ~top + 1 places, the first of them apart.
            let aligned_down = shift_right_jamming(m, aligned, m.bit(true));
            let places = top.not().as_unsigned().truncate(top.width() - 1);
            aligned = below.mux(shift_right_jamming(m, aligned_down, places), aligned);
        }
        let aligned = aligned.named(&rounder.name("aligned"));
        let highest = bits_for(range.high().max(0) as u64);
        (aligned, binade.as_unsigned().resize(highest).gate(aligned.msb()))
    }

    /// Sign, ordinal and the policies for what is no ordinary number; `overflow` is the
    /// one for finite ones, with the name of the signal that tells it.
    pub(super) fn assemble<'m>(
        &self,
        m: &'m ModuleBuilder,
        x: &Unpacked<'m>,
        ordinal: Signal<'m>,
        (overflow_name, overflow): (&str, Overflow),
    ) -> Signal<'m> {
        let bits = self.bits() - 1;
        let sign = x.sign(m);
        let mut magnitude = ordinal.resize(bits);
        if self.subnormals() == Subnormals::FlushToZero {
            magnitude = magnitude.gate(magnitude.slice(self.mantissa_bits(), self.exponent_bits()).any());
        }
        let mut nan = x.nan;
        let beyond = at_least(m, ordinal, u64::from(self.largest_code()) + 1).named(overflow_name);
        for (flag, policy) in [(Some(beyond), overflow), (x.infinite, self.overflow())] {
            let Some(flag) = flag else { continue };
            match (policy, self.infinity()) {
                (Overflow::Special, None) => nan = either(nan, Some(flag)),
                (Overflow::Special, Some(infinity)) => {
                    magnitude = flag.mux(m.lit(bits, infinity.into()), magnitude);
                }
                (Overflow::Saturate, _) => {
                    magnitude = flag.mux(m.lit(bits, self.largest_code().into()), magnitude);
                }
            }
        }
        let mut negative = if self.has_negative_zero() { sign } else { sign.and(magnitude.any()) };
        if let Some(nan) = nan {
            let code = self.nan_code();
            magnitude = nan.mux(m.lit(bits, u64::from(code & (self.sign_bit() - 1))), magnitude);
            negative = nan.mux(m.bit(code & self.sign_bit() != 0), negative);
        }
        m.concat(&[negative, magnitude])
    }
}
