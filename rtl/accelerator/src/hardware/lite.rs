//! AXI4-Lite slave: turns bus transactions into writes and reads of registers, one of each at a time.
//!
//! Every output comes from a register, so that no path leads through from one bus signal to another.

use std::sync::Arc;

use bitmill_hdl::{HdlError, Module, ModuleBuilder, Register, Signal, unsigned};

use super::axi::RESPONSE_BITS;
use crate::register_map::REGISTER_ADDRESS_BITS;

/// Bits of the data bus.
pub(super) const DATA_BITS: u32 = 32;
/// Strobes of the data bus.
pub(super) const STROBE_BITS: u32 = DATA_BITS / 8;

pub(super) fn module() -> Result<Arc<Module>, HdlError> {
    let m = ModuleBuilder::new(
        "bitmill_axi_lite",
        "AXI4-Lite slave: writes and reads of registers, one of each at a time; SLVERR where there is none.",
    );
    m.group("AXI4-Lite");
    let input = |name: &str, width: u32| m.input(name, unsigned(width));
    let (aw_valid, aw_address) = (input("awvalid_i", 1), input("awaddr_i", REGISTER_ADDRESS_BITS));
    let (w_valid, w_data, w_strobe) =
        (input("wvalid_i", 1), input("wdata_i", DATA_BITS), input("wstrb_i", STROBE_BITS));
    let b_ready = input("bready_i", 1);
    let (ar_valid, ar_address) = (input("arvalid_i", 1), input("araddr_i", REGISTER_ADDRESS_BITS));
    let r_ready = input("rready_i", 1);
    m.group("Registers: what the present write and read find");
    let write_ok = m.input("write_ok_i", unsigned(1));
    let read_ok = m.input("read_ok_i", unsigned(1));
    let read_data = m.input("read_data_i", unsigned(DATA_BITS));

    m.comment(
        "A write happens when its address and its data are there and the answer before has been taken.",
    );
    let [has_address, has_data, answers] =
        ["has_address_q", "has_data_q", "bvalid_q"].map(|name| m.register(name, unsigned(1)));
    let writes = has_address.q().and(has_data.q()).and(answers.q().not()).named("writes");
    let address = taken(&m, "awaddr_q", has_address, aw_valid, writes, aw_address);
    let data = taken(&m, "wdata_q", has_data, w_valid, writes, w_data);
    let strobe = m.register("wstrb_q", unsigned(STROBE_BITS)).without_reset();
    strobe.set_when(w_valid.and(has_data.q().not()), w_strobe);
    answers.set_when(writes.or(b_ready), writes);
    let response = response(&m, "bresp_q", writes, write_ok);

    m.comment("A read happens in the cycle in which its address is taken.");
    let read_answers = m.register("rvalid_q", unsigned(1));
    let reads = ar_valid.and(read_answers.q().not()).named("reads");
    read_answers.set_when(reads.or(r_ready), reads);
    let read_data_q = m.register("rdata_q", unsigned(DATA_BITS)).without_reset();
    read_data_q.set_when(reads, read_data);
    let read_response = self::response(&m, "rresp_q", reads, read_ok);

    m.group("AXI4-Lite answers");
    m.output("awready_o", has_address.q().not());
    m.output("wready_o", has_data.q().not());
    m.output("bvalid_o", answers.q());
    m.output("bresp_o", response);
    m.output("arready_o", read_answers.q().not());
    m.output("rvalid_o", read_answers.q());
    m.output("rdata_o", read_data_q.q());
    m.output("rresp_o", read_response);
    m.group("To the registers");
    m.output("write_o", writes);
    m.output("write_address_o", address);
    m.output("write_data_o", data);
    m.output("write_strobe_o", strobe.q());
    m.output("read_address_o", ar_address);
    m.finish()
}

/// Keeps what a channel brings until `used`; `has` tells that it is there.
fn taken<'m>(
    m: &'m ModuleBuilder,
    name: &str,
    has: Register<'m>,
    valid: Signal<'m>,
    used: Signal<'m>,
    brought: Signal<'m>,
) -> Signal<'m> {
    has.set_when(valid.or(used), used.not());
    let kept = m.register(name, brought.shape()).without_reset();
    kept.set_when(valid.and(has.q().not()), brought);
    kept.q()
}

/// OKAY (0), or SLVERR (2) where there is no such register.
fn response<'m>(m: &'m ModuleBuilder, name: &str, when: Signal<'m>, ok: Signal<'m>) -> Signal<'m> {
    let bad = m.register(name, unsigned(1)).without_reset();
    bad.set_when(when, ok.not());
    let response = m.concat(&[bad.q(), m.bit(false)]);
    debug_assert_eq!(response.width(), RESPONSE_BITS);
    response
}
