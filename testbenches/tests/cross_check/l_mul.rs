//! L-Mul's integer adder, described a second time in `rust_hdl`, from its definition alone: magnitude codes add,
//! and comparisons with the ends of the range, moved by the constant, tell underflow and overflow. No guard bits.
//!
//! For formats without infinities: NaN is at the top of the codes or nowhere, and overflow saturates.

use rust_hdl::prelude::*;

/// Bits in which codes are added.
const SUM: usize = 12;

#[derive(LogicBlock)]
struct LMul<const N: usize> {
    a_i: Signal<In, Bits<N>>,
    b_i: Signal<In, Bits<N>>,
    product_o: Signal<Out, Bits<N>>,
    a: Signal<Local, Bits<SUM>>,
    b: Signal<Local, Bits<SUM>>,
    sum: Signal<Local, Bits<SUM>>,
    magnitude: Signal<Local, Bits<SUM>>,
    signs: Signal<Local, Bits<N>>,
    magnitudes: Constant<Bits<N>>,
    sign_bit: Constant<Bits<N>>,
    least_normal: Constant<Bits<SUM>>,
    least_sum: Constant<Bits<SUM>>,
    largest_sum: Constant<Bits<SUM>>,
    constant: Constant<Bits<SUM>>,
    nan: Constant<Bits<SUM>>,
}

impl<const N: usize> Logic for LMul<N> {
    #[hdl_gen]
    fn update(&mut self) {
        self.a.next = bit_cast::<SUM, N>(self.a_i.val() & self.magnitudes.val());
        self.b.next = bit_cast::<SUM, N>(self.b_i.val() & self.magnitudes.val());
        self.sum.next = self.a.val() + self.b.val();
        if self.sum.val() > self.largest_sum.val() {
            self.sum.next = self.largest_sum.val();
        }
        self.magnitude.next = self.sum.val() - self.constant.val();
        if (self.sum.val() < self.least_sum.val())
            | (self.a.val() < self.least_normal.val())
            | (self.b.val() < self.least_normal.val())
        {
            self.magnitude.next = 0.into();
        }
        self.signs.next = (self.a_i.val() ^ self.b_i.val()) & self.sign_bit.val();
        if (self.a.val() == self.nan.val()) | (self.b.val() == self.nan.val()) {
            self.magnitude.next = self.nan.val();
            self.signs.next = 0.into();
        }
        self.product_o.next = bit_cast::<N, SUM>(self.magnitude.val()) | self.signs.val();
    }
}

/// Verilog for a format of `N` bits with `mantissa_bits`: the top module is `top`. `constant` is what the
/// biases and the correction take from the sum; `nan` is NaN's code, one that no operand has if there is none.
pub fn verilog<const N: usize>(mantissa_bits: u32, constant: u64, largest: u64, nan: u64) -> String {
    let least_normal = 1u64 << mantissa_bits;
    let mut multiplier = LMul::<N> {
        a_i: Signal::default(),
        b_i: Signal::default(),
        product_o: Signal::default(),
        a: Signal::default(),
        b: Signal::default(),
        sum: Signal::default(),
        magnitude: Signal::default(),
        signs: Signal::default(),
        magnitudes: Constant::new(((1u64 << (N - 1)) - 1).into()),
        sign_bit: Constant::new((1u64 << (N - 1)).into()),
        least_normal: Constant::new(least_normal.into()),
        least_sum: Constant::new((least_normal + constant).into()),
        largest_sum: Constant::new((largest + constant).into()),
        constant: Constant::new(constant.into()),
        nan: Constant::new(nan.into()),
    };
    multiplier.connect_all();
    generate_verilog_unchecked(&multiplier)
}
