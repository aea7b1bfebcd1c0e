//! The integer dot-product MAC, described a second time in `rust_hdl`, from its contract alone.
//!
//! Nothing is shared with the unit: products are sums of shifted multiplicands, signs are extended by
//! `(x ^ s) - s` with `s` the weight of the sign bit (0 for unsigned operands), and every sum is taken
//! modulo 2^accumulator bits from the start.

use rust_hdl::prelude::*;

use crate::accumulator::Accumulator;

/// Bits in which products are formed; operands of both sides together must fit.
const PRODUCT_BITS: usize = 16;

/// An operand's format.
#[derive(Clone, Copy)]
pub struct Operand {
    /// Bits.
    pub bits: usize,
    /// Two's complement.
    pub signed: bool,
}

impl Operand {
    /// Weight of the sign bit; 0 where there is none.
    fn sign(self) -> u64 {
        if self.signed { 1 << (self.bits - 1) } else { 0 }
    }
}

#[derive(LogicBlock)]
struct Product<const A: usize, const W: usize, const ACC: usize> {
    activation: Signal<In, Bits<A>>,
    weight: Signal<In, Bits<W>>,
    product: Signal<Out, Bits<ACC>>,
    multiplicand: Signal<Local, Bits<PRODUCT_BITS>>,
    multiplier: Signal<Local, Bits<PRODUCT_BITS>>,
    sum: Signal<Local, Bits<PRODUCT_BITS>>,
    activation_sign: Constant<Bits<PRODUCT_BITS>>,
    weight_sign: Constant<Bits<PRODUCT_BITS>>,
    product_sign: Constant<Bits<ACC>>,
}

impl<const A: usize, const W: usize, const ACC: usize> Logic for Product<A, W, ACC> {
    #[hdl_gen]
    fn update(&mut self) {
        self.multiplicand.next = (bit_cast::<PRODUCT_BITS, A>(self.activation.val())
            ^ self.activation_sign.val())
            - self.activation_sign.val();
        self.multiplier.next = (bit_cast::<PRODUCT_BITS, W>(self.weight.val()) ^ self.weight_sign.val())
            - self.weight_sign.val();
        self.sum.next = 0.into();
        for i in 0..16 {
            if self.multiplier.val().get_bit(i) {
                self.sum.next = self.sum.val() + self.multiplicand.val();
            }
            self.multiplicand.next = self.multiplicand.val() << 1;
        }
        self.product.next = (bit_cast::<ACC, PRODUCT_BITS>(self.sum.val()) ^ self.product_sign.val())
            - self.product_sign.val();
    }
}

impl<const A: usize, const W: usize, const ACC: usize> Product<A, W, ACC> {
    fn new(activation: Operand, weight: Operand) -> Self {
        let product = Operand { bits: PRODUCT_BITS, signed: activation.signed || weight.signed };
        Self {
            activation: Signal::default(),
            weight: Signal::default(),
            product: Signal::default(),
            multiplicand: Signal::default(),
            multiplier: Signal::default(),
            sum: Signal::default(),
            activation_sign: Constant::new(activation.sign().into()),
            weight_sign: Constant::new(weight.sign().into()),
            product_sign: Constant::new(product.sign().into()),
        }
    }
}

#[derive(LogicBlock)]
struct Mac<const A: usize, const W: usize, const A2: usize, const W2: usize, const ACC: usize> {
    clk_i: Signal<In, Clock>,
    rst_ni: Signal<In, Bit>,
    valid_i: Signal<In, Bit>,
    first_i: Signal<In, Bit>,
    last_i: Signal<In, Bit>,
    activation_i: Signal<In, Bits<A2>>,
    weight_i: Signal<In, Bits<W2>>,
    result_o: Signal<Out, Bits<ACC>>,
    lane_0: Product<A, W, ACC>,
    lane_1: Product<A, W, ACC>,
    second_activation: Constant<Bits<A2>>,
    second_weight: Constant<Bits<W2>>,
    dot: DFF<Bits<ACC>>,
    accumulator: Accumulator<ACC>,
}

impl<const A: usize, const W: usize, const A2: usize, const W2: usize, const ACC: usize> Logic
    for Mac<A, W, A2, W2, ACC>
{
    #[hdl_gen]
    fn update(&mut self) {
        self.lane_0.activation.next = bit_cast::<A, A2>(self.activation_i.val());
        self.lane_0.weight.next = bit_cast::<W, W2>(self.weight_i.val());
        self.lane_1.activation.next =
            bit_cast::<A, A2>(self.activation_i.val() >> self.second_activation.val());
        self.lane_1.weight.next = bit_cast::<W, W2>(self.weight_i.val() >> self.second_weight.val());
        dff_setup!(self, clk_i, dot);
        self.accumulator.clk_i.next = self.clk_i.val();
        self.accumulator.rst_ni.next = self.rst_ni.val();
        self.accumulator.valid_i.next = self.valid_i.val();
        self.accumulator.first_i.next = self.first_i.val();
        self.accumulator.last_i.next = self.last_i.val();
        self.dot.d.next = self.lane_0.product.val() + self.lane_1.product.val();
        self.accumulator.addend_i.next = self.dot.q.val();
        self.result_o.next = self.accumulator.result_o.val();
    }
}

/// Verilog of a MAC with two lanes; the top module is `top`, its accumulator `accumulator.acc$q` when flattened.
///
/// `A2` and `W2` are twice `A` and `W`: stable Rust cannot compute them in a signature.
pub fn two_lanes<const A: usize, const W: usize, const A2: usize, const W2: usize, const ACC: usize>(
    activation_signed: bool,
    weight_signed: bool,
) -> String {
    assert!(A2 == 2 * A && W2 == 2 * W && A + W <= PRODUCT_BITS && ACC >= PRODUCT_BITS);
    let activation = Operand { bits: A, signed: activation_signed };
    let weight = Operand { bits: W, signed: weight_signed };
    let mut mac = Mac::<A, W, A2, W2, ACC> {
        clk_i: Signal::default(),
        rst_ni: Signal::default(),
        valid_i: Signal::default(),
        first_i: Signal::default(),
        last_i: Signal::default(),
        activation_i: Signal::default(),
        weight_i: Signal::default(),
        result_o: Signal::default(),
        lane_0: Product::new(activation, weight),
        lane_1: Product::new(activation, weight),
        second_activation: Constant::new((A as u64).into()),
        second_weight: Constant::new((W as u64).into()),
        dot: DFF::default(),
        accumulator: Accumulator::default(),
    };
    mac.connect_all();
    generate_verilog_unchecked(&mac)
}
