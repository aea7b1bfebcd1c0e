//! Integers, fixed point and slices of an int8 master.

use bitmill_hdl::{ModuleBuilder, Signal};

use super::fixed::{Window, to_fixed};
use super::rounding::Rounder;
use super::shift::{at_least, keep_top};
use super::unpacked::Unpacked;
use crate::family::Family;
use crate::{Integer, Slice, SliceRule};

impl Integer {
    /// Circuit: the number that `code` stands for.
    pub(super) fn decode_circuit<'m>(&self, code: Signal<'m>) -> Unpacked<'m> {
        let significand = if self.is_signed() { code.as_signed() } else { code };
        Unpacked::fixed(significand, -(self.fraction_bits() as i32))
    }

    /// Circuit: the integer that `x` is rounded to.
    pub(super) fn encode_circuit<'m>(
        &self,
        m: &'m ModuleBuilder,
        x: &Unpacked<'m>,
        rounder: &Rounder<'m>,
    ) -> Signal<'m> {
        let bits = self.bits();
        let tail_bits = rounder.mode().tail_bits();
        let lsb = -(self.fraction_bits() as i32);
        let window = Window { highest: lsb + bits as i32 - 1, lowest: lsb - tail_bits as i32 };
        // What wraps around needs every bit of the window, however far above it the number begins.
        let reach = if self.is_wrapping() { x.significand.width() } else { x.leading };
        let fixed = to_fixed(m, x, window, reach);
        let tail = fixed.bits.truncate(tail_bits + 1).as_unsigned();
        let kept = fixed.bits.shr(tail_bits + 1);
        let last = kept.bit(0);
        let sign = x.sign(m);
        let rounded = if x.is_signed() {
            let up = rounder.round_up(m, last, tail, Some(sign));
            kept.add(up.to_signed())
        } else {
            // −(kept + up) = ~kept + 1 − up: negation and rounding share an adder.
            let up = rounder.round_up(m, last, tail, None).xor(sign);
            let kept = kept.to_signed();
            kept.xor(sign.replicate(kept.width()).as_signed()).add(up.to_signed())
        };
        let code = self.limit(m, x, rounded.named(&rounder.name("rounded")), &fixed);
        match x.nan {
            Some(nan) => code.gate(nan.not()),
            None => code,
        }
    }

    /// The code of the rounded integer, by the overflow policy.
    fn limit<'m>(
        &self,
        m: &'m ModuleBuilder,
        x: &Unpacked<'m>,
        rounded: Signal<'m>,
        fixed: &super::fixed::Fixed<'m>,
    ) -> Signal<'m> {
        let bits = self.bits();
        let (lowest, highest) = self.range();
        let end = |end: i64| m.lit(bits, end.rem_euclid(1 << bits) as u64);
        let sign = x.sign(m);
        let ends = sign.mux(end(lowest), end(highest));
        let code = rounded.truncate(bits).as_unsigned();
        if self.is_wrapping() {
            let code = fixed.far_above.map_or(code, |far| code.gate(far.not()));
            return x.infinite.map_or(code, |infinite| infinite.mux(ends, code));
        }
        let mut outside = if self.is_signed() {
            let head = rounded.slice(bits - 1, rounded.width() - bits + 1);
            let too_low = code.eq_value(i128::from(1u32 << (bits - 1)));
            let misfit = head.any().and(head.all().not());
            if self.is_symmetric() { misfit.or(too_low) } else { misfit }
        } else {
            rounded.slice(bits, rounded.width() - bits).any()
        };
        for flag in [fixed.above, x.infinite].into_iter().flatten() {
            outside = outside.or(flag);
        }
        outside.mux(ends, code)
    }
}

impl Slice {
    /// Circuit: the number that `code` stands for, in units of the master.
    pub(super) fn decode_circuit<'m>(&self, m: &'m ModuleBuilder, code: Signal<'m>) -> Unpacked<'m> {
        let bits = self.bits();
        let significand = match self.rule() {
            SliceRule::DoubleRounding => code.as_signed(),
            SliceRule::MatGptq => m.concat(&[code.msb().not(), code.truncate(bits - 1)]).as_signed(),
        };
        Unpacked::fixed(significand, self.dropped_bits() as i32)
    }

    /// Circuit: the slice of the int8 that `x` is rounded to.
    pub(super) fn encode_circuit<'m>(
        &self,
        m: &'m ModuleBuilder,
        x: &Unpacked<'m>,
        rounder: &Rounder<'m>,
    ) -> Signal<'m> {
        self.slice_circuit(m, Self::master().encode_circuit(m, x, rounder).named(&rounder.name("master")))
    }

    /// Circuit: the slice's code for a master weight, an int8.
    pub fn slice_circuit<'m>(&self, m: &'m ModuleBuilder, master: Signal<'m>) -> Signal<'m> {
        let (bits, dropped) = (self.bits(), self.dropped_bits());
        // Both rules round the master's bits; MatGPTQ's offset binary only turns the sign bit over.
        let master = match self.rule() {
            SliceRule::DoubleRounding => master,
            SliceRule::MatGptq => m.concat(&[master.msb().not(), master.truncate(7)]),
        };
        if dropped == 0 {
            return master;
        }
        let kept = master.slice(dropped, bits);
        let tail = master.truncate(dropped);
        let (up, largest) = match self.rule() {
            SliceRule::MatGptq => (tail.msb(), (1u64 << bits) - 1),
            SliceRule::DoubleRounding => {
                let tail = keep_top(m, tail, 1);
                (tail.msb().and(tail.bit(0).or(kept.bit(0))), (1 << (bits - 1)) - 1)
            }
        };
        // The largest code stays: nothing lies above it.
        let full = match self.rule() {
            SliceRule::MatGptq => at_least(m, kept, largest),
            SliceRule::DoubleRounding => kept.eq_value(largest.into()),
        };
        kept.add_wrapping(up.and(full.not()).resize(bits))
    }
}
