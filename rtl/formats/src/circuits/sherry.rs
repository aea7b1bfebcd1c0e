//! Sherry's groups of four ternary weights, one of them zero.

use bitmill_hdl::{ModuleBuilder, Signal};

use crate::Sherry;

impl Sherry {
    /// Circuit: the four weights of a code, each as a code of `ternary` (bit 0: not zero, bit 1: −1).
    pub fn decode_circuit<'m>(&self, m: &'m ModuleBuilder, code: Signal<'m>) -> [Signal<'m>; 4] {
        let zero = code.slice(2, 2).named("zero_position");
        let first = code.bit(4);
        // The signs of the first, second and third weight that is not zero.
        let signs = [first, first.xor(code.bit(0)), first.xor(code.bit(1))];
        std::array::from_fn(|lane| {
            let is_zero = zero.eq_value(lane as i128);
            // Behind the zero, the weights are one place late.
            let sign = match lane {
                0 => signs[0],
                3 => signs[2],
                _ => zero.lt(m.lit(2, lane as u64)).mux(signs[lane - 1], signs[lane]),
            };
            m.concat(&[sign.and(is_zero.not()), is_zero.not()])
        })
    }

    /// Circuit: the code of four signed weights. The smallest magnitude becomes zero, the first among
    /// equals; the others keep their signs.
    pub fn encode_circuit<'m>(&self, m: &'m ModuleBuilder, weights: [Signal<'m>; 4]) -> Signal<'m> {
        let magnitude = |w: Signal<'m>| super::unpacked::negate_if(w.msb(), w).as_unsigned();
        let magnitudes = weights.map(magnitude);
        let smaller = |left: (Signal<'m>, Signal<'m>), right: (Signal<'m>, Signal<'m>)| {
            let right_smaller = right.1.lt(left.1);
            (right_smaller.mux(right.0, left.0), right_smaller.mux(right.1, left.1))
        };
        let candidate = |lane: usize| (m.lit(2, lane as u64), magnitudes[lane]);
        let (zero, _) = smaller(smaller(candidate(0), candidate(1)), smaller(candidate(2), candidate(3)));
        let zero = zero.named("zero_position");
        let signs = weights.map(|w| w.msb());
        // The first, second and third weight that is kept.
        let [first, second, third] =
            [0, 1, 2].map(|place| zero.le(m.lit(2, place as u64)).mux(signs[place + 1], signs[place]));
        m.concat(&[first, zero, third.xor(first), second.xor(first)])
    }
}
