//! iFairy's weights {1, i, −1, −i}: quarter turns, so that products are additions modulo 4.

use bitmill_hdl::{ModuleBuilder, Signal};

use super::unpacked::negate_if;
use crate::Complex;

impl Complex {
    /// Circuit: the code of the product of two codes.
    pub fn multiply_circuit<'m>(&self, a: Signal<'m>, b: Signal<'m>) -> Signal<'m> {
        a.add_wrapping(b)
    }

    /// Circuit: conj(x)·w of a complex integer x and a weight's code: a swap and two signs. Each part is one
    /// bit wider than those of x.
    pub fn conjugate_product_circuit<'m>(
        &self,
        (real, imaginary): (Signal<'m>, Signal<'m>),
        weight: Signal<'m>,
    ) -> (Signal<'m>, Signal<'m>) {
        let width = real.width() + 1;
        let (swap, half_turn) = (weight.bit(0), weight.bit(1));
        // conj(x)·1 = xr − i·xi and conj(x)·i = xi + i·xr.
        let new_real = swap.mux(imaginary, real).extend(width);
        let new_imaginary = swap.mux(real, imaginary).extend(width);
        let flip_imaginary = half_turn.xor(swap.not());
        (negate_if(half_turn, new_real), negate_if(flip_imaginary, new_imaginary))
    }

    /// Circuit: the code of the quadrant in which a complex integer lies, cut at 45°, 135°, −135° and −45°.
    pub fn encode_circuit<'m>(
        &self,
        m: &'m ModuleBuilder,
        real: Signal<'m>,
        imaginary: Signal<'m>,
    ) -> Signal<'m> {
        // The signs of xi + xr and xi − xr tell on which side of both diagonals the number lies.
        let (sum, difference) = (imaginary.add(real), imaginary.sub(real));
        let (sum_negative, sum_nonzero) = (sum.msb(), sum.any());
        let (difference_negative, difference_nonzero) = (difference.msb(), difference.any());
        let sum_positive = sum_nonzero.and(sum_negative.not());
        let difference_positive = difference_nonzero.and(difference_negative.not());
        let half_turn = sum_negative.or(sum_nonzero.not().and(difference_positive));
        let quarter_turn =
            sum_positive.and(difference_negative.not()).or(sum_negative.and(difference_positive.not()));
        m.concat(&[half_turn, quarter_turn])
    }
}
