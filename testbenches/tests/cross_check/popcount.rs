//! The binary PE, described a second time in `rust_hdl`, from its contract alone: lane by lane, 1 is added where
//! the bits agree and subtracted where they do not. No XNOR, no population count.

use rust_hdl::prelude::*;

use crate::accumulator::Accumulator;

/// Lanes of the description.
pub const LANES: usize = 9;

#[derive(LogicBlock, Default)]
struct Binary<const ACC: usize> {
    clk_i: Signal<In, Clock>,
    rst_ni: Signal<In, Bit>,
    valid_i: Signal<In, Bit>,
    first_i: Signal<In, Bit>,
    last_i: Signal<In, Bit>,
    activation_i: Signal<In, Bits<LANES>>,
    weight_i: Signal<In, Bits<LANES>>,
    result_o: Signal<Out, Bits<ACC>>,
    step: Signal<Local, Bits<ACC>>,
    dot: DFF<Bits<ACC>>,
    accumulator: Accumulator<ACC>,
}

impl<const ACC: usize> Logic for Binary<ACC> {
    #[hdl_gen]
    fn update(&mut self) {
        self.step.next = 0.into();
        for i in 0..9 {
            if self.activation_i.val().get_bit(i) ^ self.weight_i.val().get_bit(i) {
                self.step.next = self.step.val() - 1;
            } else {
                self.step.next = self.step.val() + 1;
            }
        }
        dff_setup!(self, clk_i, dot);
        self.accumulator.clk_i.next = self.clk_i.val();
        self.accumulator.rst_ni.next = self.rst_ni.val();
        self.accumulator.valid_i.next = self.valid_i.val();
        self.accumulator.first_i.next = self.first_i.val();
        self.accumulator.last_i.next = self.last_i.val();
        self.dot.d.next = self.step.val();
        self.accumulator.addend_i.next = self.dot.q.val();
        self.result_o.next = self.accumulator.result_o.val();
    }
}

/// Verilog of a binary PE with [`LANES`] lanes; the top module is `top`.
pub fn verilog<const ACC: usize>() -> String {
    let mut binary = Binary::<ACC>::default();
    binary.connect_all();
    generate_verilog_unchecked(&binary)
}
