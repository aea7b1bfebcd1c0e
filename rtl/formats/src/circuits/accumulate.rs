//! The exact accumulator: a fixed-point register that every product fits into, whole.

use bitmill_hdl::{ModuleBuilder, Signal};

use super::fixed::{Window, to_exact_fixed};
use super::unpacked::Unpacked;
use crate::AccumulatorShape;

/// A product in the register's places, in two's complement but for a carry.
#[derive(Clone, Copy)]
pub struct Addend<'m> {
    /// The places, no wider than the product needs; a negative magnitude is complemented.
    pub bits: Signal<'m>,
    /// 1 more to be added: it makes the complement a negation. `None` if there is no complement.
    pub carry: Option<Signal<'m>>,
}

/// Brings a product into the places of a register that was sized for it.
pub fn addend<'m>(m: &'m ModuleBuilder, product: &Unpacked<'m>, shape: AccumulatorShape) -> Addend<'m> {
    let window = Window { highest: product.top().high(), lowest: shape.lsb_exponent };
    let fixed = to_exact_fixed(m, product, window);
    match product.negative {
        Some(negative) if !product.is_signed() => {
            let flipped = fixed.xor(negative.replicate(fixed.width()));
            Addend { bits: m.concat(&[negative, flipped]).as_signed(), carry: Some(negative) }
        }
        _ => Addend { bits: fixed.to_signed(), carry: None },
    }
}

/// The sum of the register and a product, modulo 2^width.
pub fn accumulate<'m>(register: Signal<'m>, addend: Addend<'m>) -> Signal<'m> {
    let width = register.width();
    let sum = register.add_wrapping(addend.bits.resize(width));
    match addend.carry {
        None => sum,
        Some(carry) => sum.add_wrapping(carry.extend(width).as_signed()),
    }
}
