//! Power-of-two scales: no sign, no zero, no mantissa.

use bitmill_hdl::{ModuleBuilder, Signal};

use super::exponent::Exponent;
use super::rounding::{Rounder, RoundingMode};
use super::shift::{at_least, keep_top, normalise};
use super::unpacked::Unpacked;
use crate::PowerOfTwo;
use crate::family::Family;

impl PowerOfTwo {
    /// Circuit: the number that `code` stands for.
    pub(super) fn decode_circuit<'m>(&self, m: &'m ModuleBuilder, code: Signal<'m>) -> Unpacked<'m> {
        let largest = self.largest_code() as i32;
        Unpacked {
            negative: None,
            significand: m.bit(true),
            exponent: Exponent::variable(code, -self.bias(), -self.bias(), largest - self.bias()),
            leading: 0,
            infinite: None,
            nan: Some(code.all()),
        }
    }

    /// Circuit: the power of two that `x` is rounded to; NaN for zero and negative numbers.
    pub(super) fn encode_circuit<'m>(
        &self,
        m: &'m ModuleBuilder,
        x: &Unpacked<'m>,
        rounder: &Rounder<'m>,
    ) -> Signal<'m> {
        let bits = self.bits();
        let x = x.to_magnitude();
        let (significand, moved) = normalise(m, x.significand, x.leading, &rounder.name("leading_bits"));
        let ordinal =
            Exponent::minus(x.top().plus(self.bias()), m, moved, x.leading).named(&rounder.name("exponent"));

        // What follows the leading one is a fraction between two powers.
        let width = significand.width();
        let up = if width > 1 {
            let tail = keep_top(m, significand.truncate(width - 1), rounder.mode().tail_bits().max(1));
            rounder.round_up(m, ordinal.bit(0), tail, None)
        } else {
            m.bit(false)
        };
        let below = ordinal.msb();
        let magnitude = ordinal.as_unsigned().gate(below.not());
        let rounded = magnitude.add(up.and(below.not())).named(&rounder.name("rounded"));
        let too_large = at_least(m, rounded, u64::from(self.largest_code()) + 1);

        let mut code = rounded.resize(bits);
        let mut nan = significand.msb().not();
        if self.is_saturating() || rounder.mode() == RoundingMode::TowardZero {
            code = too_large.mux(m.lit(bits, self.largest_code().into()), code);
        } else {
            nan = nan.or(too_large);
        }
        if let Some(infinite) = x.infinite {
            nan = infinite.mux(m.bit(!self.is_saturating()), nan);
            code = infinite.mux(m.lit(bits, self.largest_code().into()), code);
        }
        for flag in [x.negative, x.nan].into_iter().flatten() {
            nan = nan.or(flag);
        }
        code.or(nan.replicate(bits))
    }
}
