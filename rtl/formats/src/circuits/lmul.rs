//! L-Mul: the integer adder that multiplies, and the cases around it.

use bitmill_hdl::{ModuleBuilder, Signal, unsigned};

use super::exponent::signed_bits;
use super::unpacked::{Unpacked, either};
use crate::LMul;
use crate::family::Family;

impl LMul {
    /// Circuit: the code of a×b. Guard bits above the sum of the magnitude codes tell underflow and
    /// overflow; NaN, infinities and zeros pass beside the adder.
    pub fn multiply_circuit<'m>(&self, m: &'m ModuleBuilder, a: Signal<'m>, b: Signal<'m>) -> Signal<'m> {
        let format = self.format();
        let (mantissa_bits, magnitude_bits) = (format.mantissa_bits(), format.bits() - 1);
        let offset = self.offset();
        let largest = 2 * ((1i64 << magnitude_bits) - 1) + offset;
        let width = signed_bits(offset).max(signed_bits(largest)).max(magnitude_bits + 1);

        let [x, y] = [a, b].map(|code| code.truncate(magnitude_bits).extend(width));
        let offset = m.constant(unsigned(width), offset.rem_euclid(1 << width).into());
        let sum = x.add_wrapping(y.add_wrapping(offset)).named("sum");

        let is_zero = |code: Signal<'m>| code.slice(mantissa_bits, format.exponent_bits()).any().not();
        let (a_zero, b_zero) = (is_zero(a), is_zero(b));
        let below = sum.msb().or(sum.slice(mantissa_bits, width - mantissa_bits).any().not());
        let zero = below.or(a_zero).or(b_zero).named("zero");

        let (a_infinite, a_nan) = format.specials_circuit(a);
        let (b_infinite, b_nan) = format.specials_circuit(b);
        // Zero times infinity is NaN.
        let lost = either(a_infinite.map(|x| x.and(b_zero)), b_infinite.map(|x| x.and(a_zero)));
        let operands = Unpacked {
            negative: Some(a.msb().xor(b.msb())),
            infinite: either(a_infinite, b_infinite),
            nan: either(either(a_nan, b_nan), lost),
            ..Unpacked::fixed(sum, 0)
        };
        format.assemble(
            m,
            &operands,
            sum.truncate(width - 1).gate(zero.not()),
            ("overflow", format.overflow()),
        )
    }
}
