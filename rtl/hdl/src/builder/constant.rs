//! Constants.

use num_bigint::BigUint;

use crate::module::Node;
use crate::{ModuleBuilder, Shape, Signal, Source, unsigned};

impl ModuleBuilder {
    /// A constant of the given shape; negative values are two's complement.
    #[track_caller]
    pub fn constant(&self, shape: Shape, value: i128) -> Signal<'_> {
        let at = Source::caller();
        let fits = if shape.signed {
            shape.width >= 127
                || (-(1i128 << (shape.width - 1))..(1i128 << (shape.width - 1))).contains(&value)
        } else {
            value >= 0 && (shape.width >= 127 || value >> shape.width == 0)
        };
        let modulus = BigUint::from(1u8) << shape.width;
        let magnitude = BigUint::from(value.unsigned_abs()) % &modulus;
        let bits = if value < 0 { (&modulus - magnitude) % &modulus } else { magnitude };
        let signal = self.big_constant(shape, bits);
        if !fits {
            signal.illegal("constant", format!("the value {value} does not fit"), at);
        }
        signal
    }

    /// A constant given by its bits.
    #[track_caller]
    pub fn big_constant(&self, shape: Shape, bits: BigUint) -> Signal<'_> {
        let at = Source::caller();
        let too_wide = bits.bits() > u64::from(shape.width);
        let id = self.state.borrow_mut().push(shape, Node::Constant(bits), at);
        let signal = Signal { builder: self, id };
        if too_wide || shape.width == 0 {
            signal.illegal("constant", "the value does not fit".to_owned(), at);
        }
        signal
    }

    /// An unsigned constant of `width` bits.
    #[track_caller]
    pub fn lit(&self, width: u32, value: u64) -> Signal<'_> {
        self.constant(unsigned(width), i128::from(value))
    }

    /// A single constant bit.
    #[track_caller]
    pub fn bit(&self, value: bool) -> Signal<'_> {
        self.lit(1, u64::from(value))
    }
}
