//! Rounded floating-point sum: a significand and the largest exponent that its addends have had.
//!
//! The trick: with the exponent of the largest addend so far, not of the sum, nothing is ever normalised, so
//! there is no leading-zero count and no second shifter. Whatever a sum loses below that exponent, a normalised
//! accumulator has lost too when it stood there. Of significand and addend the one with the smaller exponent
//! moves down; the last bit that falls off rounds it (to nearest, ties up), as the carry into the adder.
//!
//! Meaning: [`FloatingSum`]. A sum is significand · 2^exponent, the significand modulo 2^bits.

use bitmill_hdl::{ModuleBuilder, Signal, bits_for, signed, unsigned};

use super::sum::Control;

/// The meaning: the state of the accumulator.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FloatingSum {
    /// Two's complement, before it wraps around.
    pub significand: i128,
    /// Largest exponent of the addends so far.
    pub exponent: u32,
}

impl FloatingSum {
    /// With `addend` · 2^`exponent` added, in a significand of `bits`.
    pub fn plus(self, addend: i128, exponent: u32, bits: u32) -> FloatingSum {
        let largest = self.exponent.max(exponent);
        let [sum, addend] = [(self.significand, self.exponent), (addend, exponent)]
            .map(|(value, exponent)| moved_down(value, largest - exponent));
        let unused = 128 - bits;
        FloatingSum { significand: (sum + addend) << unused >> unused, exponent: largest }
    }
}

/// value / 2^places to the nearest integer, ties up.
fn moved_down(value: i128, places: u32) -> i128 {
    // Beyond 100 places nothing is left of 64 bits.
    match places.min(100) {
        0 => value,
        places => ((value >> (places - 1)) + 1) >> 1,
    }
}

/// Size of the accumulator.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct FloatingAccumulator {
    /// Bits of the significand.
    pub bits: u32,
    /// Largest exponent of an addend; the smallest is 0.
    pub most_exponent: u32,
}

impl FloatingAccumulator {
    /// Bits of the exponent.
    pub fn exponent_bits(self) -> u32 {
        bits_for(self.most_exponent.into())
    }

    /// Adds `addend` (signed, no wider than the significand) · 2^`exponent` to the accumulator while `control`
    /// says valid; makes the port `result_o` of {exponent, significand}.
    pub fn accumulate<'m>(
        self,
        m: &'m ModuleBuilder,
        control: Control<'m>,
        addend: Signal<'m>,
        exponent: Signal<'m>,
    ) {
        let bits = self.bits;
        m.comment(
            "Whose exponent is smaller moves down; not d = -d - 1 is the distance from one place further.",
        );
        let exponent_q = m.register("exponent_q", unsigned(self.exponent_bits())).without_reset();
        let acc_q = m.register("acc_q", signed(bits)).without_reset();
        let previous = acc_q.q().gate(control.first.not());
        let previous_exponent = exponent_q.q().gate(control.first.not());
        let difference = previous_exponent.sub(exponent).named("difference");
        let larger = difference.msb().named("addend_is_larger");
        let distance = difference.truncate(self.exponent_bits()).as_unsigned();
        let distance = distance.xor(larger.replicate(self.exponent_bits())).named("distance");
        let addend = addend.extend(bits);
        let high = larger.mux(addend, previous).named("high");
        let low = larger.mux(previous.extend(bits + 1), addend.shl(1)).named("low");
        let moved = low.shift_right(distance).named("low_moved");

        m.comment("The last bit that fell off rounds.");
        let acc_d = high
            .add_wrapping(moved.shr(1))
            .add_wrapping(moved.bit(0).resize(bits).as_signed())
            .named("acc_d");
        let exponent_d = larger.mux(exponent, previous_exponent).named("exponent_d");
        acc_q.set_when(control.valid, acc_d);
        exponent_q.set_when(control.valid, exponent_d);
        let result = m.concat(&[exponent_d, acc_d]);
        let result_q = m.register("result_q", result.shape()).without_reset();
        result_q.set_when(control.valid.and(control.last), result);
        m.group("Result");
        m.output_with_comment("result_o", result_q.q(), "{exponent, significand}: significand * 2^exponent");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smaller_exponent_is_rounded_to_nearest_ties_up() {
        let sum = FloatingSum { significand: 100, exponent: 4 };
        // (addend, exponent) → (significand, exponent)
        let cases = [
            ((8, 4), (108, 4)),
            ((8, 0), (101, 4)),  // a tie, up
            ((-8, 0), (100, 4)), // a tie, up
            ((-9, 0), (99, 4)),
            ((1, 5), (51, 5)),
            ((1, 60), (1, 60)),
        ];
        for ((addend, exponent), (significand, largest)) in cases {
            let expected = FloatingSum { significand, exponent: largest };
            assert_eq!(sum.plus(addend, exponent, 16), expected, "{addend} * 2^{exponent}");
        }
        assert_eq!(sum.plus(100, 4, 8).significand, -56, "it wraps around");
    }
}
