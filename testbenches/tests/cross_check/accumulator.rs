//! The frame of a PE, in `rust_hdl`: the control bits wait for the registered dot product, then it is summed.

use rust_hdl::prelude::*;

/// Adds `addend_i`, which comes one clock after its control bits, to a sum that `first_i` starts and `last_i`
/// hands to `result_o`, modulo 2^ACC.
#[derive(LogicBlock, Default)]
pub struct Accumulator<const ACC: usize> {
    pub clk_i: Signal<In, Clock>,
    pub rst_ni: Signal<In, Bit>,
    pub valid_i: Signal<In, Bit>,
    pub first_i: Signal<In, Bit>,
    pub last_i: Signal<In, Bit>,
    pub addend_i: Signal<In, Bits<ACC>>,
    pub result_o: Signal<Out, Bits<ACC>>,
    previous: Signal<Local, Bits<ACC>>,
    sum: Signal<Local, Bits<ACC>>,
    acc: DFF<Bits<ACC>>,
    result: DFF<Bits<ACC>>,
    valid: DFF<Bit>,
    first: DFF<Bit>,
    last: DFF<Bit>,
}

impl<const ACC: usize> Logic for Accumulator<ACC> {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clk_i, acc, result, valid, first, last);
        self.valid.d.next = self.valid_i.val() & self.rst_ni.val();
        self.first.d.next = self.first_i.val();
        self.last.d.next = self.last_i.val();
        self.previous.next = self.acc.q.val();
        if self.first.q.val() {
            self.previous.next = 0.into();
        }
        self.sum.next = self.previous.val() + self.addend_i.val();
        if self.valid.q.val() {
            self.acc.d.next = self.sum.val();
            if self.last.q.val() {
                self.result.d.next = self.sum.val();
            }
        }
        self.result_o.next = self.result.q.val();
    }
}
