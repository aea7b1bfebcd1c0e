//! The bit-serial term datapath, described a second time in `rust_hdl`, from its contract alone: a term is
//! presence, sign and exponent, and adds ±activation · 2^exponent; the significance of the cycle shifts the sum.
//!
//! Signs are extended first, terms are negated by subtraction from 0, and every sum is modulo 2^accumulator bits.

use rust_hdl::prelude::*;

use crate::accumulator::Accumulator;

/// Bits of a term: presence, sign, exponent (2).
const TERM: usize = 4;
/// Bits of the weight word of two lanes: two terms, the significance (3) above them.
const WEIGHT: usize = 11;

#[derive(LogicBlock)]
struct Term<const A: usize, const ACC: usize> {
    activation: Signal<In, Bits<A>>,
    term: Signal<In, Bits<TERM>>,
    value: Signal<Out, Bits<ACC>>,
    shifted: Signal<Local, Bits<ACC>>,
    sign: Constant<Bits<ACC>>,
    wide_exponents: Constant<Bit>,
}

impl<const A: usize, const ACC: usize> Logic for Term<A, ACC> {
    #[hdl_gen]
    fn update(&mut self) {
        self.shifted.next = (bit_cast::<ACC, A>(self.activation.val()) ^ self.sign.val()) - self.sign.val();
        if self.term.val().get_bit(2) {
            self.shifted.next = self.shifted.val() << 1;
        }
        if self.term.val().get_bit(3) & self.wide_exponents.val() {
            self.shifted.next = self.shifted.val() << 2;
        }
        self.value.next = 0.into();
        if self.term.val().get_bit(0) {
            self.value.next = self.shifted.val();
            if self.term.val().get_bit(1) {
                self.value.next = bit_cast::<ACC, 1>(0.into()) - self.shifted.val();
            }
        }
    }
}

impl<const A: usize, const ACC: usize> Term<A, ACC> {
    fn new(wide_exponents: bool) -> Self {
        Self {
            activation: Signal::default(),
            term: Signal::default(),
            value: Signal::default(),
            shifted: Signal::default(),
            sign: Constant::new((1u64 << (A - 1)).into()),
            wide_exponents: Constant::new(wide_exponents),
        }
    }
}

#[derive(LogicBlock)]
struct Serial<const A: usize, const A2: usize, const ACC: usize> {
    clk_i: Signal<In, Clock>,
    rst_ni: Signal<In, Bit>,
    valid_i: Signal<In, Bit>,
    first_i: Signal<In, Bit>,
    last_i: Signal<In, Bit>,
    activation_i: Signal<In, Bits<A2>>,
    weight_i: Signal<In, Bits<WEIGHT>>,
    result_o: Signal<Out, Bits<ACC>>,
    lane_0: Term<A, ACC>,
    lane_1: Term<A, ACC>,
    second_activation: Constant<Bits<A2>>,
    significances: Constant<Bits<3>>,
    dot: DFF<Bits<ACC>>,
    significance: DFF<Bits<3>>,
    addend: Signal<Local, Bits<ACC>>,
    accumulator: Accumulator<ACC>,
}

impl<const A: usize, const A2: usize, const ACC: usize> Logic for Serial<A, A2, ACC> {
    #[hdl_gen]
    fn update(&mut self) {
        self.lane_0.activation.next = bit_cast::<A, A2>(self.activation_i.val());
        self.lane_1.activation.next =
            bit_cast::<A, A2>(self.activation_i.val() >> self.second_activation.val());
        self.lane_0.term.next = self.weight_i.val().get_bits::<TERM>(0);
        self.lane_1.term.next = self.weight_i.val().get_bits::<TERM>(4);
        dff_setup!(self, clk_i, dot, significance);
        self.accumulator.clk_i.next = self.clk_i.val();
        self.accumulator.rst_ni.next = self.rst_ni.val();
        self.accumulator.valid_i.next = self.valid_i.val();
        self.accumulator.first_i.next = self.first_i.val();
        self.accumulator.last_i.next = self.last_i.val();
        self.dot.d.next = self.lane_0.value.val() + self.lane_1.value.val();
        self.significance.d.next = self.weight_i.val().get_bits::<3>(8) & self.significances.val();
        self.addend.next = self.dot.q.val();
        if self.significance.q.val().get_bit(0) {
            self.addend.next = self.addend.val() << 1;
        }
        if self.significance.q.val().get_bit(1) {
            self.addend.next = self.addend.val() << 2;
        }
        if self.significance.q.val().get_bit(2) {
            self.addend.next = self.addend.val() << 4;
        }
        self.accumulator.addend_i.next = self.addend.val();
        self.result_o.next = self.accumulator.result_o.val();
    }
}

/// Verilog of the datapath with two lanes; the top module is `top`. `A2` is twice `A`. Exponents reach 3 if
/// `wide_exponents`, else 1; `significances` has the bits that a significance may have.
pub fn two_lanes<const A: usize, const A2: usize, const ACC: usize>(
    wide_exponents: bool,
    significances: u64,
) -> String {
    assert!(A2 == 2 * A);
    let mut serial = Serial::<A, A2, ACC> {
        clk_i: Signal::default(),
        rst_ni: Signal::default(),
        valid_i: Signal::default(),
        first_i: Signal::default(),
        last_i: Signal::default(),
        activation_i: Signal::default(),
        weight_i: Signal::default(),
        result_o: Signal::default(),
        lane_0: Term::new(wide_exponents),
        lane_1: Term::new(wide_exponents),
        second_activation: Constant::new((A as u64).into()),
        significances: Constant::new(significances.into()),
        dot: DFF::default(),
        significance: DFF::default(),
        addend: Signal::default(),
        accumulator: Accumulator::default(),
    };
    serial.connect_all();
    generate_verilog_unchecked(&serial)
}
