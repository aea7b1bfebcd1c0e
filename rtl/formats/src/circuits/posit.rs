//! Posits: decoder and encoder in two's complement throughout.
//!
//! With s the sign bit, k the regime, e the exponent field and f the fraction in [0, 1), read straight from
//! the code, a posit is ((1 − 3s) + f)·2^((1 − 2s)(2^es·k + e + s)) (Posit Standard 2022, section 3.4). Since
//! −x − 1 is the complement of x, the exponent of the significand is the string k e, complemented if s.
//! So neither side negates anything: the bit string of a negative number is cut and rounded as it stands.

use bitmill_hdl::{ModuleBuilder, Signal, bits_for};

use super::exponent::Exponent;
use super::rounding::Rounder;
use super::shift::{at_least, keep_top, normalise, shift_right_jamming};
use super::unpacked::{Unpacked, either};
use crate::Posit;
use crate::family::Family;

impl Posit {
    /// Bits of the fraction field of a posit with the shortest regime.
    fn fraction_bits(&self) -> u32 {
        self.significand_bits() - 1
    }

    /// Circuit: the number that `code` stands for, normalised.
    pub(super) fn decode_circuit<'m>(
        &self,
        m: &'m ModuleBuilder,
        prefix: &str,
        code: Signal<'m>,
    ) -> Unpacked<'m> {
        let (bits, es, fraction_bits) = (self.bits(), self.exponent_bits(), self.fraction_bits());
        let sign = code.msb();
        let body = code.truncate(bits - 1);
        let nonzero = body.any().named(&format!("{prefix}_nonzero"));
        let first = body.msb();

        let (string, run) = skip_run(m, body.truncate(bits - 2), first);
        // Nothing stands behind the run of posit3_0.
        let has_rest = es + fraction_bits > 0;
        let string = if has_rest { string.named(&format!("{prefix}_behind_run")) } else { string };
        let run = run.named(&format!("{prefix}_run"));
        // Behind the run stands the bit that ends it; exponent bits that were cut off read as zeros.
        let rest_bits = bits - 3 + es;
        let rest = |lsb, width| string.shl(es).slice(lsb, width);

        // The regime is `run` behind a first 1 and −run − 1 behind a first 0; the sign complements it again.
        let positive_regime = first.xor(sign);
        let flip = positive_regime.not();
        let mut regime_exponent = vec![positive_regime, run.xor(flip.replicate(run.width()))];
        if es > 0 {
            regime_exponent.push(rest(rest_bits - es, es).xor(sign.replicate(es)));
        }
        let biased = m.concat(&regime_exponent).named(&format!("{prefix}_exponent"));

        let mut parts = vec![sign, sign.not().and(nonzero)];
        if fraction_bits > 0 {
            parts.push(rest(rest_bits - es - fraction_bits, fraction_bits));
        }
        let significand = m.concat(&parts).as_signed().named(&format!("{prefix}_significand"));

        // -2^max is -2 · 2^(max - 1): in two's complement the smallest posit has the exponent below.
        let (low, high) = (-self.maximum_exponent() - 1, self.maximum_exponent());
        let top = Exponent::variable(biased, -(1 << (run.width() + es)), low, high);
        Unpacked {
            negative: Some(sign),
            significand,
            exponent: top.plus(-(fraction_bits as i32)),
            leading: 0,
            infinite: None,
            nan: Some(sign.and(nonzero.not())),
        }
    }

    /// Circuit: the posit nearest to `x`, rounded in its bit string.
    pub(super) fn encode_circuit<'m>(
        &self,
        m: &'m ModuleBuilder,
        x: &Unpacked<'m>,
        rounder: &Rounder<'m>,
    ) -> Signal<'m> {
        let (bits, es) = (self.bits(), self.exponent_bits());
        let x = x.to_signed(m);
        let (significand, moved) = normalise(m, x.significand, x.leading, &rounder.name("leading_bits"));
        let significand = significand.named(&rounder.name("normalised"));
        let width = significand.width();
        let sign = significand.msb();
        let nonzero = sign.or(significand.bit(width - 2));
        let special = either(x.nan, x.infinite);
        let settled = special.map_or(nonzero.not(), |special| special.or(nonzero.not()));

        let exponent = x.top().minus(m, moved, x.leading);
        let exponent = exponent.resize(exponent.width().max(es + 1)).named(&rounder.name("exponent"));
        let exponent = exponent.as_unsigned().xor(sign.replicate(exponent.width()));
        let regime = exponent.slice(es, exponent.width() - es);
        let ones = regime.msb().not();

        // The regime's run, its end, the exponent field and the fraction, with the run of length one.
        let start = ones.and(settled.not());
        let mut parts = vec![start, start.not()];
        if es > 0 {
            parts.push(exponent.truncate(es));
        }
        if width > 2 {
            parts.push(significand.slice(0, width - 2));
        }
        let tail_bits = rounder.mode().tail_bits().max(1);
        let string = keep_top(m, m.concat(&parts), bits - 1 + tail_bits).as_signed();

        // Lengthening the run shifts the rest down. Beyond the longest run, and for zero and NaR, the
        // shift leaves nothing but the run.
        let run_bits = (regime.width() - 1).max(1);
        let longer = regime.truncate(run_bits).xor(ones.not().replicate(run_bits));
        let beyond = at_least(m, longer, u64::from(bits - 2)).or(settled).named(&rounder.name("beyond"));
        let shift_bits = bits_for(u64::from(bits - 2));
        let amount = longer.resize(shift_bits).or(beyond.replicate(shift_bits));
        let shifted = shift_right_jamming(m, string, amount).as_unsigned().named(&rounder.name("bit_string"));

        let tail = shifted.truncate(tail_bits + 1);
        let kept = shifted.slice(tail_bits + 1, bits - 1);
        let up = rounder.round_up(m, kept.bit(0), tail, Some(sign));
        // A number too small for the smallest posit becomes it: 0…0 + 1. The largest is 1…1 already.
        let tiny = start.or(settled).not();
        let up = beyond.mux(tiny, up).named(&rounder.name("round_up"));
        let body = kept.add_wrapping(up.resize(bits - 1));
        let sign = special.map_or(sign, |special| sign.or(special));
        m.concat(&[sign, body])
    }
}

/// Counts how often `first` is repeated at the head of `bits`, and shifts the repetitions out.
fn skip_run<'m>(m: &'m ModuleBuilder, bits: Signal<'m>, first: Signal<'m>) -> (Signal<'m>, Signal<'m>) {
    let width = bits.width();
    let mut string = bits;
    let mut run = Vec::new();
    for stage in (0..bits_for(u64::from(width))).rev() {
        let distance = 1 << stage;
        let head = string.slice(width - distance, distance);
        let repeated = first.mux(head.all(), head.any().not());
        let shifted =
            if distance < width { string.truncate(width - distance).shl(distance) } else { m.lit(width, 0) };
        string = repeated.mux(shifted, string);
        run.push(repeated);
    }
    (string, m.concat(&run))
}
